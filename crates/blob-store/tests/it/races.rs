//! Races between collectors and writers, played step by step: another party acts at the worst moment.

use std::{
    fmt,
    ops::Range,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use async_trait::async_trait;
use blob_store::{
    BlobInfo, BlobStore, BlobStoreExt, ByteStream, Document, DocumentEntry, DocumentKey, DocumentKind, Error,
    ErrorKind, Expected, FsStore, ManifestName, ObjectStoreBackend, Pin, Quarantined, Reason, Stage,
    VerifyOptions, Version,
};
use bytes::Bytes;
use content_id::{ContentId, Digest};
use futures::future::BoxFuture;
use object_store::memory::InMemory;

use crate::{later, manifest};

/// Moments at which another party may act: right before the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Quarantine,
    Purge,
    PutDocument,
    RemoveDocument,
}

type Act = Box<dyn FnOnce(Arc<dyn BlobStore>) -> BoxFuture<'static, ()> + Send>;

/// A store on which another party acts once, at a given moment.
struct Interrupted {
    inner: Arc<dyn BlobStore>,
    act: Mutex<Option<(Moment, Act)>>,
}

impl fmt::Debug for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Interrupted")
    }
}

impl Interrupted {
    async fn at(&self, moment: Moment) {
        let act = self.act.lock().unwrap_or_else(PoisonError::into_inner).take_if(|(at, _)| *at == moment);
        if let Some((_, act)) = act {
            act(Arc::clone(&self.inner)).await;
        }
    }

