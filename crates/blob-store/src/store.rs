//! The trait every backend implements: blobs, stages, quarantine, and documents with compare-and-swap.

use std::{fmt::Debug, ops::Range, path::PathBuf, time::SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use content_id::{ContentId, Digest};
use futures::stream::BoxStream;
use serde::{Serialize, Serializer};

use crate::{Document, DocumentKey, DocumentKind, Error, ErrorKind, PartStage, StageInfo, StageKey, Version};

/// The bytes of a blob, in order, in pieces of the backend's choice.
pub type ByteStream = BoxStream<'static, Result<Bytes, Error>>;

/// Keeps blobs under their content id, and small documents with compare-and-swap.
///
/// This is the small core that a backend writes; what programs mostly use is written once on top of it, in
/// [`BlobStoreExt`](crate::BlobStoreExt).
///
/// Guarantees of every backend, held by the conformance suite (feature `conformance`):
///
/// - A blob is visible entirely or not at all, and only after its size and SHA-256 were checked.
/// - What was acknowledged stays, as far as the backend promises durability at all.
/// - A reader of a document sees the old or the new one, never a mix, and never nothing during an update.
/// - Any number of tasks, processes and machines may use one store at the same time. No lock is involved.
#[async_trait]
pub trait BlobStore: Debug + Send + Sync + 'static {
    /// Returns whether the store holds `id`, by name and size; the bytes are not read.
    ///
    /// # Errors
    ///
    /// `Backend` if the store cannot be asked. Something else in the blob's place, or a blob of another size, is
    /// no error but `false`: publishing the blob replaces it.
    async fn contains(&self, id: ContentId) -> Result<bool, Error>;

    /// Makes sure that those of `ids` which are there survive a power cut, and returns those that are not there.
    ///
    /// Another process may have made a blob visible without having come to the end of its publishing; what is
    /// built on such a blob must not be more durable than the blob.
    ///
    /// # Errors
    ///
    /// `Backend`.
    async fn confirm(&self, ids: &[ContentId]) -> Result<Vec<ContentId>, Error>;

    /// Begins to write a blob.
    ///
    /// # Errors
    ///
    /// `TooLarge` if `expected` is above the limits; `NoSpace`; `Backend`.
    async fn stage(&self, expected: Expected) -> Result<Box<dyn Stage>, Error>;

    /// Begins to fetch a blob in parts, or goes on with what was recorded under the same key and the same
    /// expectation, by whichever process.
    ///
    /// Where the backend can tell whether the owner of a stage is alive (the file system, by a lock that ends with its
    /// process), only one has it at a time; elsewhere several may, and share the parts.
    ///
    /// # Errors
    ///
    /// `Busy` if a living owner has it ([`stage_or_wait`](crate::BlobStoreExt::stage_or_wait) waits for it);
    /// `TooLarge` if `expected` is above the limits; `NoSpace`; `Backend`. `Unsupported` by a backend that has no
    /// stages in parts.
    async fn stage_parts(&self, key: &StageKey, expected: Expected) -> Result<Box<dyn PartStage>, Error> {
        let _ = expected;
        Err(Error::new(ErrorKind::Unsupported, "stage", key))
    }

    /// Streams the bytes `range` of `id`; the bytes are not hashed again (see
    /// [`read_all`](crate::BlobStoreExt::read_all) for that).
    ///
    /// # Errors
    ///
    /// `NotFound`; `Damaged` if what is stored is not a plain file or object of this size; `Invalid` if the range
    /// ends outside the blob; `Backend`. The same kinds may come out of the stream.
    async fn read(&self, id: ContentId, range: Range<u64>) -> Result<ByteStream, Error>;

    /// Returns the plain local file that holds `id`, for mapping it into memory, if the blob is there and the
    /// backend keeps it in one. The file must not be written to.
    fn local_path(&self, id: ContentId) -> Option<PathBuf>;

    /// Makes sure that [`local_path`](Self::local_path) leads to each of `ids`, where the store could keep them in
    /// local files and does not yet. Does nothing by default.
    ///
    /// # Errors
    ///
    /// `NotFound`; `Damaged` if what is stored elsewhere is not what its name says; `NoSpace`; `Backend`.
    async fn ensure_local(&self, ids: &[ContentId]) -> Result<(), Error> {
        let _ = ids;
        Ok(())
    }

    /// Takes away a copy of `id` whose bytes are not those of its name, if another copy stands behind it; returns
    /// whether reading again may give better bytes. Does nothing by default, where there is only one copy.
    ///
    /// Readers that hash call it before they say that a blob is damaged.
    ///
    /// # Errors
    ///
    /// `Backend`.
    async fn mend(&self, id: ContentId) -> Result<bool, Error> {
        let _ = id;
        Ok(false)
    }

    /// Removes a blob at once, whoever uses it and whatever its size; returns whether there was one. Collectors use
    /// [`quarantine`](Self::quarantine).
    ///
    /// # Errors
    ///
    /// `Backend`.
    async fn remove(&self, id: ContentId) -> Result<bool, Error>;

    /// Lists the blobs, in no order. `size` is that of what is stored, also where this is damage.
    ///
    /// # Errors
    ///
    /// `Backend`. Foreign files are passed over.
    async fn blobs(&self) -> Result<Vec<BlobInfo>, Error>;

    /// Takes a blob out of sight without destroying its bytes; returns whether there was one.
    ///
    /// # Errors
    ///
    /// `Backend`.
    async fn quarantine(&self, digest: Digest, reason: Reason) -> Result<bool, Error>;

    /// Brings back a blob quarantined as [`Reason::Garbage`]; returns whether it was there and did.
    ///
    /// # Errors
    ///
    /// `Backend`.
    async fn restore(&self, held: &Quarantined) -> Result<bool, Error>;

    /// Lists what is in quarantine.
    ///
    /// # Errors
    ///
    /// `Backend`.
    async fn quarantined(&self) -> Result<Vec<Quarantined>, Error>;

    /// Destroys this in quarantine; returns whether it was there. The same blob quarantined once more is not this.
    ///
    /// # Errors
    ///
    /// `Backend`.
    async fn purge(&self, held: &Quarantined) -> Result<bool, Error>;

    /// Reads a document; `None` if it was never written, or removed.
    ///
    /// # Errors
    ///
    /// `Damaged`, with the [`version`](Error::version) that [`put_document`](Self::put_document) and
    /// [`remove_document`](Self::remove_document) take to get rid of it, also for one that is larger than the
    /// limits; `Conflict` if it changed too often while being read; `Backend`.
    async fn document(&self, key: &DocumentKey) -> Result<Option<Document>, Error>;

    /// Writes a document, if it is still in version `expected` (`None`: not there). Of several writers with the
    /// same expectation at most one succeeds.
    ///
    /// # Errors
    ///
    /// `Conflict` if it is in another version; when very many writers pass each other the outcome may be
    /// reported as `Conflict` although the document was visible for a moment. `TooLarge`; `Invalid` if it is
    /// empty; `NoSpace`; `Backend`.
    async fn put_document(
        &self,
        key: &DocumentKey,
        bytes: Bytes,
        expected: Option<Version>,
    ) -> Result<Version, Error>;

    /// Removes a document, if it is still in version `expected`.
    ///
    /// # Errors
    ///
    /// `Conflict`, `NoSpace` or `Backend`, as for [`put_document`](Self::put_document).
    async fn remove_document(&self, key: &DocumentKey, expected: Version) -> Result<(), Error>;

    /// Reads all documents of a kind, in no order; one that cannot be read is there as its error.
    ///
    /// # Errors
    ///
    /// `Backend` if they cannot be listed.
    async fn documents(&self, kind: DocumentKind) -> Result<Vec<DocumentEntry>, Error>;

    /// Reads a document as [`document`](Self::document) does, or as it was seen last where the store that has it
    /// cannot be reached now. For looking, and not for deciding what may go: no write accepts the version of what
    /// was only seen.
    ///
    /// # Errors
    ///
    /// As for [`document`](Self::document).
    async fn document_as_seen(&self, key: &DocumentKey) -> Result<Option<Document>, Error> {
        self.document(key).await
    }

    /// Reads all documents of a kind as [`documents`](Self::documents) does, with those of read-only stores below,
    /// or as they were seen last. For looking, and not for deciding what may go.
    ///
    /// # Errors
    ///
    /// As for [`documents`](Self::documents).
    async fn documents_as_seen(&self, kind: DocumentKind) -> Result<Vec<DocumentEntry>, Error> {
        self.documents(kind).await
    }

    /// Lists what is being written, or was and is left behind, in no order.
    ///
    /// # Errors
    ///
    /// `Backend`.
    async fn stages(&self) -> Result<Vec<StageInfo>, Error> {
        Ok(Vec::new())
    }

    /// Removes what interrupted writers left behind and nobody has written to since `before`, except what a living
    /// process is known to have; returns how many stages that were.
    ///
    /// # Errors
    ///
    /// `Backend`.
    async fn remove_stages(&self, before: SystemTime) -> Result<u64, Error>;
}

