//! A local cache in front of a shared store.

use std::{
    collections::HashSet,
    ops::Range,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use content_id::{ContentId, Digest};
use futures::{StreamExt, TryStreamExt, stream};

use super::{
    copying::{or_else_from, read_and_keep},
    tier_stage::{TierPartStage, TierStage},
};
use crate::{
    BlobInfo, BlobName, BlobStore, ByteStream, Document, DocumentEntry, DocumentKey, DocumentKind, Error,
    ErrorKind, Expected, LockGuard, PartStage, Quarantined, Reason, Stage, StageInfo, StageKey, Version,
};

/// Blobs copied at the same time.
const COPIES: usize = 4;

/// A store that many machines share, with a cache of its own on each of them.
///
/// The shared store is the truth: documents, listings, collections and quarantine are those of it, and a write is
/// acknowledged when it has it. The local store makes that fast, gives local files, and stands in for it:
///
/// - A blob is read from the local store, or else streamed from the shared one and kept, once it was checked. A local
///   copy that is damaged is replaced from the shared store. A part of a blob that is not there is passed through.
/// - A blob is published locally first, and then sent. Where sending fails the publishing fails; but the bytes stay
///   in the local store, and [`confirm`](BlobStore::confirm), with which every `put_manifest` begins, sends what only
///   the local store has.
/// - Manifests and pins are remembered. While the shared store cannot be reached (`Backend`), reads give what was
///   seen last, writes and collections fail; and so does a listing of which nothing was ever seen, since that is not
///   to know that there is nothing. For `pause` after a failure it is not even asked for what is known.
/// - A local store that is full, damaged or read-only costs speed; only a blob that has begun to be written there
///   fails with it.
///
/// How long it takes until an unreachable store has failed is a matter of its own timeouts and retries.
///
/// The local store is a store like any other: its own handle evicts from it (with the manifests remembered, a
/// collection there keeps what is in use anywhere), scrubs it, and counts it. What it loses comes back.
///
/// Cloning gives another handle to the same two stores.
///
/// ```
/// # #[cfg(feature = "fs")]
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use std::sync::Arc;
/// use blob_store::{BlobStore, BlobStoreExt, FsStore, TieredStore};
///
/// let dir = tempfile::tempdir()?;
/// let store = |name: &str| FsStore::open(dir.path().join(name)).map(|store| Arc::new(store) as Arc<dyn BlobStore>);
/// let shared = store("shared")?;
/// let here = TieredStore::new(store("here")?, Arc::clone(&shared));
/// let there = TieredStore::new(store("there")?, shared);
///
/// let id = here.put_bytes("hello".into()).await?;
/// assert_eq!(there.local_path(id), None);
/// there.ensure_local(&[id]).await?;
/// assert_eq!(std::fs::read_to_string(there.local_path(id).expect("it is local now"))?, "hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TieredStore {
    pub(super) local: Arc<dyn BlobStore>,
    pub(super) shared: Arc<dyn BlobStore>,
    pause: Duration,
    /// When the shared store failed last, and how; nothing once it has answered again.
    failure: Arc<Mutex<Option<(Instant, String)>>>,
    /// The kinds of which the shared store has none, as far as this handle has seen.
    absent: Arc<Mutex<HashSet<DocumentKind>>>,
}

impl TieredStore {
    /// Keeps a cache of `shared` in `local`, which no other shared store may use as well.
    pub fn new(local: Arc<dyn BlobStore>, shared: Arc<dyn BlobStore>) -> Self {
        let pause = Duration::from_secs(5);
        Self { local, shared, pause, failure: Arc::default(), absent: Arc::default() }
    }

    /// Sets for how long after a failure the shared store is not asked for what was seen of it; 5 seconds by default.
    #[must_use]
    pub fn with_pause(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    /// Returns the local store, to evict from it, scrub it and count it.
    pub fn local(&self) -> &Arc<dyn BlobStore> {
        &self.local
    }

    /// Returns the shared store.
    pub fn shared(&self) -> &Arc<dyn BlobStore> {
        &self.shared
    }

    /// Returns why the shared store could not be asked the last time; nothing if it answered.
    pub fn shared_failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(_, why)| why.clone())
    }

    /// The kinds of documents that are known not to be there at all.
    pub(super) fn absent(&self) -> MutexGuard<'_, HashSet<DocumentKind>> {
        self.absent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the shared store, and notes whether it could be.
    pub(super) async fn ask<T>(&self, request: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let answer = request.await;
        self.note(answer.as_ref().err());
        answer
    }

    /// Notes what came of asking the shared store.
    pub(super) fn note(&self, error: Option<&Error>) {
        let failed = error.filter(|error| error.kind() == ErrorKind::Backend);
        let failure = failed.map(|error| (Instant::now(), error.to_string()));
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    /// Whether it failed so recently that it is not worth asking for what is known.
    fn is_paused(&self) -> bool {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.as_ref().is_some_and(|(when, _)| when.elapsed() < self.pause)
    }
}

