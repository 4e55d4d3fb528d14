//! Stages in parts on the file system: other processes, damage, and what is left of them.

use std::{
    fs,
    io::{Read, Seek, SeekFrom, Write},
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use blob_store::{
    BlobStore, BlobStoreExt, ErrorKind, FsOptions, FsStore, GcOptions, Part, PartStage, StageKey,
    conformance::{Act, Call, Failure, Faults},
};
use bytes::Bytes;
use content_id::ContentId;

use crate::{later, noise};

const PART: u64 = 100_000;

pub(crate) fn key() -> StageKey {
    StageKey::new("https://hub.example/file", "v1")
}

pub(crate) async fn begin(store: &dyn BlobStore, id: ContentId) -> Box<dyn PartStage> {
    store.stage_parts(&key(), id.into()).await.expect("nobody else has it")
}

pub(crate) async fn fetch(stage: &dyn PartStage, content: &Bytes, range: Range<u64>) -> Part {
    let mut writer = stage.part(range.clone()).await.expect("nobody else writes it");
    writer.write(content.slice(range.start as usize..range.end as usize)).await.expect("a piece is accepted");
    writer.finish(None).await.expect("it is recorded")
}

/// Fetches what is missing, and returns how many bytes that was.
async fn complete(store: &dyn BlobStore, content: &Bytes) -> u64 {
    let id = ContentId::of(content);
    let mut fetched = 0;
    // Bad parts may come out only when it is published.
    for _ in 0..3 {
        let stage = begin(store, id).await;
        for range in stage.missing(PART) {
            fetched += range.end - range.start;
            fetch(&*stage, content, range).await;
        }
        match stage.publish().await {
            Ok(published) => {
                assert_eq!(published.id, id);
                assert!(store.read_all(id, 1 << 30).await.expect("it is there") == *content);
                return fetched;
            }
            // The second if it came out in the background before.
            Err(error) => {
                let kinds = [ErrorKind::Damaged, ErrorKind::Incomplete];
                assert!(kinds.contains(&error.kind()), "{error}");
            }
        }
        assert!(!store.contains(id).await.expect("the store can be asked"));
    }
    panic!("it is not complete after three times");
}

/// The journal and the file with the bytes of the only stage.
fn files(store: &FsStore) -> (PathBuf, PathBuf) {
    let mut folders = fs::read_dir(store.dir().join("staging")).expect("a folder");
    let folder = folders.next().expect("one stage").expect("an entry").path();
    let find = |extension: &str| {
        let mut entries =
            fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        entries.find(|path| path.extension().is_some_and(|e| e == extension)).expect("it has both")
    };
    (find("parts"), find("data"))
}

fn flip(path: &Path, at: u64) {
    let mut file = fs::OpenOptions::new().read(true).write(true).open(path).expect("it can be opened");
    let mut byte = [0];
    file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut byte)).expect("it has this byte");
    byte[0] ^= 1;
    file.seek(SeekFrom::Start(at)).and_then(|_| file.write_all(&byte)).expect("it can be written");
}

/// A stage with parts 0, 1, 3 and 4 of 6, and nobody who has it.
async fn prepared(dir: &Path, content: &Bytes) -> FsStore {
    let store = FsStore::open(dir).expect("a store");
    let stage = begin(&store, ContentId::of(content)).await;
    for part in [0, 1, 3, 4] {
        fetch(&*stage, content, part * PART..(part + 1) * PART).await;
    }
    drop(stage);
    store
}

/// Bits that flipped in recorded parts: exactly those parts are fetched again.
#[tokio::test]
async fn flipped_parts_are_fetched_again() {
    let content = noise(6 * PART as usize, 1);
    for (bad, parts) in [(vec![5], 3), (vec![PART], 3), (vec![0, PART, 4 * PART], 5), (vec![3 * PART], 3)] {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let store = prepared(dir.path(), &content).await;
        let (_, data) = files(&store);
        bad.iter().for_each(|at| flip(&data, *at));
        assert_eq!(complete(&store, &content).await, parts * PART, "{bad:?}");
    }
}

/// A bit that flips in a part after this process has recorded it.
#[tokio::test]
async fn a_part_that_changes_under_its_owner_is_not_published() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = FsStore::open(dir.path()).expect("a store");
    let content = noise(3 * PART as usize, 2);
    let id = ContentId::of(&content);
    let stage = begin(&store, id).await;
    // Not hashed with the whole while it is written, since it is not the first.
    fetch(&*stage, &content, PART..2 * PART).await;
    flip(&files(&store).1, PART + 7);
    fetch(&*stage, &content, 0..PART).await;
    fetch(&*stage, &content, 2 * PART..3 * PART).await;
    stage.publish().await.expect_err("a part is bad");
    assert_eq!(complete(&store, &content).await, PART, "the others stay");
}

