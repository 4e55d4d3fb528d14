//! Documents: small named objects with compare-and-swap.

use std::{fmt, time::SystemTime};

use bytes::Bytes;
use content_id::{Digest, Hasher};
use serde::Serialize;

/// What a document is about; each kind has its own folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DocumentKind {
    /// The files of one revision of a model.
    Manifest,
    /// A named use of a manifest.
    Pin,
}

impl DocumentKind {
    /// Returns the folder's name.
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Manifest => "manifests",
            Self::Pin => "pins",
        }
    }
}

impl fmt::Display for DocumentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Manifest => "manifest",
            Self::Pin => "pin",
        })
    }
}

/// Where a document is: its kind and a digest of its name, so that no name ever becomes a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct DocumentKey {
    kind: DocumentKind,
    digest: Digest,
}

impl DocumentKey {
    /// Returns the key of the document whose name has these parts; other parts, or the same bytes divided
    /// otherwise, give another key.
    pub fn new(kind: DocumentKind, parts: &[&str]) -> Self {
        let mut hasher = Hasher::default();
        for part in [kind.folder()].iter().chain(parts) {
            hasher.update(format!("{}:", part.len()).as_bytes());
            hasher.update(part.as_bytes());
        }
        Self { kind, digest: hasher.finish().digest }
    }

    /// Returns the key with a digest found in a listing.
    pub const fn from_digest(kind: DocumentKind, digest: Digest) -> Self {
        Self { kind, digest }
    }

    /// Returns what the document is about.
    pub const fn kind(&self) -> DocumentKind {
        self.kind
    }

    /// Returns the digest of the name.
    pub const fn digest(&self) -> Digest {
        self.digest
    }
}

impl fmt::Display for DocumentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.digest)
    }
}

/// Which of its states a document is in; equal only for the same state of the same document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    generation: u64,
    digest: Digest,
}

impl Version {
    /// Names a state: its number, and the digest of the stored bytes.
    pub const fn new(generation: u64, digest: Digest) -> Self {
        Self { generation, digest }
    }

    /// Returns the number.
    pub const fn generation(&self) -> u64 {
        self.generation
    }
}

/// A document that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Document {
    /// Its content; never empty.
    pub bytes: Bytes,
    /// The state read, for [`put_document`](crate::BlobStore::put_document).
    pub version: Version,
    /// When it was written, by the clock of the storage.
    pub modified: SystemTime,
}

impl Document {
    /// Describes a document.
    pub const fn new(bytes: Bytes, version: Version, modified: SystemTime) -> Self {
        Self { bytes, version, modified }
    }
}
