//! Many small blobs at once, through stores made of stores: they stay together on their way.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use blob_store::{
    BlobStore, BlobStoreExt, FsOptions, FsStore, LayeredStore, ObjectStoreBackend, Reason, TieredStore,
    conformance::{Act, Call, Faults},
};
use bytes::Bytes;
use content_id::ContentId;
use futures::stream::BoxStream;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, memory::InMemory, path::Path as Key,
};

use crate::{later, memory_folder, noise};

/// More than there are folders of blobs, so that to wait for each is more than to wait for each folder.
const MANY: usize = 600;

/// Folders of blobs, and those above them.
const FOLDERS: usize = 256 + 20;

/// A store, and how often it has waited for a folder.
fn counting(dir: &Path) -> (Arc<dyn BlobStore>, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let faults = Faults::new(move |call| {
        counter.fetch_add(usize::from(call == Call::SyncFolder), Ordering::SeqCst);
        Act::Go
    });
    let faults = Arc::new(faults.without(Call::SyncFile).without(Call::SyncFolder));
    let store = FsStore::open_with_faults(dir, FsOptions::default(), faults).expect("a new store");
    (Arc::new(store), count)
}

fn contents() -> (Vec<Bytes>, Vec<ContentId>) {
    let contents: Vec<Bytes> = (0..MANY).map(|n| noise(40, 2 * n as u64)).collect();
    let ids = contents.iter().map(|bytes| ContentId::of(bytes)).collect();
    (contents, ids)
}

/// Only names are listed, nothing is looked at; and what is garbage goes.
async fn list_and_collect(store: &dyn BlobStore, listed: usize) {
    let names = store.blob_names().await.expect("a listing");
    assert_eq!(names.len(), listed);
    assert!(names.iter().all(|name| name.info.is_none()));
    let some: Vec<_> = names[..3].iter().map(|name| name.digest).collect();
    assert_eq!(store.look_at(some.clone()).await.expect("they are there").len(), 3);
    store.quarantine_many(some, Reason::Garbage).await.expect("they are there");
    let held = store.quarantined().await.expect("a listing");
    assert_eq!(held.len(), 3);
    assert_eq!(store.purge_many(held.clone()).await.expect("they are there"), held);
    assert_eq!(store.purge_many(held).await.expect("they are gone"), []);
    let report = store.collect_garbage(&later()).await.expect("it can be collected");
    assert_eq!(report.removed.len(), listed - 3);
    assert!(store.blobs().await.expect("a listing").is_empty());
}

#[tokio::test]
async fn a_tier_takes_many_at_once() {
    let dir = memory_folder();
    let (local, here) = counting(&dir.path().join("local"));
    let (shared, there) = counting(&dir.path().join("shared"));
    let tier = TieredStore::new(Arc::clone(&local), Arc::clone(&shared));
    let (contents, ids) = contents();
    assert_eq!(tier.put_many(contents.clone()).await.expect("they are put"), ids);
    for (store, count) in [(&local, here), (&shared, there)] {
        assert_eq!(store.confirm(&ids).await.expect("it answers"), []);
        let count = count.load(Ordering::SeqCst);
        assert!(count < 2 * FOLDERS, "waited {count} times");
    }
    list_and_collect(&tier, MANY).await;
    assert!(local.blobs().await.expect("a listing").is_empty(), "what is hidden is not in the cache, either");
    // A cache that takes nothing is no reason to fail.
    let file = dir.path().join("file");
    let tier = TieredStore::new(counting(&file.join("store")).0, Arc::clone(&shared));
    std::fs::write(&file, "in the way").expect("it can be written");
    assert_eq!(tier.put_many(contents).await.expect("the shared store takes them"), ids);
    assert_eq!(shared.confirm(&ids).await.expect("it answers"), []);
}

#[tokio::test]
async fn a_layered_store_takes_many_at_once() {
    let dir = memory_folder();
    let (upper, count) = counting(&dir.path().join("upper"));
    let (lower, _) = counting(&dir.path().join("lower"));
    let (mut contents, mut ids) = contents();
    let (below, id) = (contents[0].clone(), ids[0]);
    lower.put_bytes(below.clone()).await.expect("it is put");
    contents.push(below);
    ids.push(id);
    let store = LayeredStore::new(Arc::clone(&upper), vec![lower]);
    assert_eq!(store.put_many(contents).await.expect("they are put"), ids);
    assert!(!upper.contains(id).await.expect("it answers"), "what is below is not put once more");
    assert_eq!(store.confirm(&ids).await.expect("it answers"), []);
    assert!(count.load(Ordering::SeqCst) < 2 * FOLDERS, "waited {count:?} times");
    list_and_collect(&store, MANY - 1).await;
}

/// Objects in memory, and how many were put at the same time at most.
#[derive(Debug, Default)]
struct Crowd {
    inner: InMemory,
    now: AtomicUsize,
    most: AtomicUsize,
}

impl std::fmt::Display for Crowd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("crowd")
    }
}

#[async_trait]
impl ObjectStore for Crowd {
    async fn put_opts(
        &self,
        location: &Key,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        // A real one answers later, and lets others go on.
        tokio::task::yield_now().await;
        self.now.fetch_sub(1, Ordering::SeqCst);
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Key,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Key, options: GetOptions) -> object_store::Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Key>>,
    ) -> BoxStream<'static, object_store::Result<Key>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Key>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Key>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Key, to: &Key, options: CopyOptions) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// Through a tier, too, an object store is not waited for once for each.
#[tokio::test]
async fn an_object_store_takes_several_at_a_time() {
    let dir = memory_folder();
    let bucket = Arc::new(Crowd::default());
    let shared = Arc::new(ObjectStoreBackend::new(Arc::clone(&bucket) as Arc<dyn ObjectStore>));
    let tier = TieredStore::new(counting(dir.path()).0, Arc::clone(&shared) as Arc<dyn BlobStore>);
    let (mut contents, mut ids) = contents();
    contents.push(contents[0].clone());
    ids.push(ids[0]);
    assert_eq!(tier.put_many(contents).await.expect("they are put"), ids);
    assert_eq!(shared.confirm(&ids).await.expect("it answers"), []);
    let most = bucket.most.load(Ordering::SeqCst);
    assert!((2..=16).contains(&most), "{most} at a time");
}
