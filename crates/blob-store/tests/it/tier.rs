//! A local cache in front of a shared store: who sees what, and what happens when either of them fails.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use blob_store::{
    BlobStore, BlobStoreExt, Durability, ErrorKind, FsOptions, FsStore, ManifestName, ObjectStoreBackend,
    Pin, Reason, TieredStore, VerifyOptions,
    conformance::{Act, Call, Failure, Faults},
};
use content_id::ContentId;
use futures::{TryStreamExt, future::join_all};
use object_store::memory::InMemory;
use tempfile::TempDir;

use crate::{
    flaky::{Fault, Flaky},
    folder::blob_path,
    later, manifest, noise, overwrite,
};

/// A bucket whose server can be stopped, and machines with folders of their own.
struct Fleet {
    dir: TempDir,
    bucket: Arc<InMemory>,
    fault: Arc<Fault>,
}

impl Fleet {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        Self { dir, bucket: Arc::default(), fault: Arc::default() }
    }

    fn shared(&self) -> Arc<dyn BlobStore> {
        Arc::new(ObjectStoreBackend::new(Arc::new(Flaky::new(&self.bucket, &self.fault))))
    }

    fn local(&self, machine: &str) -> FsStore {
        let options = FsOptions::default().durability(Durability::ProcessCrashOnly);
        FsStore::open_with(self.dir.path().join(machine), options).expect("a store")
    }

    /// Asks the shared store every time.
    fn machine(&self, machine: &str) -> TieredStore {
        TieredStore::new(Arc::new(self.local(machine)), self.shared()).with_pause(Duration::ZERO)
    }
}

#[tokio::test]
async fn what_one_machine_publishes_all_have() {
    let fleet = Fleet::new();
    let (one, two) = (fleet.machine("one"), fleet.machine("two"));
    let (small, large) = (noise(100, 1), noise(3 << 20, 2));
    let mut ids = Vec::new();
    for bytes in [&small, &large] {
        ids.push(one.put_bytes(bytes.clone()).await.expect("it is put"));
    }
    let model = manifest("m", "1", &ids);
    let version = one.put_manifest(&model, None).await.expect("it is complete");
    assert_eq!(two.manifest(&model.name).await.expect("it can be read"), Some((model.clone(), version)));
    for (id, bytes) in ids.iter().zip([small, large]) {
        assert!(one.local_path(*id).is_some(), "who publishes has it");
        assert_eq!(two.local_path(*id), None, "nobody has asked for it yet");
        // A part is passed through.
        let part: Vec<_> =
            two.read(*id, 1..7).await.expect("shared has it").try_collect().await.expect("bytes");
        assert_eq!(part.concat(), bytes[1..7]);
        assert_eq!(two.local_path(*id), None);
        assert_eq!(two.read_all(*id, 1 << 30).await.expect("it can be read"), bytes);
        let path = two.local_path(*id).expect("what was read as a whole is kept");
        assert_eq!(fs::read(path).expect("a file"), bytes);
    }
    let third = fleet.machine("three");
    third.ensure_local(&ids).await.expect("shared has both");
    fleet.fault.stop();
    for id in ids {
        assert!(third.local_path(id).is_some());
        third.read_all(id, 1 << 30).await.expect("it is here");
    }
    let absent = ContentId::of(b"absent");
    fleet.fault.start();
    assert_eq!(third.ensure_local(&[absent]).await.expect_err("nobody has it").kind(), ErrorKind::NotFound);
}

