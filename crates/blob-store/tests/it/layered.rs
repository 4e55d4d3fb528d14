//! Read-only stores below one that is written to.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::SystemTime,
};

use blob_store::{
    BlobStore, BlobStoreExt, Durability, ErrorKind, FsOptions, FsStore, LayeredStore, ObjectStoreBackend,
    Pin, TieredStore, VerifyOptions,
};
use content_id::ContentId;
use object_store::memory::InMemory;

use crate::{folder::blob_path, later, manifest, noise, overwrite};

const DIR: &str = "BLOB_STORE_TEST_LAYERED";

fn fs_store(dir: &Path) -> Arc<dyn BlobStore> {
    let options = FsOptions::default().durability(Durability::ProcessCrashOnly);
    Arc::new(FsStore::open_with(dir, options).expect("a store"))
}

/// Everything below a folder, with its time of change.
fn snapshot(dir: &Path) -> Vec<(PathBuf, SystemTime, u64)> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let metadata = fs::symlink_metadata(&path).expect("it is there");
            found.push((path.clone(), metadata.modified().expect("a time"), metadata.len()));
            if metadata.is_dir() {
                folders.push(path);
            }
        }
    }
    found.sort();
    found
}

/// What a program does with a store that has a model below; `dir` has an empty `upper` and a warm `lower`.
async fn use_what_is_below(dir: &Path) {
    let (upper, lower) = (dir.join("upper"), dir.join("lower"));
    let store = LayeredStore::new(fs_store(&upper), vec![fs_store(&lower), fs_store(&dir.join("absent"))]);
    let (bytes, new) = (noise(5000, 1), noise(5000, 2));
    let id = ContentId::of(&bytes);
    let warm = manifest("m", "warm", &[id]);
    let (found, version) = store.manifest(&warm.name).await.expect("it can be read").expect("it is below");
    assert_eq!(found, warm);
    assert_eq!(store.read_all(id, 1 << 20).await.expect("it is below"), bytes);
    store.ensure_local(&[id]).await.expect("it is local as it is");
    assert_eq!(store.local_path(id), Some(blob_path(&lower, id)));
    assert_eq!(store.put_bytes(bytes.clone()).await.expect("it is there"), id);
    assert!(!upper.join("blobs").exists(), "nothing is copied");
    // A pin and a manifest above may rest on what is below.
    store.set_pin(&Pin::new("task:x", warm.name.clone(), 1), None).await.expect("it is below");
    let new = store.put_bytes(new).await.expect("it is put");
    overwrite(&store, &manifest("m", "mixed", &[id, new])).await.expect("it is complete");
    // The changed document hides the one below; without it that is seen again, and cannot be removed.
    let mut changed = warm.clone();
    changed.used = 9;
    assert_eq!(
        store.put_manifest(&changed, None).await.expect_err("there is one").kind(),
        ErrorKind::Conflict
    );
    store.put_manifest(&changed, Some(version)).await.expect("it is the version below");
    let seen = || async { store.manifest(&warm.name).await.expect("it can be read").expect("it is there").0 };
    assert_eq!(seen().await, changed);
    let names: Vec<_> =
        store.manifests().await.expect("a listing").into_iter().map(|m| m.name.revision).collect();
    assert_eq!(names, ["mixed", "warm"]);
    store.remove_pin("task:x").await.expect("it is above");
    assert!(store.remove_manifest(&warm.name).await.expect("it is above"));
    assert_eq!(seen().await, warm);
    assert!(!store.remove_manifest(&warm.name).await.expect("it is only below"));
    // A collection is of what is above alone.
    let report = store.collect_garbage(&later()).await.expect("it can be collected");
    assert_eq!((report.removed.len(), report.kept), (0, 1));
    assert!(store.verify(&VerifyOptions::default().repair(true)).await.expect("a report").is_sound());
    let absent = ContentId::of(b"absent");
    assert_eq!(store.read_all(absent, 100).await.expect_err("nobody has it").kind(), ErrorKind::NotFound);
    assert!(!store.remove(id).await.expect("it is only below"));
    assert!(store.contains(id).await.expect("it is below"));
}

async fn warm_lower(dir: &Path) {
    let lower = fs_store(&dir.join("lower"));
    let id = lower.put_bytes(noise(5000, 1)).await.expect("it is put");
    lower.put_manifest(&manifest("m", "warm", &[id]), None).await.expect("it is complete");
}

#[tokio::test]
async fn a_warm_cache_below_just_works_and_is_not_written_to() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    warm_lower(dir.path()).await;
    let before = snapshot(&dir.path().join("lower"));
    use_what_is_below(dir.path()).await;
    assert_eq!(snapshot(&dir.path().join("lower")), before);
    assert!(!dir.path().join("absent").exists());
}

/// The child, as somebody who may not write below; does nothing when the test binary runs as a whole.
#[tokio::test]
async fn child() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let lower = Path::new(&dir).join("lower");
    fs::write(lower.join("probe"), "x").expect_err("the folder is read-only");
    use_what_is_below(Path::new(&dir)).await;
}

