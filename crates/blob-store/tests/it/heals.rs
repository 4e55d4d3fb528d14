//! What others do to a store's folder: things in the place of things, files gone, rights taken away, clocks set back.
//! It is told, the rest goes on working, and writing again heals it.

use std::{
    collections::BTreeSet,
    fs::{self, File, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

use blob_store::{BlobStore, BlobStoreExt, ErrorKind, FsStore, GcOptions, Pin, Reason, VerifyOptions};
use content_id::ContentId;

use crate::{later, manifest, memory_folder, noise, overwrite};

const READ_ONLY: &str = "BLOB_STORE_TEST_READ_ONLY";

/// Random bits that are flipped.
const FLIPS: usize = 1000;

fn blob_path(dir: &Path, id: ContentId) -> PathBuf {
    let text = id.digest.to_string();
    dir.join("blobs/sha256").join(&text[..2]).join(&text[2..])
}

async fn is_sound(store: &FsStore) -> bool {
    store.verify(&VerifyOptions::default()).await.expect("a report").is_sound()
}

/// A store with a manifest `m` `r` of three blobs, pinned.
async fn filled(dir: &Path) -> (FsStore, Vec<ContentId>) {
    let store = FsStore::open(dir).expect("a new store");
    let mut ids = Vec::new();
    for seed in 1..4 {
        ids.push(store.put_bytes(noise(1000 * seed, seed as u64)).await.expect("it is put"));
    }
    let manifest = manifest("m", "r", &ids);
    store.put_manifest(&manifest, None).await.expect("it is complete");
    store.set_pin(&Pin::new("task:x", manifest.name, 1), None).await.expect("the manifest is there");
    (store, ids)
}

/// Every file below a folder.
fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() { files(&entry, found) } else { found.push(entry) }
    }
}

/// One bit anywhere in a blob or document: a scrub names exactly this one, and no reader takes it for sound.
#[tokio::test]
async fn every_flipped_bit_is_found() {
    let dir = memory_folder();
    let (store, ids) = filled(dir.path()).await;
    let mut all = Vec::new();
    for folder in ["blobs", "manifests", "pins"] {
        files(&dir.path().join(folder), &mut all);
    }
    assert_eq!(all.len(), 5);
    for path in &all {
        fs::set_permissions(path, Permissions::from_mode(0o644)).expect("it is ours");
    }
    let random = noise(4 * FLIPS, 5);
    for random in random.chunks_exact(4) {
        let path = &all[usize::from(random[0]) % all.len()];
        let sound = fs::read(path).expect("it is there");
        let mut bytes = sound.clone();
        let position = (usize::from(random[1]) << 8 | usize::from(random[2])) % bytes.len();
        bytes[position] ^= 1 << (random[3] % 8);
        fs::write(path, bytes).expect("it can be written");
        let report = store.verify(&VerifyOptions::default()).await.expect("a report");
        let what = format!("{} byte {position}", path.display());
        assert_eq!(report.damaged.len() + report.unreadable.len(), 1, "{what}: {report:?}");
        let mut wrong = 0;
        for id in &ids {
            wrong += usize::from(store.read_all(*id, 1 << 20).await.is_err());
        }
        wrong += usize::from(store.manifests().await.is_err()) + usize::from(store.pins().await.is_err());
        assert_eq!(wrong, 1, "{what}");
        fs::write(path, sound).expect("it can be written");
    }
    assert!(is_sound(&store).await);
    println!("{FLIPS} flipped bits found");
}

#[tokio::test]
async fn a_folder_in_a_blobs_place_gives_way() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (store, ids) = filled(dir.path()).await;
    let path = blob_path(dir.path(), ids[0]);
    fs::remove_file(&path).expect("the blob is there");
    fs::create_dir(&path).expect("a folder");
    fs::write(path.join("note.txt"), "foreign").expect("it can be written");
    assert!(!store.contains(ids[0]).await.expect("it can be asked"));
    let error = store.read_all(ids[0], 1 << 20).await.expect_err("it is no blob");
    assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
    assert!(!is_sound(&store).await);
    store.put_bytes(noise(1000, 1)).await.expect("it is fetched again");
    assert!(is_sound(&store).await);
    // What stood there is in quarantine until the next collection.
    let held = store.quarantined().await.expect("a listing");
    assert_eq!((held.len(), held[0].digest, held[0].reason), (1, ids[0].digest, Reason::Damaged));
    store.collect_garbage(&later()).await.expect("it can be collected");
    assert!(store.quarantined().await.expect("a listing").is_empty());
    // The same for many blobs at once.
    fs::remove_file(&path).expect("the blob is there");
    fs::create_dir(&path).expect("a folder");
    let many: Vec<_> = (1..10).map(|seed| noise(1000 * seed, seed as u64)).collect();
    store.put_many(many).await.expect("they are fetched again");
    assert!(is_sound(&store).await);
    store.collect_garbage(&later()).await.expect("it can be collected");
    // The same for a blob that a killed collector had hidden.
    store.quarantine(ids[1].digest, Reason::Garbage).await.expect("it is there");
    fs::create_dir(blob_path(dir.path(), ids[1])).expect("a folder");
    store.collect_garbage(&later()).await.expect("it can be collected");
    assert!(is_sound(&store).await, "it came back");
}