/// While the shared store cannot be reached, reads of what was seen go on, and writes leave nothing half-done.
#[tokio::test]
async fn without_the_shared_store_what_was_seen_is_there() {
    let fleet = Fleet::new();
    let (one, two) = (fleet.machine("one"), fleet.machine("two"));
    let seen = one.put_bytes("seen".into()).await.expect("it is put");
    let unseen = one.put_bytes("unseen".into()).await.expect("it is put");
    let model = manifest("m", "1", &[seen]);
    overwrite(&one, &model).await.expect("it is complete");
    overwrite(&one, &manifest("m", "unseen", &[unseen])).await.expect("it is complete");
    one.set_pin(&Pin::new("task:x", model.name.clone(), 1), None).await.expect("it is there");
    two.manifest(&model.name).await.expect("it can be read").expect("it is there");
    two.pin("task:x").await.expect("it can be read").expect("it is there");
    two.read_all(seen, 100).await.expect("it can be read");
    assert_eq!(two.shared_failure(), None);

    fleet.fault.stop();
    let (found, version) = two.manifest(&model.name).await.expect("it was seen").expect("it was seen");
    assert_eq!(found, model);
    assert!(two.shared_failure().expect("it failed").contains("storage failed"));
    assert_eq!(two.manifests().await.expect("what was seen"), std::slice::from_ref(&model));
    assert_eq!(two.pins().await.expect("what was seen").len(), 1);
    assert_eq!(two.read_all(seen, 100).await.expect("it is here"), "seen");
    assert!(two.contains(seen).await.expect("it is here"));
    // What was never seen is not said to be absent.
    let unseen_name = ManifestName::new("hub.example", "m", "unseen");
    let failures = [
        two.manifest(&unseen_name).await.err(),
        two.contains(unseen).await.err(),
        two.read_all(unseen, 100).await.err(),
        two.put_bytes("new".into()).await.err(),
        two.put_manifest(&model, Some(version)).await.err(),
        two.remove_manifest(&model.name).await.err(),
        two.remove_pin("task:x").await.err(),
        two.set_pin(&Pin::new("task:y", model.name.clone(), 1), None).await.err(),
        two.collect_garbage(&later()).await.err(),
        two.usage().await.err(),
    ];
    for (number, failure) in failures.into_iter().enumerate() {
        let error = failure.unwrap_or_else(|| panic!("number {number} cannot be done"));
        assert_eq!(error.kind(), ErrorKind::Backend, "number {number}: {error}");
    }
    // Bytes that came while it was away are not lost with the publishing that fails.
    let late = noise(2 << 20, 7);
    let mut stage = two.stage(ContentId::of(&late).into()).await.expect("the local store takes it");
    stage.write(late.clone()).await.expect("the local store takes it");
    let error = stage.publish().await.expect_err("it is not shared");
    assert_eq!(error.kind(), ErrorKind::Backend);
    assert!(error.to_string().contains("not shared"), "{error}");

    fleet.fault.start();
    let bucket = fleet.shared();
    assert!(!bucket.contains(ContentId::of(&late)).await.expect("it answers"));
    assert_eq!(bucket.blobs().await.expect("a listing").len(), 2, "nothing is half-done");
    assert!(bucket.verify(&VerifyOptions::default()).await.expect("a report").is_sound());
    // The version of what was only seen is worth nothing now.
    let error = two.put_manifest(&model, Some(version)).await.expect_err("it was only seen");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    overwrite(&two, &manifest("m", "1", &[seen, ContentId::of(&late)])).await.expect("the rest is sent");
    assert_eq!(one.read_all(ContentId::of(&late), 1 << 30).await.expect("it is shared"), late);
    assert_eq!(two.shared_failure(), None);
}

/// After a failure the shared store is left alone for a while, where what was seen will do.
#[tokio::test]
async fn a_shared_store_that_failed_is_not_asked_at_once() {
    let fleet = Fleet::new();
    let tier = fleet.machine("one").with_pause(Duration::from_secs(3600));
    let model = manifest("m", "1", &[]);
    overwrite(&tier, &model).await.expect("it is complete");
    fleet.fault.stop();
    tier.manifest(&model.name).await.expect("it was seen").expect("it was seen");
    let asked = fleet.fault.requests();
    for _ in 0..10 {
        tier.manifest(&model.name).await.expect("it was seen").expect("it was seen");
        assert_eq!(tier.manifests().await.expect("what was seen").len(), 1);
    }
    assert_eq!(fleet.fault.requests(), asked);
    fleet.fault.start();
    // Whoever writes asks, and finds it well again.
    overwrite(&tier, &manifest("m", "2", &[])).await.expect("it answers");
    assert_eq!(fleet.machine("two").manifests().await.expect("it answers").len(), 2);
    assert_eq!(tier.manifests().await.expect("it answers").len(), 2);
    assert!(asked < fleet.fault.requests());
}

