//! The two programs of `cargo xtask adversity power-cuts`: a writer that tells what is acknowledged, and a check of
//! what the disk holds after a cut. Neither does anything when the test binary runs as a whole.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use blob_store::{
    BlobStore, BlobStoreExt, Durability, Error, FsOptions, FsStore, ManifestName, OpenOptions, Pin, StageKey,
    VerifyOptions,
    conformance::{Act, Call, Faults},
};
use bytes::Bytes;
use content_id::ContentId;

use crate::{later, manifest, noise, overwrite};

/// The folder of the store to write to, and to check.
const WRITE: &str = "BLOB_STORE_POWER_CUTS_WRITE";
const CHECK: &str = "BLOB_STORE_POWER_CUTS_CHECK";
/// The sync to leave out, if any, and where: `all`, `few` or `many` (of those put at once), and `file` or `folder`.
const WITHOUT: &str = "BLOB_STORE_POWER_CUTS_WITHOUT";
/// What the writer told until after the cut, and how many bytes of it before the cut.
const LOG: &str = "BLOB_STORE_POWER_CUTS_LOG";
const TOLD: &str = "BLOB_STORE_POWER_CUTS_TOLD";

/// Manifests and pins that the writer uses.
const NAMES: u64 = 6;

fn tell(line: std::fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("somebody listens");
}

fn name(number: u64) -> ManifestName {
    ManifestName::new("hub.example", "m", number.to_string())
}

/// The store, with one mistake or none: as it is used for blobs that are put at once, few or many, and for all else.
struct Stores {
    few: FsStore,
    many: FsStore,
    other: FsStore,
}

impl Stores {
    fn open(dir: &Path) -> Self {
        let without = std::env::var(WITHOUT).unwrap_or_default();
        let open = |place: &str| {
            let (slow, renamed) = (place == "many", AtomicBool::new(false));
            // The neighbour comes between what got its name and the wait for it.
            let mut faults = Faults::new(move |call| {
                if call == Call::Rename {
                    renamed.store(slow, Ordering::Relaxed);
                }
                if call == Call::SyncFolder && renamed.swap(false, Ordering::Relaxed) {
                    linger();
                }
                Act::Go
            });
            if let Some((at, what)) = without.split_once(' ')
                && (at == "all" || at == place)
            {
                let sync = if what == "file" { Call::SyncFile } else { Call::SyncFolder };
                faults = faults.without(sync);
            }
            FsStore::open_with_faults(dir, FsOptions::default(), Arc::new(faults)).expect("a store")
        };
        Self { few: open("few"), many: open("many"), other: open("other") }
    }
}

/// Does nothing to the disk for a moment, so that cuts fall into it.
#[expect(clippy::disallowed_methods, reason = "the moment of a cut is one by time")]
fn linger() {
    thread::sleep(Duration::from_millis(20));
}

