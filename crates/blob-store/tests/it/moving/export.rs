//! Exports: every way, every obstacle.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
};

use blob_store::{
    BlobStoreExt, ErrorKind, ExportMode, ExportOptions, FileEntry, Manifest, Observer, export_model,
};
use content_id::ContentId;
use proptest::prelude::*;

use super::{name, put_model, stores, tree, write};

/// Puts something in the way.
type Plant<'a> = &'a dyn Fn(&Path);

const FILES: [(&str, &[u8]); 4] =
    [("config.json", b"{}"), ("onnx/model.onnx", b"weights"), ("onnx/deep/empty", b""), ("z", b"weights")];

fn expected() -> std::collections::BTreeMap<String, Vec<u8>> {
    FILES.map(|(name, content)| (name.to_owned(), content.to_vec())).into()
}

fn mode(mode: ExportMode) -> ExportOptions {
    ExportOptions::default().mode(mode)
}

#[tokio::test]
async fn a_model_is_exported_and_then_kept() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (kind, store) in stores(dir.path()) {
        let manifest = put_model(&*store, &FILES).await;
        for (number, by) in [ExportMode::Best, ExportMode::Copy].into_iter().enumerate() {
            let out = dir.path().join(format!("out-{kind}-{number}"));
            let done = export_model(&*store, &manifest, &out, &mode(by)).await.expect("it is exported");
            assert_eq!((done.copied + done.reflinked, done.kept, done.linked, done.bytes), (4, 0, 0, 16));
            assert_eq!(tree(&out), expected(), "{kind}");
            // Files of the user's own, who may write to them.
            let metadata = fs::metadata(out.join("z")).expect("it is there");
            assert_eq!((metadata.nlink(), metadata.permissions().mode() & 0o600), (1, 0o600));
            let inode = metadata.ino();
            let again = export_model(&*store, &manifest, &out, &mode(by)).await.expect("it is there");
            assert_eq!((again.kept, again.copied, again.reflinked), (4, 0, 0));
            assert_eq!(fs::metadata(out.join("z")).expect("it is there").ino(), inode);
        }
    }
}

#[tokio::test]
async fn hard_links_are_made_only_on_request() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let [(_, files), (_, objects)] = stores(dir.path());
    let manifest = put_model(&*files, &FILES).await;
    let out = dir.path().join("out");
    let done = export_model(&*files, &manifest, &out, &mode(ExportMode::HardLink)).await.expect("exported");
    assert_eq!((done.linked, done.copied, done.reflinked), (4, 0, 0));
    assert_eq!(tree(&out), expected());
    let blob = files.local_path(ContentId::of(b"weights")).expect("a local file");
    let inode = fs::metadata(&blob).expect("it is there").ino();
    assert_eq!(fs::metadata(out.join("z")).expect("it is there").ino(), inode);
    assert_eq!(fs::metadata(&blob).expect("it is there").nlink(), 3, "two files, and the blob");
    let again = export_model(&*files, &manifest, &out, &mode(ExportMode::HardLink)).await.expect("kept");
    assert_eq!(again.kept, 4);
    let manifest = put_model(&*objects, &FILES).await;
    for by in [ExportMode::HardLink, ExportMode::Reflink] {
        let out = dir.path().join("from-objects");
        let error = export_model(&*objects, &manifest, &out, &mode(by)).await.expect_err("no local files");
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}

/// Where blocks cannot be shared the one who asked for it is told, and nothing is left behind.
#[tokio::test]
async fn reflinks_are_made_or_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let [(_, store), _] = stores(dir.path());
    let manifest = put_model(&*store, &FILES).await;
    let out = dir.path().join("out");
    match export_model(&*store, &manifest, &out, &mode(ExportMode::Reflink)).await {
        Ok(done) => assert_eq!((done.reflinked, tree(&out)), (4, expected())),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Backend, "{error}");
            assert!(error.to_string().contains("could not be shared"), "{error}");
            assert!(tree(&out).is_empty());
        }
    }
}

/// Whether two files of these folders can share blocks, as another program finds.
#[cfg(target_os = "linux")]
fn can_share(from: &Path, to: &Path) -> bool {
    let (from, to) = (from.join("from"), to.join("to"));
    write(&from, "x");
    let cp = Command::new("cp").arg("--reflink=always").args([&from, &to]).stderr(Stdio::null()).status();
    let _ = fs::remove_file(to);
    cp.expect("there is a cp").success()
}

