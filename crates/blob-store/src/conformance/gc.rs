//! Cases about garbage collection and scrubbing.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use content_id::ContentId;
use futures::future::{join, join_all};
use serde_json::json;

use super::{later, manifest, put};
use crate::{
    BlobStore, BlobStoreExt, ErrorKind, GcOptions, Manifest, ManifestName, OpenOptions, Pin, Reason,
    VerifyOptions,
};

/// What no manifest names goes; what one names stays, also where it is not pinned.
pub async fn garbage_goes_and_the_rest_stays(store: Arc<dyn BlobStore>) {
    let (used, garbage) = (put(&*store, "used").await, put(&*store, "garbage").await);
    let mut kept = manifest("main", &[("f", used)]);
    // A foreign manifest cannot announce its own removal.
    kept.other.insert("leaving".to_owned(), json!(true));
    store.put_manifest(&kept, None).await.expect("it is complete");
    let report = store.collect_garbage(&later()).await.expect("it can be collected");
    assert_eq!((report.removed, report.kept, report.bytes_freed), (vec![garbage], 1, garbage.size));
    assert_eq!(store.confirm(&[used, garbage]).await.expect("the store can be asked"), [garbage]);
    let report = store.collect_garbage(&later()).await.expect("it can be collected");
    assert_eq!((report.removed.len(), report.kept, report.bytes_freed), (0, 1, 0));
    assert!(store.quarantined().await.expect("a listing").is_empty());
}

/// What was published within the grace period stays.
pub async fn young_blobs_stay(store: Arc<dyn BlobStore>) {
    let young = put(&*store, "young").await;
    let modified = store.blobs().await.expect("a listing")[0].modified;
    let options = GcOptions::new(modified + Duration::from_secs(59)).grace(Duration::from_secs(60));
    let report = store.collect_garbage(&options).await.expect("it can be collected");
    assert_eq!((report.removed.len(), report.too_young), (0, 1));
    let options = GcOptions::new(modified + Duration::from_secs(61)).grace(Duration::from_secs(60));
    let report = store.collect_garbage(&options).await.expect("it can be collected");
    assert_eq!((report.removed, report.too_young), (vec![young], 0));
}

/// A dry run tells the same and changes nothing.
pub async fn dry_run_changes_nothing(store: Arc<dyn BlobStore>) {
    let (garbage, used) = (put(&*store, "garbage").await, put(&*store, "used").await);
    let unpinned = manifest("main", &[("f", used)]);
    store.put_manifest(&unpinned, None).await.expect("it is complete");
    let options = later().keep_unpinned_manifests(false);
    let dry = store.collect_garbage(&options.dry_run(true)).await.expect("it can be tried");
    assert_eq!(store.confirm(&[garbage, used]).await.expect("the store can be asked"), []);
    assert_eq!(store.manifests().await.expect("a listing").len(), 1);
    let mut wet = store.collect_garbage(&options).await.expect("it can be collected");
    let mut dry_removed = dry.removed;
    dry_removed.sort();
    wet.removed.sort();
    assert_eq!((dry_removed, dry.bytes_freed), (wet.removed, wet.bytes_freed));
    assert_eq!(
        (dry.manifests_removed, wet.manifests_removed),
        (vec![unpinned.name.clone()], vec![unpinned.name])
    );
}

/// On demand, manifests that no pin names go with their blobs; pinned ones stay.
pub async fn unpinned_manifests_may_go(store: Arc<dyn BlobStore>) {
    let (pinned, other, shared) =
        (put(&*store, "pinned").await, put(&*store, "other").await, put(&*store, "shared").await);
    let stays = manifest("stays", &[("a", pinned), ("s", shared)]);
    let goes = manifest("goes", &[("a", other), ("s", shared)]);
    for manifest in [&stays, &goes] {
        store.put_manifest(manifest, None).await.expect("it is complete");
    }
    store.set_pin(&Pin::new("task:x", stays.name.clone(), 1), None).await.expect("the manifest is there");
    let report =
        store.collect_garbage(&later().keep_unpinned_manifests(false)).await.expect("it can be collected");
    assert_eq!((report.manifests_removed, report.removed), (vec![goes.name], vec![other]));
    assert_eq!(store.manifests().await.expect("a listing"), [stays]);
}

