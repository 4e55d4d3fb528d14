//! Processes killed at any moment, several on one store: what was acknowledged stays, the rest can be cleaned up.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use blob_store::{BlobStore, BlobStoreExt, Durability, ErrorKind, FsOptions, FsStore, ManifestName, Pin};

use crate::{later, manifest, noise, overwrite};

const DIR: &str = "BLOB_STORE_TEST_KILL";
const NAME: &str = "BLOB_STORE_TEST_KILL_NAME";

/// Kills, of pairs of processes.
const ROUNDS: usize = 40;

/// Revisions each process uses.
const REVISIONS: u64 = 5;

/// What a kill is about needs no power cut, and without fsync there are more moments to kill at.
fn open(dir: &Path) -> FsStore {
    FsStore::open_with(dir, FsOptions::default().durability(Durability::ProcessCrashOnly)).expect("a store")
}

/// The child: publishes, updates, removes and collects until it is killed, telling what it has done; does nothing
/// when the test binary runs as a whole.
#[tokio::test]
async fn child() {
    let (Some(dir), Some(name)) = (std::env::var_os(DIR), std::env::var_os(NAME)) else { return };
    let name = name.into_string().expect("a name of ours");
    let store = open(Path::new(&dir));
    let tell = |what: &str, revision: u64| {
        let mut out = std::io::stdout().lock();
        // The parent is gone: nobody is left to tell.
        if writeln!(out, "{what} {revision}").and_then(|()| out.flush()).is_err() {
            std::process::exit(0);
        }
    };
    for round in 0..u64::MAX {
        let revision = round % REVISIONS;
        tell("change", revision);
        loop {
            // The collectors have no grace: they may take a blob, or a stage, that is needed a moment later.
            let mut ids = Vec::new();
            for blob in 0..3 {
                ids.extend(store.put_bytes(noise(40_000 + (round + blob) as usize % 7, 3)).await);
            }
            if overwrite(&store, &manifest(&name, &revision.to_string(), &ids)).await.is_ok()
                && ids.len() == 3
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
            let gone =
                ManifestName::new("hub.example", name.clone(), ((revision + 1) % REVISIONS).to_string());
            let _ = store.remove_manifest(&gone).await;
        }
        let _ = store.collect_garbage(&later()).await;
    }
}

fn spawn(dir: &Path, name: &str) -> Child {
    Command::new(std::env::current_exe().expect("the test binary has a path"))
        .args(["--exact", "kill::child", "--nocapture"])
        .env(DIR, dir)
        .env(NAME, name)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the test binary runs again")
}

/// Lets both work for a while, kills both, and returns for each the revisions that are certainly there, and those
/// of which nothing is known.
fn work_and_kill(mut children: [Child; 2], lines: usize) -> [(BTreeSet<u64>, BTreeSet<u64>); 2] {
    let mut outputs =
        children.each_mut().map(|child| BufReader::new(child.stdout.take().expect("it is piped")).lines());
    let mut told: [Vec<String>; 2] = [vec![], vec![]];
    for _ in 0..lines {
        for (output, told) in outputs.iter_mut().zip(&mut told) {
            told.push(output.next().expect("it writes until it is killed").expect("text"));
        }
    }
    for child in &mut children {
        child.kill().expect("it runs");
        child.wait().expect("it ends");
    }
    let mut told = told.into_iter();
    outputs.map(|output| {
        let (mut there, mut unknown) = (BTreeSet::new(), BTreeSet::new());
        for line in told.next().expect("one each").into_iter().chain(output.map_while(Result::ok)) {
            let Some((what, revision)) = line.split_once(' ') else { continue };
            let Ok(revision) = revision.parse() else { continue };
            match what {
                "change" => drop((there.remove(&revision), unknown.insert(revision))),
                "done" => drop((there.insert(revision), unknown.remove(&revision))),
                _ => {}
            }
        }
        (there, unknown)
    })
}

#[tokio::test]
async fn killed_processes_lose_nothing() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut certain: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for round in 0..ROUNDS {
        let names = ["one", "two"];
        let known = work_and_kill(names.map(|name| spawn(dir.path(), name)), 4 + round * 7 % 23);
        for (name, (there, unknown)) in names.into_iter().zip(known) {
            let certain = certain.entry(name).or_default();
            certain.retain(|revision| !unknown.contains(revision));
            certain.extend(there);
        }
        let store = open(dir.path());
        // Before anybody cleans up: what is visible is whole.
        let report = store.verify(&Default::default()).await.expect("a report");
        assert_eq!((report.damaged.len(), report.unreadable.len()), (0, 0), "round {round}: {report:?}");
        // Heals what a killed collector held in its hands.
        store.collect_garbage(&later()).await.expect("it can be collected");
        let report = store.verify(&Default::default()).await.expect("a report");
        assert_eq!((report.damaged.len(), report.unreadable.len()), (0, 0), "round {round}: {report:?}");
        for (name, certain) in &certain {
            for revision in certain {
                let name = ManifestName::new("hub.example", *name, revision.to_string());
                let (manifest, _) =
                    store.manifest(&name).await.expect("it can be read").expect("it was acknowledged");
                for file in manifest.files.values() {
                    store
                        .read_all(file.content, 1 << 20)
                        .await
                        .expect("a manifest that was acknowledged is complete");
                }
            }
        }
    }
    let store = open(dir.path());
    let report = store.collect_garbage(&later()).await.expect("it can be collected");
    assert_eq!(report.bytes_freed, 0, "every collection before cleaned up after the killed");
    assert_eq!(std::fs::read_dir(dir.path().join("staging")).expect("a folder").count(), 0);
    assert!(store.quarantined().await.expect("a listing").is_empty());
    assert!(certain.values().any(|certain| !certain.is_empty()), "the children came to something");
    // Whoever was killed while writing a manifest holds nobody up.
    let id = store.put_bytes("after".into()).await.expect("it can be put");
    for revision in 0..REVISIONS {
        overwrite(&store, &manifest("one", &revision.to_string(), &[id])).await.expect("it can be written");
    }
    let absent = ManifestName::new("hub.example", "one", "absent");
    assert_eq!(
        store.set_pin(&Pin::new("other", absent, 1), None).await.expect_err("not there").kind(),
        ErrorKind::NotFound
    );
}
