//! Cases about manifests and pins.

use std::sync::Arc;

use content_id::ContentId;
use serde_json::{Value, json};

use super::{manifest, put};
use crate::{BlobStore, BlobStoreExt, ErrorKind, FORMAT_VERSION, Manifest, ManifestName, Pin};

/// A manifest comes back as it was put, is listed, and can be removed.
pub async fn manifest_round_trip(store: Arc<dyn BlobStore>) {
    let (a, b) = (put(&*store, "a").await, put(&*store, "b").await);
    let mut first = manifest("main", &[("config.json", a), ("onnx/model.onnx", b)]);
    first.commit = Some("c0ffee".to_owned());
    let version = store.put_manifest(&first, None).await.expect("it is complete");
    assert_eq!(store.manifest(&first.name).await.expect("it can be read"), Some((first.clone(), version)));
    first.used = 7;
    let second = store.put_manifest(&first, Some(version)).await.expect("it is the version read");
    assert_ne!(version, second);
    let other = manifest("v2", &[("config.json", a)]);
    store.put_manifest(&other, None).await.expect("it is complete");
    assert_eq!(store.manifests().await.expect("a listing"), [first.clone(), other]);
    assert!(store.remove_manifest(&first.name).await.expect("it can be removed"));
    assert!(!store.remove_manifest(&first.name).await.expect("nothing is left to remove"));
    assert_eq!(store.manifest(&first.name).await.expect("it can be asked for"), None);
    assert_eq!(store.manifests().await.expect("a listing").len(), 1);
}

/// A manifest in the store is complete; one that is not is not written, and what was there before stays.
pub async fn incomplete_manifests_are_refused(store: Arc<dyn BlobStore>) {
    let there = put(&*store, "there").await;
    let complete = manifest("main", &[("config.json", there)]);
    let version = store.put_manifest(&complete, None).await.expect("it is complete");
    let absent = ContentId::of(b"absent");
    let broken = manifest("main", &[("config.json", there), ("model.onnx", absent)]);
    let error = store.put_manifest(&broken, Some(version)).await.expect_err("a blob is missing");
    assert_eq!(error.kind(), ErrorKind::Incomplete);
    assert!(error.to_string().contains("model.onnx"), "{error}");
    assert_eq!(store.manifest(&complete.name).await.expect("it can be read"), Some((complete, version)));
    let wrong_size = manifest("other", &[("config.json", ContentId::new(there.digest, there.size + 1))]);
    let error = store.put_manifest(&wrong_size, None).await.expect_err("there is no such blob");
    assert_eq!(error.kind(), ErrorKind::Incomplete);
    let two_sizes = manifest("other", &[("a", there), ("b", ContentId::new(there.digest, there.size + 1))]);
    assert_eq!(store.put_manifest(&two_sizes, None).await.expect_err("nonsense").kind(), ErrorKind::Invalid);
    assert_eq!(store.manifests().await.expect("a listing").len(), 1);
}

/// A manifest that somebody changed meanwhile is not overwritten.
pub async fn stale_manifests_are_refused(store: Arc<dyn BlobStore>) {
    let id = put(&*store, "a").await;
    let mut manifest = manifest("main", &[("a", id)]);
    let first = store.put_manifest(&manifest, None).await.expect("there is none");
    assert_eq!(
        store.put_manifest(&manifest, None).await.expect_err("there is one").kind(),
        ErrorKind::Conflict
    );
    manifest.used = 2;
    store.put_manifest(&manifest, Some(first)).await.expect("it is the first");
    manifest.used = 3;
    let error = store.put_manifest(&manifest, Some(first)).await.expect_err("it is not the first any more");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("org/name"), "{error}");
}

