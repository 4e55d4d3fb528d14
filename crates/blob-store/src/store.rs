//! The trait every backend implements: blobs, stages, quarantine, and documents with compare-and-swap.

use std::{collections::HashSet, fmt::Debug, ops::Range, path::PathBuf, time::SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use content_id::{ContentId, Digest};
use futures::stream::BoxStream;

use crate::{
    BlobInfo, BlobName, Document, DocumentKey, DocumentKind, Error, ErrorKind, Expected, LockGuard,
    PartStage, Quarantined, Reason, Stage, StageInfo, StageKey, Version, blobs,
};

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

    /// Opens blobs where they lie, in the order asked for; nothing for those that the backend does not have in a plain
    /// local file of their size. Nothing of a large blob is copied or read. Programs mostly use
    /// [`open_model`](crate::BlobStoreExt::open_model), which says what may be relied on.
    ///
    /// # Errors
    ///
    /// `Backend`.
    async fn map(&self, ids: &[ContentId]) -> Result<Vec<Option<Bytes>>, Error> {
        Ok(vec![None; ids.len()])
    }

    /// Stores each of `contents`, unless it is there already, and returns their ids in the same order. All are durable
    /// when it returns, which takes far less time than to wait for each alone; all of them are in memory at once, so
    /// this is for small ones.
    ///
    /// A backend may wait for everything that was written to its disk, by whomever: the one over a folder does so for
    /// eight blobs and more, on Linux, where the file system is one that tells of all that failed (ext4, XFS, Btrfs,
    /// F2FS).
    ///
    /// # Errors
    ///
    /// As for [`stage`](Self::stage) and [`Stage::publish`]; those that were published before stay.
    async fn put_many(&self, contents: Vec<Bytes>) -> Result<Vec<ContentId>, Error> {
        let mut ids = Vec::with_capacity(contents.len());
        for bytes in contents {
            ids.push(blobs::put_bytes(self, bytes).await?);
        }
        Ok(ids)
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

    /// Lists the blobs by name, in no order, with the rest as far as it is known without looking at each.
    ///
    /// # Errors
    ///
    /// As for [`blobs`](Self::blobs).
    async fn blob_names(&self) -> Result<Vec<BlobName>, Error> {
        let named = |blob: BlobInfo| BlobName { digest: blob.id.digest, info: Some(blob) };
        Ok(self.blobs().await?.into_iter().map(named).collect())
    }

    /// Looks at blobs; what is not there is left out.
    ///
    /// # Errors
    ///
    /// `Backend`.
    async fn look_at(&self, digests: Vec<Digest>) -> Result<Vec<BlobInfo>, Error> {
        let wanted: HashSet<Digest> = digests.into_iter().collect();
        let mut blobs = self.blobs().await?;
        blobs.retain(|blob| wanted.contains(&blob.id.digest));
        Ok(blobs)
    }

    /// Takes many blobs out of sight, as [`quarantine`](Self::quarantine) does one.
    ///
    /// # Errors
    ///
    /// `Backend`; those before are out of sight.
    async fn quarantine_many(&self, digests: Vec<Digest>, reason: Reason) -> Result<(), Error> {
        for digest in digests {
            self.quarantine(digest, reason).await?;
        }
        Ok(())
    }

    /// Destroys many in quarantine, as [`purge`](Self::purge) does one; returns those that were there.
    ///
    /// # Errors
    ///
    /// `Backend`; those before are gone.
    async fn purge_many(&self, held: Vec<Quarantined>) -> Result<Vec<Quarantined>, Error> {
        let mut purged = Vec::new();
        for held in held {
            if self.purge(&held).await? {
                purged.push(held);
            }
        }
        Ok(purged)
    }

    /// Takes a blob out of sight without destroying its bytes; returns whether there was one.
    ///
    /// # Errors
    ///
    /// `Backend`.
    async fn quarantine(&self, digest: Digest, reason: Reason) -> Result<bool, Error>;

    /// Brings back a blob from quarantine, over what is in its place; returns whether it was there and did. Its bytes
    /// are not looked at: of what was quarantined as [`Reason::Damaged`] only what is known to be sound is restored.
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

    /// Streams the bytes `range` of what is in quarantine, as they are: a repair takes from it what is sound.
    ///
    /// # Errors
    ///
    /// `NotFound`; `Invalid` if the range ends outside of it; `Damaged` if it is cut short; `Backend`. `Unsupported` by
    /// a backend that cannot read there; a repair then fetches everything.
    async fn read_quarantined(&self, held: &Quarantined, range: Range<u64>) -> Result<ByteStream, Error> {
        let _ = range;
        Err(Error::digest(ErrorKind::Unsupported, "read", held.digest))
    }

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

    /// Reads all documents of a kind that read-only stores below have, those included that are hidden here, as far as
    /// they can be read. None by default, where there is nothing below.
    ///
    /// What they name stays: it may be here because it is damaged or missing there.
    async fn documents_below(&self, kind: DocumentKind) -> Vec<DocumentEntry> {
        let _ = kind;
        Vec::new()
    }

    /// Lists what is being written, or was and is left behind, in no order.
    ///
    /// # Errors
    ///
    /// `Backend`.
    async fn stages(&self) -> Result<Vec<StageInfo>, Error> {
        Ok(Vec::new())
    }

    /// Removes stages that nobody has written to since `before` and no process is known to have; returns how many.
    ///
    /// # Errors
    ///
    /// `Backend`.
    async fn remove_stages(&self, before: SystemTime) -> Result<u64, Error>;

    /// As [`document`](Self::document), without what only a read-only store has.
    ///
    /// # Errors
    ///
    /// As for [`document`](Self::document).
    async fn own_document(&self, key: &DocumentKey) -> Result<Option<Document>, Error> {
        self.document(key).await
    }

    /// Returns how many bytes can still be written where the store is, if the backend can tell.
    ///
    /// # Errors
    ///
    /// `Backend`.
    async fn free_space(&self) -> Result<Option<u64>, Error> {
        Ok(None)
    }

    /// Takes a shared lock on a document, where there are locks. They only keep what is open from being evicted.
    ///
    /// # Errors
    ///
    /// `Backend`.
    async fn lock_shared(&self, _key: &DocumentKey) -> Result<Option<LockGuard>, Error> {
        Ok(None)
    }

    /// Returns whether anybody has a shared lock on the document, as far as known.
    ///
    /// # Errors
    ///
    /// `Backend`.
    async fn is_locked(&self, _key: &DocumentKey) -> Result<bool, Error> {
        Ok(false)
    }
}

/// A document of a listing, or why it cannot be read.
pub type DocumentEntry = (DocumentKey, Result<Document, Error>);
