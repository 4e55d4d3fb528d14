//! Manifests and pins: what is written in the documents.

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use content_id::{ContentId, Digest};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{DocumentKey, DocumentKind, Error, ErrorKind, PartHashes, User, removal::LEAVING};

/// The format version that this crate writes, and the highest it reads.
///
/// Within a version fields may be added: readers keep those they do not know. A change that an older reader must
/// not overlook raises the version, and the older reader refuses with [`ErrorKind::Unsupported`].
pub const FORMAT_VERSION: u32 = 1;

/// Bytes in a name, or one part of it, at most.
const NAME_BYTES: usize = 4096;

/// What a manifest is about: one revision of a model on one hub.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ManifestName {
    /// The hub's stable identity, for example `huggingface.co`.
    pub hub: String,
    /// The model id on that hub.
    pub model: String,
    /// The branch, tag or commit asked for.
    pub revision: String,
}

/// The files of one revision of a model.
///
/// ```
/// use blob_store::{FileEntry, Manifest, ManifestName};
/// use content_id::ContentId;
///
/// let mut manifest = Manifest::new(ManifestName::new("huggingface.co", "org/name", "main"), 1_700_000_000);
/// let entry = FileEntry::new(ContentId::of(b"{}"), 1_700_000_000);
/// manifest.files.insert("config.json".into(), entry);
/// assert_eq!(manifest.bytes(), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Manifest {
    /// The version of the format it was written in.
    pub format_version: u32,
    /// What it is about.
    pub name: ManifestName,
    /// The commit that the revision stood for, where the hub says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The files by their path in the model.
    pub files: BTreeMap<String, FileEntry>,
    /// When the manifest was first written, in Unix seconds.
    pub created: u64,
    /// When the model was last used, in Unix seconds; roughly, for eviction.
    #[serde(default)]
    pub used: u64,
    /// Fields of a later program, kept as they are.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// One file of a manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FileEntry {
    /// What it is.
    pub content: ContentId,
    /// The hub's validator, for asking whether it changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Where the bytes came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// When they were fetched, in Unix seconds.
    pub fetched: u64,
    /// The digests of its parts, so that a repair fetches no more than what is damaged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<PartHashes>,
    /// Fields of a later program, kept as they are.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// A named use of a manifest, for example `task:feature-extraction`; what is pinned is never collected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Pin {
    /// The version of the format it was written in.
    pub format_version: u32,
    /// The name of the use.
    pub name: String,
    /// What is used.
    pub manifest: ManifestName,
    /// When it was set, in Unix seconds.
    pub set: u64,
    /// Who uses it, if this is a use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
    /// Whether it gives way where models are evicted to make room and
    /// [`SpaceOptions::yielding`](crate::SpaceOptions::yielding) says so. It keeps its manifest from all else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub yields: bool,
    /// Fields of a later program, kept as they are.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl ManifestName {
    /// Names a revision of a model on a hub.
    pub fn new(hub: impl Into<String>, model: impl Into<String>, revision: impl Into<String>) -> Self {
        Self { hub: hub.into(), model: model.into(), revision: revision.into() }
    }

    /// Returns where its document is.
    pub fn key(&self) -> DocumentKey {
        DocumentKey::new(DocumentKind::Manifest, &[&self.hub, &self.model, &self.revision])
    }
}

impl fmt::Display for ManifestName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{} from {}", self.model, self.revision, self.hub)
    }
}

impl Manifest {
    /// Creates a manifest without files, at `created` Unix seconds.
    pub fn new(name: ManifestName, created: u64) -> Self {
        let files = BTreeMap::new();
        let other = BTreeMap::new();
        Self { format_version: FORMAT_VERSION, name, commit: None, files, created, used: created, other }
    }

    /// Returns the distinct blobs, by digest, with their sizes.
    pub fn blobs(&self) -> BTreeMap<Digest, u64> {
        self.files.values().map(|file| (file.content.digest, file.content.size)).collect()
    }

    /// Returns the bytes of the distinct blobs together.
    pub fn bytes(&self) -> u64 {
        self.blobs().values().fold(0, |sum, size| sum.saturating_add(*size))
    }
}

