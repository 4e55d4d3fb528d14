//! Random histories on a real store and on a simple model of it agree.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use blob_store::{
    BlobStore, BlobStoreExt, Durability, ErrorKind, FsOptions, FsStore, ManifestName, ObjectStoreBackend, Pin,
};
use bytes::Bytes;
use content_id::ContentId;
use object_store::memory::InMemory;
use proptest::prelude::*;

use crate::{later, manifest};

#[derive(Clone, Debug)]
enum Step {
    Put(u8),
    Remove(u8),
    PutManifest { name: u8, blobs: BTreeSet<u8>, stale: bool },
    RemoveManifest(u8),
    SetPin { pin: u8, manifest: u8 },
    RemovePin(u8),
    Collect { keep_unpinned: bool, dry_run: bool, young: bool },
    Verify,
}

fn step() -> impl Strategy<Value = Step> {
    let blob = 0..6_u8;
    let name = 0..4_u8;
    prop_oneof![
        4 => blob.clone().prop_map(Step::Put),
        1 => blob.clone().prop_map(Step::Remove),
        4 => (name.clone(), prop::collection::btree_set(blob, 0..4), prop::bool::weighted(0.1))
            .prop_map(|(name, blobs, stale)| Step::PutManifest { name, blobs, stale }),
        1 => name.clone().prop_map(Step::RemoveManifest),
        2 => (0..3_u8, name).prop_map(|(pin, manifest)| Step::SetPin { pin, manifest }),
        1 => (0..3_u8).prop_map(Step::RemovePin),
        2 => (any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.2))
            .prop_map(|(keep_unpinned, dry_run, young)| Step::Collect { keep_unpinned, dry_run, young }),
        1 => Just(Step::Verify),
    ]
}

#[derive(Debug, Default)]
struct Model {
    blobs: BTreeSet<u8>,
    manifests: BTreeMap<u8, BTreeSet<u8>>,
    pins: BTreeMap<u8, u8>,
}

fn content(blob: u8) -> Bytes {
    vec![blob; usize::from(blob) * 10].into()
}

fn id(blob: u8) -> ContentId {
    ContentId::of(&content(blob))
}

fn name(name: u8) -> ManifestName {
    ManifestName::new("hub.example", "m", name.to_string())
}

fn pin_name(pin: u8) -> String {
    format!("task:{pin}")
}

