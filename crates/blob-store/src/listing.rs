//! What is in listings: blobs, and what is in quarantine.

use std::time::SystemTime;

use content_id::{ContentId, Digest};
use serde::{Serialize, Serializer};

/// A blob of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BlobInfo {
    /// The digest in its name, and the size that is stored.
    pub id: ContentId,
    /// When it was published last, by the clock of the storage. In JSON, Unix seconds.
    #[serde(serialize_with = "unix_seconds")]
    pub modified: SystemTime,
}

impl BlobInfo {
    /// Describes a blob.
    pub const fn new(id: ContentId, modified: SystemTime) -> Self {
        Self { id, modified }
    }
}

/// A blob of a listing of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlobName {
    /// The digest in its name.
    pub digest: Digest,
    /// The rest, if it was known anyway.
    pub info: Option<BlobInfo>,
}

impl BlobName {
    /// Describes a blob of which only the name is known.
    pub const fn unseen(digest: Digest) -> Self {
        Self { digest, info: None }
    }
}

/// A time in JSON; what was before 1970 is 0.
pub(crate) fn unix_seconds<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    serializer.serialize_u64(since.as_secs())
}

/// Why a blob is in quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// A garbage collection found no use for it; it may come back.
    Garbage,
    /// Its bytes are not those of its name; it never comes back.
    Damaged,
}

/// A blob in quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Quarantined {
    /// The digest in its name.
    pub digest: Digest,
    /// Bytes it takes.
    pub size: u64,
    /// Why it is there.
    pub reason: Reason,
    /// What tells it from the same blob quarantined at another time.
    pub name: String,
}

impl Quarantined {
    /// Describes a blob in quarantine.
    pub const fn new(digest: Digest, size: u64, reason: Reason, name: String) -> Self {
        Self { digest, size, reason, name }
    }
}
