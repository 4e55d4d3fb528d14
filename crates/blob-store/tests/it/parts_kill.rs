//! Stages in parts whose owner is killed at any moment, and several processes that want the same.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use blob_store::{BlobStore, BlobStoreExt, ErrorKind, FsStore, Turn};
use bytes::Bytes;
use content_id::ContentId;

use crate::{
    noise,
    parts::{begin, fetch, key},
};

const DIR: &str = "BLOB_STORE_TEST_PARTS";
const MODE: &str = "BLOB_STORE_TEST_PARTS_MODE";

const PART: u64 = 50_000;
const PARTS: u64 = 40;

/// Kills.
const ROUNDS: u64 = 60;

fn content() -> Bytes {
    noise((PART * PARTS) as usize, 11)
}

fn tell(what: &str, number: u64) {
    let mut out = std::io::stdout().lock();
    if writeln!(out, "{what} {number}").and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// The child; does nothing when the test binary runs as a whole.
#[tokio::test]
async fn child() {
    let (Some(dir), Some(mode)) = (std::env::var_os(DIR), std::env::var_os(MODE)) else { return };
    let store = FsStore::open(Path::new(&dir)).expect("a store");
    let (content, patience) = (content(), Duration::from_secs(60));
    let id = ContentId::of(&content);
    match store.stage_or_wait(&key(), id.into(), patience).await.expect("its turn comes") {
        Turn::Published(_) => tell("found", 0),
        Turn::Begun(stage) => {
            tell("resumed", stage.parts().len() as u64);
            let mut missing = stage.missing(PART);
            missing.reverse();
            let total = missing.len() as u64;
            for range in missing {
                let begin = range.start;
                fetch(&*stage, &content, range).await;
                tell("part", begin / PART);
            }
            if mode == "keep" {
                // Until it is killed.
                std::io::stdin().read_line(&mut String::new()).expect("its parent closes it");
            }
            stage.publish().await.expect("it is complete");
            tell("published", total);
        }
        _ => unreachable!("there are two turns"),
    }
}

fn spawn(dir: &Path, mode: &str) -> Child {
    Command::new(std::env::current_exe().expect("the test binary has a path"))
        .args(["--exact", "parts_kill::child", "--nocapture"])
        .env(DIR, dir)
        .env(MODE, mode)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the test binary runs again")
}

/// The next line that says something, if any comes.
fn heard(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> Option<(String, u64)> {
    lines.map_while(Result::ok).find_map(|line| {
        let (what, number) = line.split_once(' ')?;
        let known = ["found", "resumed", "part", "published"].contains(&what);
        known.then(|| Some((what.to_owned(), number.parse().ok()?)))?
    })
}

/// What a killed process recorded is there for the next one, at once; what it had not finished is all that is lost.
#[tokio::test]
async fn killed_owners_leave_their_parts() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let id = ContentId::of(&content());
    let (mut recorded, mut most) = (0, 0);
    for round in 0..ROUNDS {
        let mut child = spawn(dir.path(), "publish");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let mut told = 0;
        while let Some((what, number)) = heard(&mut lines) {
            match &what[..] {
                "resumed" => {
                    assert!(recorded <= number, "round {round}: {number} of {recorded} parts are left");
                    told = number;
                }
                "part" => told += 1,
                _ => break,
            }
            // After nothing, one, or two more parts than the last one had.
            if told == recorded + round % 3 {
                break;
            }
        }
        child.kill().expect("it runs, or has just ended");
        // What it told between the last look and its end counts, too.
        while let Some((what, _)) = heard(&mut lines) {
            told += u64::from(what == "part");
        }
        child.wait().expect("it ends");
        recorded = told;
        most = most.max(recorded);
        let store = FsStore::open(dir.path()).expect("a store");
        if store.contains(id).await.expect("the store can be asked") {
            assert!(store.read_all(id, 1 << 30).await.expect("it is there") == content());
            store.remove(id).await.expect("it is there");
            recorded = 0;
            continue;
        }
        // Nobody waits for a dead owner, and nothing that was recorded is lost.
        let stage = begin(&store, id).await;
        let parts = stage.parts().len() as u64;
        assert!(recorded <= parts && parts <= recorded + 1, "round {round}: {parts} of {recorded}");
        recorded = parts;
    }
    assert!(PARTS / 2 < most, "it came to something");
    // All that is left to do is done.
    let mut child = spawn(dir.path(), "publish");
    assert!(child.wait().expect("it ends").success());
    let store = FsStore::open(dir.path()).expect("a store");
    assert!(store.read_all(id, 1 << 30).await.expect("it is there") == content());
    assert!(store.stages().await.expect("a listing").is_empty());
}

/// A living owner is told from a dead one: `Busy` as long as it lives, and free the moment it does not.
#[tokio::test]
async fn living_owners_are_left_alone() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let id = ContentId::of(&content());
    let mut child = spawn(dir.path(), "keep");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    for _ in 0..=PARTS {
        heard(&mut lines).expect("it writes its parts");
    }
    let store = FsStore::open(dir.path()).expect("a store");
    let error = store.stage_parts(&key(), id.into()).await.expect_err("it has an owner");
    assert_eq!(error.kind(), ErrorKind::Busy);
    let patience = Duration::from_millis(20);
    let error = store.stage_or_wait(&key(), id.into(), patience).await.expect_err("it keeps it");
    assert_eq!(error.kind(), ErrorKind::Busy);
    let report = store.collect_garbage(&crate::later()).await.expect("it can be collected");
    assert_eq!(report.stages_removed, 0);
    let stages = store.stages().await.expect("a listing");
    assert!(stages.len() == 1 && stages[0].owned && stages[0].bytes == PART * PARTS);
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    assert!(!store.stages().await.expect("a listing")[0].owned);
    let stage = begin(&store, id).await;
    assert!(stage.missing(PART).is_empty(), "nothing is lost");
    assert_eq!(stage.publish().await.expect("it is complete").id, id);
}

/// Of several processes that want the same at once, one writes the bytes; also if it is killed half-way.
#[tokio::test]
async fn the_bytes_are_written_once() {
    for killed in [false, true] {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut children = [(); 3].map(|()| spawn(dir.path(), "publish"));
        let mut outputs = children
            .each_mut()
            .map(|child| BufReader::new(child.stdout.take().expect("it is piped")).lines());
        let mut parts = 0;
        if killed {
            // One of them, whether it is at work or waits; as soon as there is something to take up.
            let store = FsStore::open(dir.path()).expect("a store");
            let at_work = |stages: Vec<blob_store::StageInfo>| stages.iter().any(|stage| PART < stage.bytes);
            while !at_work(store.stages().await.expect("a listing"))
                && !store.contains(ContentId::of(&content())).await.expect("the store can be asked")
            {
                tokio::task::yield_now().await;
            }
            children[0].kill().expect("it runs, or has ended");
        }
        for (child, output) in children.iter_mut().zip(&mut outputs) {
            let mut ended = false;
            while let Some((what, _)) = heard(output) {
                parts += u64::from(what == "part");
                ended |= what == "found" || what == "published";
            }
            assert!(child.wait().expect("it ends").success() == ended || killed);
        }
        // A part that was recorded just before the kill may not have been told.
        let store = FsStore::open(dir.path()).expect("a store");
        let found = store.read_all(ContentId::of(&content()), 1 << 30).await.expect("it is there");
        assert!(found == content());
        assert!(
            parts == PARTS || killed && (PARTS - 1..=PARTS).contains(&parts),
            "{parts} parts were written"
        );
        assert!(store.stages().await.expect("a listing").is_empty());
    }
}
