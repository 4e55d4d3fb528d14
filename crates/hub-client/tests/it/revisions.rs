//! A model is never mixed from two states, and what was trusted once stays pinned.

use std::sync::atomic::{AtomicU8, Ordering};

use content_id::ContentId;
use hub_client::{ErrorKind, Event, NoProgress, Trust};
use hub_layout::Dtype;

use crate::{Bench, Events, MODEL, WEIGHTS, files, wanted};

fn changed() -> Vec<(&'static str, Vec<u8>)> {
    let mut files = files();
    files[0].1 = b"{\"model_type\":\"bert\",\"new\":true}".to_vec();
    files[5].1 = vec![9; 40_000];
    files
}

fn content(files: &[(&str, Vec<u8>)], path: &str) -> ContentId {
    let (_, bytes) = files.iter().find(|(name, _)| *name == path).expect("the test knows its files");
    ContentId::of(bytes)
}

#[tokio::test]
async fn a_branch_that_moves_after_the_plan_changes_nothing() {
    let bench = Bench::hugging_face();
    bench.hub.add_model(MODEL, "main", files());
    let plan = bench.client.plan(&*bench.store, &wanted("main")).await.expect("the hub is fine");
    bench.hub.add_model(MODEL, "main", changed());
    let manifest = bench.client.download(&*bench.store, &plan, &NoProgress).await.expect("commits stay");
    for (path, entry) in &manifest.files {
        assert_eq!(entry.content, content(&files(), path));
    }
    let before = manifest.commit.clone();
    let manifest = bench.pull(&wanted("main")).await.expect("the hub is fine");
    assert_ne!(manifest.commit, before);
    for (path, entry) in &manifest.files {
        assert_eq!(entry.content, content(&changed(), path));
    }
}

#[tokio::test]
async fn without_commits_files_that_change_after_the_plan_are_planned_anew() {
    let bench = Bench::mozilla();
    bench.hub.add_model(MODEL, "main", files());
    let plan = bench.client.plan(&*bench.store, &wanted("main")).await.expect("the hub is fine");
    // Of the same size, so that only the validator tells.
    let mut other = files();
    other[0].1 = b"{\"model_type\":\"BERT\"}".to_vec();
    other[5].1 = vec![9; 50_000];
    bench.hub.add_model(MODEL, "main", other.clone());
    let events = Events::default();
    let manifest = bench.client.download(&*bench.store, &plan, &events).await.expect("it is one state");
    for (path, entry) in &manifest.files {
        assert_eq!(entry.content, content(&other, path));
    }
    let replanned = events.of("replanned");
    assert_eq!(replanned.len(), 1, "{replanned:?}");
    assert!(replanned[0]["reason"].as_str().is_some_and(|reason| reason.contains("changed on the hub")));
}

#[tokio::test]
async fn a_file_that_keeps_changing_is_refused() {
    let bench = Bench::mozilla();
    bench.hub.add_model(MODEL, "main", files());
    let plan = bench.client.plan(&*bench.store, &wanted("main")).await.expect("the hub is fine");
    let next = AtomicU8::new(10);
    let change = || {
        let mut other = files();
        other[5].1 = vec![next.fetch_add(1, Ordering::SeqCst); 50_000];
        bench.hub.add_model(MODEL, "main", other);
    };
    change();
    // Each time the file is begun, it is another one already.
    let progress = |event: &Event<'_>| {
        if let Event::FileStarted { path, .. } = event
            && path.as_str() == WEIGHTS
        {
            change();
        }
    };
    let error = bench.client.download(&*bench.store, &plan, &progress).await.expect_err("it does not stop");
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    assert!(error.to_string().contains("changed on the hub"), "{error}");
    assert!(bench.manifest("main").await.is_none());
}

#[tokio::test]
async fn a_moving_revision_is_fetched_again_where_its_validator_changed() {
    let bench = Bench::mozilla();
    bench.hub.add_model(MODEL, "main", files());
    bench.pull(&wanted("main")).await.expect("the hub is fine");
    bench.hub.add_model(MODEL, "main", changed());
    bench.hub.http().forget_requests();
    let plan = bench.client.plan(&*bench.store, &wanted("main")).await.expect("the hub is fine");
    for file in &plan.files {
        let is_changed = ["config.json", WEIGHTS].contains(&file.path.as_str());
        assert_eq!(file.present, !is_changed, "{file:?}");
        assert_eq!(file.trust, if is_changed { Trust::FirstUse } else { Trust::Recorded });
    }
    let manifest = bench.client.download(&*bench.store, &plan, &NoProgress).await.expect("the hub is fine");
    for (path, entry) in &manifest.files {
        assert_eq!(entry.content, content(&changed(), path));
    }
    assert_eq!((bench.gets(WEIGHTS), bench.gets("tokenizer.json")), (1, 0));
}

#[tokio::test]
async fn what_does_not_move_is_pinned_at_its_first_use() {
    let bench = Bench::mozilla();
    bench.pull(&wanted("v1")).await.expect("the hub is fine");
    bench.hub.add_model(MODEL, "v1", changed());
    let error = bench.client.plan(&*bench.store, &wanted("v1")).await.expect_err("a version does not change");
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    assert!(error.to_string().contains("when it was fetched first"), "{error}");

    // Of the same size, it is seen when it arrives; and it is only fetched because the blob is gone.
    let mut other = files();
    other[5].1 = vec![9; 50_000];
    bench.hub.add_model(MODEL, "v1", other);
    bench.store.remove(content(&files(), WEIGHTS)).await.expect("it is there");
    let error = bench.pull(&wanted("v1")).await.expect_err("a version does not change");
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    // A caller who knows better decides.
    let given = wanted("v1").with_digest(WEIGHTS, ContentId::of(&[9; 50_000]));
    let manifest = bench.pull(&given).await.expect("the caller's digest wins");
    assert_eq!(manifest.files[WEIGHTS].content, ContentId::of(&[9; 50_000]));
}

#[tokio::test]
async fn two_number_formats_of_one_state_share_a_manifest() {
    for bench in [Bench::hugging_face(), Bench::mozilla()] {
        for (revision, kept) in [("v1", true), ("main", true)] {
            bench.hub.add_model(MODEL, revision, files());
            bench.pull(&wanted(revision)).await.expect("the hub is fine");
            let mut wide = wanted(revision);
            wide.request = wide.request.with_dtype(Dtype::Fp32);
            let manifest = bench.pull(&wide).await.expect("the hub is fine");
            assert!(manifest.files.contains_key("onnx/model.onnx"));
            assert_eq!(manifest.files.contains_key(WEIGHTS), kept, "{revision}");
        }
        // Another state: what was there is of the old one.
        bench.hub.add_model(MODEL, "main", changed());
        let mut wide = wanted("main");
        wide.request = wide.request.with_dtype(Dtype::Fp32);
        let manifest = bench.pull(&wide).await.expect("the hub is fine");
        assert!(!manifest.files.contains_key(WEIGHTS), "{:?}", bench.client.hub().kind());
    }
}

#[tokio::test]
async fn a_lost_blob_is_fetched_again_and_nothing_else() {
    let bench = Bench::mozilla();
    let before = bench.pull(&wanted("v1")).await.expect("the hub is fine");
    bench.store.remove(content(&files(), "tokenizer.json")).await.expect("it is there");
    bench.hub.http().forget_requests();
    let after = bench.pull(&wanted("v1")).await.expect("the hub is fine");
    assert_eq!(after, before);
    assert_eq!((bench.gets("tokenizer.json"), bench.gets(WEIGHTS)), (1, 0));
}
