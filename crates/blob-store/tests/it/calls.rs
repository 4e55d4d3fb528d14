//! Every system call of the file system backend fails in turn, once and for ever, before or after it took effect:
//! it is told, the store is as before, and the same work then succeeds.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    ops::Range,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use blob_store::{
    BlobStore, BlobStoreExt, Durability, Error, ErrorKind, Expected, FsOptions, FsStore, Manifest, StageKey,
    VerifyOptions,
    conformance::{Act, Call, Failure, Faults},
};
use bytes::Bytes;
use content_id::ContentId;

use crate::{
    later, manifest, memory_folder, noise,
    steps::{BATCHES, Documents, LIVES, PARTS, documents, step},
};

/// Bytes of the larger blob: more than a stage gathers before it writes, and few, where that does not matter.
const LARGE: usize = (1 << 20) + 5;
const SMALL: usize = 10_000;

/// Which calls fail.
#[derive(Clone, Copy, Debug)]
struct Plan {
    act: Act,
    for_ever: bool,
    /// Whether reading goes on working, as on a full disk.
    changes_only: bool,
}

fn is_change(call: Call) -> bool {
    !matches!(call, Call::Look | Call::Open | Call::Read | Call::List)
}

/// Lets call number `fails` (from 0) go as planned; and what was called.
fn faults(plan: Plan, fails: usize) -> (Faults, Arc<Mutex<Vec<Call>>>) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let calls = Arc::clone(&log);
    let decide = move |call| {
        if plan.changes_only && !is_change(call) {
            return Act::Go;
        }
        let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
        let number = calls.len();
        calls.push(call);
        if number == fails || (plan.for_ever && fails < number) { plan.act } else { Act::Go }
    };
    (Faults::new(decide).without(Call::SyncFile).without(Call::SyncFolder), log)
}

/// Lives until an error; returns it with the step.
async fn live(store: &FsStore, life: &Range<usize>, large: &Bytes) -> Option<(usize, Error)> {
    for number in life.clone() {
        if let Err(error) = step(store, number, large).await {
            return Some((number, error));
        }
    }
    None
}

/// A store of which nothing fails. Nothing is cut off here, so that it needs no fsync.
fn sound(dir: &Path) -> FsStore {
    let options = FsOptions::default().durability(Durability::ProcessCrashOnly);
    FsStore::open_with(dir, options).expect("a store")
}

/// The documents before each step, and after the last.
async fn history(life: &Range<usize>, large: &Bytes) -> Vec<Documents> {
    let dir = memory_folder();
    let store = sound(dir.path());
    let mut history = vec![documents(&store).await];
    for number in life.clone() {
        step(&store, number, large).await.expect("nothing fails");
        history.push(documents(&store).await);
    }
    history
}

/// The blobs that a manifest names.
fn named(manifest: &Manifest) -> impl Iterator<Item = ContentId> {
    manifest.files.values().map(|file| file.content)
}

fn files(dir: &Path) -> usize {
    fs::read_dir(dir).map_or(0, Iterator::count)
}

/// Everything is complete and nothing is left over, after a collection.
async fn check_sound(store: &FsStore, what: &str) {
    store.collect_garbage(&later()).await.expect("it can be collected");
    for manifest in store.manifests().await.expect("all can be read") {
        for file in manifest.files.values() {
            let bytes = store.read_all(file.content, 1 << 21).await;
            bytes.unwrap_or_else(|error| panic!("{what}: {}: {error}", manifest.name));
        }
    }
    assert_eq!(files(&store.dir().join("staging")), 0, "{what}");
    assert_eq!(files(&store.dir().join("quarantine")), 0, "{what}");
    let report = store.collect_garbage(&later()).await.expect("it can be collected");
    assert_eq!((report.bytes_freed, report.stages_removed), (0, 0), "{what}: no space is lost");
}

async fn fail_every_call(plan: Plan, kind: ErrorKind, large: usize) {
    for life in LIVES {
        fail_every_call_of(life, plan, kind, noise(large, 1)).await;
    }
}

