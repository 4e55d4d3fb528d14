//! A hub as the source of what was damaged in the store.

use std::{fs, ops::ControlFlow, path::PathBuf};

use blob_store::{BlobStoreExt, VerifyOptions};
use content_id::ContentId;
use testkit::{
    http::{Fault, FaultKind},
    hub::HubOptions,
};

use crate::{
    Bench, WEIGHTS,
    parts::{PART, bench, benches, bytes_asked, check, ranges, weights},
    wanted,
};

fn blob(bench: &Bench, path: &str, manifest: &blob_store::Manifest) -> PathBuf {
    bench.store.local_path(manifest.files[path].content).expect("it is in a plain file")
}

/// Changes a byte of a file, which nobody but a damaged disk does.
fn damage(path: &PathBuf, at: usize) {
    let mut bytes = fs::read(path).expect("it is there");
    bytes[at] ^= 1;
    fs::remove_file(path).expect("it is there");
    fs::write(path, bytes).expect("there is room");
}

async fn scrub(bench: &Bench) -> blob_store::VerifyReport {
    let mut options = VerifyOptions::default();
    options.repair = true;
    let mut on_progress = |_: &blob_store::ScrubProgress| ControlFlow::Continue(());
    let scrubbed = bench.store.scrub(&options, Some(&bench.client), &mut on_progress);
    scrubbed.await.expect("the store can be read")
}

#[tokio::test]
async fn of_a_damaged_file_only_the_damaged_parts_are_fetched() {
    let mut unable = HubOptions::mozilla();
    unable.ranges = false;
    for (bench, parts) in
        benches().into_iter().map(|bench| (bench, true)).chain([(self::bench(unable), false)])
    {
        let manifest = bench.pull(&wanted("v1")).await.expect("the hub is fine");
        let path = blob(&bench, WEIGHTS, &manifest);
        damage(&path, 3 * PART + 17);
        damage(&path, 9 * PART);
        bench.hub.http().forget_requests();
        let report = scrub(&bench).await;
        assert!(report.not_refetched.is_empty(), "{report:?}");
        check(&bench).await;
        let asked = ranges(&bench);
        assert_eq!(asked.len(), 2, "{asked:?}");
        if parts {
            assert_eq!(asked[0].0.as_deref(), Some("bytes=30000-39999"));
            assert_eq!(bytes_asked(&bench), weights().len() - 8 * PART);
        }
    }
}

#[tokio::test]
async fn what_the_hub_sends_instead_does_not_get_into_the_store() {
    let (other, html) = (FaultKind::FlipByte(3), FaultKind::captive_portal());
    for kind in [other, html, FaultKind::status(404), FaultKind::CutAfter(10)] {
        let bench = bench(HubOptions::hugging_face());
        let manifest = bench.pull(&wanted("v1")).await.expect("the hub is fine");
        damage(&blob(&bench, "config.json", &manifest), 1);
        bench.hub.fault(Fault::new("*/config.json", kind.clone()));
        let report = scrub(&bench).await;
        assert_eq!(report.not_refetched.len(), 1, "{kind:?}: {report:?}");
        let content = manifest.files["config.json"].content;
        assert!(!bench.store.contains(content).await.expect("the store can be asked"));
        bench.hub.http().clear_faults();
        scrub(&bench).await;
        assert!(bench.store.contains(content).await.expect("the store can be asked"), "{kind:?}");
    }
}

#[tokio::test]
async fn what_stands_in_a_manifest_leads_nowhere_else() {
    let bench = bench(HubOptions::mozilla());
    let before = bench.pull(&wanted("v1")).await.expect("the hub is fine");
    let path = blob(&bench, WEIGHTS, &before);
    let (_, version) =
        bench.store.manifest(&before.name).await.expect("it can be read").expect("it is there");
    let mut manifest = before.clone();
    let entry = manifest.files.get_mut(WEIGHTS).expect("it is needed");
    entry.origin = Some("http://127.0.0.1:9/org/tiny/v1/onnx/model_quantized.onnx".into());
    bench.store.put_manifest(&manifest, Some(version)).await.expect("nobody else writes it");
    damage(&path, 5);
    bench.hub.http().forget_requests();
    let report = scrub(&bench).await;
    assert!(report.not_refetched.is_empty(), "{report:?}");
    assert_eq!(ranges(&bench).len(), 1, "the hub is asked, and nobody else");
    let kept = bench.store.read_all(ContentId::of(&weights()), 1 << 20).await.expect("it is whole again");
    assert!(kept == weights());
}
