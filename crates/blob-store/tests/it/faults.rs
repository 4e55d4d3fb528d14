//! Every request to the object store fails in turn, before or after it took effect: nothing half-done is visible,
//! and the same work then succeeds.

use std::sync::Arc;

use blob_store::{
    BlobStore, BlobStoreExt, Error, ErrorKind, Expected, ManifestName, ObjectStoreBackend, Pin,
};
use bytes::Bytes;
use object_store::memory::InMemory;

use crate::{
    flaky::{Fault, Flaky},
    later, manifest, noise, overwrite,
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
    overwrite(store, &manifest("m", "2", &[small, known, unknown])).await?;
    done.push("second");
    pin(store, "2").await?;
    done.push("switched");
    store.put_bytes("garbage".into()).await?;
    store.remove_manifest(&ManifestName::new("hub.example", "m", "1")).await?;
    store.collect_garbage(&later()).await?;
    done.push("collected");
    Ok(())
}

async fn pin(store: &dyn BlobStore, revision: &str) -> std::result::Result<(), Error> {
    let version = store.pin("task:x").await?.map(|(_, version)| version);
    let pin = Pin::new("task:x", ManifestName::new("hub.example", "m", revision), 1);
    store.set_pin(&pin, version).await.map(|_| ())
}

async fn fail_every_request(answer_lost: bool) {
    let large = large();
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
        let report = store.verify(&Default::default()).await.expect("a report");
        assert!(report.is_sound(), "request {fails}, after {done:?}: {report:?}");
        let revisions: Vec<_> =
            store.manifests().await.expect("a listing").into_iter().map(|m| m.name.revision).collect();
        for (step, revision) in [("first", "1"), ("second", "2")] {
            let removed = revision == "1" && done.contains(&"switched");
            let there = revisions.iter().any(|found| found == revision);
            assert!(there || removed || !done.contains(&step), "request {fails}, after {done:?}");
        }
        life(&store, &large, &mut Vec::new()).await.expect("the same work succeeds afterwards");
        assert_eq!(store.blobs().await.expect("a listing").len(), 3, "request {fails}");
        assert!(store.quarantined().await.expect("a listing").is_empty());
        assert_eq!(
            store.pin("task:x").await.expect("it can be read").expect("there").0.manifest.revision,
            "2"
        );
        if fault.requests() < fails {
            assert!(outcome.is_ok());
            assert!(40 < fails, "every request was failed once");
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
            match life(&flaky, &large, &mut Vec::new()).await {
                Ok(()) => ended = true,
                Err(error) => {
                    let kinds = [ErrorKind::Backend, ErrorKind::Conflict];
                    assert!(kinds.contains(&error.kind()), "every {every}: {error:?}");
                }
            }
            let report = store.verify(&Default::default()).await.expect("a report");
            assert!(report.is_sound(), "every {every}: {report:?}");
        }
        assert!(ended || every < 144, "every {every}");
        life(&store, &large, &mut Vec::new()).await.expect("the same work succeeds afterwards");
        assert_eq!(store.blobs().await.expect("a listing").len(), 3, "every {every}");
    }
}
