//! Accounting and scrubbing: how much space, and whether every byte is still the one stored.

use std::collections::{BTreeMap, BTreeSet};

use content_id::{ContentId, Digest};

use crate::{
    BlobStore, DocumentKey, DocumentKind, Error, ErrorKind, Manifest, ManifestName, Pin, Reason, blobs,
    manifest::Content, named,
};

/// How much space a store takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Each manifest, by name.
    pub manifests: Vec<ManifestUsage>,
    /// Bytes of blobs that no manifest names.
    pub unreferenced_bytes: u64,
    /// Bytes of all blobs, each counted once.
    pub total_bytes: u64,
    /// Number of all blobs.
    pub blobs: u64,
    /// Bytes in quarantine.
    pub quarantined_bytes: u64,
}

/// How much space one manifest takes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ManifestUsage {
    /// The manifest.
    pub name: ManifestName,
    /// Bytes of its blobs, each counted once.
    pub bytes: u64,
    /// Bytes of those blobs that no other manifest names: what its removal frees.
    pub own_bytes: u64,
}

/// What a scrub does; nothing but look, by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyOptions {
    /// Quarantines damaged blobs, so that they are fetched again, and removes damaged documents. Off.
    pub repair: bool,
}

/// What a scrub found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Blobs read and hashed.
    pub checked: u64,
    /// Bytes read and hashed.
    pub bytes: u64,
    /// Blobs that are not what their name says, with the size that is stored.
    pub damaged: Vec<ContentId>,
    /// Files of manifests whose blob is not there, or is damaged.
    pub missing: Vec<MissingFile>,
    /// Manifests and pins that cannot be read, and why.
    pub unreadable: Vec<(DocumentKey, ErrorKind)>,
    /// Pins whose manifest is not there.
    pub dangling_pins: Vec<String>,
    /// Damaged blobs quarantined and damaged documents removed.
    pub repaired: u64,
}

/// A file of a manifest whose blob is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MissingFile {
    /// The manifest.
    pub manifest: ManifestName,
    /// The path of the file in it.
    pub path: String,
    /// What should be there.
    pub content: ContentId,
}

impl VerifyOptions {
    /// Sets whether damage is taken out of the way.
    #[must_use]
    pub const fn repair(self, repair: bool) -> Self {
        Self { repair }
    }
}

impl VerifyReport {
    /// Returns whether nothing is wrong, or left wrong.
    pub fn is_sound(&self) -> bool {
        self.damaged.is_empty()
            && self.missing.is_empty()
            && self.unreadable.is_empty()
            && self.dangling_pins.is_empty()
    }
}

pub(crate) async fn usage<S: BlobStore + ?Sized>(store: &S) -> Result<Usage, Error> {
    let manifests = named::manifests(store).await?;
    let mut users: BTreeMap<Digest, u32> = BTreeMap::new();
    for digest in manifests.iter().flat_map(|manifest| manifest.blobs().into_keys()) {
        *users.entry(digest).or_default() += 1;
    }
    let mut usage = Usage::default();
    for blob in store.blobs().await? {
        usage.blobs += 1;
        usage.total_bytes += blob.id.size;
        if !users.contains_key(&blob.id.digest) {
            usage.unreferenced_bytes += blob.id.size;
        }
    }
    usage.quarantined_bytes = store.quarantined().await?.iter().map(|held| held.size).sum();
    usage.manifests = manifests
        .into_iter()
        .map(|manifest| ManifestUsage {
            bytes: manifest.bytes(),
            own_bytes: manifest
                .blobs()
                .iter()
                .filter(|(digest, _)| users[digest] == 1)
                .map(|(_, size)| size)
                .sum(),
            name: manifest.name,
        })
        .collect();
    Ok(usage)
}

pub(crate) async fn verify<S: BlobStore + ?Sized>(
    store: &S,
    options: &VerifyOptions,
) -> Result<VerifyReport, Error> {
    let mut report = VerifyReport::default();
    let mut sound = BTreeSet::new();
    for blob in store.blobs().await? {
        match blobs::is_sound(store, blob.id).await {
            Ok(true) => {
                sound.insert(blob.id);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => continue, // Removed since the listing.
            Err(error) if error.kind() != ErrorKind::Damaged => return Err(error),
            _ => {
                report.damaged.push(blob.id);
                if options.repair && store.quarantine(blob.id.digest, Reason::Damaged).await? {
                    report.repaired += 1;
                }
            }
        }
        report.checked += 1;
        report.bytes += blob.id.size;
    }
    let manifests: Vec<Manifest> = readable(store, DocumentKind::Manifest, options, &mut report).await?;
    let pins: Vec<Pin> = readable(store, DocumentKind::Pin, options, &mut report).await?;
    let damaged: BTreeSet<ContentId> = report.damaged.iter().copied().collect();
    for manifest in &manifests {
        for (path, file) in &manifest.files {
            let id = file.content;
            // What was published since the listing is neither in one list nor in the other.
            if !sound.contains(&id) && (damaged.contains(&id) || !store.contains(id).await?) {
                let (manifest, path) = (manifest.name.clone(), path.clone());
                report.missing.push(MissingFile { manifest, path, content: id });
            }
        }
    }
    for pin in pins {
        match store.document(&pin.manifest.key()).await {
            Ok(None) => report.dangling_pins.push(pin.name),
            Err(error) if error.kind() != ErrorKind::Damaged => return Err(error),
            _ => {}
        }
    }
    report.damaged.sort();
    report.missing.sort_by(|a, b| (&a.manifest, &a.path).cmp(&(&b.manifest, &b.path)));
    report.dangling_pins.sort();
    Ok(report)
}

pub(crate) async fn remove_damaged_documents<S: BlobStore + ?Sized>(store: &S) -> Result<u64, Error> {
    let (options, mut report) = (VerifyOptions::default().repair(true), VerifyReport::default());
    readable::<S, Manifest>(store, DocumentKind::Manifest, &options, &mut report).await?;
    readable::<S, Pin>(store, DocumentKind::Pin, &options, &mut report).await?;
    Ok(report.repaired)
}

/// The documents of a kind that can be read; the others go into the report.
async fn readable<S: BlobStore + ?Sized, C: Content>(
    store: &S,
    kind: DocumentKind,
    options: &VerifyOptions,
    report: &mut VerifyReport,
) -> Result<Vec<C>, Error> {
    let mut contents = Vec::new();
    for (key, document) in store.documents(kind).await? {
        let content = document.and_then(|document| {
            C::decode(&key, &document.bytes).map_err(|e| e.with_version(document.version))
        });
        match content {
            Ok(content) => contents.push(content),
            Err(error) => {
                report.unreadable.push((key, error.kind()));
                // A newer program's document is not damage.
                if let (true, ErrorKind::Damaged, Some(version)) =
                    (options.repair, error.kind(), error.version())
                {
                    store.remove_document(&key, version).await?;
                    report.repaired += 1;
                }
            }
        }
    }
    Ok(contents)
}
