//! Space: whether a model fits before it is fetched, and which models make room for it.
//!
//! A plan reads only. What it would evict is what was used least lately, of the models that nobody pins, uses or has
//! open; what it frees is what no other manifest names. Carrying it out looks at each of them again.

use std::collections::{BTreeMap, BTreeSet};

use content_id::{ContentId, Digest};
use serde::Serialize;

use crate::{
    BlobStore, Document, DocumentKind, Error, ErrorKind, ManifestName, Pin, Version, gc, named,
    outline::{self, Outline},
    removal::{self, Announced, Holds},
};

/// How much room a store may take; all there is, by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpaceOptions {
    /// Bytes that the blobs may take together; no limit by default.
    pub quota: Option<u64>,
    /// Bytes that must stay free where the store is, as far as the backend can tell; none by default.
    pub keep_free: u64,
    /// Bytes of further blobs that are wanted, whose digests nobody knows yet; none by default.
    pub more: u64,
    /// Bytes that are going to be freed first, as by a collection; none by default.
    pub freed_first: u64,
    /// Manifests that stay in any case.
    pub keep: Vec<ManifestName>,
    /// Whether a manifest may go whose pins all [yield](crate::Pin::yields), and they with it. Off: any pin keeps its
    /// manifest.
    pub yielding: bool,
}

/// What has to be done to store some blobs; decided before the first byte of them is fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SpacePlan {
    /// Bytes of the wanted blobs, each counted once, and of those whose digests are not known yet.
    pub needed: u64,
    /// Bytes of those that are in the store already.
    pub held: u64,
    /// Bytes of all blobs in the store, each counted once, and of its quarantine.
    pub stored: u64,
    /// Bytes of blobs that no manifest names and nobody wants here: a collection frees them, once they are old.
    pub unreferenced: u64,
    /// Bytes that can still be written where the store is, if the backend can tell.
    pub free: Option<u64>,
    /// Bytes of interrupted stages that could be resumed. They may be parts of what is wanted, and count as free up to
    /// what is to be fetched.
    pub staged: u64,
    /// Bytes that are going to be freed first.
    pub freed_first: u64,
    /// The quota asked for.
    pub quota: Option<u64>,
    /// Bytes that must stay free.
    pub keep_free: u64,
    /// What has to go, in the order of its going: least lately used first.
    pub evict: Vec<Eviction>,
    /// Bytes that are missing even then; none if it fits.
    pub short_by: u64,
    /// What must not go with the evicted: it is wanted.
    #[serde(skip)]
    wanted: BTreeSet<Digest>,
}

/// A manifest that makes room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Eviction {
    /// The manifest.
    pub manifest: ManifestName,
    /// Bytes that go with it, after those before it have gone.
    pub bytes: u64,
    /// When it was used last, in Unix seconds.
    pub used: u64,
    /// The pins that yield, and go with it.
    pub pins: Vec<String>,
    /// What the plan saw: who writes it since has a use for it.
    #[serde(skip)]
    version: Option<Version>,
    /// The same for its pins.
    #[serde(skip)]
    yielding: BTreeMap<String, Version>,
}

/// What was evicted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Evicted {
    /// The manifests that went.
    pub manifests: Vec<ManifestName>,
    /// The pins that yielded, and went with them.
    pub pins: Vec<String>,
    /// Those of the plan that somebody has come to use since, or has changed.
    pub kept: Vec<ManifestName>,
    /// The blobs removed.
    pub blobs: u64,
    /// Bytes freed.
    pub bytes: u64,
}

impl SpaceOptions {
    /// Sets how many bytes the blobs may take together.
    #[must_use]
    pub fn quota(self, bytes: u64) -> Self {
        Self { quota: Some(bytes), ..self }
    }

    /// Sets how many bytes must stay free where the store is.
    #[must_use]
    pub fn keep_free(self, bytes: u64) -> Self {
        Self { keep_free: bytes, ..self }
    }

    /// Sets how many bytes are wanted beside the blobs that can be named.
    #[must_use]
    pub fn more(self, bytes: u64) -> Self {
        Self { more: bytes, ..self }
    }

    /// Sets how many bytes are going to be freed first.
    #[must_use]
    pub fn freed_first(self, bytes: u64) -> Self {
        Self { freed_first: bytes, ..self }
    }