async fn fail_every_call_of(life: Range<usize>, plan: Plan, kind: ErrorKind, large: Bytes) {
    let history = history(&life, &large).await;
    let last = history.last().expect("a life has an end");
    let blobs: BTreeSet<ContentId> = last.manifests.iter().flat_map(named).collect();
    let mut failed: BTreeMap<String, usize> = BTreeMap::new();
    for fails in 0.. {
        let dir = memory_folder();
        let (faults, log) = faults(plan, fails);
        let folder = dir.path().join("store");
        let outcome = match FsStore::open_with_faults(&folder, FsOptions::default(), Arc::new(faults)) {
            Ok(store) => live(&store, &life, &large).await,
            Err(error) => Some((life.start, error)),
        };
        let log = log.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(call) = log.get(fails) else {
            assert!(outcome.is_none(), "nothing failed");
            assert!(50 < fails, "{fails} calls");
            println!("{plan:?}, steps {life:?}: each of {fails} calls failed in turn: {failed:?}");
            return;
        };
        let what = format!("{plan:?}, call {fails}, {call:?}, {outcome:?}");
        *failed.entry(format!("{call:?}")).or_default() += 1;
        let sound = sound(&folder);
        let now = documents(&sound).await;
        match &outcome {
            Some((number, error)) => {
                // What cannot be read of a stage has to be fetched again, whatever the reason.
                let refetch = PARTS.contains(number) && error.kind() == ErrorKind::Damaged;
                assert!(error.kind() == kind || refetch, "{what}: {error:?}");
                let before = number - life.start;
                assert!(now == history[before] || now == history[before + 1], "{what}: {now:?}");
                if BATCHES.contains(number) {
                    assert_eq!(files(&folder.join("staging")), 0, "{what}: nothing half-written stays");
                }
            }
            // Only what is tidied by whoever comes next may fail untold; and a stage that cannot be read is begun anew.
            None => {
                assert!(!is_change(*call) || *call == Call::Remove, "{what}");
                assert_eq!(now, *last, "{what}");
            }
        }
        if matches!(call, Call::SyncFile) {
            // The file is thrown away: it is not synced again, and it gets no name.
            let after = &log[fails + 1..];
            assert!(
                !after.iter().any(|it| matches!(it, Call::SyncFile | Call::Rename | Call::Link)),
                "{what}"
            );
        }
        let damaged = sound.verify(&VerifyOptions::default()).await.expect("a report").damaged;
        assert!(damaged.iter().all(|id| id.digest == ContentId::of(b"sound").digest), "{what}: {damaged:?}");
        sound.verify(&VerifyOptions::default().repair(true)).await.expect("a report");
        check_sound(&sound, &what).await;
        if let Some((_, error)) = live(&sound, &life, &large).await {
            panic!("{what}: the same work then succeeds: {error:?}");
        }
        assert_eq!(documents(&sound).await, *last, "{what}");
        check_sound(&sound, &what).await;
        let there = sound.blobs().await.expect("a listing");
        assert_eq!(there.iter().map(|blob| blob.id).collect::<BTreeSet<_>>(), blobs, "{what}");
    }
}

const ONCE: Plan = Plan { act: Act::Fail(Failure::Io), for_ever: false, changes_only: false };
const FULL: Plan = Plan { act: Act::Fail(Failure::NoSpace), for_ever: false, changes_only: true };

/// Works in place, without a runtime: many short calls are faster so.
fn in_place(plan: Plan, kind: ErrorKind) {
    futures::executor::block_on(fail_every_call(plan, kind, SMALL));
}

#[test]
fn once_with_an_error_of_the_disk() {
    in_place(ONCE, ErrorKind::Backend);
}

#[test]
fn once_with_an_error_that_comes_late() {
    in_place(Plan { act: Act::FailLate(Failure::Io), changes_only: true, ..ONCE }, ErrorKind::Backend);
}

#[test]
fn for_ever_with_an_error_of_the_disk() {
    in_place(Plan { for_ever: true, changes_only: true, ..ONCE }, ErrorKind::Backend);
}

/// On the threads of a runtime, where writing goes on in the background.
#[tokio::test]
async fn once_without_space() {
    fail_every_call(FULL, ErrorKind::NoSpace, LARGE).await;
}

#[test]
fn for_ever_without_space() {
    in_place(Plan { for_ever: true, ..FULL }, ErrorKind::NoSpace);
}

#[test]
fn once_over_the_quota() {
    in_place(Plan { act: Act::Fail(Failure::Quota), ..FULL }, ErrorKind::NoSpace);
}

#[test]
fn once_with_too_many_files_open() {
    in_place(Plan { act: Act::Fail(Failure::TooManyFiles), ..FULL }, ErrorKind::Backend);
}

/// A failed sync is told to one caller only, and says nothing of whose bytes were lost: no other part may be recorded
/// after it.
#[tokio::test]
async fn a_sync_that_failed_for_one_part_records_no_other() {
    let dir = memory_folder();
    let armed = Arc::new(AtomicBool::new(false));
    let trigger = Arc::clone(&armed);
    let faults = Faults::new(move |call| match call {
        Call::SyncFile if trigger.swap(false, Ordering::SeqCst) => Act::Fail(Failure::Io),
        _ => Act::Go,
    });
    let store = FsStore::open_with_faults(dir.path(), FsOptions::default(), Arc::new(faults));
    let store = store.expect("a new store");
    let key = StageKey::new("source", "v1");
    let stage = store.stage_parts(&key, Expected::default()).await.expect("it begins");
    // So much that the disk is set to work before the part is finished.
    let (piece, count) = (Bytes::from(vec![1; 1 << 20]), 40);
    let mut large = stage.part(0..count << 20).await.expect("nobody has it");
    let mut small = stage.part(count << 20..(count << 20) + 5).await.expect("nobody has it");
    small.write("small".into()).await.expect("it is accepted");
    armed.store(true, Ordering::SeqCst);
    let mut outcome = Ok(());
    for _ in 0..count {
        outcome = outcome.and(large.write(piece.clone()).await);
    }
    let error = match outcome {
        Ok(()) => large.finish(None).await.expect_err("its sync failed"),
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::Backend, "{error:?}");
    assert!(!armed.load(Ordering::SeqCst), "the sync failed before the end");
    let error = small.finish(None).await.expect_err("its bytes may be lost, too");
    assert_eq!(error.kind(), ErrorKind::Backend, "{error:?}");
    drop(stage);
    let stage = store.stage_parts(&key, Expected::default()).await.expect("it begins anew");
    assert_eq!(stage.parts(), []);
}