    /// The same store, with `act` at `moment`.
    fn new<F>(
        inner: &Arc<dyn BlobStore>,
        moment: Moment,
        act: impl FnOnce(Arc<dyn BlobStore>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let act: Act = Box::new(|store| Box::pin(act(store)));
        Self { inner: Arc::clone(inner), act: Mutex::new(Some((moment, act))) }
    }

    fn has_acted(&self) -> bool {
        self.act.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

#[async_trait]
impl BlobStore for Interrupted {
    async fn contains(&self, id: ContentId) -> Result<bool, Error> {
        self.inner.contains(id).await
    }
    async fn confirm(&self, ids: &[ContentId]) -> Result<Vec<ContentId>, Error> {
        self.inner.confirm(ids).await
    }
    async fn stage(&self, expected: Expected) -> Result<Box<dyn Stage>, Error> {
        self.inner.stage(expected).await
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
        self.at(Moment::Quarantine).await;
        self.inner.quarantine(digest, reason).await
    }
    async fn restore(&self, held: &Quarantined) -> Result<bool, Error> {
        self.inner.restore(held).await
    }
    async fn quarantined(&self) -> Result<Vec<Quarantined>, Error> {
        self.inner.quarantined().await
    }
    async fn read_quarantined(&self, held: &Quarantined, range: Range<u64>) -> Result<ByteStream, Error> {
        self.inner.read_quarantined(held, range).await
    }
    async fn purge(&self, held: &Quarantined) -> Result<bool, Error> {
        self.at(Moment::Purge).await;
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
        self.at(Moment::PutDocument).await;
        self.inner.put_document(key, bytes, expected).await
    }
    async fn remove_document(&self, key: &DocumentKey, expected: Version) -> Result<(), Error> {
        self.at(Moment::RemoveDocument).await;
        self.inner.remove_document(key, expected).await
    }
    async fn documents(&self, kind: DocumentKind) -> Result<Vec<DocumentEntry>, Error> {
        self.inner.documents(kind).await
    }
    async fn remove_stages(&self, before: SystemTime) -> Result<u64, Error> {
        self.inner.remove_stages(before).await
    }
}

fn store() -> Arc<dyn BlobStore> {
    Arc::new(ObjectStoreBackend::new(Arc::new(InMemory::new())))
}

async fn put(store: &dyn BlobStore) -> ContentId {
    store.put_bytes("contested".into()).await.expect("it is put")
}

/// A manifest written after the collector looked, and before it hides the blob: the blob comes back.
#[tokio::test]
async fn a_manifest_between_mark_and_sweep_keeps_its_blob() {
    let store = store();
    let id = put(&*store).await;
    let collector = Interrupted::new(&store, Moment::Quarantine, move |store| async move {
        store.put_manifest(&manifest("m", "r", &[id]), None).await.expect("its blob is there");
    });
    let report = collector.collect_garbage(&later()).await.expect("it can be collected");
    assert!(collector.has_acted());
    assert_eq!((report.restored, report.removed.len()), (vec![id.digest], 0));
    assert!(store.contains(id).await.expect("the store can be asked"));
}

/// A collection between the writer's look and its writing: the manifest is refused, and not left behind.
#[tokio::test]
async fn a_collection_before_a_manifest_refuses_it() {
    let store = store();
    let id = put(&*store).await;
    let writer = Interrupted::new(&store, Moment::PutDocument, |store| async move {
        assert_eq!(store.collect_garbage(&later()).await.expect("it can be collected").removed.len(), 1);
    });
    let error = writer.put_manifest(&manifest("m", "r", &[id]), None).await.expect_err("its blob is gone");
    assert_eq!(error.kind(), ErrorKind::Incomplete);
    assert!(store.manifests().await.expect("a listing").is_empty());
    // An update that fails so leaves what was there before.
    let old = manifest("m", "r", &[]);
    let version = store.put_manifest(&old, None).await.expect("it is complete");
    let id = put(&*store).await;
    let writer = Interrupted::new(&store, Moment::PutDocument, |store| async move {
        assert_eq!(store.collect_garbage(&later()).await.expect("it can be collected").removed.len(), 1);
    });
    writer.put_manifest(&manifest("m", "r", &[id]), Some(version)).await.expect_err("its blob is gone");
    assert_eq!(store.manifests().await.expect("a listing"), [old]);
}

/// A blob published anew, named, and hidden by a second collector, while the first destroys the old copy.
#[tokio::test]
async fn a_collector_destroys_only_what_it_saw() {
    let store = store();
    let id = put(&*store).await;
    let first = Interrupted::new(&store, Moment::Purge, move |store| async move {
        put(&*store).await;
        store.put_manifest(&manifest("m", "r", &[id]), None).await.expect("its blob is there");
        assert!(store.quarantine(id.digest, Reason::Garbage).await.expect("it is hidden by the second"));
    });
    first.collect_garbage(&later()).await.expect("it can be collected");
    assert!(first.has_acted());
    // The second goes on.
    let report = store.collect_garbage(&later()).await.expect("it can be collected");
    assert_eq!(report.restored, [id.digest]);
    assert_eq!(store.read_all(id, 100).await.expect("it is there"), "contested");
}

/// A manifest pinned while a collector removes it for not being pinned: it comes back, with its blob.
#[tokio::test]
async fn a_pin_during_removal_keeps_its_manifest() {
    let store = store();
    let id = put(&*store).await;
    let kept = manifest("m", "r", &[id]);
    store.put_manifest(&kept, None).await.expect("it is complete");
    let name = kept.name.clone();
    let collector = Interrupted::new(&store, Moment::RemoveDocument, |store| async move {
        store.set_pin(&Pin::new("task:x", name, 1), None).await.expect("the manifest is there");
    });
    let options = later().keep_unpinned_manifests(false);
    let report = collector.collect_garbage(&options).await.expect("it can be collected");
    assert!(collector.has_acted() && report.manifests_removed.is_empty());
    // Who is killed on the way leaves nothing hidden that somebody has pinned.
    assert_eq!(report.restored, [], "nothing was hidden");
    assert_eq!(store.manifests().await.expect("a listing"), [kept]);
    assert!(store.contains(id).await.expect("the store can be asked"));
}

/// A manifest removed between the look of who pins it and the pin: the pin is refused, and not left behind.
#[tokio::test]
async fn a_removal_before_a_pin_refuses_it() {
    let store = store();
    store.put_manifest(&manifest("m", "r", &[]), None).await.expect("it is complete");
    let user = Interrupted::new(&store, Moment::PutDocument, |store| async move {
        let options = later().keep_unpinned_manifests(false);
        store.collect_garbage(&options).await.expect("it can be collected");
    });
    let pin = Pin::new("task:x", ManifestName::new("hub.example", "m", "r"), 1);
    let error = user.set_pin(&pin, None).await.expect_err("the manifest is gone");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(store.pins().await.expect("a listing").is_empty());
}

/// A damaged blob that is published anew while a scrub reads the damage: the sound one stays.
#[tokio::test]
async fn a_blob_healed_during_a_scrub_stays() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = FsStore::open(dir.path()).expect("a new store");
    let id = store.put_bytes("sound".into()).await.expect("it is put");
    crate::steps::rot(dir.path(), id);
    let scrub =
        Interrupted::new(&(Arc::new(store.clone()) as _), Moment::Quarantine, move |store| async move {
            let mut stage = store.stage(id.into()).await.expect("a stage begins");
            stage.write("sound".into()).await.expect("a piece is accepted");
            stage.publish().await.expect("it is published");
        });
    let report = scrub.verify(&VerifyOptions::default().repair(true)).await.expect("a report");
    assert!(scrub.has_acted());
    assert_eq!((report.damaged, report.repaired), (vec![id], 0));
    assert_eq!(store.read_all(id, 100).await.expect("it is sound"), "sound");
    assert!(store.quarantined().await.expect("a listing").is_empty());
}
