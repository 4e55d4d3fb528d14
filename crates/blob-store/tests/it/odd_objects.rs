//! Object stores that are not as they should be: what can be made safe is safe, and the rest is refused.

use std::{sync::Arc, time::Duration};

use blob_store::{
    BlobStore, BlobStoreExt, DocumentKey, DocumentKind, ErrorKind, ObjectStoreBackend, VerifyOptions,
    conformance,
};
use object_store::{
    memory::InMemory,
    throttle::{ThrottleConfig, ThrottledStore},
};

use crate::{
    flaky::{Odd, OddStore},
    later, manifest, noise, overwrite,
};

fn odd(odd: Odd) -> (Arc<InMemory>, ObjectStoreBackend) {
    let inner = Arc::new(InMemory::new());
    let store = ObjectStoreBackend::new(Arc::new(OddStore::new(&inner, odd)));
    (inner, store)
}

/// Without conditional put two writers of one document would both succeed: so nobody writes one.
#[tokio::test]
async fn a_store_without_conditional_put_is_refused_at_the_first_document() {
    for lacking in [Odd::IgnoresConditions, Odd::RefusesConditions] {
        let (inner, store) = odd(lacking);
        let id = store.put_bytes("blobs need none".into()).await.expect("it is put");
        let model = manifest("m", "1", &[id]);
        for _ in 0..2 {
            let error = overwrite(&store, &model).await.expect_err("it would not be safe");
            assert_eq!(error.kind(), ErrorKind::Backend);
            let mut text = error.to_string();
            let mut cause: &dyn std::error::Error = &error;
            while let Some(source) = cause.source() {
                text = format!("{text}: {source}");
                cause = source;
            }
            assert!(text.contains("conditional put"), "{text}");
        }
        let sound = ObjectStoreBackend::new(inner);
        assert!(sound.manifests().await.expect("a listing").is_empty(), "nothing was written");
        assert_eq!(sound.remove_stages(later().now).await.expect("a listing"), 0, "the try leaves nothing");
        // What was written before somebody moved it there can be read, but not removed.
        overwrite(&sound, &model).await.expect("it is complete");
        assert_eq!(store.manifests().await.expect("a listing"), std::slice::from_ref(&model));
        assert_eq!(store.remove_manifest(&model.name).await.expect_err("unsafe").kind(), ErrorKind::Backend);
        assert_eq!(sound.manifests().await.expect("a listing"), [model]);
    }
}

/// A listing that is behind shows old generations: no update is lost, and what was acknowledged is seen.
#[tokio::test]
async fn stale_listings_lose_no_update() {
    for lag in [1, 3, 7] {
        let cases = conformance::cases();
        for wanted in [
            "a_document_comes_and_goes",
            "of_many_writers_one_wins",
            "no_update_is_lost",
            "readers_see_old_or_new",
            "removed_versions_stay_dead",
            "kinds_are_apart",
            "manifest_round_trip",
            "pins_switch_atomically",
            "collecting_while_publishing",
        ] {
            let (_, case) = cases.iter().find(|(name, _)| *name == wanted).expect("there is such a case");
            case(Arc::new(odd(Odd::StaleListings(lag)).1)).await;
        }
    }
}

/// A collector whose listings are behind takes nothing that a manifest names which was acknowledged before.
#[tokio::test]
async fn stale_listings_lose_no_blob() {
    for lag in [1, 2, 5, 9] {
        let (inner, store) = odd(Odd::StaleListings(lag));
        // Old garbage, as the collector sees it.
        let id = store.put_bytes("old".into()).await.expect("it is put");
        for _ in 0..=lag {
            store.blobs().await.expect("a listing");
        }
        overwrite(&store, &manifest("m", "1", &[id])).await.expect("it is complete");
        store.collect_garbage(&later()).await.expect("it can be collected");
        assert!(ObjectStoreBackend::new(inner).contains(id).await.expect("it answers"), "lag {lag}");
        assert!(store.verify(&VerifyOptions::default()).await.expect("a report").is_sound());
    }
}

/// What was just put is not found for a while: it is told, nothing that is in use is taken, and what was acknowledged
/// is there.
#[tokio::test]
async fn stale_reads_lose_nothing() {
    for times in [1, 2, 5] {
        let (inner, store) = odd(Odd::StaleReads(times));
        let sound = ObjectStoreBackend::new(inner);
        let mut told = 0;
        for revision in 0..3 {
            let id = store.put_bytes(noise(1000, revision)).await.expect("it is put");
            let model = manifest("m", &revision.to_string(), &[id]);
            for attempt in 0.. {
                let outcome = overwrite(&store, &model).await;
                // Somebody collects meanwhile, who sees as little.
                let collects = attempt == 0 || outcome.is_ok();
                let collected = if collects { store.collect_garbage(&later()).await.err() } else { None };
                let errors = outcome.as_ref().err().into_iter().chain(&collected);
                told += errors.clone().count();
                for error in errors {
                    let kinds = [ErrorKind::Conflict, ErrorKind::Incomplete];
                    assert!(kinds.contains(&error.kind()), "{times}: {error:?}");
                }
                let report = sound.verify(&VerifyOptions::default()).await.expect("a report");
                assert!(report.is_sound(), "{times}, {revision}: {report:?}");
                if outcome.is_ok() {
                    let there = sound.manifests().await.expect("a listing");
                    assert!(there.contains(&model), "{times}, {revision}: it was acknowledged");
                    break;
                }
                assert!(attempt < 100, "it is found in the end");
                // What the collector took, since no manifest named it, is put again.
                if !sound.contains(id).await.expect("it can be asked") {
                    store.put_bytes(noise(1000, revision)).await.expect("it is put");
                }
            }
        }
        assert!(0 < told, "{times}: something was not found");
        assert_eq!(sound.manifests().await.expect("a listing").len(), 3);
    }
}

/// A listing that never shows what was written is told, instead of waited for.
#[tokio::test]
async fn a_listing_that_never_comes_is_told() {
    let (_, store) = odd(Odd::StaleListings(usize::MAX - 1));
    let key = DocumentKey::new(DocumentKind::Pin, &["x"]);
    let error = store.put_document(&key, "x".into(), None).await.expect_err("nobody would see it");
    assert_eq!(error.kind(), ErrorKind::Backend);
    assert!(error.to_string().contains("listing"), "{error}");
}

/// Every answer is slow.
#[tokio::test(flavor = "multi_thread")]
async fn slow_answers() {
    let slow = Duration::from_micros(300);
    let config = ThrottleConfig {
        wait_delete_per_call: slow,
        wait_get_per_call: slow,
        wait_list_per_call: slow,
        wait_list_per_entry: Duration::from_micros(20),
        wait_put_per_call: slow,
        ..ThrottleConfig::default()
    };
    let store = || ObjectStoreBackend::new(Arc::new(ThrottledStore::new(InMemory::new(), config)));
    conformance::all(|| Arc::new(store())).await;
}
