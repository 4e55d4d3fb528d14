//! Processes killed at 1,000 random moments, several on one store: what was acknowledged stays, nothing damaged is
//! visible, no space stays lost, and nobody is held up.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use blob_store::{
    BlobStore, BlobStoreExt, Durability, Error, ErrorKind, FsOptions, FsStore, ManifestName, OpenOptions,
    Pin, StageKey,
    conformance::{Act, Call, Faults},
};
use bytes::Bytes;
use content_id::ContentId;

use crate::{later, manifest, memory_folder, noise, overwrite};

const DIR: &str = "BLOB_STORE_TEST_KILL";
const NAME: &str = "BLOB_STORE_TEST_KILL_NAME";
const STOP: &str = "BLOB_STORE_TEST_KILL_STOP";

/// Kills in all, and how many processes work at the same time.
const KILLS: usize = 1000;
const PROCESSES: usize = 8;

/// Revisions each process uses.
const REVISIONS: u64 = 5;

/// Blobs that are published in parts, and others. Most of them are garbage at any time, and needed again soon.
const PARTED: u64 = 7;
const OTHERS: u64 = 150;

fn tell(what: &str, revision: u64) {
    let mut out = std::io::stdout().lock();
    // The parent is gone: nobody is left to tell.
    if writeln!(out, "{what} {revision}").and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// One of the blobs that all processes use.
fn content(number: u64) -> Bytes {
    noise(4_000 + number as usize, 3)
}

fn key(id: ContentId) -> StageKey {
    StageKey::new("source", &id.digest.to_string())
}

/// Publishes a blob through a stage that all processes know: goes on where a killed one was, unless a living one has
/// it.
async fn in_parts(store: &FsStore, content: Bytes) -> Result<ContentId, Error> {
    let id = ContentId::of(&content);
    let stage = match store.stage_parts(&key(id), id.into()).await {
        Err(error) if error.kind() == ErrorKind::Busy => return store.put_bytes(content).await,
        stage => stage?,
    };
    for range in stage.missing(1500) {
        let mut part = stage.part(range.clone()).await?;
        part.write(content.slice(range.start as usize..range.end as usize)).await?;
        part.finish(None).await?;
    }
    stage.publish().await.map(|published| published.id)
}

/// Publishes the blobs of a round: one in parts, one alone, and the others at once, few or so many that the disk is
/// waited for once for all.
async fn blobs(store: &FsStore, round: u64) -> Result<Vec<ContentId>, Error> {
    let other = |number: u64| content(PARTED + (round * 2 + number) % OTHERS);
    let mut ids = vec![in_parts(store, content(round % PARTED)).await?, store.put_bytes(other(0)).await?];
    let many = if round.is_multiple_of(4) { 10 } else { 3 };
    ids.extend(store.put_many((1..many).map(other).collect()).await?);
    Ok(ids)
}

/// The revision that is removed, and read, in a round with this one.
fn gone(revision: u64) -> String {
    ((revision + 1) % REVISIONS).to_string()
}

/// The child: publishes, updates, pins, removes, collects and opens until it is killed, telling what it has done; does
/// nothing when the test binary runs as a whole.
#[tokio::test]
async fn child() {
    let (Some(dir), Some(name)) = (std::env::var_os(DIR), std::env::var_os(NAME)) else { return };
    let name = name.into_string().expect("a name of ours");
    let stop: Option<u64> = std::env::var(STOP).ok().and_then(|text| text.parse().ok());
    let calls = AtomicU64::new(0);
    // Before the system call of this number it waits for its end.
    let faults = Faults::new(move |_| {
        if Some(calls.fetch_add(1, Ordering::SeqCst)) == stop {
            tell("stop", 0);
            loop {
                thread::park();
            }
        }
        Act::Go
    });
    // The name of this test may stand on the line before.
    tell("\nbegun", 0);
    // What a kill is about needs no fsync, and without it there are more moments to kill at.
    let faults = faults.without(Call::SyncFile).without(Call::SyncFolder);
    let store = FsStore::open_with_faults(dir, FsOptions::default(), Arc::new(faults)).expect("a store");
    for round in u64::from(std::process::id()).. {
        let revision = round % REVISIONS;
        tell("change", revision);
        loop {
            // The collectors have no grace: they may take a blob, or a stage, that is needed a moment later.
            if let Ok(ids) = blobs(&store, round).await
                && overwrite(&store, &manifest(&name, &revision.to_string(), &ids)).await.is_ok()
            {
                break;
            }
        }
        tell("done", revision);
        let pinned = ManifestName::new("hub.example", name.clone(), revision.to_string());
        if let Ok(version) = store.pin("task:shared").await.map(|pin| pin.map(|(_, version)| version)) {
            let _ = store.set_pin(&Pin::new("task:shared", pinned, 1), version).await;
        }
        if round % 3 == 2 {
            tell("change", (revision + 1) % REVISIONS);
            let gone = ManifestName::new("hub.example", name.clone(), gone(revision));
            let _ = store.remove_manifest(&gone).await;
        }
        if round % 2 == 0 {
            let _ = store.collect_garbage(&later()).await;
        }
        // A model of another, which may go at any moment: it opens whole or not at all.
        let other = ManifestName::new("hub.example", (round % PROCESSES as u64).to_string(), gone(revision));
        if let Ok(Some(model)) = store.open_model(&other, &OpenOptions::default()).await {
            assert!(model.files().all(|(_, file)| ContentId::of(&file.bytes) == file.content));
        }
    }
}

/// When a process is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// Before the system call of this number, from 0.
    Progress(u64),
    /// So long after it has begun.
    Time(Duration),
}

