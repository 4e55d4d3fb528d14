//! Imports of plain folders.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt, symlink},
    },
    path::Path,
    process::Command,
};

use blob_store::{
    BlobStore, BlobStoreExt, Error, ErrorKind, Expected, ImportOptions, Imported, import_folder,
};
use content_id::ContentId;

use super::{name, stores, tree, write};

/// Puts something in the way.
type Plant<'a> = &'a dyn Fn(&Path);

const MAX: u64 = 1 << 20;

async fn import(store: &dyn BlobStore, folder: &Path, options: &ImportOptions) -> Result<Imported, Error> {
    import_folder(store, folder, name(), 5, options).await
}

async fn refused(store: &dyn BlobStore, folder: &Path, options: &ImportOptions) -> Error {
    let error = import(store, folder, options).await.expect_err("it is refused");
    assert_eq!(store.manifest(&name()).await.expect("it can be asked for"), None, "{error}");
    error
}

#[tokio::test]
async fn a_folder_becomes_a_model() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let folder = dir.path().join("in");
    let long = super::super::noise(3 << 20, 1);
    write(&folder.join("config.json"), "{}");
    write(&folder.join("onnx/model.onnx"), &long);
    write(&folder.join("onnx/copy.onnx"), &long);
    write(&folder.join(".hidden"), "");
    let before = tree(&folder);
    for (kind, store) in stores(dir.path()) {
        let found = import(&*store, &folder, &ImportOptions::default()).await.expect("it is a model");
        assert_eq!((found.written_blobs, found.written_bytes), (3, 2 + (3 << 20)), "{kind}");
        let names: Vec<_> = found.manifest.files.keys().cloned().collect();
        assert_eq!(names, [".hidden", "config.json", "onnx/copy.onnx", "onnx/model.onnx"]);
        for (name, file) in &found.manifest.files {
            let content = store.read_all(file.content, 1 << 30).await.expect("it is there");
            assert!(content == before[name], "{name}");
        }
        let (manifest, version) = store.manifest(&name()).await.expect("readable").expect("it is there");
        assert_eq!((manifest, version), (found.manifest, found.version));
        let again = import(&*store, &folder, &ImportOptions::default()).await.expect("it is the same");
        assert_eq!((again.version, again.written_blobs > 3), (version, false));
        // Another model of this name is not replaced unless that is asked for.
        let other = dir.path().join("other");
        write(&other.join("x"), "x");
        let error = import(&*store, &other, &ImportOptions::default()).await.expect_err("another is there");
        assert_eq!(error.kind(), ErrorKind::Occupied);
        let replaced = import(&*store, &other, &ImportOptions::default().replace(true)).await;
        assert_eq!(replaced.expect("it may be replaced").manifest.files.len(), 1);
    }
    assert_eq!(tree(&folder), before);
}

/// Writing into the imported file later does not change the blob.
#[tokio::test]
async fn blobs_are_files_of_their_own() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let folder = dir.path().join("in");
    write(&folder.join("x"), "before");
    let [(_, store), _] = stores(dir.path());
    import(&*store, &folder, &ImportOptions::default()).await.expect("it is a model");
    write(&folder.join("x"), "after!");
    let id = ContentId::of(b"before");
    assert_eq!(store.read_all(id, MAX).await.expect("it is there"), "before");
    let blob = store.local_path(id).expect("a local file");
    assert_eq!(fs::metadata(blob).expect("it is there").nlink(), 1);
}

/// What is no plain file is refused by name, and neither followed nor waited for.
#[tokio::test]
async fn what_is_no_file_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    write(&dir.path().join("outside/secret"), "secret");
    let outside = dir.path().join("outside");
    let plant: [(&str, Plant<'_>); 5] = [
        ("symlink", &|at| symlink(outside.join("secret"), at).expect("a symlink")),
        ("dangling", &|at| symlink("nowhere", at).expect("a symlink")),
        ("folder", &|at| symlink(&outside, at).expect("a symlink")),
        ("fifo", &|at| assert!(Command::new("mkfifo").arg(at).status().expect("mkfifo runs").success())),
        ("socket", &|at| drop(std::os::unix::net::UnixListener::bind(at).expect("a socket"))),
    ];
    for (what, plant) in plant {
        let folder = dir.path().join(what);
        write(&folder.join("a/plain"), "plain");
        plant(&folder.join("a").join(what));
        for (_, store) in stores(&dir.path().join("stores").join(what)) {
            let error = refused(&*store, &folder, &ImportOptions::default()).await;
            assert_eq!(error.kind(), ErrorKind::Invalid, "{what}: {error}");
            assert!(error.to_string().contains(&format!("a/{what}")), "{error}");
            assert!(!store.contains(ContentId::of(b"secret")).await.expect("the store can be asked"));
        }
    }
}

