//! Every backend passes the one conformance suite.

use std::{path::Path, sync::Arc, time::Duration};

use blob_store::{BlobStore, Durability, FsOptions, FsStore, ObjectStoreBackend, conformance};
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