/// As long as a manifest cannot be read, nobody knows what is garbage, and nothing is removed.
pub async fn unreadable_manifests_stop_collection(store: Arc<dyn BlobStore>) {
    let id = put(&*store, "named by what cannot be read").await;
    for (text, kind) in [("{", ErrorKind::Damaged), (r#"{"format_version": 99}"#, ErrorKind::Unsupported)] {
        let key = ManifestName::new("h", "m", text).key();
        let version = store.put_document(&key, text.to_owned().into(), None).await.expect("there is none");
        for dry in [true, false] {
            let error =
                store.collect_garbage(&later().dry_run(dry)).await.expect_err("a manifest is unreadable");
            assert_eq!(error.kind(), kind);
        }
        store.remove_document(&key, version).await.expect("it is there");
    }
    assert!(store.contains(id).await.expect("the store can be asked"));
}

/// A collector that was killed after it hid a blob that is in use does no lasting harm.
pub async fn interrupted_collections_heal(store: Arc<dyn BlobStore>) {
    let (used, garbage) = (put(&*store, "used").await, put(&*store, "garbage").await);
    store.put_manifest(&manifest("main", &[("f", used)]), None).await.expect("it is complete");
    for digest in [used.digest, garbage.digest] {
        store.quarantine(digest, Reason::Garbage).await.expect("it can be hidden");
    }
    let report = store.collect_garbage(&later()).await.expect("it can be collected");
    assert_eq!((report.restored, report.bytes_freed), (vec![used.digest], garbage.size));
    assert_eq!(store.read_all(used, 100).await.expect("it is back"), "used");
    assert!(store.quarantined().await.expect("a listing").is_empty());
}

/// What a killed collector hid comes back to who opens it, pins it, or names it anew.
pub async fn hidden_blobs_come_back(store: Arc<dyn BlobStore>) {
    let used = put(&*store, "used").await;
    let first = manifest("main", &[("f", used)]);
    store.put_manifest(&first, None).await.expect("it is complete");
    let hide =
        async || assert!(store.quarantine(used.digest, Reason::Garbage).await.expect("it can be hidden"));
    hide().await;
    let model = store.open_model(&first.name, &OpenOptions::default()).await.expect("it opens");
    assert_eq!(model.expect("it is there")["f"], "used");
    hide().await;
    store.set_pin(&Pin::new("p", first.name.clone(), 1), None).await.expect("it is complete");
    hide().await;
    store.put_manifest(&manifest("other", &[("f", used)]), None).await.expect("it is complete");
    assert!(store.contains(used).await.expect("the store can be asked"));
    // Damage does not come back.
    assert!(store.quarantine(used.digest, Reason::Damaged).await.expect("it can be hidden"));
    let error = store.open_model(&first.name, &OpenOptions::default()).await.expect_err("it is gone");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

/// While collectors without any grace run, a manifest that was acknowledged is complete.
pub async fn collecting_while_publishing(store: Arc<dyn BlobStore>) {
    let publisher = |n: u32| {
        let store = Arc::clone(&store);
        async move {
            let name = ManifestName::new("h", "m", n.to_string());
            for round in 0..12_u32 {
                // Few contents for many manifests: what one abandons another takes up.
                let ids: Vec<ContentId> =
                    (0..3).map(|file| text(round + file + n)).map(|t| ContentId::of(&t)).collect();
                let mut manifest = Manifest::new(name.clone(), 1);
                for (file, id) in ids.iter().enumerate() {
                    manifest.files.insert(file.to_string(), crate::FileEntry::new(*id, 1));
                }
                let version =
                    store.manifest(&name).await.expect("it can be read").map(|(_, version)| version);
                loop {
                    for file in 0..3 {
                        // A collector without grace may take a stage away.
                        while store.put_bytes(text(round + file + n)).await.is_err() {}
                    }
                    // A manifest that could not be written may have been seen, and put back, in a new version.
                    let now =
                        store.manifest(&name).await.expect("it can be read").map(|(_, version)| version);
                    match store.put_manifest(&manifest, now.or(version)).await {
                        Ok(_) => break,
                        Err(error) => {
                            // Nor could it be withdrawn, perhaps: then the collector does it.
                            let kinds = [ErrorKind::Incomplete, ErrorKind::Backend, ErrorKind::Conflict];
                            assert!(kinds.contains(&error.kind()), "{error:?}");
                        }
                    }
                }
                for file in 0..3 {
                    let text = text(round + file + n);
                    let read = store.read_all(ContentId::of(&text), 1 << 20).await;
                    // A collector may have it in its hands for a moment, but has to give it back.
                    assert!(read.as_ref().map_or_else(|e| e.kind() == ErrorKind::NotFound, |r| *r == text));
                }
            }
        }
    };
    let collector = async {
        for _ in 0..25 {
            store.collect_garbage(&later()).await.expect("it can be collected");
        }
    };
    join(
        join_all((0..4).map(publisher)),
        join(collector, async {
            for _ in 0..25 {
                store.collect_garbage(&later()).await.expect("it can be collected");
            }
        }),
    )
    .await;
    let report = store.verify(&VerifyOptions::default()).await.expect("a report");
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(store.manifests().await.expect("a listing").len(), 4);
}

fn text(n: u32) -> Bytes {
    format!("content {}", n % 5).into()
}

/// A scrub reads every blob, and names the files whose blob is gone and the pins whose manifest is.
pub async fn verify_tells_what_is_missing(store: Arc<dyn BlobStore>) {
    let (there, gone) = (put(&*store, "there").await, put(&*store, "gone").await);
    let manifest = manifest("main", &[("a", there), ("b", gone)]);
    store.put_manifest(&manifest, None).await.expect("it is complete");
    let report = store.verify(&VerifyOptions::default()).await.expect("a report");
    assert!(report.is_sound());
    assert_eq!((report.checked, report.bytes), (2, 9));
    store.remove(gone).await.expect("it can be removed");
    let pin =
        json!({"format_version": 1, "name": "p", "manifest": ManifestName::new("h", "m", "r"), "set": 1});
    store.put_document(&Pin::key_of("p"), pin.to_string().into(), None).await.expect("there is none");
    let report = store.verify(&VerifyOptions::default()).await.expect("a report");
    assert!(!report.is_sound());
    assert_eq!(report.missing.len(), 1);
    assert_eq!((&report.missing[0].path[..], report.missing[0].content), ("b", gone));
    assert_eq!((report.dangling_pins, report.damaged), (vec!["p".to_owned()], vec![]));
}