/// Whatever happens to the local copy, the bytes are those of the shared one, and the local one is healed.
#[tokio::test]
async fn damage_in_the_cache_is_healed() {
    let fleet = Fleet::new();
    let tier = fleet.machine("one");
    let bytes = noise(300_000, 3);
    let id = tier.put_bytes(bytes.clone()).await.expect("it is put");
    let path = blob_path(&fleet.dir.path().join("one"), id);
    let flip = |at: usize| {
        let mut wrong = bytes.to_vec();
        wrong[at] ^= 1;
        wrong
    };
    let damages: [&dyn Fn(); 5] = [
        &|| replace(&path, &flip(77)),
        &|| replace(&path, &flip(bytes.len() - 1)),
        &|| replace(&path, &bytes[..1000]),
        &|| fs::remove_file(&path).expect("it is there"),
        &|| {
            fs::remove_file(&path).expect("it is there");
            std::os::unix::fs::symlink("/etc/passwd", &path).expect("a symlink");
        },
    ];
    for (number, damage) in damages.iter().enumerate() {
        damage();
        assert!(tier.read_all(id, 1 << 30).await.expect("the shared one is right") == bytes, "{number}");
        assert!(fs::read(&path).expect("it is back") == bytes, "{number}");
        damage();
        // A scrub takes nothing from the shared store for what is wrong here.
        let report = tier.verify(&VerifyOptions::default().repair(true)).await.expect("a report");
        assert!(report.is_sound() && report.repaired == 0, "{number}: {report:?}");
        assert!(fs::read(&path).expect("it is back") == bytes, "{number}");
    }
    // Who maps the file and finds damage says so.
    replace(&path, &flip(5));
    assert!(tier.quarantine(id.digest, Reason::Damaged).await.expect("it can be taken away"));
    assert_eq!(tier.local_path(id), None);
    tier.ensure_local(&[id]).await.expect("the shared one is right");
    assert!(fs::read(&path).expect("it is back") == bytes);
    // What is damaged here is never sent.
    fleet.shared().remove(id).await.expect("it is there");
    replace(&path, &flip(6));
    assert_eq!(tier.confirm(&[id]).await.expect("it answers"), [id]);
    assert!(!fleet.shared().contains(id).await.expect("it answers"));
}

fn replace(path: &std::path::Path, bytes: &[u8]) {
    fs::remove_file(path).expect("it is there");
    fs::write(path, bytes).expect("it can be written");
}

/// A damaged blob in the shared store is not kept, and not hidden by a good one here.
#[tokio::test]
async fn damage_in_the_shared_store_is_told() {
    let fleet = Fleet::new();
    let id = fleet.machine("one").put_bytes("right".into()).await.expect("it is put");
    let text = id.digest.to_string();
    let place = format!("blobs/sha256/{}/{}", &text[..2], &text[2..]).into();
    object_store::ObjectStoreExt::put(&*fleet.bucket, &place, "wrong".into()).await.expect("it is replaced");
    let two = fleet.machine("two");
    assert_eq!(two.read_all(id, 100).await.expect_err("it is wrong").kind(), ErrorKind::Damaged);
    assert_eq!(two.ensure_local(&[id]).await.expect_err("it is wrong").kind(), ErrorKind::Damaged);
    assert_eq!(two.local_path(id), None);
    assert!(two.quarantine(id.digest, Reason::Damaged).await.expect("it can be hidden"));
    assert!(!fleet.shared().contains(id).await.expect("it answers"));
    // Whoever has a good copy brings it back.
    assert_eq!(fleet.machine("one").confirm(&[id]).await.expect("it answers"), []);
    assert_eq!(two.read_all(id, 100).await.expect("it is right again"), "right");
}