impl Model {
    async fn apply(&mut self, store: &dyn BlobStore, step: &Step) {
        match step {
            Step::Put(blob) => {
                assert_eq!(store.put_bytes(content(*blob)).await.expect("it is put"), id(*blob));
                self.blobs.insert(*blob);
            }
            Step::Remove(blob) => {
                let was = store.remove(id(*blob)).await.expect("it can be removed");
                assert_eq!(was, self.blobs.remove(blob));
            }
            Step::PutManifest { name: number, blobs, stale } => {
                let new = manifest(
                    "m",
                    &number.to_string(),
                    &blobs.iter().map(|blob| id(*blob)).collect::<Vec<_>>(),
                );
                let now =
                    store.manifest(&new.name).await.expect("it can be read").map(|(_, version)| version);
                let expected = if *stale { None } else { now };
                match store.put_manifest(&new, expected).await {
                    Ok(_) => {
                        assert!(blobs.is_subset(&self.blobs) && expected == now);
                        self.manifests.insert(*number, blobs.clone());
                    }
                    Err(error) if error.kind() == ErrorKind::Incomplete => {
                        assert!(!blobs.is_subset(&self.blobs))
                    }
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Conflict);
                        assert!(expected != now);
                    }
                }
            }
            Step::RemoveManifest(number) => match store.remove_manifest(&name(*number)).await {
                Ok(was) => assert_eq!(was, self.manifests.remove(number).is_some()),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Pinned);
                    assert!(self.pins.values().any(|pinned| pinned == number));
                }
            },
            Step::SetPin { pin, manifest } => {
                let now =
                    store.pin(&pin_name(*pin)).await.expect("it can be read").map(|(_, version)| version);
                match store.set_pin(&Pin::new(pin_name(*pin), name(*manifest), 1), now).await {
                    Ok(_) => {
                        assert!(self.manifests[manifest].is_subset(&self.blobs));
                        self.pins.insert(*pin, *manifest);
                    }
                    Err(error) if error.kind() == ErrorKind::Incomplete => {
                        assert!(!self.manifests[manifest].is_subset(&self.blobs));
                    }
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::NotFound);
                        assert!(!self.manifests.contains_key(manifest));
                    }
                }
            }
            Step::RemovePin(pin) => {
                let was = store.remove_pin(&pin_name(*pin)).await.expect("it can be removed");
                assert_eq!(was, self.pins.remove(pin).is_some());
            }
            Step::Collect { keep_unpinned, dry_run, young } => {
                let options = later().keep_unpinned_manifests(*keep_unpinned).dry_run(*dry_run);
                let options =
                    if *young { options.grace(std::time::Duration::from_secs(1 << 30)) } else { options };
                store.collect_garbage(&options).await.expect("it can be collected");
                if !dry_run && !young {
                    let pinned: BTreeSet<u8> = self.pins.values().copied().collect();
                    self.manifests.retain(|number, _| *keep_unpinned || pinned.contains(number));
                    let live: BTreeSet<u8> = self.manifests.values().flatten().copied().collect();
                    self.blobs.retain(|blob| live.contains(blob));
                }
            }
            Step::Verify => {
                let report = store.verify(&Default::default()).await.expect("a report");
                let missing =
                    self.manifests.values().flatten().filter(|blob| !self.blobs.contains(blob)).count();
                assert_eq!((report.checked, report.missing.len()), (self.blobs.len() as u64, missing));
            }
        }
    }

    async fn compare(&self, store: &dyn BlobStore) {
        let listed: BTreeSet<_> =
            store.blobs().await.expect("a listing").iter().map(|blob| blob.id).collect();
        assert_eq!(listed, self.blobs.iter().map(|blob| id(*blob)).collect());
        let manifests: BTreeMap<_, BTreeSet<_>> = store
            .manifests()
            .await
            .expect("a listing")
            .into_iter()
            .map(|manifest| (manifest.name, manifest.files.into_values().map(|file| file.content).collect()))
            .collect();
        let expected = self
            .manifests
            .iter()
            .map(|(number, blobs)| (name(*number), blobs.iter().map(|b| id(*b)).collect()));
        assert_eq!(manifests, expected.collect());
        let pins: BTreeMap<_, _> =
            store.pins().await.expect("a listing").into_iter().map(|pin| (pin.name, pin.manifest)).collect();
        assert_eq!(pins, self.pins.iter().map(|(pin, manifest)| (pin_name(*pin), name(*manifest))).collect());
        let total = self.blobs.iter().map(|blob| id(*blob).size).sum::<u64>();
        assert_eq!(store.usage().await.expect("it can be counted").total_bytes, total);
    }
}

fn check(steps: &[Step], reopen: impl Fn() -> Arc<dyn BlobStore>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let mut model = Model::default();
        for step in steps {
            // Nothing is remembered but what is stored.
            let store = reopen();
            model.apply(&*store, step).await;
            model.compare(&*store).await;
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn memory(steps in prop::collection::vec(step(), 1..40)) {
        let objects = Arc::new(InMemory::new());
        check(&steps, || Arc::new(ObjectStoreBackend::new(Arc::clone(&objects) as _)));
    }

    #[test]
    fn file_system(steps in prop::collection::vec(step(), 1..25)) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let options = FsOptions::default().durability(Durability::ProcessCrashOnly);
        check(&steps, || Arc::new(FsStore::open_with(dir.path(), options).expect("a store")));
    }
}
