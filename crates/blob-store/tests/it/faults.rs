//! Every request to the object store fails in turn, before or after it took effect: nothing half-done is visible,
//! and the same work then succeeds.

use std::sync::Arc;

use blob_store::{
    BlobStore, BlobStoreExt, Error, ErrorKind, Expected, ManifestName, ObjectStoreBackend, OpenOptions, Pin,
};
use bytes::Bytes;
use content_id::ContentId;
use object_store::memory::InMemory;

use crate::{
    flaky::{Fault, Flaky},
    later, manifest, noise, overwrite,
    steps::{parted, parts},
};

/// Small parts, so that an upload of several takes no time.
const PART: u64 = 5000;

fn large() -> Bytes {
    noise(PART as usize + 5, 1)
}

/// What a program does in its life, in an order that can be taken up again; tells each step it has finished.
async fn life(
    store: &dyn BlobStore,
    large: &Bytes,
    done: &mut Vec<&'static str>,
) -> std::result::Result<(), Error> {
    let small = store.put_bytes("small".into()).await?;
    done.push("small");
    overwrite(store, &manifest("m", "1", &[small])).await?;
    done.push("first");
    pin(store, "1").await?;
    let known = store.put_bytes(large.clone()).await?;
    let mut stage = store.stage(Expected::default()).await?;
    let unknown = large.slice(1..);
    for piece in [unknown.clone(), unknown.clone(), unknown] {
        stage.write(piece).await?;
    }
    let unknown = stage.publish().await?;
    done.push("large");
    let parted = parted();
    parts(store, 2).await?;
    done.push("parts");
    parts(store, usize::MAX).await?.publish().await?;
    done.push("parted");
    overwrite(store, &manifest("m", "2", &[small, known, unknown, ContentId::of(&parted)])).await?;
    done.push("second");
    pin(store, "2").await?;
    done.push("switched");
    store.put_bytes("garbage".into()).await?;
    store.remove_manifest(&ManifestName::new("hub.example", "m", "1")).await?;
    store.collect_garbage(&later()).await?;
    done.push("collected");
    let model =
        store.open_model(&ManifestName::new("hub.example", "m", "2"), &OpenOptions::default()).await?;
    let model = model.expect("it is pinned");
    assert!(model.files().all(|(_, file)| ContentId::of(&file.bytes) == file.content));
    Ok(())
}

/// Blobs in the end.
const BLOBS: usize = 4;

/// What is visible is whole, and what was acknowledged is there, as far as the rest of the life has not removed it.
async fn check(store: &dyn BlobStore, done: &[&str], what: &str) {
    let report = store.verify(&Default::default()).await.expect("a report");
    assert!(report.is_sound(), "{what}, after {done:?}: {report:?}");
    let has_done = |step| done.contains(&step);
    let revisions: Vec<_> =
        store.manifests().await.expect("a listing").into_iter().map(|m| m.name.revision).collect();
    for (step, revision) in [("first", "1"), ("second", "2")] {
        let removed = revision == "1" && has_done("switched");
        let there = revisions.iter().any(|found| found == revision);
        assert!(there || removed || !has_done(step), "{what}, after {done:?}: {revisions:?}");
    }
    let pin = store.pin("task:x").await.expect("it can be read").map(|(pin, _)| pin.manifest.revision);
    assert!(pin.as_deref() == Some("2") || !has_done("switched"), "{what}, after {done:?}: {pin:?}");
    for (step, content) in [("small", Bytes::from("small")), ("large", large()), ("parted", parted())] {
        let there = store.contains(ContentId::of(&content)).await.expect("it can be asked");
        assert!(there || !has_done(step), "{what}, after {done:?}: {step} is lost");
    }
    if has_done("parts") && !store.contains(ContentId::of(&parted())).await.expect("it can be asked") {
        let left = parts(store, 0).await.expect("it can be taken up").parts().len();
        assert!(2 <= left, "{what}, after {done:?}: {left} parts");
    }
}