#[tokio::test]
async fn a_damaged_format_file_is_mended_where_the_rest_is_known() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (_, ids) = filled(dir.path()).await;
    let file = dir.path().join("format.json");
    let sound = fs::read_to_string(&file).expect("it is there");
    let junk = "x".repeat(70_000);
    let damage: [(&str, &dyn Fn()); 5] = [
        ("empty", &|| fs::write(&file, "").expect("it can be written")),
        ("half", &|| fs::write(&file, "{\n  \"format_ver").expect("it can be written")),
        ("long", &|| fs::write(&file, &junk).expect("it can be written")),
        ("symlink", &|| symlink("/dev/zero", &file).expect("a symlink")),
        ("gone", &|| {}),
    ];
    for (what, damage) in damage {
        fs::remove_file(&file).expect("it is there");
        damage();
        let store = FsStore::open(dir.path()).unwrap_or_else(|error| panic!("{what}: {error:?}"));
        store.read_all(ids[0], 1 << 20).await.expect("reading needs nothing else");
        store.put_bytes(noise(10, 1)).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        assert_eq!(fs::read_to_string(&file).expect("it was written"), sound, "{what}");
    }
    // A folder that this version does not know may be what a later one has instead.
    fs::remove_file(&file).expect("it is there");
    fs::write(&file, "{").expect("it can be written");
    fs::create_dir(dir.path().join("packs")).expect("a folder");
    let error = FsStore::open(dir.path()).expect_err("it may be another layout");
    assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
    assert_eq!(fs::read_to_string(&file).expect("it is there"), "{", "it is left as it is");
}

/// Whatever is deleted is missing, is told, and can be written again; nothing else is lost.
#[tokio::test]
async fn deleted_things_are_told_and_written_again() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (store, ids) = filled(dir.path()).await;
    let manifest = manifest("m", "r", &ids);
    let fill = async || {
        for seed in 1..4 {
            store.put_bytes(noise(1000 * seed, seed as u64)).await.expect("it is put");
        }
        overwrite(&store, &manifest).await.expect("it is complete");
        let version = store.pin("task:x").await.expect("it can be read").map(|(_, version)| version);
        store.set_pin(&Pin::new("task:x", manifest.name.clone(), 1), version).await.expect("it is set");
    };
    let mut all: Vec<_> = ["blobs", "blobs/sha256", "manifests", "pins", "staging", "quarantine", ""]
        .map(|folder| dir.path().join(folder))
        .into();
    for folder in ["blobs", "manifests", "pins"] {
        files(&dir.path().join(folder), &mut all);
    }
    for path in all {
        let what = path.display();
        if path.is_dir() {
            fs::remove_dir_all(&path).expect("it can be removed");
        } else if path.exists() {
            fs::remove_file(&path).expect("it can be removed");
        }
        let report = store.verify(&VerifyOptions::default()).await.expect("a report");
        assert!(report.damaged.is_empty() && report.unreadable.is_empty(), "{what}: {report:?}");
        let there: BTreeSet<_> = store.blobs().await.expect("a listing").iter().map(|it| it.id).collect();
        let named = !store.manifests().await.expect("a listing").is_empty();
        let gone = ids.iter().filter(|id| !there.contains(id)).count();
        assert_eq!(report.missing.len(), if named { gone } else { 0 }, "{what}: {report:?}");
        fill().await;
        assert!(is_sound(&store).await, "{what}");
    }
}

/// The child: has no rights on the store; does nothing when the test binary runs as a whole.
#[tokio::test]
async fn reader_without_rights() {
    let Some(dir) = std::env::var_os(READ_ONLY) else { return };
    let store = FsStore::open(&dir).expect("it can be read");
    let all = store.manifests().await.expect("they can be read");
    let ids: Vec<_> = all[0].files.values().map(|file| file.content).collect();
    for id in &ids {
        store.read_all(*id, 1 << 20).await.expect("it can be read");
    }
    assert!(is_sound(&store).await);
    let denied = |what: &str, error: blob_store::Error| {
        assert_eq!(error.kind(), ErrorKind::Backend, "{what}: {error:?}");
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        let mut told = false;
        while let Some(error) = source {
            let io = error.downcast_ref::<std::io::Error>();
            told |= io.is_some_and(|io| io.kind() == std::io::ErrorKind::PermissionDenied);
            source = error.source();
        }
        assert!(told, "{what}: {error:?}");
    };
    denied("put", store.put_bytes("new".into()).await.expect_err("no rights"));
    denied("stage", store.stage(Default::default()).await.expect_err("no rights"));
    denied("update", overwrite(&store, &all[0]).await.expect_err("no rights"));
    denied("remove", store.remove(ids[0]).await.expect_err("no rights"));
    denied("unpin", store.remove_pin("task:x").await.expect_err("no rights"));
    denied("collect", store.collect_garbage(&later()).await.expect_err("there is garbage, and no rights"));
    store.put_bytes(noise(1000, 1)).await.expect("what is there needs no rights");
    println!("\nwithout rights: as it should be");
}

