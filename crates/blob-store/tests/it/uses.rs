//! Uses, deletions and evictions against a model that is a few sets, cut off anywhere, and of several processes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use blob_store::{
    BlobStore, BlobStoreExt, Durability, Error, ErrorKind, FsOptions, FsStore, ManifestName,
    ObjectStoreBackend, Pin, Query, SpaceOptions, User,
};
use futures::executor::block_on;
use object_store::memory::InMemory;
use proptest::prelude::*;

use crate::{later, manifest, noise, overwrite};

const USERS: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Debug)]
enum Step {
    Publish(u8),
    Use(bool, usize, u8),
    Delete(Option<usize>, Option<u8>),
    Release(usize),
    /// Whether it yields.
    Pin(u8, bool),
    Unpin,
    /// Whether pins that yield give way.
    Evict(u64, bool),
    Collect,
}

fn step() -> impl Strategy<Value = Step> {
    let revision = 0_u8..4;
    prop_oneof![
        3 => revision.clone().prop_map(Step::Publish),
        3 => (any::<bool>(), 0_usize..3, revision.clone()).prop_map(|(task, user, r)| Step::Use(task, user, r)),
        2 => (proptest::option::of(0_usize..3), proptest::option::of(revision.clone()))
            .prop_map(|(task, revision)| Step::Delete(task, revision)),
        1 => (0_usize..3).prop_map(Step::Release),
        1 => (revision, any::<bool>()).prop_map(|(revision, yields)| Step::Pin(revision, yields)),
        1 => Just(Step::Unpin),
        2 => (0_u64..1500, any::<bool>()).prop_map(|(quota, yielding)| Step::Evict(quota, yielding)),
        1 => Just(Step::Collect),
    ]
}

/// What should be in the store.
#[derive(Debug, Default)]
struct Model {
    /// Manifests in the order of their last use, which is that of their publishing.
    published: Vec<u8>,
    uses: BTreeSet<(bool, usize, u8)>,
    /// What is pinned, and whether the pin yields.
    pin: Option<(u8, bool)>,
}

fn name(revision: u8) -> ManifestName {
    ManifestName::new("hub.example", "m", revision.to_string())
}

fn user(task: bool, which: usize) -> User {
    let name = USERS[which].to_owned();
    if task { User::Task(name) } else { User::Engine(name) }
}

/// The blobs of a revision and their sizes: each shares one with the next.
fn blobs(revision: u8) -> [(u64, usize); 2] {
    [
        (u64::from(revision), 100 + usize::from(revision)),
        (u64::from(revision) + 1, 101 + usize::from(revision)),
    ]
}

impl Model {
    fn used(&self, revision: u8) -> bool {
        self.pin.is_some_and(|(pinned, _)| pinned == revision) || self.in_use(revision)
    }

    fn in_use(&self, revision: u8) -> bool {
        self.uses.iter().any(|(.., used)| *used == revision)
    }

    fn bytes(&self) -> u64 {
        let blobs: BTreeMap<u64, usize> =
            self.published.iter().flat_map(|revision| blobs(*revision)).collect();
        blobs.values().map(|size| *size as u64).sum()
    }

    fn delete(&mut self, goes: impl Fn(&(bool, usize, u8)) -> bool, unused: impl Fn(u8) -> bool) {
        let gone: BTreeSet<u8> = self.uses.iter().filter(|row| goes(row)).map(|(.., used)| *used).collect();
        self.uses.retain(|row| !goes(row));
        let stays: Vec<u8> = self
            .published
            .iter()
            .copied()
            .filter(|revision| self.used(*revision) || !(gone.contains(revision) || unused(*revision)))
            .collect();
        self.published = stays;
    }