/// Fields that this program does not know survive its changes, at every level.
pub async fn unknown_fields_survive(store: Arc<dyn BlobStore>) {
    let id = put(&*store, "a").await;
    let name = ManifestName::new("hub.example", "org/name", "main");
    let stored = json!({
        "format_version": 1, "name": name, "created": 5, "later": {"deep": [1, 2]},
        "files": {"a": {"content": id, "fetched": 6, "shards": ["x"]}},
    });
    let version =
        store.put_document(&name.key(), stored.to_string().into(), None).await.expect("there is none");
    let (mut manifest, found) = store.manifest(&name).await.expect("it can be read").expect("it is there");
    assert_eq!(found, version);
    manifest.used = 9;
    store.put_manifest(&manifest, Some(version)).await.expect("it is complete");
    let pin_text = json!({"format_version": 1, "name": "task:x", "manifest": name, "set": 1, "by": "later"});
    let pin_key = Pin::key_of("task:x");
    let version =
        store.put_document(&pin_key, pin_text.to_string().into(), None).await.expect("there is none");
    let (mut pin, _) = store.pin("task:x").await.expect("it can be read").expect("it is there");
    pin.set = 2;
    store.set_pin(&pin, Some(version)).await.expect("the manifest is there");
    let raw = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("JSON");
    let document = store.document(&name.key()).await.expect("it can be read").expect("it is there");
    let now = raw(&document.bytes);
    assert_eq!(
        (&now["used"], &now["later"], &now["files"]["a"]["shards"]),
        (&json!(9), &json!({"deep": [1, 2]}), &json!(["x"]))
    );
    let document = store.document(&pin_key).await.expect("it can be read").expect("it is there");
    assert_eq!((&raw(&document.bytes)["set"], &raw(&document.bytes)["by"]), (&json!(2), &json!("later")));
}