#[tokio::test]
async fn a_read_only_store_serves_and_refuses() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("it is ours");
    let (store, _) = filled(dir.path()).await;
    store.put_bytes("garbage".into()).await.expect("it is put");
    let mut all = vec![dir.path().to_owned()];
    while let Some(path) = all.pop() {
        let below = fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path());
        all.extend(below.filter(|path| path.is_dir()));
        fs::set_permissions(path, Permissions::from_mode(0o555)).expect("it is ours");
    }
    let program = std::env::current_exe().expect("the test binary has a path");
    // Root may do everything, so it becomes somebody else.
    let other = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let root = Command::new("setpriv").args(other).args(["id", "-u"]).output();
    let mut command = match root.is_ok_and(|output| output.status.success()) {
        true => {
            let mut command = Command::new("setpriv");
            command.args(other).arg(&program);
            command
        }
        false => Command::new(&program),
    };
    let child = ["--exact", "heals::reader_without_rights", "--nocapture"];
    let output = command.args(child).env(READ_ONLY, dir.path()).output().expect("it starts");
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if said.is_empty() && errors.contains("Permission denied") {
        println!("SKIPPED: the folder made read-only: others may not run {}", program.display());
        return;
    }
    assert!(output.status.success() && said.contains("as it should be"), "{said}{errors}");
    assert!(is_sound(&store).await);
}

/// Clocks only matter to the grace period, and one that is wrong keeps too much.
#[tokio::test]
async fn a_clock_that_goes_back_loses_nothing() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (store, ids) = filled(dir.path()).await;
    let garbage = store.put_bytes("garbage".into()).await.expect("it is put");
    let now = SystemTime::now();
    let year = Duration::from_secs(365 * 24 * 3600);
    // The clock was a year ahead when these were written; or it is a year behind now, or at its very beginning.
    for id in ids.iter().chain([&garbage]) {
        let file = File::open(blob_path(dir.path(), *id)).expect("it is there");
        file.set_modified(now + year).expect("it is ours");
    }
    for now in [now, now - year, SystemTime::UNIX_EPOCH] {
        let report = store.collect_garbage(&GcOptions::new(now)).await.expect("it can be collected");
        assert_eq!((report.removed.len(), report.too_young, report.kept), (0, 1, 3));
    }
    // The order of a document's versions does not depend on it.
    for created in [3, 2, 1] {
        let mut manifest = manifest("m", "r", &ids);
        manifest.created = created;
        overwrite(&store, &manifest).await.expect("it is complete");
        let (found, _) = store.manifest(&manifest.name).await.expect("it can be read").expect("there");
        assert_eq!(found.created, created, "the last one written");
    }
    let report = store.collect_garbage(&GcOptions::new(now + 2 * year)).await.expect("it can be collected");
    assert_eq!((report.removed, report.kept), (vec![garbage], 3));
}

/// Symlinks and FIFOs among the stages and in quarantine: nobody follows them or waits for them.
#[tokio::test]
async fn planted_things_beside_the_blobs_are_not_followed() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let outside = dir.path().join("outside");
    fs::write(&outside, "precious").expect("it can be written");
    let (store, ids) = filled(&dir.path().join("store")).await;
    fs::create_dir_all(store.dir().join("quarantine")).expect("a folder");
    for (folder, name) in [
        ("staging", "0123456789abcdef".to_owned()),
        ("staging", "a".repeat(64)),
        ("quarantine", format!("{}.0123456789abcdef.damaged", ids[0].digest)),
        ("quarantine", format!("{}.0123456789abcdef.garbage", ContentId::of(b"unknown").digest)),
        ("quarantine", "foreign".to_owned()),
    ] {
        for kind in ["symlink", "FIFO"] {
            let path = store.dir().join(folder).join(&name);
            let _ = fs::remove_file(&path);
            match kind {
                "symlink" => symlink(&outside, &path).expect("a symlink"),
                _ => assert!(Command::new("mkfifo").arg(&path).status().expect("it runs").success()),
            }
            store.collect_garbage(&later()).await.expect("it can be collected");
            let left = fs::symlink_metadata(&path).is_ok();
            assert_eq!(left, name == "foreign", "{folder}/{name}, a {kind}");
            assert!(is_sound(&store).await, "{folder}/{name}, a {kind}");
        }
    }
    assert_eq!(fs::read_to_string(&outside).expect("it is there"), "precious");
}