fn spawn(dir: &Path, name: &str, moment: Moment) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("the test binary has a path"));
    command.args(["--exact", "kill::child", "--nocapture"]).env(DIR, dir).env(NAME, name);
    if let Moment::Progress(number) = moment {
        command.env(STOP, number.to_string());
    }
    let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    child.expect("the test binary runs again")
}

/// What a process told: the revisions that are certainly there, and those of which nothing is known.
#[derive(Debug, Default)]
struct Told {
    there: BTreeSet<u64>,
    unknown: BTreeSet<u64>,
}

impl Told {
    /// Takes a line in; returns whether the process stands still.
    fn line(&mut self, line: &str) -> bool {
        let Some((what, revision)) = line.split_once(' ') else { return false };
        let Ok(revision) = revision.parse() else { return false };
        match what {
            "change" => drop((self.there.remove(&revision), self.unknown.insert(revision))),
            "done" => drop((self.there.insert(revision), self.unknown.remove(&revision))),
            _ => {}
        }
        what == "stop"
    }
}

/// Lets a process work and kills it.
fn work_and_kill(mut child: Child, moment: Moment) -> Told {
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let mut told = Told::default();
    match moment {
        Moment::Progress(_) => while !told.line(&lines.next().expect("it tells").expect("text")) {},
        Moment::Time(time) => {
            while told.unknown.is_empty() {
                told.line(&lines.next().expect("it tells").expect("text"));
            }
            #[expect(clippy::disallowed_methods, reason = "the moment is one by time")]
            thread::sleep(time);
        }
    }
    child.kill().expect("it runs");
    assert!(child.wait().expect("it ends").code().is_none(), "it did not end by itself");
    for line in lines.map_while(Result::ok) {
        told.line(&line);
    }
    told
}

/// The stages that the killed had can be taken up at once; returns how many parts they have.
async fn take_up_stages(store: &FsStore, round: usize) -> usize {
    let mut recorded = 0;
    for number in 0..PARTED {
        let content = content(number);
        let id = ContentId::of(&content);
        let stage = store.stage_parts(&key(id), id.into()).await;
        let stage = stage.unwrap_or_else(|error| panic!("round {round}: a stage is held up: {error:?}"));
        for part in stage.parts() {
            let (start, end) = (part.range().start as usize, part.range().end as usize);
            assert_eq!(part.digest, ContentId::of(&content[start..end]).digest, "round {round}");
            recorded += 1;
        }
    }
    recorded
}

