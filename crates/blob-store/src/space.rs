//! Space: whether a model fits before it is fetched, and which models make room for it.
//!
//! A plan reads only. What it would evict is what was used least lately, of the models that nobody pins, uses or has
//! open; what it frees is what no other manifest names. Carrying it out looks at each of them again.

use std::collections::{BTreeMap, BTreeSet};

use content_id::{ContentId, Digest};
use serde::Serialize;

use crate::{
    BlobStore, Document, Error, ErrorKind, ManifestName, Version, gc, named,
    outline::{self, Outline},
    removal::{self, Announced, Holds},
};

/// How much room a store may take; all there is, by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpaceOptions {
    /// Bytes that the blobs may take together; no limit by default.
    pub quota: Option<u64>,
    /// Bytes that must stay free where the store is, as far as the backend can tell; none by default.
    pub keep_free: u64,
}

/// What has to be done to store some blobs; decided before the first byte of them is fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SpacePlan {
    /// Bytes of the wanted blobs, each counted once.
    pub needed: u64,
    /// Bytes of those that are in the store already.
    pub held: u64,
    /// Bytes of all blobs in the store, each counted once, and of its quarantine.
    pub stored: u64,
    /// Bytes of blobs that no manifest names and nobody wants here: a collection frees them, once they are old.
    pub unreferenced: u64,
    /// Bytes that can still be written where the store is, if the backend can tell.
    pub free: Option<u64>,
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
    /// What the plan saw: who writes it since has a use for it.
    #[serde(skip)]
    version: Option<Version>,
}

/// What was evicted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Evicted {
    /// The manifests that went.
    pub manifests: Vec<ManifestName>,
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
    pub const fn quota(self, bytes: u64) -> Self {
        Self { quota: Some(bytes), ..self }
    }

    /// Sets how many bytes must stay free where the store is.
    #[must_use]
    pub const fn keep_free(self, bytes: u64) -> Self {
        Self { keep_free: bytes, ..self }
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
            detail += &format!("; {} of a quota of {quota} are taken", self.stored);
        }
        let evictable: u64 = self.evict.iter().map(|eviction| eviction.bytes).sum();
        detail += &format!("; {evictable} could be evicted");
        Err(Error::new(ErrorKind::NoSpace, "make room", "for new blobs").with_detail(detail))
    }

    /// How many bytes have to go.
    fn excess(&self) -> u64 {
        let over_quota =
            self.quota.map_or(0, |quota| (self.stored.saturating_add(self.to_fetch())).saturating_sub(quota));
        let wanted = self.to_fetch();
        let over_disk = match self.free {
            // Who writes nothing needs no room.
            Some(free) if wanted != 0 => wanted.saturating_add(self.keep_free).saturating_sub(free),
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
        needed: wanted.values().copied().fold(0, u64::saturating_add),
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
    let mut excess = plan.excess();
    if excess == 0 {
        return Ok(plan);
    }
    let pinned: BTreeSet<ManifestName> =
        named::pins(store).await?.into_iter().map(|pin| pin.manifest).collect();
    let mut candidates: Vec<(Outline, Document)> =
        outlines.into_iter().filter(|(manifest, _)| !pinned.contains(&manifest.name)).collect();
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
        evicted.push((Eviction { manifest: manifest.name, bytes, used, version }, blobs));
    }
    // What has no part in what is freed, alone or with others, need not go.
    evicted.retain(|(_, blobs)| !blobs.is_disjoint(&freed));
    plan.evict = evicted.into_iter().map(|(eviction, _)| eviction).collect();
    plan.short_by = excess;
    Ok(plan)
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
    let settled = removal::settle(store, announced, Holds::Heed).await?;
    let mut gone = settled.blobs();
    gone.retain(|digest, _| !plan.wanted.contains(digest));
    evicted.manifests.extend(settled.removed.into_iter().map(|manifest| manifest.name));
    evicted.kept.extend(settled.used.into_keys().chain(settled.changed));
    for held in gc::remove_unnamed(store, &gone).await? {
        evicted.blobs += 1;
        evicted.bytes += held.size;
    }
    Ok(evicted)
}