/// Another program on the same disk that syncs a file of its own again and again, and by that has the file system
/// write down also what nobody has synced yet.
struct Neighbour {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Neighbour {
    fn of(dir: &Path) -> Self {
        let (path, stop) = (dir.with_file_name("neighbour"), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let sync = move || {
            while !stopped.load(Ordering::Relaxed) {
                let mut file = fs::File::create(&path).expect("there is space");
                file.write_all(b"x").and_then(|()| file.sync_all()).expect("there is space");
            }
        };
        Self { stop, thread: Some(thread::spawn(sync)) }
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Writes until it is killed. Every change has a number higher than all before, which the document holds; it is told
/// before it is made, and once it is acknowledged.
#[tokio::test]
async fn writer() {
    let Some(dir) = std::env::var_os(WRITE) else { return };
    tell(format_args!("\nbegun"));
    let stores = Stores::open(Path::new(&dir));
    for number in 1.. {
        change(&stores, number).await.expect("nothing disturbs the writer");
    }
}

fn content(number: u64, blob: u64) -> Bytes {
    noise((500 + (number * 7919 + blob * 104_729) % 40_000) as usize, number * 32 + 2 * blob)
}

fn key(number: u64) -> StageKey {
    StageKey::new("source", &number.to_string())
}

/// Publishes the first blob of a change in parts, in a stage that is given up once and taken up again.
async fn in_parts(store: &FsStore, number: u64) -> Result<ContentId, Error> {
    let content = content(number, 0);
    for most in [3, usize::MAX] {
        let stage = store.stage_parts(&key(number), ContentId::of(&content).into()).await?;
        for range in stage.missing(4000).into_iter().rev().take(most) {
            let mut part = stage.part(range.clone()).await?;
            part.write(content.slice(range.start as usize..range.end as usize)).await?;
            part.finish(None).await?;
            tell(format_args!("part {number} {}", range.start));
        }
        if most == usize::MAX {
            tell(format_args!("publish {number}"));
            stage.publish().await?;
        }
    }
    Ok(ContentId::of(&content))
}

/// Puts further blobs of a change at once: as few as are synced one by one, or so many that the disk is waited for once.
async fn at_once(stores: &Stores, number: u64) -> Result<Vec<ContentId>, Error> {
    let _neighbour = (number % 4 < 2).then(|| Neighbour::of(stores.other.dir()));
    let (store, count) = if number.is_multiple_of(2) { (&stores.few, 3) } else { (&stores.many, 10) };
    store.put_many((2..2 + count).map(|blob| content(number, blob)).collect()).await
}

async fn change(stores: &Stores, number: u64) -> Result<(), Error> {
    let store = &stores.other;
    let which = number / 2 % NAMES;
    let told = |id: ContentId| tell(format_args!("blob {} {}", id.digest, id.size));
    let mut ids = vec![in_parts(store, number).await?];
    ids.iter().copied().for_each(told);
    ids.push(store.put_bytes(content(number, 1)).await?);
    ids[1..].iter().copied().for_each(told);
    ids.extend(at_once(stores, number).await?);
    ids[2..].iter().copied().for_each(told);
    linger();
    let mut content = manifest("m", &which.to_string(), &ids);
    content.used = number;
    tell(format_args!("begin m{which} {number} there"));
    overwrite(store, &content).await?;
    tell(format_args!("done m{which} {number} there"));
    let version = store.pin(&which.to_string()).await?.map(|(_, version)| version);
    tell(format_args!("begin p{which} {number} there"));
    store.set_pin(&Pin::new(which.to_string(), name(which), number), version).await?;
    tell(format_args!("done p{which} {number} there"));
    if number.is_multiple_of(3) {
        let gone = (which + 2) % NAMES;
        tell(format_args!("begin p{gone} {number} gone"));
        store.remove_pin(&gone.to_string()).await?;
        tell(format_args!("done p{gone} {number} gone"));
        tell(format_args!("begin m{gone} {number} gone"));
        store.remove_manifest(&name(gone)).await?;
        tell(format_args!("done m{gone} {number} gone"));
    }
    if number.is_multiple_of(5) {
        tell(format_args!("collect"));
        store.collect_garbage(&later()).await?;
    }
    Ok(())
}

/// What a log says.
#[derive(Debug, Default)]
struct Log {
    /// The last acknowledged change of each document: its number, and whether the document was there afterwards.
    done: BTreeMap<String, (u64, bool)>,
    /// The changes that were begun.
    begun: BTreeMap<String, Vec<(u64, bool)>>,
    /// The acknowledged blobs since the last collection, and how many collections there were.
    blobs: BTreeSet<ContentId>,
    collections: usize,
    /// The stage that is being written, with the offsets of its parts.
    stage: Option<(u64, BTreeSet<u64>)>,
}

impl Log {
    fn read(text: &str) -> Self {
        let mut log = Self::default();
        for line in text.lines() {
            match line.split(' ').collect::<Vec<_>>().as_slice() {
                ["blob", digest, size] => {
                    let (Ok(digest), Ok(size)) = (digest.parse(), size.parse()) else { continue };
                    log.blobs.insert(ContentId::new(digest, size));
                }
                [what @ ("begin" | "done"), key, number, state @ ("there" | "gone")] => {
                    let Ok(number) = number.parse() else { continue };
                    let change = (number, *state == "there");
                    match *what {
                        "begin" => log.begun.entry((*key).to_owned()).or_default().push(change),
                        _ => drop(log.done.insert((*key).to_owned(), change)),
                    }
                }
                ["part", number, offset] => {
                    let (Ok(number), Ok(offset)) = (number.parse(), offset.parse()) else { continue };
                    match &mut log.stage {
                        Some((current, offsets)) if *current == number => drop(offsets.insert(offset)),
                        _ => log.stage = Some((number, [offset].into())),
                    }
                }
                ["publish", _] => log.stage = None,
                ["collect"] => {
                    log.collections += 1;
                    log.blobs.clear();
                }
                _ => {}
            }
        }
        log
    }

    /// Whether this state of a document means that what was acknowledged is lost, given what was begun since.
    fn is_lost(&self, later: &Self, key: &str, seen: Option<u64>) -> bool {
        let Some((number, there)) = self.done.get(key) else { return false };
        match seen {
            Some(seen) => {
                if *there {
                    seen < *number
                } else {
                    seen <= *number
                }
            }
            None => {
                let mut begun = later.begun.get(key).into_iter().flatten();
                *there && !begun.any(|(later, there)| number < later && !there)
            }
        }
    }
}

/// Checks a store after a cut, and prints one line of counts.
#[tokio::test]
async fn check() {
    let (Some(dir), Some(log), Ok(told)) =
        (std::env::var_os(CHECK), std::env::var_os(LOG), std::env::var(TOLD))
    else {
        return;
    };
    let text = fs::read_to_string(PathBuf::from(log)).expect("the writer told something");
    let told: usize = told.parse().expect("a number of bytes");
    // Only what was told as a whole line was acknowledged.
    let told = text.get(..told).and_then(|text| text.rfind('\n')).map_or("", |end| &text[..end]);
    let (acknowledged, later_log) = (Log::read(told), Log::read(&text));
    let options = FsOptions::default().durability(Durability::ProcessCrashOnly);
    let mut lost = Vec::new();
    let mut damaged = Vec::new();
    let (mut visible, mut works) = (0, true);
    match FsStore::open_with(dir, options) {
        Err(error) => damaged.push(format!("{error:?}")),
        Ok(store) => {
            visible = look(&store, &acknowledged, &later_log, &mut lost, &mut damaged).await;
            if let Err(error) = go_on(&store).await {
                works = false;
                println!("detail: it does not go on: {error:?}");
            }
        }
    }
    for what in lost.iter().map(|it| format!("lost {it}")).chain(damaged.iter().cloned()).take(5) {
        println!("detail: {what}");
    }
    let acknowledged = acknowledged.done.len() + acknowledged.blobs.len();
    let (lost, damaged, stuck) = (lost.len(), damaged.len(), u8::from(!works));
    println!(
        "\ncut: acknowledged={acknowledged} visible={visible} damaged={damaged} lost={lost} stuck={stuck}"
    );
}

/// Finds what is lost and what is damaged; returns how many blobs and documents are visible.
async fn look(
    store: &FsStore,
    acknowledged: &Log,
    later: &Log,
    lost: &mut Vec<String>,
    damaged: &mut Vec<String>,
) -> u64 {
    let report = store.verify(&VerifyOptions::default()).await.expect("a report");
    damaged.extend(report.damaged.iter().map(|id| format!("damaged blob {id}")));
    damaged.extend(report.unreadable.iter().map(|(key, kind)| format!("unreadable {key}: {kind:?}")));
    lost.extend(report.missing.iter().map(|file| format!("{} of {}", file.content, file.manifest)));
    let mut visible = report.checked;
    for number in 0..NAMES {
        // What cannot be read was counted above.
        if let Ok(found) = store.manifest(&name(number)).await {
            visible += u64::from(found.is_some());
            // Its blobs were looked at above; here they are mapped.
            let opened = store.open_model(&name(number), &OpenOptions::default().verify(true)).await;
            damaged.extend(opened.err().map(|error| format!("m{number} does not open: {error:?}")));
            let (key, seen) = (format!("m{number}"), found.map(|(manifest, _)| manifest.used));
            if acknowledged.is_lost(later, &key, seen) {
                lost.push(format!("{key}, seen {seen:?}, done {:?}", acknowledged.done.get(&key)));
            }
        }
        if let Ok(found) = store.pin(&number.to_string()).await {
            visible += u64::from(found.is_some());
            let (key, seen) = (format!("p{number}"), found.map(|(pin, _)| pin.set));
            if acknowledged.is_lost(later, &key, seen) {
                lost.push(format!("{key}, seen {seen:?}, done {:?}", acknowledged.done.get(&key)));
            }
        }
    }
    // A collection since may have taken those that no manifest names.
    if acknowledged.collections == later.collections {
        for id in &acknowledged.blobs {
            if !store.contains(*id).await.expect("it can be asked") {
                lost.push(format!("blob {id}"));
            }
        }
    }
    // The stage that was being written is there with all parts that were recorded, and can be finished.
    if let (Some((number, offsets)), Some((same, _))) = (&acknowledged.stage, &later.stage)
        && number == same
    {
        let id = ContentId::of(&content(*number, 0));
        match finish(store, *number, offsets).await {
            Ok(true) if store.read_all(id, 1 << 20).await.is_ok() => visible += offsets.len() as u64,
            outcome => lost.push(format!("parts {offsets:?} of stage {number}: {outcome:?}")),
        }
    }
    visible
}

/// Writes what is missing of a stage and publishes it; whether all these parts were there.
async fn finish(store: &FsStore, number: u64, offsets: &BTreeSet<u64>) -> Result<bool, Error> {
    let content = content(number, 0);
    let stage = store.stage_parts(&key(number), ContentId::of(&content).into()).await?;
    let there: BTreeSet<u64> = stage.parts().iter().map(|part| part.offset).collect();
    for range in stage.missing(4000) {
        let mut part = stage.part(range.clone()).await?;
        part.write(content.slice(range.start as usize..range.end as usize)).await?;
        part.finish(None).await?;
    }
    stage.publish().await?;
    Ok(offsets.is_subset(&there))
}

/// What a program does next on the same disk: damage is taken away, and everything can be written anew.
async fn go_on(store: &FsStore) -> Result<(), Error> {
    store.verify(&VerifyOptions::default().repair(true)).await?;
    store.collect_garbage(&later()).await?;
    let id = store.put_bytes("after the cut".into()).await?;
    for number in 0..NAMES {
        overwrite(store, &manifest("m", &number.to_string(), &[id])).await?;
    }
    store.collect_garbage(&later()).await?;
    let left = fs::read_dir(store.dir().join("staging")).map_or(0, Iterator::count);
    assert_eq!((store.blobs().await?.len(), left), (1, 0), "nothing is left over");
    store.read_all(id, 100).await.map(|_| ())
}

/// The rules by which the check finds losses.
#[test]
fn what_counts_as_lost() {
    let told = "begin m0 1 there\ndone m0 1 there\nbegin m1 2 there\ndone m1 2 there\nbegin m1 3 gone\ndone m1 3 gone";
    let log = Log::read(told);
    let later = Log::read(&format!("{told}\nbegin m0 4 gone\n"));
    assert!(log.is_lost(&log, "m0", None) && !log.is_lost(&later, "m0", None));
    assert!(!log.is_lost(&log, "m0", Some(1)) && log.is_lost(&log, "m0", Some(0)));
    assert!(
        !log.is_lost(&log, "m1", None)
            && log.is_lost(&log, "m1", Some(2))
            && !log.is_lost(&log, "m1", Some(5))
    );
    assert!(!log.is_lost(&log, "m2", None));
}