/// What the report says is what was done: blocks are shared where the file system can do that, and where it cannot, or
/// where the store is on another one, it is a copy, and told as one.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_report_says_how_it_was_done() {
    let (dir, elsewhere) = (tempfile::tempdir().expect("a temporary folder"), crate::memory_folder());
    let [(_, store), _] = stores(dir.path());
    let manifest = put_model(&*store, &FILES).await;
    let blob = fs::metadata(store.local_path(ContentId::of(b"weights")).expect("a local file"));
    let blob = blob.expect("it is there");
    for (folder, name) in [(dir.path(), "the same disk"), (elsewhere.path(), "memory")] {
        let same_disk = fs::metadata(folder).expect("it is there").dev() == blob.dev();
        let shares = can_share(dir.path(), folder);
        println!("{name}: {}", if shares { "blocks are shared" } else { "files are copied" });
        for by in [ExportMode::Best, ExportMode::Copy, ExportMode::Reflink, ExportMode::HardLink] {
            let out = folder.join(format!("{by:?}"));
            let counts = match export_model(&*store, &manifest, &out, &mode(by)).await {
                Ok(done) => [done.reflinked, done.linked, done.copied],
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Backend, "{error}");
                    assert!(tree(&out).is_empty(), "{by:?} into {name} leaves nothing");
                    [0; 3]
                }
            };
            let expected = match by {
                ExportMode::Best if shares => [4, 0, 0],
                ExportMode::Reflink if shares => [4, 0, 0],
                ExportMode::HardLink if same_disk => [0, 4, 0],
                ExportMode::Best | ExportMode::Copy => [0, 0, 4],
                _ => [0; 3],
            };
            assert_eq!(counts, expected, "{by:?} into {name}");
            let its_own = fs::metadata(out.join("z")).is_ok_and(|file| file.ino() != blob.ino());
            assert_eq!(its_own, counts[0] + counts[2] == 4, "{by:?} into {name}");
        }
    }
}

/// What is in the way is not overwritten, unless the caller says so, and a link or folder not even then.
#[tokio::test]
async fn what_is_in_the_way_stays() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let outside = dir.path().join("outside");
    write(&outside.join("victim"), "precious");
    let [(_, store), _] = stores(dir.path());
    let manifest = put_model(&*store, &FILES).await;
    let plant: [(&str, Plant<'_>); 7] = [
        ("file", &|out| write(&out.join("z"), "other")),
        ("damage", &|out| write(&out.join("z"), "weightz")),
        ("symlink", &|out| symlink(outside.join("victim"), out.join("z")).expect("a symlink")),
        ("dangling symlink", &|out| symlink(outside.join("new"), out.join("z")).expect("a symlink")),
        ("folder", &|out| fs::create_dir(out.join("z")).expect("a folder")),
        ("symlink to a folder", &|out| symlink(&outside, out.join("onnx")).expect("a symlink")),
        ("file for a folder", &|out| write(&out.join("onnx"), "other")),
    ];
    for (what, plant) in plant {
        for replace in [false, true] {
            let out = dir.path().join(format!("out {what} {replace}"));
            fs::create_dir(&out).expect("a new folder");
            plant(&out);
            let options = ExportOptions::default().replace(replace);
            let outcome = export_model(&*store, &manifest, &out, &options).await;
            if replace && ["file", "damage"].contains(&what) {
                outcome.expect("it is replaced");
                assert_eq!(tree(&out), expected(), "{what}");
            } else {
                let error = outcome.expect_err("it is in the way");
                assert_eq!(error.kind(), ErrorKind::Occupied, "{what}: {error}");
            }
            assert_eq!(tree(&outside), [("victim".to_owned(), b"precious".to_vec())].into(), "{what}");
        }
    }
}

/// The folder itself may be a symlink: that is the user's choice.
#[tokio::test]
async fn the_target_may_be_a_symlink() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let [(_, store), _] = stores(dir.path());
    let manifest = put_model(&*store, &FILES).await;
    fs::create_dir(dir.path().join("real")).expect("a new folder");
    symlink("real", dir.path().join("out")).expect("a symlink");
    let out = dir.path().join("out");
    export_model(&*store, &manifest, &out, &ExportOptions::default()).await.expect("it is exported");
    assert_eq!(tree(&dir.path().join("real")), expected());
}