async fn pin(store: &dyn BlobStore, revision: &str) -> std::result::Result<(), Error> {
    let version = store.pin("task:x").await?.map(|(_, version)| version);
    let pin = Pin::new("task:x", ManifestName::new("hub.example", "m", revision), 1);
    store.set_pin(&pin, version).await.map(|_| ())
}

async fn fail_every_request(answer_lost: bool) {
    let large = large();
    let mut untold = Vec::new();
    for fails in 1.. {
        let inner = Arc::new(InMemory::new());
        let fault = Arc::new(Fault::once(fails, answer_lost));
        let flaky = ObjectStoreBackend::new(Arc::new(Flaky::new(&inner, &fault))).with_part_bytes(PART);
        let mut done = Vec::new();
        let outcome = life(&flaky, &large, &mut done).await;
        let store = ObjectStoreBackend::new(inner);
        if let Err(error) = &outcome {
            let kinds = [ErrorKind::Backend, ErrorKind::Conflict];
            assert!(kinds.contains(&error.kind()), "request {fails}: {error:?}");
        }
        if outcome.is_ok() {
            untold.extend(fault.failed());
        }
        check(&store, &done, &format!("request {fails}, {:?}", fault.failed())).await;
        life(&store, &large, &mut Vec::new()).await.expect("the same work succeeds afterwards");
        assert_eq!(store.blobs().await.expect("a listing").len(), BLOBS, "request {fails}");
        assert!(store.quarantined().await.expect("a listing").is_empty());
        assert_eq!(
            store.pin("task:x").await.expect("it can be read").expect("there").0.manifest.revision,
            "2"
        );
        if fault.requests() < fails {
            assert!(outcome.is_ok());
            assert!(60 < fails, "every request was failed once");
            // Only what whoever comes next tidies may fail untold; for the parts of a blob that is published, finding
            // them is the first step of it.
            let finding = untold.iter().filter(|what| **what == "list").count();
            let tidying = untold.iter().filter(|what| **what == "delete").count();
            assert_eq!((finding, tidying), (1, untold.len() - 1), "{untold:?}");
            println!("each of {} requests failed, {} of them untold", fails - 1, untold.len());
            return;
        }
    }
}

#[tokio::test]
async fn failed_requests() {
    fail_every_request(false).await;
}

#[tokio::test]
async fn lost_answers() {
    fail_every_request(true).await;
}

/// Every n-th request fails, for ever: nothing is ever half-done, and where n is more than the work takes, it comes to
/// its end by trying again.
#[tokio::test]
async fn every_nth_request_fails() {
    let large = large();
    for (every, answer_lost) in
        [2, 3, 5, 8, 13, 21, 34, 89, 144].into_iter().flat_map(|n| [(n, false), (n, true)])
    {
        let inner = Arc::new(InMemory::new());
        let fault = Arc::new(Fault::every(every, answer_lost));
        let flaky = ObjectStoreBackend::new(Arc::new(Flaky::new(&inner, &fault))).with_part_bytes(PART);
        let store = ObjectStoreBackend::new(Arc::clone(&inner) as Arc<dyn object_store::ObjectStore>);
        let mut ended = false;
        for _ in 0..60 {
            let mut done = Vec::new();
            match life(&flaky, &large, &mut done).await {
                Ok(()) => ended = true,
                Err(error) => {
                    let kinds = [ErrorKind::Backend, ErrorKind::Conflict];
                    assert!(kinds.contains(&error.kind()), "every {every}: {error:?}");
                }
            }
            check(&store, &done, &format!("every {every}")).await;
        }
        assert!(ended || every < 144, "every {every}");
        life(&store, &large, &mut Vec::new()).await.expect("the same work succeeds afterwards");
        assert_eq!(store.blobs().await.expect("a listing").len(), BLOBS, "every {every}");
    }
}
