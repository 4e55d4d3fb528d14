//! Opening models over a folder in which something was changed, and putting many blobs into one.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use blob_store::{
    BlobStore, BlobStoreExt, ErrorKind, FsOptions, FsStore, OpenOptions,
    conformance::{Act, Call, Failure, Faults},
};

use crate::{manifest, memory_folder, noise};

/// Damage that changes the size is found by opening, any other by opening verified; nothing else is followed.
#[tokio::test]
async fn what_is_damaged_does_not_open() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = FsStore::open(dir.path()).expect("a new store");
    for size in [100, 100_000] {
        let content = noise(size, 1);
        let id = store.put_bytes(content.clone()).await.expect("it is put");
        let manifest = manifest("m", &size.to_string(), &[id]);
        store.put_manifest(&manifest, None).await.expect("it is complete");
        let path = store.local_path(id).expect("a plain file");
        let open = async |verify: bool| {
            let options = OpenOptions::default().verify(verify);
            let opened = store.open_model(&manifest.name, &options).await;
            opened.map(|model| model.is_some()).map_err(|error| error.kind())
        };
        let replace = |bytes: &[u8]| {
            fs::remove_file(&path).expect("it is there");
            fs::write(&path, bytes).expect("it can be written");
            fs::set_permissions(&path, Permissions::from_mode(0o444)).expect("it is ours");
        };
        assert_eq!((open(false).await, open(true).await), (Ok(true), Ok(true)));
        let mut changed = content.to_vec();
        changed[size / 2] ^= 1;
        replace(&changed);
        assert_eq!((open(false).await, open(true).await), (Ok(true), Err(ErrorKind::Damaged)));
        replace(&content[1..]);
        assert_eq!((open(false).await, open(true).await), (Err(ErrorKind::Damaged), Err(ErrorKind::Damaged)));
        let elsewhere = dir.path().join("elsewhere");
        fs::write(&elsewhere, &content).expect("it can be written");
        fs::remove_file(&path).expect("it is there");
        symlink(&elsewhere, &path).expect("a symlink");
        assert_eq!(open(false).await, Err(ErrorKind::Damaged), "a symlink is not followed");
        fs::remove_file(&path).expect("it is there");
        fs::create_dir(&path).expect("a folder");
        assert_eq!(open(false).await, Err(ErrorKind::Damaged), "a folder is no blob");
        fs::remove_dir(&path).expect("it is there");
        assert_eq!(open(false).await, Err(ErrorKind::NotFound));
        // A folder of blobs that is a symlink is not followed, either.
        store.put_bytes(content).await.expect("it is put again");
        let folder = path.parent().expect("it is in a folder");
        fs::rename(folder, dir.path().join(format!("moved-{size}"))).expect("it can be moved");
        symlink(dir.path().join(format!("moved-{size}")), folder).expect("a symlink");
        assert!(open(false).await.is_err());
        fs::remove_file(folder).expect("it is there");
    }
}

/// Many blobs at once leave nothing but blobs behind, read-only like any other.
#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_leave_nothing_behind() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = FsStore::open(dir.path()).expect("a new store");
    let contents: Vec<bytes::Bytes> = (0..500).map(|n| noise(2000, 2 * n)).collect();
    let ids = store.put_many(contents).await.expect("they are put");
    assert_eq!(fs::read_dir(dir.path().join("staging")).expect("a folder").count(), 0);
    let path = store.local_path(ids[250]).expect("a plain file");
    let mode = fs::metadata(path).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o333, 0, "{mode:o}");
    assert_eq!(store.confirm(&ids).await.expect("the store can be asked"), []);
}

/// When one of many blobs cannot be written, the error is told once nobody writes any more: nothing half-written is
/// left then, and nothing appears afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn an_error_among_many_is_told_when_all_are_done() {
    let contents: Vec<bytes::Bytes> = (0..1000).map(|n| noise(100, 2 * n)).collect();
    for call in [Call::Create, Call::Rename] {
        let dir = memory_folder();
        let made = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&made);
        let faults =
            Faults::new(move |it| match it == call && counter.fetch_add(1, Ordering::SeqCst) == 40 {
                true => Act::Fail(Failure::Io),
                false => Act::Go,
            });
        let store = FsStore::open_with_faults(dir.path(), FsOptions::default(), Arc::new(faults));
        let store = store.expect("a new store");
        let error = store.put_many(contents.clone()).await.expect_err("one of them cannot be written");
        assert_eq!(error.kind(), ErrorKind::Backend, "{error:?}");
        let (calls, there) = (made.load(Ordering::SeqCst), store.blobs().await.expect("a listing").len());
        assert_eq!(fs::read_dir(dir.path().join("staging")).expect("a folder").count(), 0, "{call:?}");
        assert_eq!(there == 0, call == Call::Create, "{there} of those that were given a name stay");
        store.put_many(contents.clone()).await.expect("the same then succeeds");
        assert_eq!(store.blobs().await.expect("a listing").len(), contents.len());
        assert!(40 < calls && calls < contents.len(), "{calls} of {call:?}");
    }
}