    /// Keeps a manifest.
    #[must_use]
    pub fn keep(mut self, manifest: ManifestName) -> Self {
        self.keep.push(manifest);
        self
    }

    /// Sets whether pins that yield give way.
    #[must_use]
    pub fn yielding(self, yielding: bool) -> Self {
        Self { yielding, ..self }
    }
}

impl SpacePlan {
    /// Returns whether the wanted blobs fit, after the evictions.
    pub const fn fits(&self) -> bool {
        self.short_by == 0
    }

    /// Returns how many bytes are to be fetched.
    pub const fn to_fetch(&self) -> u64 {
        self.needed.saturating_sub(self.held)
    }

    /// Refuses a plan that does not fit.
    ///
    /// # Errors
    ///
    /// `NoSpace`, with the numbers.
    pub fn check(&self) -> Result<(), Error> {
        if self.fits() {
            return Ok(());
        }
        let mut detail = format!("{} more bytes are needed, {} too many", self.to_fetch(), self.short_by);
        if let Some(free) = self.free {
            detail += &format!("; {free} are free, of which {} must stay so", self.keep_free);
        }
        if let Some(quota) = self.quota {
            let stored = self.stored.saturating_sub(self.freed_first);
            detail += &format!("; {stored} of a quota of {quota} are taken");
        }
        let evictable: u64 = self.evict.iter().map(|eviction| eviction.bytes).sum();
        detail += &format!("; {evictable} could be evicted");
        Err(Error::new(ErrorKind::NoSpace, "make room", "for new blobs").with_detail(detail))
    }

    /// How many bytes have to go.
    fn excess(&self) -> u64 {
        let wanted = self.to_fetch();
        let stored = self.stored.saturating_sub(self.freed_first);
        let over_quota = self.quota.map_or(0, |quota| stored.saturating_add(wanted).saturating_sub(quota));
        let over_disk = match self.free {
            // Who writes nothing needs no room.
            Some(free) if wanted != 0 => {
                let free = free.saturating_add(self.freed_first).saturating_add(self.staged.min(wanted));
                wanted.saturating_add(self.keep_free).saturating_sub(free)
            }
            _ => 0,
        };
        over_quota.max(over_disk)
    }
}

pub(crate) async fn plan<S: BlobStore + ?Sized>(
    store: &S,
    wanted: &[ContentId],
    options: &SpaceOptions,
) -> Result<SpacePlan, Error> {
    let wanted: BTreeMap<Digest, u64> = wanted.iter().map(|id| (id.digest, id.size)).collect();
    let outlines = outline::with_documents(store).await?;
    let mut users: BTreeMap<Digest, u32> = BTreeMap::new();
    for digest in outlines.iter().flat_map(|(manifest, _)| digests(manifest)) {
        *users.entry(digest).or_default() += 1;
    }
    let mut plan = SpacePlan {
        needed: wanted.values().copied().fold(options.more, u64::saturating_add),
        freed_first: options.freed_first,
        free: store.free_space().await?,
        quota: options.quota,
        keep_free: options.keep_free,
        wanted: wanted.keys().copied().collect(),
        ..SpacePlan::default()
    };
    let mut sizes = BTreeMap::new();
    for blob in store.blobs().await? {
        plan.stored += blob.id.size;
        match wanted.get(&blob.id.digest) {
            Some(size) if *size == blob.id.size => plan.held += size,
            Some(_) => {}
            None if !users.contains_key(&blob.id.digest) => plan.unreferenced += blob.id.size,
            None => {}
        }
        sizes.insert(blob.id.digest, blob.id.size);
    }
    let held: u64 = store.quarantined().await?.iter().map(|held| held.size).fold(0, u64::saturating_add);
    plan.stored = plan.stored.saturating_add(held);
    let resumable = store.stages().await?.into_iter().filter(|stage| stage.resumable && !stage.owned);
    plan.staged = resumable.map(|stage| stage.bytes).fold(0, u64::saturating_add);
    let mut excess = plan.excess();
    if excess == 0 {
        return Ok(plan);
    }
    let (stay, mut yielding) = pinned(store, options).await?;
    let mut candidates: Vec<(Outline, Document)> =
        outlines.into_iter().filter(|(manifest, _)| !stay.contains(&manifest.name)).collect();
    candidates.sort_by(|(a, _), (b, _)| (a.used, &a.name).cmp(&(b.used, &b.name)));
    let mut evicted = Vec::new();
    let mut freed = BTreeSet::new();
    for (manifest, document) in candidates {
        if excess == 0 {
            break;
        }
        if store.is_locked(&manifest.name.key()).await? {
            continue;
        }
        let mut bytes: u64 = 0;
        let blobs = digests(&manifest);
        for digest in blobs.iter().copied() {
            let count = users.entry(digest).or_default();
            *count = count.saturating_sub(1);
            if *count == 0 && !plan.wanted.contains(&digest) {
                bytes = bytes.saturating_add(sizes.get(&digest).copied().unwrap_or(0));
                freed.insert(digest);
            }
        }
        excess = excess.saturating_sub(bytes);
        let (used, version) = (manifest.used, Some(document.version));
        let yielding = yielding.remove(&manifest.name).unwrap_or_default();
        let pins = yielding.keys().cloned().collect();
        evicted.push((Eviction { manifest: manifest.name, bytes, used, pins, version, yielding }, blobs));
    }
    // What has no part in what is freed, alone or with others, need not go.
    evicted.retain(|(_, blobs)| !blobs.is_disjoint(&freed));
    plan.evict = evicted.into_iter().map(|(eviction, _)| eviction).collect();
    plan.short_by = excess;
    Ok(plan)
}