/// Cut or changed at any place, a journal never makes wrong bytes visible, and costs the parts concerned at most.
#[tokio::test]
async fn torn_and_damaged_journals_cost_little() {
    let content = noise(6 * PART as usize, 3);
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = prepared(dir.path(), &content).await;
    let (journal, data) = files(&store);
    let (recorded, bytes) = (fs::read(&journal).expect("it is there"), fs::read(&data).expect("it is there"));
    let head = recorded.iter().position(|byte| *byte == b'\n').expect("it has lines");
    let line = (recorded.len() - head) / 4;
    for at in (0..recorded.len()).step_by(7) {
        for cut in [true, false] {
            fs::create_dir_all(journal.parent().expect("it has one")).expect("a folder");
            fs::write(&data, &bytes).expect("it can be written");
            match cut {
                true => fs::write(&journal, &recorded[..at]).expect("it can be written"),
                false => {
                    fs::write(&journal, &recorded).expect("it can be written");
                    flip(&journal, at as u64);
                }
            }
            let fetched = complete(&store, &content).await / PART;
            let (whole, kept) = (at <= head, (at.saturating_sub(head + 1)) / line);
            let most = match (whole, cut) {
                (true, _) => 6,
                (false, true) => 6 - kept as u64,
                // The end of a line is one of two.
                (false, false) => 4,
            };
            assert!((2..=most).contains(&fetched), "{fetched} of {most}, {at}, {cut}");
            store.remove(ContentId::of(&content)).await.expect("it was published");
            store.remove_stages(later().now).await.expect("it can be cleaned");
        }
    }
}

/// A journal without its bytes, bytes without a journal, a cut file, foreign things: nothing is in the way.
#[tokio::test]
async fn remains_are_no_obstacle() {
    let content = noise(6 * PART as usize, 4);
    type Plant = fn(&Path, &Path);
    let plants: [(&str, Plant, u64); 6] = [
        ("no bytes", |_, data| fs::remove_file(data).expect("it is there"), 6),
        ("no journal", |journal, _| fs::remove_file(journal).expect("it is there"), 6),
        (
            "cut",
            |_, data| {
                let file = fs::OpenOptions::new().write(true).open(data).expect("it can be opened");
                file.set_len(PART + 5).expect("it can be cut");
            },
            5,
        ),
        (
            "a folder",
            |journal, _| {
                fs::remove_file(journal).expect("it is there");
                fs::create_dir(journal).expect("a folder");
            },
            6,
        ),
        (
            "a symlink",
            |journal, data| {
                fs::remove_file(data).expect("it is there");
                std::os::unix::fs::symlink(journal, data).expect("a symlink");
            },
            6,
        ),
        ("empty", |journal, _| fs::write(journal, "").expect("it can be written"), 6),
    ];
    for (what, plant, parts) in plants {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let store = prepared(dir.path(), &content).await;
        let (journal, data) = files(&store);
        plant(&journal, &data);
        assert_eq!(complete(&store, &content).await, parts * PART, "{what}");
        store.remove_stages(later().now).await.expect("it can be cleaned");
        let left = fs::read_dir(store.dir().join("staging")).expect("a folder").count();
        assert_eq!(left, usize::from(what == "a folder"), "{what}");
    }
}

/// A collection without any grace takes nothing from a living owner, and everything from a dead one.
#[tokio::test]
async fn collections_spare_the_living() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = FsStore::open(dir.path()).expect("a store");
    let content = noise(2 * PART as usize, 5);
    let id = ContentId::of(&content);
    let stage = begin(&store, id).await;
    fetch(&*stage, &content, PART..2 * PART).await;
    // A part that is being written is a living owner, too.
    let mut writer = stage.part(0..PART).await.expect("nobody else writes it");
    drop(stage);
    let report = store.collect_garbage(&later()).await.expect("it can be collected");
    assert_eq!(report.stages_removed, 0);
    writer.write(content.slice(..PART as usize)).await.expect("a piece is accepted");
    writer.finish(None).await.expect("it is recorded");
    assert_eq!(complete(&store, &content).await, 0);
    let stage = begin(&store, id).await;
    fetch(&*stage, &content, 0..PART).await;
    drop(stage);
    let report = store.collect_garbage(&later()).await.expect("it can be collected");
    assert_eq!((report.stages_removed, report.stage_bytes), (1, PART));
    assert_eq!(fs::read_dir(store.dir().join("staging")).expect("a folder").count(), 0);
}