/// What is visible is whole; once somebody has cleaned up, what was acknowledged is there, and nothing else.
async fn check(store: &FsStore, certain: &BTreeMap<String, BTreeSet<u64>>, round: usize) {
    let report = store.verify(&Default::default()).await.expect("a report");
    assert_eq!((report.damaged.len(), report.unreadable.len()), (0, 0), "round {round}: {report:?}");
    // Heals what a killed collector held in its hands.
    store.collect_garbage(&later()).await.expect("it can be collected");
    let report = store.verify(&Default::default()).await.expect("a report");
    assert_eq!((report.damaged.len(), report.unreadable.len()), (0, 0), "round {round}: {report:?}");
    for (name, certain) in certain {
        for revision in certain {
            let name = ManifestName::new("hub.example", name, revision.to_string());
            let model = store.open_model(&name, &OpenOptions::default().verify(true)).await;
            let model = model.expect("a manifest that was acknowledged is complete");
            assert!(model.expect("it was acknowledged").files().len() > 2, "round {round}");
        }
    }
    let left = std::fs::read_dir(store.dir().join("staging")).map_or(0, Iterator::count);
    let held = store.quarantined().await.expect("a listing").len();
    let lost = store.usage().await.expect("it can be counted").unreferenced_bytes;
    assert_eq!((left, held, lost), (0, 0, 0), "round {round}: no space is lost");
}

#[tokio::test]
async fn killed_processes_lose_nothing() {
    let dir = memory_folder();
    let options = FsOptions::default().durability(Durability::ProcessCrashOnly);
    let store = FsStore::open_with(dir.path(), options).expect("a store");
    let mut certain: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    let mut random = noise(4 * KILLS, 9).into_iter().map(u64::from);
    let mut random = || random.next().expect("enough of it") << 8 | random.next().expect("enough of it");
    let (mut by_progress, mut rounds, mut recorded) = (0, 0, 0);
    for round in 0..KILLS / PROCESSES {
        let work = |process: usize| {
            let moment = match process % 2 {
                0 => Moment::Progress(random() % 1500),
                _ => Moment::Time(Duration::from_micros(random() % 50_000)),
            };
            by_progress += usize::from(matches!(moment, Moment::Progress(_)));
            let child = spawn(dir.path(), &process.to_string(), moment);
            thread::spawn(move || work_and_kill(child, moment))
        };
        let workers: Vec<_> = (0..PROCESSES).map(work).collect();
        for (process, worker) in workers.into_iter().enumerate() {
            let told = worker.join().expect("it was killed");
            let certain = certain.entry(process.to_string()).or_default();
            certain.retain(|revision| !told.unknown.contains(revision));
            certain.extend(told.there);
        }
        recorded += take_up_stages(&store, round).await;
        check(&store, &certain, round).await;
        rounds += 1;
    }
    let kept: usize = certain.values().map(BTreeSet::len).sum();
    println!(
        "{KILLS} kills, {by_progress} of them by progress, in {rounds} rounds; {kept} manifests kept, {recorded} parts \
        taken up"
    );
    assert!(PROCESSES < kept, "the children came to something: {certain:?}");
    let report = store.collect_garbage(&later()).await.expect("it can be collected");
    assert_eq!(report.bytes_freed, 0, "every collection before cleaned up after the killed");
    // Whoever was killed while writing a manifest holds nobody up.
    let id = store.put_bytes("after".into()).await.expect("it can be put");
    for revision in 0..REVISIONS {
        overwrite(&store, &manifest("0", &revision.to_string(), &[id])).await.expect("it can be written");
    }
    let absent = ManifestName::new("hub.example", "0", "absent");
    let error = store.set_pin(&Pin::new("other", absent, 1), None).await.expect_err("not there");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