/// Which manifests stay, and by which pins the others are held that yield.
async fn pinned<S: BlobStore + ?Sized>(
    store: &S,
    options: &SpaceOptions,
) -> Result<(BTreeSet<ManifestName>, BTreeMap<ManifestName, BTreeMap<String, Version>>), Error> {
    let mut stay: BTreeSet<ManifestName> = options.keep.iter().cloned().collect();
    let mut yielding: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    let pins: Vec<(Pin, Document)> = named::all(store, DocumentKind::Pin).await?;
    for (pin, document) in pins {
        if options.yielding && pin.yields {
            yielding.entry(pin.manifest).or_default().insert(pin.name, document.version);
        } else {
            stay.insert(pin.manifest);
        }
    }
    Ok((stay, yielding))
}

/// The distinct blobs of a manifest.
fn digests(manifest: &Outline) -> BTreeSet<Digest> {
    manifest.files.iter().map(|(_, id)| id.digest).collect()
}

pub(crate) async fn make_room<S: BlobStore + ?Sized>(store: &S, plan: &SpacePlan) -> Result<Evicted, Error> {
    let mut evicted = Evicted::default();
    let mut announced: Vec<Announced> = Vec::new();
    for eviction in &plan.evict {
        let key = eviction.manifest.key();
        let Some(document) = store.own_document(&key).await? else { continue };
        let manifest = Outline::decode(&key, &document.bytes)?;
        let again = Some(document.version) != eviction.version || store.is_locked(&key).await?;
        match if again { None } else { removal::announce(store, manifest, document).await? } {
            Some(manifest) => announced.push(manifest),
            None => evicted.kept.push(eviction.manifest.clone()),
        }
    }
    let yielding: BTreeMap<_, _> =
        plan.evict.iter().flat_map(|eviction| &eviction.yielding).map(|(n, v)| (n.clone(), *v)).collect();
    let settled = removal::settle_but(store, announced, Holds::Heed, &yielding).await?;
    let mut gone = settled.blobs();
    gone.retain(|digest, _| !plan.wanted.contains(digest));
    evicted.manifests.extend(settled.removed.into_iter().map(|manifest| manifest.name));
    evicted.kept.extend(settled.used.into_keys().chain(settled.changed));
    for held in gc::remove_unnamed(store, &gone).await? {
        evicted.blobs += 1;
        evicted.bytes += held.size;
    }
    // Last, so that whoever is killed here leaves a pin without its manifest, which tells what was evicted.
    for eviction in plan.evict.iter().filter(|eviction| evicted.manifests.contains(&eviction.manifest)) {
        for (name, version) in &eviction.yielding {
            match store.remove_document(&Pin::key_of(name), *version).await {
                Ok(()) => evicted.pins.push(name.clone()),
                // Somebody moved it to another manifest, or removed it.
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(evicted)
}