/// The same with a folder that really cannot be written to.
#[tokio::test]
async fn a_read_only_folder_below_just_works() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    warm_lower(dir.path()).await;
    fs::create_dir(dir.path().join("upper")).expect("a folder");
    let mode =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
    mode(dir.path(), 0o755);
    mode(&dir.path().join("upper"), 0o777);
    let lower = dir.path().join("lower");
    let folders: Vec<_> =
        snapshot(&lower).into_iter().map(|(path, ..)| path).filter(|path| path.is_dir()).collect();
    for folder in folders.iter().chain([&lower]) {
        mode(folder, 0o555);
    }
    let test = std::env::current_exe().expect("the test binary has a path");
    // Modes say nothing to root: be somebody else, where that can be.
    let writable = fs::write(lower.join("probe"), "x").is_ok();
    let mut command = if writable {
        fs::remove_file(lower.join("probe")).expect("it is there");
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&test);
        command
    } else {
        Command::new(&test)
    };
    let child = command
        .args(["--exact", "layered::child", "--nocapture"])
        .env(DIR, dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output();
    for folder in folders.iter().chain([&lower]) {
        mode(folder, 0o755);
    }
    match child {
        Ok(output) if output.status.success() => {
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(said.contains("1 passed"), "{said}");
        }
        // Another user may not be able to reach the test binary.
        Ok(output) if writable && output.status.code().is_some_and(|code| [126, 127].contains(&code)) => {
            println!("skipped: the test binary cannot be run as another user");
        }
        Err(error) if writable => println!("skipped: setpriv cannot be run: {error}"),
        other => panic!("{other:?}"),
    }
}

/// A damaged blob in one store is read from the next; where there is no next, it is missing and comes anew.
#[tokio::test]
async fn damage_below_falls_through() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let bytes = noise(5000, 1);
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    let id = fs_store(&first).put_bytes(bytes.clone()).await.expect("it is put");
    let path = blob_path(&first, id);
    let mut flipped = bytes.to_vec();
    flipped[4000] ^= 1;
    for wrong in [&flipped[..], &bytes[..10]] {
        fs::remove_file(&path).expect("it is there");
        fs::write(&path, wrong).expect("it can be written");
        let upper = fs_store(&dir.path().join("upper"));
        let _ = fs_store(&second).remove(id).await.expect("it can be removed");
        let alone = LayeredStore::new(Arc::clone(&upper), vec![fs_store(&first)]);
        assert_eq!(alone.read_all(id, 1 << 20).await.expect_err("it is wrong").kind(), ErrorKind::NotFound);
        assert_eq!(alone.local_path(id), None);
        assert!(!alone.contains(id).await.expect("it answers"), "it would be fetched anew");
        fs_store(&second).put_bytes(bytes.clone()).await.expect("it is put");
        let both = LayeredStore::new(Arc::clone(&upper), vec![fs_store(&first), fs_store(&second)]);
        assert!(both.read_all(id, 1 << 20).await.expect("the second is right") == bytes);
        assert_eq!(both.local_path(id), Some(blob_path(&second, id)));
        let both = LayeredStore::new(Arc::clone(&upper), vec![fs_store(&first), fs_store(&second)]);
        both.quarantine(id.digest, blob_store::Reason::Damaged).await.expect("it is noted");
        assert_eq!(both.local_path(id), Some(blob_path(&second, id)));
        assert_eq!(alone.put_bytes(bytes.clone()).await.expect("it is put above"), id);
        assert!(alone.read_all(id, 1 << 20).await.expect("the one above is right") == bytes);
        upper.remove(id).await.expect("it is there");
        assert_eq!(fs::read(&path).expect("it is as it was"), wrong);
    }
}

/// A store below may be anything, also broken: what is above goes on.
#[tokio::test]
async fn a_broken_store_below_is_passed_over() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let fault = Arc::new(crate::flaky::Fault::default());
    fault.stop();
    let bucket = Arc::new(InMemory::new());
    let broken = ObjectStoreBackend::new(Arc::new(crate::flaky::Flaky::new(&bucket, &fault)));
    let store = LayeredStore::new(fs_store(&dir.path().join("upper")), vec![Arc::new(broken)]);
    let id = store.put_bytes("above".into()).await.expect("it is put");
    overwrite(&store, &manifest("m", "1", &[id])).await.expect("it is complete");
    assert_eq!(store.read_all(id, 100).await.expect("it is above"), "above");
    assert_eq!(store.manifests().await.expect("a listing").len(), 1);
    let absent = ContentId::of(b"absent");
    assert!(!store.contains(absent).await.expect("it answers"));
    assert_eq!(store.read_all(absent, 100).await.expect_err("nobody has it").kind(), ErrorKind::NotFound);
    store.collect_garbage(&later()).await.expect("it can be collected");
}

/// What heals a store below is named by nothing but a manifest below, and stays.
#[tokio::test]
async fn a_collection_keeps_what_heals_a_store_below() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    warm_lower(dir.path()).await;
    let (lower, upper) = (dir.path().join("lower"), fs_store(&dir.path().join("upper")));
    let bytes = noise(5000, 1);
    let id = ContentId::of(&bytes);
    let damaged = blob_path(&lower, id);
    fs::remove_file(&damaged).expect("it is there");
    fs::write(&damaged, "something else").expect("it can be written");
    let store = LayeredStore::new(Arc::clone(&upper), vec![fs_store(&lower)]);
    store.put_bytes(bytes.clone()).await.expect("it is put above");
    let garbage = store.put_bytes("garbage".into()).await.expect("it is put");
    for dry_run in [true, false] {
        let report = store.collect_garbage(&later().dry_run(dry_run)).await.expect("it can be collected");
        assert_eq!((report.removed, report.kept), (vec![garbage], 1));
    }
    // Also through a tier whose shared store is such a one, and where a manifest above hides that below.
    let version = store.manifest(&manifest("m", "warm", &[]).name).await.expect("it can be read");
    let version = version.map(|(_, version)| version);
    store.put_manifest(&manifest("m", "warm", &[]), version).await.expect("it hides the one below");
    let tier = TieredStore::new(fs_store(&dir.path().join("cache")), Arc::new(store.clone()));
    tier.collect_garbage(&later()).await.expect("it can be collected");
    assert!(upper.contains(id).await.expect("it answers"));
    assert_eq!(store.read_all(id, 1 << 20).await.expect("it is above"), bytes);
}