/// A collector without grace takes what others are about to publish: a document is staged again, but not for ever.
#[tokio::test]
async fn a_document_whose_stage_is_swept_is_staged_again() {
    for (sweeps, succeeds) in [(1, true), (15, true), (16, false)] {
        let dir = memory_folder();
        let (staging, left) = (dir.path().join("staging"), Mutex::new(sweeps));
        let faults = Faults::new(move |call| {
            let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
            let staged = fs::read_dir(&staging).ok().and_then(|mut folder| folder.next());
            if let Some(Ok(file)) = staged.filter(|_| call == Call::Link && 0 < *left) {
                fs::remove_file(file.path()).expect("it is there");
                *left -= 1;
            }
            Act::Go
        });
        let store = FsStore::open_with_faults(dir.path(), FsOptions::default(), Arc::new(faults));
        let store = store.expect("a new store");
        let put = store.put_manifest(&manifest("m", "r", &[]), None).await;
        assert_eq!(put.is_ok(), succeeds, "{sweeps} sweeps: {put:?}");
    }
}

/// A folder is made when that above it is durable: after a failure there is nothing below what may be lost.
#[tokio::test]
async fn the_folders_above_a_store_are_durable_one_after_the_other() {
    for (fails, there) in [(0, ""), (1, "a"), (2, "a/b"), (3, "a/b/c")] {
        let dir = memory_folder();
        let count = AtomicUsize::new(0);
        let faults = Faults::new(move |call| match call {
            Call::SyncFolder if count.fetch_add(1, Ordering::SeqCst) == fails => Act::Fail(Failure::Io),
            _ => Act::Go,
        });
        let root = dir.path().join("a/b/c");
        let store = FsStore::open_with_faults(&root, FsOptions::default(), Arc::new(faults));
        let store = store.expect("a new store");
        store.put_bytes("x".into()).await.expect_err("a sync failed");
        let deepest = root.ancestors().find(|path| path.exists()).expect("the temporary folder is there");
        assert_eq!(deepest, dir.path().join(there).components().as_path(), "sync {fails}");
        assert!(!root.join("format.json").exists(), "sync {fails}");
        store.put_bytes("x".into()).await.expect("the same work then succeeds");
    }
}

/// Who may use a store need not be one who may read the folder it is in.
#[tokio::test]
async fn a_folder_above_that_cannot_be_read_is_no_obstacle() {
    let dir = memory_folder();
    let root = dir.path().join("store");
    for there in [false, true] {
        let first = AtomicBool::new(true);
        let faults = Faults::new(move |call| match call {
            Call::SyncFolder if first.swap(false, Ordering::SeqCst) => Act::Fail(Failure::Denied),
            _ => Act::Go,
        });
        let store = FsStore::open_with_faults(&root, FsOptions::default(), Arc::new(faults));
        let put = store.expect("a store").put_bytes(format!("{there}").into()).await;
        put.unwrap_or_else(|error| panic!("{there}: {error:?}"));
    }
    // What is made there is told not to be durable.
    let count = AtomicUsize::new(0);
    let faults = Faults::new(move |call| match call {
        Call::SyncFolder if count.fetch_add(1, Ordering::SeqCst) == 1 => Act::Fail(Failure::Denied),
        _ => Act::Go,
    });
    let new = dir.path().join("new");
    let store = FsStore::open_with_faults(new, FsOptions::default(), Arc::new(faults)).expect("a new store");
    assert_eq!(store.put_bytes("x".into()).await.expect_err("not durable").kind(), ErrorKind::Backend);
}

/// A stage that another user began is his file, of which nobody else may change the mode.
#[tokio::test]
async fn a_stage_of_another_user_can_be_published() {
    let dir = memory_folder();
    let faults = Faults::new(|call| match call {
        Call::SetMode => Act::Fail(Failure::Denied),
        _ => Act::Go,
    });
    let store = FsStore::open_with_faults(dir.path(), FsOptions::default(), Arc::new(faults));
    let store = store.expect("a new store");
    let id = ContentId::of(b"content");
    let stage = store.stage_parts(&StageKey::new("source", "v1"), id.into()).await.expect("it begins");
    let mut part = stage.part(0..id.size).await.expect("nobody has it");
    part.write("content".into()).await.expect("it is accepted");
    part.finish(None).await.expect("it is recorded");
    assert_eq!(stage.publish().await.expect("it is whole").id, id);
    assert_eq!(store.read_all(id, 100).await.expect("it is there"), "content");
    assert_eq!(files(&store.dir().join("staging")), 0);
}
