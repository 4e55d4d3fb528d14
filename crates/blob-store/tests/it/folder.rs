//! The file system backend: its folder, its modes, and foreign things planted in it.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use blob_store::{BlobStore, BlobStoreExt, ErrorKind, FsOptions, FsStore, Limits, Reason};
use content_id::ContentId;
use futures::TryStreamExt;

use crate::{later, manifest, noise};

/// Where a blob lies in the folder of a store.
pub(crate) fn blob_path(dir: &Path, id: ContentId) -> PathBuf {
    let text = id.digest.to_string();
    dir.join("blobs/sha256").join(&text[..2]).join(&text[2..])
}

fn entries(dir: &Path) -> usize {
    fs::read_dir(dir).map_or(0, Iterator::count)
}

#[tokio::test]
async fn a_store_appears_with_its_first_write() {
    let parent = tempfile::tempdir().expect("a temporary folder");
    let dir = parent.path().join("deep/store");
    let store = FsStore::open(&dir).expect("there is nothing to be wrong");
    assert!(store.blobs().await.expect("nothing to list").is_empty());
    assert!(store.manifests().await.expect("nothing to list").is_empty());
    store.collect_garbage(&later()).await.expect("nothing to collect");
    assert!(!parent.path().join("deep").exists(), "reading writes nothing");
    store.put_bytes("a".into()).await.expect("it is put");
    let format = fs::read_to_string(dir.join("format.json")).expect("the format file is there");
    assert!(format.contains(r#""format_version": 1"#), "{format}");
    // A folder that is removed under a running program is made again.
    fs::remove_dir_all(&dir).expect("it can be removed");
    let id = store.put_bytes("a".into()).await.expect("it is put again");
    assert!(dir.join("format.json").exists());
    assert!(FsStore::open(&dir).expect("a store").contains(id).await.expect("the store can be asked"));
}

#[tokio::test]
async fn a_newer_store_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (text, kind) in [
        (r#"{"format_version": 2}"#, ErrorKind::Unsupported),
        ("{", ErrorKind::Damaged),
        ("", ErrorKind::Damaged),
    ] {
        fs::write(dir.path().join("format.json"), text).expect("it can be written");
        assert_eq!(FsStore::open(dir.path()).expect_err("it makes no sense to us").kind(), kind);
    }
    fs::write(dir.path().join("format.json"), r#"{"format_version": 1, "more": 2}"#)
        .expect("it can be written");
    FsStore::open(dir.path()).expect("fields may be added");
}

#[tokio::test]
async fn blobs_are_read_only_files_at_the_documented_place() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = FsStore::open(dir.path()).expect("a new store");
    let id = store.put_bytes("hello".into()).await.expect("it is put");
    let path = blob_path(dir.path(), id);
    assert_eq!(store.local_path(id), Some(path.clone()));
    let metadata = fs::symlink_metadata(&path).expect("it is there");
    assert!(metadata.is_file());
    assert_eq!(metadata.permissions().mode() & 0o333, 0, "nobody writes or executes it");
    assert_ne!(metadata.permissions().mode() & 0o400, 0);
    // Others may read as far as the umask lets them, like any file.
    let plain = dir.path().join("plain");
    fs::write(&plain, "x").expect("it can be written");
    let plain = fs::metadata(plain).expect("it is there").permissions().mode();
    assert_eq!(metadata.permissions().mode() & 0o444, plain & 0o444);
    assert_eq!(entries(&dir.path().join("staging")), 0);
}

/// What somebody put in a blob's place is not followed, not waited for, and replaced by publishing.
#[tokio::test]
async fn planted_things_are_not_followed() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let outside = dir.path().join("outside");
    fs::write(&outside, "hello").expect("it can be written");
    let store = FsStore::open(dir.path().join("store")).expect("a new store");
    let id = store.put_bytes("hello".into()).await.expect("it is put");
    let path = blob_path(store.dir(), id);
    let plant: [(&str, &dyn Fn()); 5] = [
        ("symlink", &|| symlink(&outside, &path).expect("a symlink")),
        ("dangling symlink", &|| symlink("nowhere", &path).expect("a symlink")),
        ("FIFO", &|| assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo runs").success())),
        ("device", &|| symlink("/dev/zero", &path).expect("a symlink")),
        ("socket", &|| drop(std::os::unix::net::UnixListener::bind(&path).expect("a socket"))),
    ];
    for (what, plant) in plant {
        fs::remove_file(&path).expect("the blob is there");
        plant();
        assert!(!store.contains(id).await.expect("the store can be asked"), "{what}");
        assert_eq!(store.local_path(id), None, "{what}");
        let error = store.read_all(id, 100).await.expect_err("it is no blob");
        assert_eq!(error.kind(), ErrorKind::Damaged, "{what}: {error}");
        assert!(store.blobs().await.expect("a listing").is_empty(), "{what}");
        assert_eq!(store.confirm(&[id]).await.expect("the store can be asked"), [id]);
        store.put_bytes("hello".into()).await.expect("it is replaced");
        assert_eq!(store.read_all(id, 100).await.expect("it is a blob again"), "hello", "{what}");
    }
    assert_eq!(fs::read_to_string(&outside).expect("it is still there"), "hello");
}

/// A folder that is a symlink leads nowhere, for reading and for writing.
#[tokio::test]
async fn planted_folders_are_not_followed() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let outside = dir.path().join("outside");
    fs::create_dir(&outside).expect("a new folder");
    for folder in ["blobs", "blobs/sha256", "staging", "manifests"] {
        let store = FsStore::open(dir.path().join(folder.replace('/', "-"))).expect("a new store");
        let link = store.dir().join(folder);
        fs::create_dir_all(link.parent().expect("it has one")).expect("a new folder");
        symlink(&outside, &link).expect("a symlink");
        let put = store.put_bytes("x".into()).await.is_ok();
        let document = store.put_manifest(&manifest("m", "r", &[]), None).await.is_ok();
        assert!(!(put && document), "{folder}");
        assert_eq!(entries(&outside), 0, "{folder}");
    }
    // The store's own folder is the user's choice.
    symlink(&outside, dir.path().join("store")).expect("a symlink");
    let store = FsStore::open(dir.path().join("store")).expect("a store");
    store.put_bytes("x".into()).await.expect("it is put");
}

#[tokio::test]
async fn foreign_files_are_passed_over() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = FsStore::open(dir.path()).expect("a new store");
    let id = store.put_bytes("x".into()).await.expect("it is put");
    store.put_manifest(&manifest("m", "r", &[id]), None).await.expect("it is complete");
    store.put_bytes("garbage".into()).await.expect("it is put");
    store.quarantine(ContentId::of(b"garbage").digest, Reason::Damaged).await.expect("it is there");
    let inner =
        fs::read_dir(dir.path().join("manifests")).expect("a folder").next().expect("one").expect("an entry");
    let places = ["", "blobs", "blobs/sha256", "blobs/sha256/ab", "manifests", "pins", "quarantine"];
    let places: Vec<_> = places.iter().map(|place| dir.path().join(place)).chain([inner.path()]).collect();
    places.iter().for_each(|place| fs::create_dir_all(place).expect("a folder"));
    for place in places {
        for name in ["note.txt", ".DS_Store", "99.json", "ab", &"a".repeat(64), "00000000000000000000.json"] {
            let path = place.join(name);
            if !path.exists() {
                fs::write(path, "foreign").expect("it can be written");
            }
        }
    }
    assert_eq!(store.blobs().await.expect("a listing").len(), 1);
    assert_eq!(store.manifests().await.expect("a listing").len(), 1);
    let report = store.collect_garbage(&later()).await.expect("it can be collected");
    assert_eq!((report.removed.len(), report.kept), (0, 1));
    assert!(store.verify(&Default::default()).await.expect("a report").is_sound());
}

