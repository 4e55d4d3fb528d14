//! Bit rot, truncation and foreign edits: found, told, taken out of the way, and healed by publishing again.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use blob_store::{BlobStore, BlobStoreExt, ErrorKind, FsStore, Pin, VerifyOptions};

use crate::{later, manifest, noise};

type Change = fn(&mut Vec<u8>);

/// Overwrites a read-only file in place.
fn tamper(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).expect("it is there");
    change(&mut bytes);
    fs::set_permissions(path, Permissions::from_mode(0o644)).expect("it is ours");
    fs::write(path, bytes).expect("it can be written");
}

#[tokio::test]
async fn damaged_blobs_are_found_and_healed() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = FsStore::open(dir.path()).expect("a new store");
    let content = noise(300_000, 1);
    let id = store.put_bytes(content.clone()).await.expect("it is put");
    let manifest = manifest("m", "r", &[id]);
    store.put_manifest(&manifest, None).await.expect("it is complete");
    let repair = VerifyOptions::default().repair(true);
    let changes: [(&str, Change); 6] = [
        ("first bit", |bytes| bytes[0] ^= 1),
        ("middle bit", |bytes| bytes[150_000] ^= 0x10),
        ("last bit", |bytes| bytes[299_999] ^= 0x80),
        ("cut", |bytes| bytes.truncate(299_999)),
        ("longer", |bytes| bytes.push(0)),
        ("empty", Vec::clear),
    ];
    for (what, change) in changes {
        tamper(&store.local_path(id).expect("a plain file"), change);
        let error = store.read_all(id, 1 << 20).await.expect_err("it is damaged");
        assert_eq!(error.kind(), ErrorKind::Damaged, "{what}: {error}");
        let report = store.verify(&VerifyOptions::default()).await.expect("a report");
        assert_eq!(report.damaged.len(), 1, "{what}");
        assert_eq!(report.damaged[0].digest, id.digest);
        assert_eq!((report.missing.len(), report.repaired), (1, 0), "{what}");
        assert_eq!(report.missing[0].manifest, manifest.name);
        let report = store.verify(&repair).await.expect("a report");
        assert_eq!((report.damaged.len(), report.repaired), (1, 1), "{what}");
        assert!(!store.contains(id).await.expect("the store can be asked"), "{what}: to be fetched again");
        // A collector does not bring damage back.
        store.collect_garbage(&later()).await.expect("it can be collected");
        assert_eq!(store.confirm(&[id]).await.expect("the store can be asked"), [id]);
        store.put_bytes(content.clone()).await.expect("it is fetched again");
        assert!(store.verify(&VerifyOptions::default()).await.expect("a report").is_sound(), "{what}");
    }
}

/// Publishing over a damaged blob heals it without any repair before.
#[tokio::test]
async fn publishing_replaces_damage() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = FsStore::open(dir.path()).expect("a new store");
    let id = store.put_bytes("content".into()).await.expect("it is put");
    tamper(&store.local_path(id).expect("a plain file"), |bytes| bytes[0] ^= 1);
    let mut stage = store.stage(id.into()).await.expect("a stage begins");
    stage.write("content".into()).await.expect("a piece is accepted");
    stage.publish().await.expect("it is published");
    assert_eq!(store.read_all(id, 100).await.expect("it is sound"), "content");
}

/// Any change of any byte of a document is found; it is never read as something else or as removed.
#[tokio::test]
async fn damaged_documents_are_found() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = FsStore::open(dir.path()).expect("a new store");
    let manifest = manifest("m", "r", &[]);
    store.put_manifest(&manifest, None).await.expect("it is complete");
    let folder =
        fs::read_dir(dir.path().join("manifests")).expect("a folder").next().expect("one").expect("an entry");
    let file = fs::read_dir(folder.path()).expect("a folder").next().expect("one").expect("an entry").path();
    let sound = fs::read(&file).expect("it is there");
    for position in 0..sound.len() {
        tamper(&file, |bytes| bytes[position] ^= 1 << (position % 8));
        let error = store.manifest(&manifest.name).await.expect_err("it is damaged");
        assert_eq!(error.kind(), ErrorKind::Damaged, "byte {position}");
        tamper(&file, |bytes| bytes.clone_from(&sound));
    }
    for length in 0..sound.len() {
        tamper(&file, |bytes| bytes.truncate(length));
        let error = store.manifest(&manifest.name).await.expect_err("it is cut");
        assert_eq!(error.kind(), ErrorKind::Damaged, "{length} bytes");
        tamper(&file, |bytes| bytes.clone_from(&sound));
    }
    store.manifest(&manifest.name).await.expect("it is as it was").expect("it is there");
    // A person gets rid of it by name, also when nothing of it can be read.
    fs::remove_file(&file).expect("it is there");
    std::os::unix::fs::symlink("/dev/zero", &file).expect("a symlink");
    let error = store.manifest(&manifest.name).await.expect_err("it is no document");
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(store.remove_manifest(&manifest.name).await.expect("it can be removed"));
    assert_eq!(store.manifest(&manifest.name).await.expect("it can be asked for"), None);
}

/// A damaged document is replaced by who says in which version it is; also when the new one is refused in the end.
#[tokio::test]
async fn damaged_documents_are_replaced() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = FsStore::open(dir.path()).expect("a new store");
    let manifest = manifest("m", "r", &[]);
    let pin = Pin::new("p", manifest.name.clone(), 1);
    store.put_manifest(&manifest, None).await.expect("it is complete");
    store.set_pin(&pin, None).await.expect("the manifest is there");
    let cut = |kind: &str| {
        let folder = fs::read_dir(dir.path().join(kind)).expect("a folder").next().expect("one");
        let files = fs::read_dir(folder.expect("an entry").path()).expect("a folder");
        let newest = files.map(|file| file.expect("an entry").path()).max().expect("one");
        tamper(&newest, |bytes| bytes.truncate(20));
    };
    cut("manifests");
    let version = store.manifest(&manifest.name).await.expect_err("it is cut").version();
    store.put_manifest(&manifest, version).await.expect("it is replaced");
    store.manifest(&manifest.name).await.expect("it is sound").expect("it is there");
    cut("pins");
    let version = store.pin("p").await.expect_err("it is cut").version();
    store.set_pin(&pin, version).await.expect("it is replaced");
    assert_eq!(store.pins().await.expect("a listing"), [pin]);
}