    fn evict(&mut self, quota: u64, yielding: bool) {
        let before = self.published.clone();
        for revision in &before {
            if self.bytes() <= quota {
                break;
            }
            let pinned = self.pin.filter(|(_, yields)| !(yielding && *yields));
            if !self.in_use(*revision) && pinned.is_none_or(|(pinned, _)| pinned != *revision) {
                self.published.retain(|other| other != revision);
            }
        }
        let left = self.published.clone();
        let kept: BTreeSet<u64> =
            left.iter().flat_map(|revision| blobs(*revision)).map(|(blob, _)| blob).collect();
        // What frees nothing stays.
        let stays = |revision: &u8| {
            left.contains(revision) || blobs(*revision).iter().all(|(blob, _)| kept.contains(blob))
        };
        self.published = before.into_iter().filter(stays).collect();
        self.pin = self.pin.filter(|(pinned, _)| self.published.contains(pinned));
    }
}

async fn apply(store: &dyn BlobStore, model: &mut Model, now: u64, step: &Step) -> Result<(), Error> {
    match *step {
        Step::Publish(revision) => {
            let mut ids = Vec::new();
            for (seed, size) in blobs(revision) {
                ids.push(store.put_bytes(noise(size, seed)).await?);
            }
            let mut manifest = manifest("m", &revision.to_string(), &ids);
            manifest.used = now;
            overwrite(store, &manifest).await?;
            model.published.retain(|other| *other != revision);
            model.published.push(revision);
        }
        Step::Use(task, which, revision) => {
            let outcome = store.add_use(&user(task, which), &name(revision), now).await;
            if model.published.contains(&revision) {
                assert_eq!(outcome?, model.uses.insert((task, which, revision)));
            } else {
                assert_eq!(outcome.expect_err("there is none").kind(), ErrorKind::NotFound);
            }
        }
        Step::Delete(task, revision) => {
            let mut query = Query::default();
            query.task = task.map(|task| USERS[task].to_owned());
            query.revision = revision.map(|revision| revision.to_string());
            store.delete(&query).await?;
            let matches = |found: u8| revision.is_none_or(|asked| asked == found);
            model.delete(
                |(is_task, which, found)| {
                    *is_task && task.is_none_or(|asked| asked == *which) && matches(*found)
                },
                |found| task.is_none() && matches(found),
            );
        }
        Step::Release(which) => {
            store.release_engine(USERS[which]).await?;
            model.delete(|(is_task, found, _)| !is_task && *found == which, |_| false);
        }
        Step::Pin(revision, yields) => {
            let version = store.pin("pin").await?.map(|(_, version)| version);
            match store.set_pin(&Pin::new("pin", name(revision), now).yields(yields), version).await {
                Ok(_) => model.pin = Some((revision, yields)),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::NotFound);
                    assert!(!model.published.contains(&revision));
                }
            }
        }
        Step::Unpin => {
            assert_eq!(store.remove_pin("pin").await?, model.pin.take().is_some());
        }
        Step::Evict(quota, yielding) => {
            let options = SpaceOptions::default().quota(quota).yielding(yielding);
            let plan = store.plan_space(&[], &options).await?;
            assert_eq!(plan.stored, model.bytes());
            store.make_room(&plan).await?;
            model.evict(quota, yielding);
            assert_eq!(plan.short_by, model.bytes().saturating_sub(quota));
        }
        Step::Collect => {
            store.collect_garbage(&later()).await?;
        }
    }
    Ok(())
}

async fn check(store: &dyn BlobStore, model: &Model) -> Result<(), TestCaseError> {
    let manifests = store.manifests().await.expect("a listing");
    let found: BTreeSet<String> = manifests.into_iter().map(|manifest| manifest.name.revision).collect();
    let expected: BTreeSet<String> = model.published.iter().map(u8::to_string).collect();
    prop_assert_eq!(found, expected);
    prop_assert_eq!(store.uses(&Query::default()).await.expect("a listing").len(), model.uses.len());
    let pins = store.pins().await.expect("a listing").len();
    prop_assert_eq!(pins, model.uses.len() + usize::from(model.pin.is_some()));
    let usage = store.usage().await.expect("a report");
    prop_assert_eq!((usage.total_bytes, usage.unreferenced_bytes), (model.bytes(), 0));
    prop_assert!(store.verify(&Default::default()).await.expect("a report").is_sound());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_history_is_that_of_the_model(steps in prop::collection::vec(step(), 1..25)) {
        let store = ObjectStoreBackend::new(Arc::new(InMemory::new()));
        let mut model = Model::default();
        for (now, step) in steps.iter().enumerate() {
            block_on(apply(&store, &mut model, 10 + now as u64, step)).expect("nobody is in the way");
            block_on(check(&store, &model))?;
        }
    }
}