/// A killed writer's file goes once it is old; a live writer's stays.
#[tokio::test]
async fn stale_stages_go() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = FsStore::open(dir.path()).expect("a new store");
    store.put_bytes("x".into()).await.expect("it is put");
    let left = dir.path().join("staging/left-behind");
    fs::write(&left, "half of it").expect("it can be written");
    let modified = fs::metadata(&left).expect("it is there").modified().expect("a time");
    assert_eq!(store.remove_stages(modified).await.expect("it can be cleaned"), 0, "not older than that");
    let report = store.collect_garbage(&later()).await.expect("it can be collected");
    assert_eq!(report.stages_removed, 1);
    assert!(!left.exists());
}

/// A reader that has begun reads to the end, whatever happens to the blob.
#[tokio::test]
async fn readers_keep_what_they_opened() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = FsStore::open(dir.path()).expect("a new store");
    let content = noise(2 << 20, 1);
    let id = store.put_bytes(content.clone()).await.expect("it is put");
    let stream = store.read(id, 0..id.size).await.expect("it is there");
    assert!(store.remove(id).await.expect("it can be removed"));
    let pieces: Vec<_> = stream.try_collect().await.expect("it can still be read");
    assert!(pieces.concat() == content);
}

#[tokio::test]
async fn limits_are_kept() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut limits = Limits::default();
    (limits.blob_bytes, limits.document_bytes) = (10, 400);
    let store = FsStore::open_with(dir.path(), FsOptions::default().limits(limits)).expect("a new store");
    for text in ["0123456789", "", "a"] {
        store.put_bytes(text.into()).await.expect("it fits");
    }
    let error = store.put_bytes("0123456789x".into()).await.expect_err("it is too large");
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    let mut stage = store.stage(Default::default()).await.expect("a stage begins");
    let error = stage.write("0123456789x".into()).await.expect_err("it is too large");
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    let error = store.put_manifest(&manifest(&"m".repeat(400), "r", &[]), None).await.expect_err("too large");
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    let small = manifest("m", "r", &[]);
    store.put_manifest(&small, None).await.expect("it fits");
    // What a program with larger limits wrote can be told and replaced.
    let large = FsStore::open(dir.path()).expect("a store");
    let ids: Vec<_> = store.blobs().await.expect("a listing").iter().map(|blob| blob.id).collect();
    crate::overwrite(&large, &manifest("m", "r", &ids)).await.expect("it fits there");
    let error = store.manifest(&small.name).await.expect_err("too large to read");
    assert!(error.version().is_some(), "{error}");
}

/// Old generations do not pile up.
#[tokio::test]
async fn old_generations_are_cleaned_away() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = FsStore::open(dir.path()).expect("a new store");
    let mut manifest = manifest("m", "r", &[]);
    for used in 0..40 {
        manifest.used = used;
        crate::overwrite(&store, &manifest).await.expect("the only writer");
    }
    let folder =
        fs::read_dir(dir.path().join("manifests")).expect("a folder").next().expect("one").expect("an entry");
    assert!(entries(&folder.path()) <= 16);
    assert_eq!(
        store.manifest(&manifest.name).await.expect("it can be read").expect("it is there").0.used,
        39
    );
    assert!(fs::metadata(folder.path()).expect("it is there").mode() & 0o700 == 0o700);
}
