//! What a scrub found, store by store and model by model.

use std::collections::BTreeMap;

use content_id::{ContentId, Digest};
use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::{DocumentKey, ErrorKind, ManifestName};

/// What a scrub found.
///
/// As JSON it is an object with these names: blobs are `{"digest", "size"}`, manifests `{"hub", "model",
/// "revision"}`, each unreadable document `{"document": {"kind", "digest"}, "why"}`, and kinds of errors lower-case
/// words such as `damaged` and `not_found`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Blobs read and hashed.
    pub checked: u64,
    /// Bytes read and hashed.
    pub bytes: u64,
    /// Blobs that are not what their name says, with the size that is stored.
    pub damaged: Vec<ContentId>,
    /// Blobs that the storage failed to read, for example because of a bad sector.
    pub unread: Vec<ContentId>,
    /// Files of manifests whose blob is not there, or is damaged, and was not fetched again.
    pub missing: Vec<MissingFile>,
    /// Manifests and pins that cannot be read, and why.
    #[serde(serialize_with = "with_names")]
    pub unreadable: Vec<(DocumentKey, ErrorKind)>,
    /// Pins whose manifest is not there.
    pub dangling_pins: Vec<String>,
    /// Damaged blobs quarantined and damaged documents removed.
    pub repaired: u64,
    /// Blobs fetched again from the source.
    pub refetched: Vec<ContentId>,
    /// Blobs that the source did not deliver.
    pub not_refetched: Vec<NotRefetched>,
    /// Each model, by name, as far as this scrub has looked at it.
    pub models: Vec<ModelHealth>,
    /// Whether the scrub came to the end of the store.
    pub complete: bool,
    /// If it did not, where to go on; nothing: at the start.
    pub next: Option<Digest>,
}

/// How one model is. A blob counts as often as files are made of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ModelHealth {
    /// The manifest.
    pub name: ManifestName,
    /// Files looked at.
    pub files: u64,
    /// Bytes of these files.
    pub bytes: u64,
    /// Files whose blob was damaged or could not be read.
    pub damaged: u64,
    /// Files whose blob was fetched again.
    pub refetched: u64,
    /// Files without a sound blob in the end.
    pub missing: u64,
}

/// A file of a manifest whose blob is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MissingFile {
    /// The manifest.
    pub manifest: ManifestName,
    /// The path of the file in it.
    pub path: String,
    /// What should be there.
    pub content: ContentId,
}

/// A blob that could not be fetched again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NotRefetched {
    /// What was wanted.
    pub content: ContentId,
    /// What kind of failure it was.
    pub kind: ErrorKind,
    /// What failed, for people.
    pub why: String,
}

impl VerifyReport {
    /// Returns whether nothing is wrong, or left wrong, as far as the scrub has looked. A blob that was damaged is
    /// wrong even if it was fetched again: something damages blobs.
    pub fn is_sound(&self) -> bool {
        self.damaged.is_empty()
            && self.unread.is_empty()
            && self.missing.is_empty()
            && self.unreadable.is_empty()
            && self.dangling_pins.is_empty()
    }

    /// Adds the report of the scrub that took this one up.
    pub fn merge(&mut self, later: Self) {
        self.checked += later.checked;
        self.bytes += later.bytes;
        self.repaired += later.repaired;
        self.damaged.extend(later.damaged);
        self.unread.extend(later.unread);
        self.missing.extend(later.missing);
        self.refetched.extend(later.refetched);
        self.not_refetched.extend(later.not_refetched);
        // Every scrub looks at all documents.
        self.unreadable.extend(later.unreadable);
        self.dangling_pins.extend(later.dangling_pins);
        let mut models: BTreeMap<ManifestName, ModelHealth> = BTreeMap::new();
        for health in self.models.drain(..).chain(later.models) {
            match models.get_mut(&health.name) {
                Some(before) => before.add(&health),
                None => drop(models.insert(health.name.clone(), health)),
            }
        }
        self.models = models.into_values().collect();
        (self.complete, self.next) = (later.complete, later.next);
        self.sort();
    }

    /// Puts everything into an order that does not depend on the backend.
    pub(super) fn sort(&mut self) {
        for blobs in [&mut self.damaged, &mut self.unread, &mut self.refetched] {
            blobs.sort_unstable();
        }
        self.missing.sort_unstable_by(|a, b| (&a.manifest, &a.path).cmp(&(&b.manifest, &b.path)));
        self.not_refetched.sort_by_key(|failed| failed.content);
        self.unreadable.sort_unstable_by_key(|(key, _)| *key);
        self.unreadable.dedup();
        self.dangling_pins.sort_unstable();
        self.dangling_pins.dedup();
        self.models.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    }
}

impl ModelHealth {
    pub(super) const fn new(name: ManifestName) -> Self {
        Self { name, files: 0, bytes: 0, damaged: 0, refetched: 0, missing: 0 }
    }

    fn add(&mut self, other: &Self) {
        self.files += other.files;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.damaged += other.damaged;
        self.refetched += other.refetched;
        self.missing += other.missing;
    }

    /// Returns whether all files looked at have a sound blob now.
    pub const fn is_sound(&self) -> bool {
        self.missing == 0
    }
}

/// Pairs as objects, so that a reader need not know what comes first.
fn with_names<S: Serializer>(pairs: &[(DocumentKey, ErrorKind)], serializer: S) -> Result<S::Ok, S::Error> {
    struct Named<'a>(&'a (DocumentKey, ErrorKind));

    impl Serialize for Named<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut object = serializer.serialize_struct("Unreadable", 2)?;
            object.serialize_field("document", &self.0.0)?;
            object.serialize_field("why", &self.0.1)?;
            object.end()
        }
    }

    serializer.collect_seq(pairs.iter().map(Named))
}