/// Names that could not be exported again are refused.
#[tokio::test]
async fn unsafe_names_are_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let [(_, store), _] = stores(dir.path());
    let bad: [&[u8]; 6] = [b"a\\b", b"c:d", b"nul", b"trailing.", b"\xff", b"a\nb"];
    for (number, bad) in bad.into_iter().enumerate() {
        let folder = dir.path().join(number.to_string());
        write(&folder.join(std::ffi::OsStr::from_bytes(bad)), "x");
        let error = refused(&*store, &folder, &ImportOptions::default()).await;
        assert_eq!(error.kind(), ErrorKind::UnsafeName, "{error}");
    }
    let deep = (0..40).fold(dir.path().join("deep"), |path, _| path.join("d"));
    write(&deep.join("x"), "x");
    let error = refused(&*store, &dir.path().join("deep"), &ImportOptions::default()).await;
    assert_eq!(error.kind(), ErrorKind::UnsafeName, "{error}");
}

/// What is expected has to be there, and nothing else.
#[tokio::test]
async fn expectations_are_enforced() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let folder = dir.path().join("in");
    write(&folder.join("a"), "one");
    write(&folder.join("b"), "two");
    let id = |text: &str| Expected::from(ContentId::of(text.as_bytes()));
    let size = Expected::new(None, Some(3));
    let case = |files: &[(&str, Expected)]| -> BTreeMap<String, Expected> {
        files.iter().map(|(name, expected)| ((*name).to_owned(), *expected)).collect()
    };
    for (kind, store) in stores(dir.path()) {
        for known in [false, true] {
            for (files, expected) in [
                (case(&[("a", id("one"))]), ErrorKind::Mismatch),
                (case(&[("a", id("one")), ("b", id("two")), ("c", id("three"))]), ErrorKind::Incomplete),
                (case(&[("a", id("one")), ("b", id("tow"))]), ErrorKind::Mismatch),
                (case(&[("a", id("one")), ("b", Expected::new(None, Some(4)))]), ErrorKind::Mismatch),
                (case(&[]), ErrorKind::Mismatch),
            ] {
                let options = ImportOptions::default().expected(files);
                assert_eq!(refused(&*store, &folder, &options).await.kind(), expected, "{kind}");
            }
            if !known {
                // That a blob is in the store does not make the file in the folder right.
                store.put_bytes("tow".into()).await.expect("it is put");
            }
        }
        let right = ImportOptions::default().expected(case(&[("a", id("one")), ("b", size)]));
        let found = import(&*store, &folder, &right).await.expect("it is as expected");
        let same = ImportOptions::default().expect_files_of(&found.manifest);
        assert_eq!(import(&*store, &folder, &same).await.expect("the same").version, found.version);
    }
}

#[tokio::test]
async fn limits_and_absence_are_told() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let [(_, store), _] = stores(dir.path());
    let error = refused(&*store, &dir.path().join("absent"), &ImportOptions::default()).await;
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let folder = dir.path().join("in");
    for number in 0..4 {
        write(&folder.join(number.to_string()), "x");
    }
    let error = refused(&*store, &folder, &ImportOptions::default().max_files(3)).await;
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    import(&*store, &folder, &ImportOptions::default().max_files(4)).await.expect("it is just within");
    let file = dir.path().join("file");
    write(&file, "x");
    let error = import_folder(&*store, &file, name(), 1, &ImportOptions::default()).await;
    assert_eq!(error.expect_err("it is no folder").kind(), ErrorKind::Backend);
}

/// A file that cannot be read is told by name.
#[tokio::test]
async fn unreadable_files_are_told() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let folder = dir.path().join("in");
    write(&folder.join("locked"), "x");
    fs::set_permissions(folder.join("locked"), fs::Permissions::from_mode(0o000)).expect("it is ours");
    if fs::read(folder.join("locked")).is_ok() {
        return; // Nothing is closed to this user.
    }
    let [(_, store), _] = stores(dir.path());
    let error = refused(&*store, &folder, &ImportOptions::default()).await;
    assert!(error.kind() == ErrorKind::Backend && error.to_string().contains("locked"), "{error}");
}
