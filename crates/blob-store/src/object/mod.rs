//! The backend over any `object_store`: S3, GCS, Azure, memory, a local folder.

mod blobs;
mod conditional;
mod documents;
mod parts;
mod relocate;
mod stage;
mod stages;

use std::{error::Error as _, fmt, io, ops::Range, path::PathBuf, sync::Arc, time::SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use content_id::{ContentId, Digest};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStore;

use crate::{
    BlobInfo, BlobStore, ByteStream, Document, DocumentEntry, DocumentKey, DocumentKind, Error, ErrorKind,
    Expected, Limits, PartStage, Quarantined, Reason, Stage, StageInfo, StageKey, Version, layout,
};

/// Small blobs that are put at the same time: an object store answers late, and many at once.
const PUTS: usize = 16;

/// A store in a bucket, container or folder, shared by as many machines as can reach it.
///
/// What the object store has to be able to do:
///
/// - `PutMode::Create` (conditional put), on which the compare-and-swap of documents rests; all of S3, GCS, Azure,
///   memory and local have it, some S3 look-alikes do not. It is tried before the first document is written, and
///   where it does not hold nothing is.
/// - Show what was written to everybody once it has shown it to one, also in listings. A listing may be behind: a
///   document is acknowledged when a listing has it.
///
/// It is as durable as the object store. `LocalFileSystem` is not durable by default: make it
/// `.with_fsync(true)`, or use [`FsStore`](crate::FsStore), which also removes what killed writers left behind
/// (`LocalFileSystem` leaves `name#1` files, and S3 unfinished multipart uploads, for which a bucket has a
/// lifecycle rule). `LocalFileSystem` follows symlinks in its folder.
///
/// Cloning gives another handle to the same store.
#[derive(Clone, Debug)]
pub struct ObjectStoreBackend {
    objects: Arc<dyn ObjectStore>,
    limits: Limits,
    part_bytes: Option<u64>,
    conditional: Arc<conditional::ConditionalPut>,
}

impl ObjectStoreBackend {
    /// Keeps blobs and documents in `objects`; nothing else may live there. For a part of a bucket, wrap it in
    /// `object_store::prefix::PrefixStore`.
    pub fn new(objects: Arc<dyn ObjectStore>) -> Self {
        Self { objects, limits: Limits::default(), part_bytes: None, conditional: Arc::default() }
    }

    /// Sets what is accepted at most.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Sets how many bytes an upload sends at a time, and holds in memory; 8 MiB by default, and 16 MiB where the
    /// size of the blob is not known. Most object stores refuse less than 5 MiB, and more than 10,000 parts.
    #[must_use]
    pub fn with_part_bytes(self, bytes: u64) -> Self {
        Self { part_bytes: Some(bytes.max(1)), ..self }
    }
}

#[async_trait]
impl BlobStore for ObjectStoreBackend {
    async fn contains(&self, id: ContentId) -> Result<bool, Error> {
        blobs::contains(&self.objects, id).await
    }

    async fn confirm(&self, ids: &[ContentId]) -> Result<Vec<ContentId>, Error> {
        blobs::confirm(&self.objects, ids).await
    }

    async fn stage(&self, expected: Expected) -> Result<Box<dyn Stage>, Error> {
        Ok(Box::new(stage::ObjectStage::new(
            Arc::clone(&self.objects),
            expected,
            self.limits,
            self.part_bytes,
            stage::Target::Blob,
        )?))
    }

    async fn stage_parts(&self, key: &StageKey, expected: Expected) -> Result<Box<dyn PartStage>, Error> {
        Ok(Box::new(parts::ObjectPartStage::begin(self, key.stage_name(expected), expected).await?))
    }

    async fn read(&self, id: ContentId, range: Range<u64>) -> Result<ByteStream, Error> {
        blobs::read(&self.objects, id, range).await
    }

    fn local_path(&self, _: ContentId) -> Option<PathBuf> {
        None
    }

    async fn put_many(&self, contents: Vec<Bytes>) -> Result<Vec<ContentId>, Error> {
        let puts = stream::iter(contents).map(|bytes| crate::blobs::put_bytes(self, bytes));
        puts.buffered(PUTS).try_collect().await
    }

    async fn remove(&self, id: ContentId) -> Result<bool, Error> {
        blobs::delete(&self.objects, &blobs::path(id.digest), || blob("remove", id.digest)).await
    }

    async fn blobs(&self) -> Result<Vec<BlobInfo>, Error> {
        blobs::list(&self.objects).await
    }

    async fn quarantine(&self, digest: Digest, reason: Reason) -> Result<bool, Error> {
        let to = blobs::quarantine_path(&layout::quarantine_name(digest, reason));
        blobs::rename(&self.objects, &blobs::path(digest), &to, || blob("quarantine", digest)).await
    }

    async fn restore(&self, held: &Quarantined) -> Result<bool, Error> {
        let from = blobs::quarantine_path(&held.name);
        blobs::rename(&self.objects, &from, &blobs::path(held.digest), || blob("restore", held.digest)).await
    }

    async fn quarantined(&self) -> Result<Vec<Quarantined>, Error> {
        blobs::quarantined(&self.objects).await
    }

    async fn read_quarantined(&self, held: &Quarantined, range: Range<u64>) -> Result<ByteStream, Error> {
        blobs::read_quarantined(&self.objects, held, range).await
    }

    async fn purge(&self, held: &Quarantined) -> Result<bool, Error> {
        blobs::delete(&self.objects, &blobs::quarantine_path(&held.name), || blob("purge", held.digest)).await
    }

    async fn document(&self, key: &DocumentKey) -> Result<Option<Document>, Error> {
        documents::read(&self.objects, self.limits, key).await
    }

    async fn put_document(
        &self,
        key: &DocumentKey,
        bytes: Bytes,
        expected: Option<Version>,
    ) -> Result<Version, Error> {
        documents::put(&self.objects, &self.conditional, self.limits, key, &bytes, expected).await
    }

    async fn remove_document(&self, key: &DocumentKey, expected: Version) -> Result<(), Error> {
        documents::remove(&self.objects, &self.conditional, self.limits, key, expected).await
    }

    async fn documents(&self, kind: DocumentKind) -> Result<Vec<DocumentEntry>, Error> {
        documents::list(&self.objects, self.limits, kind).await
    }

    async fn stages(&self) -> Result<Vec<StageInfo>, Error> {
        stages::list(&self.objects).await
    }

    async fn remove_stages(&self, before: SystemTime) -> Result<u64, Error> {
        stages::remove_stale(&self.objects, before).await
    }
}

/// What an error is about.
struct About {
    operation: &'static str,
    subject: String,
}

fn about(operation: &'static str, subject: impl fmt::Display) -> About {
    About { operation, subject: subject.to_string() }
}

fn blob(operation: &'static str, digest: Digest) -> About {
    about(operation, format_args!("blob {digest}"))
}

impl About {
    fn error(self, kind: ErrorKind) -> Error {
        Error::new(kind, self.operation, self.subject)
    }

    fn backend(self, source: object_store::Error) -> Error {
        self.error(if is_full(&source) { ErrorKind::NoSpace } else { ErrorKind::Backend }).with_source(source)
    }
}

/// Whether the cause, however deep, is a full disk.
fn is_full(error: &object_store::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if let Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge) =
            kind
        {
            return true;
        }
        cause = error.source();
    }
    false
}

fn is_absent(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::NotFound { .. })
}