/// A document of a newer format is told as such, is not overwritten by an old writer, and stays.
pub async fn newer_formats_are_refused(store: Arc<dyn BlobStore>) {
    let name = ManifestName::new("hub.example", "org/name", "main");
    let newer = json!({"format_version": FORMAT_VERSION + 1, "everything": "else"}).to_string();
    let version = store.put_document(&name.key(), newer.clone().into(), None).await.expect("there is none");
    let error = store.manifest(&name).await.expect_err("it is newer");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(store.manifests().await.expect_err("it is newer").kind(), ErrorKind::Unsupported);
    let mut copied = Manifest::new(name.clone(), 1);
    copied.format_version = FORMAT_VERSION + 1;
    let error =
        store.put_manifest(&copied, Some(version)).await.expect_err("only who knows a format writes it");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let report = store.verify(&crate::VerifyOptions::default().repair(true)).await.expect("a report");
    assert_eq!(report.unreadable, [(name.key(), ErrorKind::Unsupported)]);
    let document = store.document(&name.key()).await.expect("it can be read").expect("it is there");
    assert_eq!(document.bytes, newer);
    let error = store.remove_manifest(&name).await.expect_err("only a newer program knows what it is for");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

/// A document that makes no sense, or belongs elsewhere, is told as damaged, and a repair removes it.
pub async fn damaged_manifests_are_told(store: Arc<dyn BlobStore>) {
    let elsewhere = serde_json::to_string(&manifest("elsewhere", &[])).expect("a manifest is JSON");
    for text in ["{", "[]", "{}", r#"{"format_version": 1}"#, &elsewhere] {
        let name = ManifestName::new("hub.example", "org/name", "main");
        store.put_document(&name.key(), text.to_owned().into(), None).await.expect("there is none");
        let error = store.manifest(&name).await.expect_err("it makes no sense");
        assert_eq!(error.kind(), ErrorKind::Damaged, "{text}");
        assert!(error.version().is_some(), "it can be replaced");
        let report = store.verify(&crate::VerifyOptions::default()).await.expect("a report");
        assert_eq!((report.unreadable.len(), report.repaired), (1, 0));
        let report = store.verify(&crate::VerifyOptions::default().repair(true)).await.expect("a report");
        assert_eq!((report.unreadable.len(), report.repaired), (1, 1));
        assert_eq!(store.manifest(&name).await.expect("it was removed"), None);
    }
}

/// Any text is a name, and different names are different manifests.
pub async fn names_are_never_paths(store: Arc<dyn BlobStore>) {
    let names = [
        ["../../..", "/etc", "passwd"],
        ["a", "b/c", "d"],
        ["a", "b", "c/d"],
        ["a/b", "c", "d"],
        ["a", "B/c", "d"],
        ["nul\0", "line\n", "\u{202e}"],
        ["C:\\", "con", "aux."],
        ["a", "b", "é"],
        ["a", "b", "e\u{301}"],
        ["1:a", "1:b", "c"],
        ["1", ":a1:b", "c"],
    ];
    for parts in names {
        let manifest = Manifest::new(ManifestName::new(parts[0], parts[1], parts[2]), 1);
        store.put_manifest(&manifest, None).await.expect("no two names are the same");
    }
    for parts in names {
        let name = ManifestName::new(parts[0], parts[1], parts[2]);
        let (found, _) = store.manifest(&name).await.expect("it can be read").expect("it is there");
        assert_eq!(found.name, name);
    }
    assert_eq!(store.manifests().await.expect("a listing").len(), names.len());
    for nameless in [ManifestName::new("", "b", "c"), ManifestName::new("a", "b", "x".repeat(1 << 20))] {
        let error = store.put_manifest(&Manifest::new(nameless, 1), None).await.expect_err("no name");
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}

/// A pin moves from one manifest to another in one step, and only by who knows where it is.
pub async fn pins_switch_atomically(store: Arc<dyn BlobStore>) {
    let id = put(&*store, "a").await;
    let (old, new) = (manifest("old", &[("a", id)]), manifest("new", &[("a", id)]));
    for manifest in [&old, &new] {
        store.put_manifest(manifest, None).await.expect("it is complete");
    }
    assert_eq!(store.pin("task:x").await.expect("it can be asked for"), None);
    let first = Pin::new("task:x", old.name, 1);
    let version = store.set_pin(&first, None).await.expect("there is none");
    assert_eq!(store.pin("task:x").await.expect("it can be read"), Some((first.clone(), version)));
    let second = Pin::new("task:x", new.name, 2);
    assert_eq!(store.set_pin(&second, None).await.expect_err("there is one").kind(), ErrorKind::Conflict);
    store.set_pin(&second, Some(version)).await.expect("it is the first");
    assert_eq!(store.set_pin(&first, Some(version)).await.expect_err("it moved").kind(), ErrorKind::Conflict);
    assert_eq!(store.pins().await.expect("a listing"), [second]);
    assert!(store.remove_pin("task:x").await.expect("it can be removed"));
    assert!(!store.remove_pin("task:x").await.expect("nothing is left to remove"));
    assert!(store.pins().await.expect("a listing").is_empty());
}

/// What is not there cannot be pinned, and a pin that cannot move stays.
pub async fn pins_need_a_manifest(store: Arc<dyn BlobStore>) {
    let there = manifest("main", &[]);
    store.put_manifest(&there, None).await.expect("it is complete");
    let absent = ManifestName::new("hub.example", "org/name", "absent");
    let error = store.set_pin(&Pin::new("p", absent.clone(), 1), None).await.expect_err("nothing to pin");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let pin = Pin::new("p", there.name, 1);
    let version = store.set_pin(&pin, None).await.expect("the manifest is there");
    store.set_pin(&Pin::new("p", absent, 2), Some(version)).await.expect_err("nothing to pin");
    assert_eq!(store.pin("p").await.expect("it can be read"), Some((pin, version)));
}

/// A pinned manifest cannot be removed.
pub async fn pinned_manifests_stay(store: Arc<dyn BlobStore>) {
    let manifest = manifest("main", &[]);
    store.put_manifest(&manifest, None).await.expect("it is complete");
    store.set_pin(&Pin::new("task:x", manifest.name.clone(), 1), None).await.expect("the manifest is there");
    let error = store.remove_manifest(&manifest.name).await.expect_err("it is pinned");
    assert_eq!(error.kind(), ErrorKind::Pinned);
    assert!(error.to_string().contains("task:x"), "{error}");
    store.remove_pin("task:x").await.expect("it can be removed");
    assert!(store.remove_manifest(&manifest.name).await.expect("nothing pins it"));
}

/// Space is counted once for the store, and per manifest with what only it uses.
pub async fn usage_counts_shared_blobs_once(store: Arc<dyn BlobStore>) {
    let (shared, one, two) =
        (put(&*store, "shared").await, put(&*store, "one").await, put(&*store, "four").await);
    put(&*store, "of nobody").await;
    store
        .put_manifest(&manifest("1", &[("s", shared), ("t", shared), ("o", one)]), None)
        .await
        .expect("complete");
    store.put_manifest(&manifest("2", &[("s", shared), ("o", two)]), None).await.expect("complete");
    let usage = store.usage().await.expect("it can be counted");
    let of = |n: usize| (usage.manifests[n].bytes, usage.manifests[n].own_bytes);
    assert_eq!((of(0), of(1)), ((9, 3), (10, 4)));
    assert_eq!((usage.total_bytes, usage.unreferenced_bytes, usage.blobs), (22, 9, 4));
}