const DIR: &str = "BLOB_STORE_TEST_USES";

/// The child: uses, deletes and evicts until it is told to end; does nothing when the test binary runs as a whole.
#[tokio::test]
async fn child() {
    let (Some(dir), Some(seed)) = (std::env::var_os(DIR), std::env::var("BLOB_STORE_TEST_SEED").ok()) else {
        return;
    };
    let options = FsOptions::default().durability(Durability::ProcessCrashOnly);
    let store = FsStore::open_with(dir, options).expect("a store");
    let seed: usize = seed.parse().expect("a number of ours");
    let me = User::Engine(format!("engine {seed}"));
    let mut held = 0;
    for round in 0..60 {
        let revision = ((round * 7 + seed * 3) % 4) as u8;
        let mut ids = Vec::new();
        for (seed, size) in blobs(revision) {
            ids.extend(store.put_bytes(noise(size, seed)).await);
        }
        let _ = overwrite(&store, &manifest("m", &revision.to_string(), &ids)).await;
        // What was acknowledged holds, whatever the others delete, evict and collect.
        if store.add_use(&me, &name(revision), 1).await.is_ok() {
            held += 1;
            let (manifest, _) = store.manifest(&name(revision)).await.expect("readable").expect("it is used");
            for file in manifest.files.values() {
                store.read_all(file.content, 1 << 20).await.expect("what is used is complete");
            }
            let _ = store.delete(&Query::default()).await;
            let _ = store.collect_garbage(&later()).await;
            // A pin that yields beside it changes nothing.
            let pin = Pin::new(format!("pin {seed}"), name((revision + 1) % 4), 1).yields(true);
            if let Ok(found) = store.pin(&pin.name).await {
                let _ = store.set_pin(&pin, found.map(|(_, version)| version)).await;
            }
            let plan = store.plan_space(&[], &SpaceOptions::default().quota(0).yielding(true)).await;
            if let Ok(plan) = plan {
                let _ = store.make_room(&plan).await;
            }
            let (manifest, _) = store.manifest(&name(revision)).await.expect("readable").expect("it is used");
            for file in manifest.files.values() {
                store.read_all(file.content, 1 << 20).await.expect("what is used is complete");
            }
        }
        if round % 2 == seed % 2 {
            let _ = store.release_engine(&format!("engine {seed}")).await;
        }
    }
    assert!(0 < held, "some uses came to something");
}

#[tokio::test]
async fn uses_of_several_processes_hold() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let children: Vec<_> = (0..3)
        .map(|seed| {
            std::process::Command::new(std::env::current_exe().expect("the test binary has a path"))
                .args(["--exact", "uses::child", "--nocapture"])
                .env(DIR, dir.path())
                .env("BLOB_STORE_TEST_SEED", seed.to_string())
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::piped())
                .spawn()
                .expect("the test binary runs again")
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let store = FsStore::open(dir.path()).expect("a store");
    for seed in 0..3 {
        store.release_engine(&format!("engine {seed}")).await.expect("released");
        store.remove_pin(&format!("pin {seed}")).await.expect("removed");
    }
    store.delete(&Query::default()).await.expect("deleted");
    store.collect_garbage(&later()).await.expect("collected");
    assert!(store.blobs().await.expect("a listing").is_empty(), "nothing is left");
    assert!(store.quarantined().await.expect("a listing").is_empty());
}