/// An export that was interrupted goes on; what its killed process left behind goes, what a living one writes stays.
#[tokio::test]
async fn an_interrupted_export_goes_on() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let [(_, store), _] = stores(dir.path());
    let manifest = put_model(&*store, &FILES).await;
    let out = dir.path().join("out");
    write(&out.join("onnx/model.onnx"), "weights");
    let left = out.join(format!("onnx/.blob-store-{}.tmp", "0".repeat(32)));
    write(&left, "half of");
    let living = out.join(format!(".blob-store-{}.tmp", "1".repeat(32)));
    write(&living, "half of");
    let foreign = out.join(".blob-store-notes.tmp");
    write(&foreign, "mine");
    let owner = fs::File::open(&living).expect("it is there");
    owner.lock_shared().expect("nobody else has it");
    let done = export_model(&*store, &manifest, &out, &ExportOptions::default()).await.expect("exported");
    assert_eq!((done.kept, done.copied + done.reflinked), (1, 3));
    assert!(!left.exists(), "nobody will go on with it");
    assert!(living.exists() && foreign.exists());
}

/// A damaged blob is never exported, in no way, and nothing of it is left.
#[tokio::test]
async fn damage_is_not_exported() {
    for by in [ExportMode::Best, ExportMode::Copy, ExportMode::HardLink] {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let [(_, store), _] = stores(dir.path());
        let manifest = put_model(&*store, &FILES).await;
        let blob = store.local_path(ContentId::of(b"weights")).expect("a local file");
        fs::set_permissions(&blob, fs::Permissions::from_mode(0o644)).expect("it is ours");
        fs::write(&blob, b"weightz").expect("it can be written");
        let out = dir.path().join("out");
        let error = export_model(&*store, &manifest, &out, &mode(by)).await.expect_err("it is damaged");
        assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
        assert_eq!(tree(&out).values().filter(|content| content.starts_with(b"weight")).count(), 0);
        assert_eq!(tree(&out).keys().filter(|name| name.contains(".tmp")).count(), 0);
    }
}

#[tokio::test]
async fn an_incomplete_model_is_not_begun() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (kind, store) in stores(dir.path()) {
        let mut manifest = Manifest::new(name(), 1);
        let there = store.put_bytes("there".into()).await.expect("it is put");
        manifest.files.insert("a".to_owned(), FileEntry::new(there, 1));
        manifest.files.insert("b".to_owned(), FileEntry::new(ContentId::of(b"absent"), 1));
        let out = dir.path().join("out");
        let options = ExportOptions::default();
        let error = export_model(&*store, &manifest, &out, &options).await.expect_err("a blob is missing");
        assert_eq!(error.kind(), ErrorKind::Incomplete, "{kind}");
        assert!(!out.exists());
    }
}

#[tokio::test]
async fn progress_is_told() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (kind, store) in stores(dir.path()) {
        let manifest = put_model(&*store, &FILES).await;
        let steps = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&steps);
        let observer = Observer::new(move |step| seen.lock().expect("no panic").push(step));
        let options = ExportOptions::default().observer(observer);
        let out = dir.path().join(kind);
        export_model(&*store, &manifest, &out, &options).await.expect("it is exported");
        let steps = steps.lock().expect("no panic");
        let last = steps.last().expect("a step");
        assert_eq!((last.files, last.all_files, last.bytes, last.all_bytes), (4, 4, 16, 16));
        assert!(steps.is_sorted_by_key(|step| (step.bytes, step.files)));
    }
}

/// Two exports into one folder at the same time both succeed.
#[tokio::test(flavor = "multi_thread")]
async fn exports_do_not_disturb_each_other() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let [(_, store), _] = stores(dir.path());
    let contents: Vec<_> = (0..40).map(|n: u32| (format!("d{}/f{n}", n % 3), n.to_string())).collect();
    let files: Vec<_> = contents.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
    let manifest = put_model(&*store, &files).await;
    let out = dir.path().join("out");
    let options = ExportOptions::default();
    let exports = (0..6).map(|_| export_model(&*store, &manifest, &out, &options));
    for done in futures::future::join_all(exports).await {
        done.expect("nobody is disturbed");
    }
    assert_eq!(tree(&out).len(), 40);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any model of safe names leaves and comes back the same.
    #[test]
    fn export_and_import_are_inverse(
        files in prop::collection::btree_map("([a-d]{1,2}/){0,2}[e-g]{1,2}", prop::collection::vec(any::<u8>(), 0..80), 0..8)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let dir = tempfile::tempdir().expect("a temporary folder");
            for (kind, store) in stores(dir.path()) {
                let given: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_slice())).collect();
                let manifest = put_model(&*store, &given).await;
                let out = dir.path().join(kind);
                export_model(&*store, &manifest, &out, &ExportOptions::default()).await.expect("exported");
                assert_eq!(tree(&out), files);
                let options = blob_store::ImportOptions::default().expect_files_of(&manifest);
                let back = blob_store::import_folder(&*store, &out, name(), 1, &options).await.expect("the same");
                assert_eq!((back.manifest, back.written_blobs), (manifest, 0));
            }
        });
    }
}
