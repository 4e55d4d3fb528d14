//! The JSON of reports: programs read it, so its shape stays.

use blob_store::{
    BlobStore, BlobStoreExt, Expected, FsStore, GcOptions, ManifestName, Reason, StageKey, VerifyOptions,
};
use serde_json::{Value, json};

use crate::{later, manifest};

fn json(of: &impl serde::Serialize) -> Value {
    serde_json::to_value(of).expect("it is JSON")
}

#[tokio::test]
async fn reports_have_a_fixed_shape() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = FsStore::open(dir.path()).expect("a new store");
    let mut ids = Vec::new();
    for text in ["kept", "orphan", "damaged", "gone"] {
        ids.push(store.put_bytes(text.into()).await.expect("it is put"));
    }
    let id = |n: usize| json!({"digest": ids[n].digest.to_string(), "size": ids[n].size});
    store.put_manifest(&manifest("m", "r", &[ids[0], ids[3]]), None).await.expect("it is complete");
    store.quarantine(ids[2].digest, Reason::Damaged).await.expect("it can be hidden");
    let name = json!({"hub": "hub.example", "model": "m", "revision": "r"});

    let key = StageKey::new("https://hub.example/m", "etag");
    let stage = store.stage_parts(&key, Expected::default()).await.expect("nobody has it");
    let mut part = stage.part(0..3).await.expect("it is free");
    part.write("abc".into()).await.expect("it is written");
    part.finish(None).await.expect("it is recorded");

    let mut usage = json(&store.usage().await.expect("it can be counted"));
    let modified = usage["orphans"][0]["modified"].take();
    assert!(modified.as_u64().is_some_and(|seconds| seconds > 1_700_000_000), "{modified}");
    let modified = usage["stages"][0]["modified"].take();
    assert!(modified.as_u64().is_some_and(|seconds| seconds > 1_700_000_000), "{modified}");
    assert_eq!(usage["stages"][0]["name"].take(), key.stage_name(Expected::default()).to_string());
    let held = usage["quarantined"][0]["name"].take();
    assert!(held.as_str().is_some_and(|it| it.ends_with(".damaged")), "{held}");
    assert_eq!(
        usage,
        json!({
            "manifests": [{"name": name, "files": 2, "bytes": 8, "own_bytes": 8}],
            "unreferenced_bytes": 6, "total_bytes": 14, "blobs": 3, "quarantined_bytes": 7,
            "orphans": [{"id": id(1), "modified": null}],
            "quarantined": [{"digest": ids[2].digest, "size": 7, "reason": "damaged", "name": null}],
            "staged_bytes": 3,
            "stages": [{"name": null, "resumable": true, "bytes": 3, "modified": null, "owned": true}],
        })
    );

    store.remove(ids[3]).await.expect("it can be removed");
    let bad = ManifestName::new("h", "m", "bad").key();
    store.put_document(&bad, "{".into(), None).await.expect("there is none");
    let options = VerifyOptions::default().repair(true);
    let go_on = &mut |_: &_| std::ops::ControlFlow::Continue(());
    let mut report = json(&store.scrub(&options, Some(&store), go_on).await.expect("a report"));
    let why = report["not_refetched"][0]["why"].take();
    assert!(why.as_str().is_some_and(|it| it.contains("not in the store")), "{why}");
    assert_eq!(
        report,
        json!({
            "checked": 2, "bytes": 10, "damaged": [], "unread": [],
            "missing": [{"manifest": name, "path": ids[3].digest, "content": id(3)}],
            "unreadable": [{"document": {"kind": "manifest", "digest": bad.digest()}, "why": "damaged"}],
            "dangling_pins": [], "repaired": 1, "refetched": [],
            "not_refetched": [{"content": id(3), "kind": "not_found", "why": null}],
            "models": [{"name": name, "files": 2, "bytes": 8, "damaged": 0, "refetched": 0, "missing": 1}],
            "complete": true, "next": null,
        })
    );

    let options: GcOptions = later();
    let report = json(&store.collect_garbage(&options).await.expect("it can be collected"));
    assert_eq!((&report["removed"], &report["kept"]), (&json!([id(1)]), &json!(1)));
    assert_eq!((&report["too_young"], &report["restored"]), (&json!(0), &json!([])));
    assert_eq!((&report["manifests_removed"], &report["bytes_freed"]), (&json!([]), &json!(13)));
}