impl FileEntry {
    /// Describes a file fetched at `fetched` Unix seconds.
    pub const fn new(content: ContentId, fetched: u64) -> Self {
        Self { content, etag: None, origin: None, fetched, parts: None, other: BTreeMap::new() }
    }
}

impl Pin {
    /// Pins `manifest` under `name`, at `set` Unix seconds.
    pub fn new(name: impl Into<String>, manifest: ManifestName, set: u64) -> Self {
        let (name, other) = (name.into(), BTreeMap::new());
        Self { format_version: FORMAT_VERSION, name, manifest, set, user: None, yields: false, other }
    }

    /// Sets whether it gives way to evictions.
    #[must_use]
    pub fn yields(self, yields: bool) -> Self {
        Self { yields, ..self }
    }

    /// Returns where the document of the pin of this name is.
    pub fn key_of(name: &str) -> DocumentKey {
        DocumentKey::new(DocumentKind::Pin, &[name])
    }
}

/// What a document can be read as.
pub(crate) trait Readable: DeserializeOwned {
    /// The key that its name leads to.
    fn key(&self) -> DocumentKey;
    fn format_version(&self) -> u32;
    /// Takes out what is no content but says how the document is being handled.
    fn strip(&mut self) {}
}

/// What a document can be read as, and written from.
pub(crate) trait Content: Readable + Serialize + Clone {
    /// The parts of its name, none of which may be empty or endless.
    fn name_parts(&self) -> Vec<&str>;

    /// What error messages call it.
    fn subject(&self) -> String;

    fn encode(&self, operation: &'static str) -> Result<Bytes, Error> {
        let fail = |kind| Error::new(kind, operation, self.subject());
        if self.format_version() > FORMAT_VERSION {
            return Err(fail(ErrorKind::Unsupported));
        }
        if self.name_parts().iter().any(|part| part.is_empty() || part.len() > NAME_BYTES) {
            return Err(fail(ErrorKind::Invalid).with_detail(format!("a name has 1 to {NAME_BYTES} bytes")));
        }
        let mut content = self.clone();
        content.strip();
        let mut text =
            serde_json::to_vec_pretty(&content).map_err(|e| fail(ErrorKind::Invalid).with_source(e))?;
        text.push(b'\n');
        Ok(text.into())
    }
}

/// Reads what is stored under `key`.
pub(crate) fn decode<T: Readable>(key: &DocumentKey, bytes: &[u8]) -> Result<T, Error> {
    #[derive(Deserialize)]
    struct Head {
        format_version: u32,
    }
    let damaged = || Error::new(ErrorKind::Damaged, "read", key);
    let newer = |version: u32| {
        let detail = format!("format version {version}, known up to {FORMAT_VERSION}");
        Error::new(ErrorKind::Unsupported, "read", key).with_detail(detail)
    };
    let mut content: T = serde_json::from_slice(bytes).map_err(|error| {
        // Only what cannot be read is looked at twice: it may be something that a newer program understands.
        match serde_json::from_slice(bytes) {
            Ok(Head { format_version }) if format_version > FORMAT_VERSION => newer(format_version),
            _ => damaged().with_source(error),
        }
    })?;
    if content.format_version() > FORMAT_VERSION {
        return Err(newer(content.format_version()));
    }
    content.strip();
    if content.key() != *key {
        return Err(damaged().with_detail("the name inside is another one"));
    }
    Ok(content)
}

impl Readable for Manifest {
    fn key(&self) -> DocumentKey {
        self.name.key()
    }
    fn format_version(&self) -> u32 {
        self.format_version
    }
    fn strip(&mut self) {
        // Whoever writes the manifest again wants it to stay.
        self.other.remove(LEAVING);
    }
}

impl Content for Manifest {
    fn name_parts(&self) -> Vec<&str> {
        vec![&self.name.hub, &self.name.model, &self.name.revision]
    }
    fn subject(&self) -> String {
        format!("manifest {}", self.name)
    }
}

impl Readable for Pin {
    fn key(&self) -> DocumentKey {
        Self::key_of(&self.name)
    }
    fn format_version(&self) -> u32 {
        self.format_version
    }
}

impl Content for Pin {
    fn name_parts(&self) -> Vec<&str> {
        vec![&self.name]
    }
    fn subject(&self) -> String {
        format!("pin {}", self.name)
    }
}