/// Where a journal cannot be read, nobody knows which bytes are in use: none of them goes.
#[tokio::test]
async fn collections_spare_what_they_cannot_read() {
    let content = noise(6 * PART as usize, 8);
    for (call, failure) in
        [(Call::Open, Failure::Denied), (Call::Open, Failure::TooManyFiles), (Call::Read, Failure::Io)]
    {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let store = prepared(dir.path(), &content).await;
        let armed = Arc::new(AtomicBool::new(false));
        let trigger = Arc::clone(&armed);
        let faults = Faults::new(move |made| match trigger.load(Ordering::SeqCst) && made == call {
            true => Act::Fail(failure),
            false => Act::Go,
        });
        let blind = FsStore::open_with_faults(dir.path(), FsOptions::default(), Arc::new(faults));
        let blind = blind.expect("the store is there");
        armed.store(true, Ordering::SeqCst);
        assert_eq!(blind.remove_stages(later().now).await.expect("it can be cleaned"), 0);
        assert_eq!(complete(&store, &content).await, 2 * PART, "{call:?}, {failure:?}");
    }
}

/// What is published has the mode of every blob, and nothing more than its bytes.
#[tokio::test]
async fn published_parts_are_a_blob_like_any_other() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = FsStore::open(dir.path()).expect("a store");
    let content = noise(PART as usize, 6);
    // A part of an unknown size that reached further, and was not finished.
    let stage = store.stage_parts(&key(), Default::default()).await.expect("nobody else has it");
    let mut writer = stage.part(0..4 << 20).await.expect("nobody else writes it");
    writer.write(noise(3 << 20, 7)).await.expect("a piece is accepted");
    drop(writer);
    let mut writer = loop {
        // Its last bytes may be on their way for a moment.
        match stage.part(0..PART).await {
            Ok(writer) => break writer,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Busy),
        }
        tokio::task::yield_now().await;
    };
    writer.write(content.clone()).await.expect("a piece is accepted");
    writer.finish(None).await.expect("it is recorded");
    let id = stage.publish().await.expect("there is no gap").id;
    assert_eq!(id, ContentId::of(&content));
    let other = store.put_bytes("other".into()).await.expect("it is put");
    let mode = |id| {
        let path = store.local_path(id).expect("a plain file");
        fs::metadata(path).expect("it is there").permissions().mode()
    };
    assert_eq!(mode(id), mode(other));
    assert!(store.read_all(id, 1 << 20).await.expect("it is there") == content);
}

/// Of a damaged blob only the broken parts are fetched, wherever the damage is.
#[tokio::test]
async fn repairs_fetch_only_broken_parts() {
    use futures::{FutureExt, StreamExt};
    use std::os::unix::fs::PermissionsExt;
    type Change = fn(&mut Vec<u8>);
    let content = noise(6 * PART as usize - 5, 8);
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = FsStore::open(dir.path()).expect("a store");
    let id = store.put_bytes(content.clone()).await.expect("it is put");
    let hashes = store.part_hashes(id, PART).await.expect("it is sound");
    let changes: [(Change, &[u64]); 5] = [
        (|bytes| bytes[0] ^= 1, &[0]),
        (
            |bytes| {
                (bytes[PART as usize], bytes[5 * PART as usize]) =
                    (!bytes[PART as usize], !bytes[5 * PART as usize])
            },
            &[1, 5],
        ),
        (|bytes| bytes.truncate(3 * PART as usize + 1), &[3, 4, 5]),
        (|bytes| bytes.push(0), &[]),
        (Vec::clear, &[0, 1, 2, 3, 4, 5]),
    ];
    for (change, broken) in changes {
        let path = store.local_path(id).expect("a plain file");
        let mut bytes = content.to_vec();
        change(&mut bytes);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("it is ours");
        fs::write(&path, bytes).expect("it can be written");
        let fetch = |range: Range<u64>| {
            let piece = content.slice(range.start as usize..range.end as usize);
            async { Ok(futures::stream::iter([Ok(piece)]).boxed()) }.boxed()
        };
        let report = store.repair(id, &hashes, &fetch).await.expect("it is repaired");
        let expected: Vec<_> =
            broken.iter().map(|part| part * PART..((part + 1) * PART).min(id.size)).collect();
        assert_eq!(report.fetched, expected);
        assert!(store.read_all(id, 1 << 30).await.expect("it is there") == content);
        assert!(store.quarantined().await.expect("a listing").is_empty());
    }
}

/// What was fetched long ago and is published now is young.
#[tokio::test]
async fn blobs_are_as_old_as_their_publication() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = FsStore::open(dir.path()).expect("a new store");
    let content = noise(PART as usize, 7);
    let id = ContentId::of(&content);
    let stage = begin(&store, id).await;
    fetch(&*stage, &content, 0..PART).await;
    let (_, data) = files(&store);
    let data = fs::File::options().write(true).open(data).expect("it is there");
    data.set_modified(SystemTime::UNIX_EPOCH).expect("it is ours");
    stage.publish().await.expect("it is complete");
    let report =
        store.collect_garbage(&GcOptions::new(SystemTime::now())).await.expect("it can be collected");
    assert_eq!((report.too_young, report.removed), (1, vec![]));
}
