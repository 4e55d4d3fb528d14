//! Every backend passes the one conformance suite.

use std::{path::Path, sync::Arc, time::Duration};

use blob_store::{
    BlobStore, BlobStoreExt, Durability, FsOptions, FsStore, LayeredStore, ObjectStoreBackend, TieredStore,
    conformance,
};
use object_store::{
    ObjectStore,
    limit::LimitStore,
    local::LocalFileSystem,
    memory::InMemory,
    prefix::PrefixStore,
    throttle::{ThrottleConfig, ThrottledStore},
};

fn over(objects: impl ObjectStore) -> Arc<dyn BlobStore> {
    Arc::new(ObjectStoreBackend::new(Arc::new(objects)))
}

/// Runs the suite, each case in a folder of its own.
async fn in_folders(open: impl Fn(&Path) -> Arc<dyn BlobStore>) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut number = 0;
    conformance::all(|| {
        number += 1;
        let dir = dir.path().join(number.to_string());
        std::fs::create_dir(&dir).expect("a new folder");
        open(&dir)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn file_system() {
    in_folders(|dir| Arc::new(FsStore::open(dir.join("store")).expect("a new store"))).await;
}

#[tokio::test]
async fn file_system_without_durability() {
    let options = FsOptions::default().durability(Durability::ProcessCrashOnly);
    in_folders(|dir| Arc::new(FsStore::open_with(dir.join("store"), options).expect("a new store"))).await;
}

/// Without a runtime the work is done in place.
#[test]
fn file_system_without_a_runtime() {
    let options = FsOptions::default().durability(Durability::ProcessCrashOnly);
    futures::executor::block_on(in_folders(|dir| {
        Arc::new(FsStore::open_with(dir, options).expect("a new store"))
    }));
}

#[tokio::test(flavor = "multi_thread")]
async fn memory() {
    conformance::all(|| over(InMemory::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn local_objects() {
    in_folders(|dir| {
        over(LocalFileSystem::new_with_prefix(dir).expect("the folder is there").with_fsync(true))
    })
    .await;
}

#[tokio::test]
async fn prefix_of_a_bucket() {
    conformance::all(|| over(PrefixStore::new(InMemory::new(), "a/b"))).await;
}

#[tokio::test]
async fn one_request_at_a_time() {
    conformance::all(|| over(LimitStore::new(InMemory::new(), 1))).await;
}

#[tokio::test]
async fn slow_writes() {
    let slow = Duration::from_micros(200);
    let config =
        ThrottleConfig { wait_put_per_call: slow, wait_list_per_call: slow, ..ThrottleConfig::default() };
    conformance::all(|| over(ThrottledStore::new(InMemory::new(), config))).await;
}

fn cache(dir: &Path) -> Arc<dyn BlobStore> {
    let options = FsOptions::default().durability(Durability::ProcessCrashOnly);
    Arc::new(FsStore::open_with(dir.join("cache"), options).expect("a new store"))
}

#[tokio::test(flavor = "multi_thread")]
async fn tier_over_memory() {
    in_folders(|dir| Arc::new(TieredStore::new(cache(dir), over(InMemory::new())))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tier_over_local_objects() {
    in_folders(|dir| {
        let bucket = dir.join("bucket");
        std::fs::create_dir(&bucket).expect("a new folder");
        let bucket = LocalFileSystem::new_with_prefix(bucket).expect("the folder is there");
        Arc::new(TieredStore::new(cache(dir), over(bucket)))
    })
    .await;
}

/// Without a runtime, and with a cache that is no folder.
#[test]
fn tier_in_memory_without_a_runtime() {
    futures::executor::block_on(conformance::all(|| {
        Arc::new(TieredStore::new(over(InMemory::new()), over(InMemory::new())))
    }));
}

#[tokio::test]
async fn layered_over_empty_stores() {
    in_folders(|dir| {
        let absent = FsStore::open(dir.join("absent")).expect("nothing to be wrong");
        Arc::new(LayeredStore::new(cache(dir), vec![Arc::new(absent), over(InMemory::new())]))
    })
    .await;
}

/// The lower store has blobs of its own; its documents would be in the listings that the suite counts.
#[tokio::test]
async fn layered_over_a_warm_store() {
    let warm = tempfile::tempdir().expect("a temporary folder");
    let lower = FsStore::open(warm.path()).expect("a new store");
    for n in 0..20_u64 {
        lower.put_bytes(crate::noise(1000, 1000 + n)).await.expect("it is put");
    }
    let before = lower.blobs().await.expect("a listing");
    in_folders(|dir| Arc::new(LayeredStore::new(cache(dir), vec![Arc::new(lower.clone())]))).await;
    let mut after = lower.blobs().await.expect("a listing");
    after.sort_by_key(|blob| before.iter().position(|known| known == blob));
    assert_eq!(after, before);
}

/// A cache in front of a bucket, over an image that brings models along.
#[tokio::test]
async fn layers_of_tiers() {
    in_folders(|dir| {
        let lower = FsStore::open(dir.join("image")).expect("nothing to be wrong");
        let upper = TieredStore::new(cache(dir), over(InMemory::new()));
        Arc::new(LayeredStore::new(Arc::new(upper), vec![Arc::new(lower)]))
    })
    .await;
}
