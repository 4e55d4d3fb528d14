//! Many small blobs at once, through stores made of stores: they stay together on their way.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use blob_store::{
    BlobStore, BlobStoreExt, FsOptions, FsStore, LayeredStore, Reason, TieredStore,
    conformance::{Act, Call, Faults},
};
use bytes::Bytes;
use content_id::ContentId;

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