/// A document of a listing, or why it cannot be read.
pub type DocumentEntry = (DocumentKey, Result<Document, Error>);

/// A blob that is being written, invisible until it is published.
///
/// Dropping a stage discards it, at the latest when [`BlobStore::remove_stages`] comes by. After an error a stage
/// accepts nothing more.
#[async_trait]
pub trait Stage: Debug + Send {
    /// Appends `piece`.
    ///
    /// # Errors
    ///
    /// `Mismatch` as soon as there are more bytes than expected; `TooLarge`; `NoSpace`; `Backend`. The error of
    /// an earlier write may come out of a later one.
    async fn write(&mut self, piece: Bytes) -> Result<(), Error>;

    /// Returns how many bytes were accepted so far.
    fn written(&self) -> u64;

    /// Checks size and digest, makes the blob durable, and only then visible.
    ///
    /// Publishing what is already there succeeds; a damaged blob in its place is replaced.
    ///
    /// # Errors
    ///
    /// `Mismatch` if the bytes are not what was expected: nothing became visible. `NoSpace`; `Backend`.
    async fn publish(self: Box<Self>) -> Result<ContentId, Error>;

    /// Throws the stage away now.
    ///
    /// # Errors
    ///
    /// `Backend`; what is left goes with [`BlobStore::remove_stages`].
    async fn discard(self: Box<Self>) -> Result<(), Error>;
}

/// What is known of a blob before its bytes arrive; nothing, by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Expected {
    /// The digest the bytes must have.
    pub digest: Option<Digest>,
    /// The number of bytes there must be; the first byte above it ends the writing.
    pub size: Option<u64>,
}

impl Expected {
    /// Expects these two, as far as they are known.
    pub const fn new(digest: Option<Digest>, size: Option<u64>) -> Self {
        Self { digest, size }
    }
}

impl From<ContentId> for Expected {
    fn from(id: ContentId) -> Self {
        Self { digest: Some(id.digest), size: Some(id.size) }
    }
}

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
