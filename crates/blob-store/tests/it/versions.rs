//! Every version of the format that was ever written can be read, and what it does not know survives.

use std::path::{Path, PathBuf};

use blob_store::{BlobStoreExt, ErrorKind, FileEntry, FsStore, Manifest, ManifestName, Pin};

/// One folder for each version, as a program of that time left it.
fn stores() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stores");
    let mut stores: Vec<_> = std::fs::read_dir(folder)
        .expect("it is there")
        .map(|entry| entry.expect("readable").path())
        .collect();
    stores.sort();
    stores
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("it can be made");
    for entry in std::fs::read_dir(from).expect("it is there") {
        let path = entry.expect("readable").path();
        let to = to.join(path.file_name().expect("it has a name"));
        if path.is_dir() {
            copy(&path, &to)
        } else {
            std::fs::copy(&path, to).map(|_| ()).expect("it can be copied")
        }
    }
}

fn name() -> ManifestName {
    ManifestName::new("hub.example", "org/name", "main")
}

/// Makes the store that is kept for this version of the format: a manifest with fields of a later program, and a pin.
/// To record one: `BLOB_STORE_RECORD=FOLDER cargo test -p blob-store --test it versions::record`.
#[tokio::test]
async fn record() {
    let Some(folder) = std::env::var_os("BLOB_STORE_RECORD") else { return };
    let store = FsStore::open(folder).expect("a new store");
    let id = store.put_bytes("hello".into()).await.expect("it is put");
    let mut manifest = Manifest::new(name(), 1_700_000_000);
    let mut entry = FileEntry::new(id, 1_700_000_001);
    (entry.etag, entry.origin) = (Some("\"tag\"".to_owned()), Some("https://hub.example/file".to_owned()));
    entry.other.insert("later".to_owned(), serde_json::json!([1, "two"]));
    manifest.files.insert("greeting.txt".to_owned(), entry);
    manifest.commit = Some("0123abcd".to_owned());
    manifest.other.insert("much_later".to_owned(), serde_json::json!({"x": null}));
    store.put_manifest(&manifest, None).await.expect("complete");
    store.set_pin(&Pin::new("task:greet", name(), 1_700_000_002), None).await.expect("it is there");
}

#[tokio::test]
async fn every_version_is_read_and_written_again() {
    let stores = stores();
    assert!(!stores.is_empty());
    for recorded in stores {
        let dir = tempfile::tempdir().expect("a temporary folder");
        copy(&recorded, dir.path());
        let store = FsStore::open(dir.path()).expect("an old store is opened");
        let (mut manifest, version) = store.manifest(&name()).await.expect("readable").expect("it is there");
        let file = &manifest.files["greeting.txt"];
        assert_eq!(store.read_all(file.content, 100).await.expect("it is there"), "hello");
        assert_eq!((file.etag.as_deref(), file.fetched), (Some("\"tag\""), 1_700_000_001));
        assert_eq!((manifest.commit.as_deref(), manifest.created), (Some("0123abcd"), 1_700_000_000));
        assert_eq!(store.pins().await.expect("readable")[0].manifest, name());
        assert!(store.verify(&Default::default()).await.expect("a report").is_sound());
        // What only a later program knows survives an update by this one.
        manifest.used = 1_800_000_000;
        store.put_manifest(&manifest, Some(version)).await.expect("it is written again");
        store.add_use(&blob_store::User::Task("greet".to_owned()), &name(), 1).await.expect("it is there");
        let (again, _) = store.manifest(&name()).await.expect("readable").expect("it is there");
        assert_eq!(again.other["much_later"], serde_json::json!({"x": null}));
        assert_eq!(again.files["greeting.txt"].other["later"], serde_json::json!([1, "two"]));
    }
}

#[tokio::test]
async fn a_newer_store_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(dir.path().join("format.json"), r#"{"format_version": 2}"#).expect("it is written");
    assert_eq!(FsStore::open(dir.path()).expect_err("it is newer").kind(), ErrorKind::Unsupported);
}