/// The cache may lose everything, or take nothing: that costs speed.
#[tokio::test]
async fn a_cache_that_cannot_be_written_is_no_reason_to_fail() {
    let fleet = Fleet::new();
    let local =
        FsStore::open(fleet.dir.path().join("one/store")).expect("a store is made by its first write");
    // A file where the folder should be: nothing can be made below it, whoever asks.
    fs::write(fleet.dir.path().join("one"), "in the way").expect("it can be written");
    let tier = TieredStore::new(Arc::new(local), fleet.shared());
    let id = tier.put_bytes("shared all the same".into()).await.expect("the shared store takes it");
    overwrite(&tier, &manifest("m", "1", &[id])).await.expect("it is complete");
    assert_eq!(tier.read_all(id, 100).await.expect("it is there"), "shared all the same");
    assert_eq!(tier.manifests().await.expect("it is there").len(), 1);
    assert!(tier.ensure_local(&[id]).await.is_err(), "only this needs it");
    tier.collect_garbage(&later()).await.expect("it can be collected");
    assert!(tier.verify(&VerifyOptions::default()).await.expect("a report").is_sound());
}

/// A collection on the local store keeps what is in use anywhere, and what it takes comes back.
#[tokio::test]
async fn the_cache_is_evicted_on_its_own() {
    let fleet = Fleet::new();
    let (one, two) = (fleet.machine("one"), fleet.machine("two"));
    let (used, unused) = (noise(1000, 1), noise(1000, 2));
    let ids = [&used, &unused].map(|bytes| ContentId::of(bytes));
    for bytes in [&used, &unused] {
        one.put_bytes(bytes.clone()).await.expect("it is put");
    }
    overwrite(&one, &manifest("m", "1", &ids[..1])).await.expect("it is complete");
    two.manifests().await.expect("it can be read");
    two.ensure_local(&ids).await.expect("both are there");
    let report = two.local().collect_garbage(&later()).await.expect("it can be collected");
    assert_eq!(report.removed, ids[1..]);
    assert!(two.local_path(ids[0]).is_some());
    for id in ids {
        two.local().remove(id).await.expect("it can be removed");
        two.read_all(id, 1 << 20).await.expect("the shared store has it");
    }
}

/// Publishing, deleting and collecting from several machines at once, nothing that was acknowledged is lost.
#[tokio::test(flavor = "multi_thread")]
async fn machines_that_delete_and_collect_lose_nothing() {
    const ROUNDS: u64 = 12;
    let fleet = Fleet::new();
    let machines: Vec<TieredStore> = ["one", "two", "three"].map(|name| fleet.machine(name)).into();
    let work = machines.iter().enumerate().map(|(number, store)| async move {
        for round in 0..ROUNDS {
            // Few contents for many manifests: what one lets go another takes up.
            let contents: Vec<_> = (0..3).map(|n| noise(5000, (round + n + number as u64) % 5)).collect();
            let ids: Vec<_> = contents.iter().map(|bytes| ContentId::of(bytes)).collect();
            let model = manifest(&format!("m{number}"), &(round % 2).to_string(), &ids);
            loop {
                for bytes in &contents {
                    while store.put_bytes(bytes.clone()).await.is_err() {}
                }
                if overwrite(store, &model).await.is_ok() {
                    break;
                }
            }
            let gone = manifest(&format!("m{number}"), &((round + 1) % 2).to_string(), &[]);
            store.remove_manifest(&gone.name).await.expect("nobody else writes it");
            store.collect_garbage(&later()).await.expect("it can be collected");
            if round % 4 == 3 {
                store.local().collect_garbage(&later()).await.expect("it can be collected");
            }
            let (found, _) =
                store.manifest(&model.name).await.expect("it can be read").expect("acknowledged");
            assert_eq!(found, model);
        }
    });
    join_all(work).await;
    let bucket = fleet.shared();
    // What the last collectors held in their hands.
    bucket.collect_garbage(&later()).await.expect("it can be collected");
    let report = bucket.verify(&VerifyOptions::default()).await.expect("a report");
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(bucket.manifests().await.expect("a listing").len(), 3);
    for store in machines {
        for model in store.manifests().await.expect("a listing") {
            for file in model.files.values() {
                store.read_all(file.content, 1 << 20).await.expect("it was acknowledged");
            }
        }
    }
    assert!(bucket.quarantined().await.expect("a listing").is_empty());
    assert_eq!(bucket.usage().await.expect("it can be counted").unreferenced_bytes, 0);
}

