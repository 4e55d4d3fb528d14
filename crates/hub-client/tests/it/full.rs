//! A store that is full, or fails: a clear error, the old model stays, and the next try succeeds.

use std::{
    ops::Range,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use async_trait::async_trait;
use blob_store::{
    BlobInfo, BlobStore, BlobStoreExt, ByteStream, Document, DocumentEntry, DocumentKey, DocumentKind, Error,
    ErrorKind as StoreErrorKind, Expected, ObjectStoreBackend, Quarantined, Reason, Stage, Version,
};
use bytes::Bytes;
use content_id::{ContentId, Digest};
use hub_client::{ErrorKind, NoProgress};

use crate::{Bench, WEIGHTS, wanted};

/// A store in memory with room for so many bytes more, whose stages then fail with `kind`.
#[derive(Debug)]
struct Small {
    inner: ObjectStoreBackend,
    room: Arc<AtomicU64>,
    kind: StoreErrorKind,
}

#[derive(Debug)]
struct SmallStage {
    inner: Box<dyn Stage>,
    room: Arc<AtomicU64>,
    kind: StoreErrorKind,
}

#[async_trait]
impl Stage for SmallStage {
    async fn write(&mut self, piece: Bytes) -> Result<(), Error> {
        let size = piece.len() as u64;
        let take = |room: u64| room.checked_sub(size);
        if self.room.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_err() {
            return Err(Error::new(self.kind, "write", "a stage"));
        }
        self.inner.write(piece).await
    }
    fn written(&self) -> u64 {
        self.inner.written()
    }
    async fn publish(self: Box<Self>) -> Result<ContentId, Error> {
        self.inner.publish().await
    }
    async fn discard(self: Box<Self>) -> Result<(), Error> {
        self.inner.discard().await
    }
}

#[async_trait]
impl BlobStore for Small {
    async fn stage(&self, expected: Expected) -> Result<Box<dyn Stage>, Error> {
        let inner = self.inner.stage(expected).await?;
        Ok(Box::new(SmallStage { inner, room: Arc::clone(&self.room), kind: self.kind }))
    }
    async fn contains(&self, id: ContentId) -> Result<bool, Error> {
        self.inner.contains(id).await
    }
    async fn confirm(&self, ids: &[ContentId]) -> Result<Vec<ContentId>, Error> {
        self.inner.confirm(ids).await
    }
    async fn read(&self, id: ContentId, range: Range<u64>) -> Result<ByteStream, Error> {
        self.inner.read(id, range).await
    }
    fn local_path(&self, id: ContentId) -> Option<PathBuf> {
        self.inner.local_path(id)
    }
    async fn remove(&self, id: ContentId) -> Result<bool, Error> {
        self.inner.remove(id).await
    }
    async fn blobs(&self) -> Result<Vec<BlobInfo>, Error> {
        self.inner.blobs().await
    }
    async fn quarantine(&self, digest: Digest, reason: Reason) -> Result<bool, Error> {
        self.inner.quarantine(digest, reason).await
    }
    async fn restore(&self, held: &Quarantined) -> Result<bool, Error> {
        self.inner.restore(held).await
    }
    async fn quarantined(&self) -> Result<Vec<Quarantined>, Error> {
        self.inner.quarantined().await
    }
    async fn purge(&self, held: &Quarantined) -> Result<bool, Error> {
        self.inner.purge(held).await
    }
    async fn document(&self, key: &DocumentKey) -> Result<Option<Document>, Error> {
        self.inner.document(key).await
    }
    async fn put_document(
        &self,
        key: &DocumentKey,
        bytes: Bytes,
        expected: Option<Version>,
    ) -> Result<Version, Error> {
        self.inner.put_document(key, bytes, expected).await
    }
    async fn remove_document(&self, key: &DocumentKey, expected: Version) -> Result<(), Error> {
        self.inner.remove_document(key, expected).await
    }
    async fn documents(&self, kind: DocumentKind) -> Result<Vec<DocumentEntry>, Error> {
        self.inner.documents(kind).await
    }
    async fn remove_stages(&self, before: SystemTime) -> Result<u64, Error> {
        self.inner.remove_stages(before).await
    }
}

#[tokio::test]
async fn a_full_store_is_told_from_a_broken_one_and_from_a_bad_hub() {
    for (kind, expected) in [
        (StoreErrorKind::NoSpace, ErrorKind::NoSpace),
        (StoreErrorKind::Backend, ErrorKind::Storage),
        (StoreErrorKind::TooLarge, ErrorKind::TooLarge),
    ] {
        let bench = Bench::hugging_face();
        let inner = ObjectStoreBackend::new(Arc::new(object_store::memory::InMemory::new()));
        let room = Arc::new(AtomicU64::new(20_000));
        let store = Small { inner, room: Arc::clone(&room), kind };
        let plan = bench.client.plan(&store, &wanted("v1")).await.expect("the hub is fine");
        assert!(plan.bytes_to_fetch() > 20_000, "it can be known before");
        let error = bench.client.download(&store, &plan, &NoProgress).await.expect_err("there is no room");
        assert_eq!(error.kind(), expected, "{error}");
        assert_eq!(error.path().map(|path| path.as_str()), Some(WEIGHTS));
        assert_eq!(bench.gets(WEIGHTS), 1, "fetching again does not help");
        assert!(store.manifests().await.expect("it can be read").is_empty());
        room.store(u64::MAX, Ordering::SeqCst);
        bench.client.download(&store, &plan, &NoProgress).await.expect("there is room now");
    }
}