#[async_trait]
impl BlobStore for TieredStore {
    async fn contains(&self, id: ContentId) -> Result<bool, Error> {
        if self.local.contains(id).await.unwrap_or(false) {
            return Ok(true);
        }
        self.ask(self.shared.contains(id)).await
    }

    async fn confirm(&self, ids: &[ContentId]) -> Result<Vec<ContentId>, Error> {
        let mut missing = Vec::new();
        for id in self.ask(self.shared.confirm(ids)).await? {
            if !self.local.contains(id).await.unwrap_or(false) {
                missing.push(id);
                continue;
            }
            match self.send(id).await {
                Ok(()) => {}
                // The local copy is worth nothing, or has gone meanwhile.
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::Mismatch | ErrorKind::Damaged | ErrorKind::NotFound
                    ) =>
                {
                    missing.push(id);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(missing)
    }

    async fn stage(&self, expected: Expected) -> Result<Box<dyn Stage>, Error> {
        match self.local.stage(expected).await {
            Ok(local) => Ok(Box::new(TierStage::new(self.clone(), local))),
            Err(_) => self.ask(self.shared.stage(expected)).await,
        }
    }

    async fn stage_parts(&self, key: &StageKey, expected: Expected) -> Result<Box<dyn PartStage>, Error> {
        match self.local.stage_parts(key, expected).await {
            Ok(local) => Ok(Box::new(TierPartStage::new(self.clone(), local))),
            Err(error) if error.kind() == ErrorKind::Busy => Err(error),
            Err(_) => self.ask(self.shared.stage_parts(key, expected)).await,
        }
    }

    async fn read(&self, id: ContentId, range: Range<u64>) -> Result<ByteStream, Error> {
        match self.local.read(id, range.clone()).await {
            Ok(bytes) => Ok(or_else_from(bytes, [Arc::clone(&self.shared)], id, range)),
            Err(error) if error.kind() == ErrorKind::Invalid => Err(error),
            Err(_) if range == (0..id.size) => self.ask(read_and_keep(&*self.shared, &*self.local, id)).await,
            Err(_) => self.ask(self.shared.read(id, range)).await,
        }
    }

    fn local_path(&self, id: ContentId) -> Option<PathBuf> {
        self.local.local_path(id)
    }

    async fn map(&self, ids: &[ContentId]) -> Result<Vec<Option<Bytes>>, Error> {
        self.local.map(ids).await
    }

    async fn ensure_local(&self, ids: &[ContentId]) -> Result<(), Error> {
        let fills = stream::iter(ids.to_vec()).map(|id| self.fill(id));
        fills.buffer_unordered(COPIES).try_collect().await
    }

    async fn mend(&self, id: ContentId) -> Result<bool, Error> {
        Ok(self.drop_damaged_copy(id.digest).await || self.shared.mend(id).await?)
    }

    async fn put_many(&self, contents: Vec<Bytes>) -> Result<Vec<ContentId>, Error> {
        // That the cache cannot take them is no reason to fail; that they cannot be shared does not take them from it.
        let _ = self.local.put_many(contents.clone()).await;
        self.ask(self.shared.put_many(contents)).await
    }

    async fn remove(&self, id: ContentId) -> Result<bool, Error> {
        let removed = self.ask(self.shared.remove(id)).await?;
        Ok(self.local.remove(id).await.unwrap_or(false) || removed)
    }

    async fn blobs(&self) -> Result<Vec<BlobInfo>, Error> {
        self.ask(self.shared.blobs()).await
    }

    async fn blob_names(&self) -> Result<Vec<BlobName>, Error> {
        self.ask(self.shared.blob_names()).await
    }

    async fn look_at(&self, digests: Vec<Digest>) -> Result<Vec<BlobInfo>, Error> {
        self.ask(self.shared.look_at(digests)).await
    }

    async fn quarantine_many(&self, digests: Vec<Digest>, reason: Reason) -> Result<(), Error> {
        if reason == Reason::Damaged {
            for digest in digests {
                self.quarantine(digest, reason).await?;
            }
            return Ok(());
        }
        self.ask(self.shared.quarantine_many(digests.clone(), reason)).await?;
        for digest in digests {
            let _ = self.local.remove(ContentId::new(digest, 0)).await;
        }
        Ok(())
    }

    async fn quarantine(&self, digest: Digest, reason: Reason) -> Result<bool, Error> {
        // Whoever found damage in a local copy knows nothing of the shared one.
        if reason == Reason::Damaged && self.drop_damaged_copy(digest).await {
            return Ok(true);
        }
        let hidden = self.ask(self.shared.quarantine(digest, reason)).await?;
        let _ = self.local.remove(ContentId::new(digest, 0)).await;
        Ok(hidden)
    }

    async fn restore(&self, held: &Quarantined) -> Result<bool, Error> {
        self.ask(self.shared.restore(held)).await
    }

    async fn quarantined(&self) -> Result<Vec<Quarantined>, Error> {
        self.ask(self.shared.quarantined()).await
    }

    async fn read_quarantined(&self, held: &Quarantined, range: Range<u64>) -> Result<ByteStream, Error> {
        self.ask(self.shared.read_quarantined(held, range)).await
    }

    async fn purge_many(&self, held: Vec<Quarantined>) -> Result<Vec<Quarantined>, Error> {
        self.ask(self.shared.purge_many(held)).await
    }

    async fn purge(&self, held: &Quarantined) -> Result<bool, Error> {
        self.ask(self.shared.purge(held)).await
    }

    async fn document(&self, key: &DocumentKey) -> Result<Option<Document>, Error> {
        self.document_now(key).await
    }

    async fn put_document(
        &self,
        key: &DocumentKey,
        bytes: Bytes,
        expected: Option<Version>,
    ) -> Result<Version, Error> {
        let version = self.ask(self.shared.put_document(key, bytes.clone(), expected)).await?;
        self.remember(key, Some(&bytes)).await;
        Ok(version)
    }

    async fn remove_document(&self, key: &DocumentKey, expected: Version) -> Result<(), Error> {
        self.ask(self.shared.remove_document(key, expected)).await?;
        self.remember(key, None).await;
        Ok(())
    }

    async fn documents(&self, kind: DocumentKind) -> Result<Vec<DocumentEntry>, Error> {
        self.documents_now(kind).await
    }

    async fn document_as_seen(&self, key: &DocumentKey) -> Result<Option<Document>, Error> {
        if self.is_paused()
            && let Some(seen) = self.seen_document(key).await
        {
            return Ok(Some(seen));
        }
        match self.document_now(key).await {
            // Not to have seen it is not to know that it is not there.
            Err(error) if error.kind() == ErrorKind::Backend => {
                self.seen_document(key).await.map(Some).ok_or(error)
            }
            found => found,
        }
    }

    async fn documents_as_seen(&self, kind: DocumentKind) -> Result<Vec<DocumentEntry>, Error> {
        if self.is_paused()
            && let Some(seen) = self.seen_documents(kind).await
        {
            return Ok(seen);
        }
        match self.documents_now(kind).await {
            // As above: a cache that never saw a listing does not know that there is nothing.
            Err(error) if error.kind() == ErrorKind::Backend => self.seen_documents(kind).await.ok_or(error),
            found => found,
        }
    }

    async fn documents_below(&self, kind: DocumentKind) -> Vec<DocumentEntry> {
        self.shared.documents_below(kind).await
    }

    async fn stages(&self) -> Result<Vec<StageInfo>, Error> {
        let mut stages = self.ask(self.shared.stages()).await?;
        stages.extend(self.local.stages().await.unwrap_or_default());
        Ok(stages)
    }

    async fn remove_stages(&self, before: SystemTime) -> Result<u64, Error> {
        let shared = self.ask(self.shared.remove_stages(before)).await?;
        Ok(shared + self.local.remove_stages(before).await.unwrap_or(0))
    }

    async fn own_document(&self, key: &DocumentKey) -> Result<Option<Document>, Error> {
        self.shared.own_document(key).await
    }

    // What is planned here is about the shared store; the cache makes room through its own handle.
    async fn free_space(&self) -> Result<Option<u64>, Error> {
        self.shared.free_space().await
    }

    async fn lock_shared(&self, key: &DocumentKey) -> Result<Option<LockGuard>, Error> {
        self.local.lock_shared(key).await
    }

    async fn is_locked(&self, key: &DocumentKey) -> Result<bool, Error> {
        self.local.is_locked(key).await
    }
}