/// A copy that fails on this machine's side says nothing of the shared store: it is asked on.
#[tokio::test]
async fn what_fails_here_is_not_the_shared_stores_failure() {
    let fleet = Fleet::new();
    let bytes = noise(1000, 1);
    let id = fleet.machine("one").put_bytes(bytes.clone()).await.expect("it is put");
    let model = manifest("m", "1", &[id]);
    overwrite(&fleet.machine("one"), &model).await.expect("it is complete");
    // Nothing can be made where this folder is to be, whoever asks.
    let local =
        FsStore::open(fleet.dir.path().join("two/store")).expect("a store is made by its first write");
    fs::write(fleet.dir.path().join("two"), "in the way").expect("it can be written");
    let tier = TieredStore::new(Arc::new(local), fleet.shared()).with_pause(Duration::from_secs(3600));
    tier.ensure_local(&[id]).await.expect_err("it cannot be kept");
    assert_eq!(tier.shared_failure(), None);
    assert_eq!(tier.manifests().await.expect("the shared store is asked"), std::slice::from_ref(&model));
    // The other way: what cannot be read here cannot be sent.
    let armed = Arc::new(AtomicBool::new(false));
    let trigger = Arc::clone(&armed);
    let faults = Faults::new(move |call| match call {
        Call::Open if trigger.load(Ordering::SeqCst) => Act::Fail(Failure::Io),
        _ => Act::Go,
    });
    let dir = fleet.dir.path().join("three");
    let local = FsStore::open_with_faults(dir, FsOptions::default(), Arc::new(faults)).expect("a store");
    let empty = Arc::new(ObjectStoreBackend::new(Arc::new(InMemory::new())));
    let tier = TieredStore::new(Arc::new(local), empty).with_pause(Duration::from_secs(3600));
    let mut stage = tier.stage(id.into()).await.expect("the local store takes it");
    stage.write(bytes).await.expect("the local store takes it");
    armed.store(true, Ordering::SeqCst);
    let error = stage.publish().await.expect_err("it cannot be read for sending");
    assert!(error.to_string().contains("not shared"), "{error}");
    assert_eq!(tier.shared_failure(), None);
}

/// Who never saw a listing does not know that there is nothing.
#[tokio::test]
async fn a_listing_that_was_never_seen_is_not_empty() {
    let fleet = Fleet::new();
    let tier = |name: &str| fleet.machine(name).with_pause(Duration::from_secs(3600));
    let (knows, fresh) = (tier("knows"), tier("fresh"));
    assert!(knows.pins().await.expect("it answers").is_empty());
    fleet.fault.stop();
    for _ in 0..2 {
        assert_eq!(fresh.manifests().await.expect_err("nothing was seen").kind(), ErrorKind::Backend);
        assert_eq!(fresh.pins().await.expect_err("nothing was seen").kind(), ErrorKind::Backend);
        assert_eq!(knows.manifests().await.expect_err("only pins were seen").kind(), ErrorKind::Backend);
        assert!(knows.pins().await.expect("it was seen that there are none").is_empty());
    }
    // What was seen is gone with its cache, and not said to be nothing.
    fleet.fault.start();
    let model = manifest("m", "1", &[]);
    overwrite(&knows, &model).await.expect("it is complete");
    knows.set_pin(&Pin::new("task:x", model.name.clone(), 1), None).await.expect("it is there");
    fs::remove_dir_all(fleet.dir.path().join("knows")).expect("it is there");
    fleet.fault.stop();
    assert_eq!(knows.pins().await.expect_err("there was one").kind(), ErrorKind::Backend);
}
