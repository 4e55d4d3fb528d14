//! Whatever goes wrong, the right bytes or none become visible, and the next try succeeds.

use std::{collections::BTreeSet, time::Duration, time::SystemTime};

use content_id::ContentId;
use hub_client::{Error, ErrorKind, Limits, NoProgress};
use testkit::http::{Fault, FaultKind, Reply};

use crate::{Bench, Events, WEIGHTS, bytes_of, files, wanted};

/// Checks that nothing but right blobs is visible, that nothing half-written is left, and that a good hub heals all.
async fn check_after(bench: &Bench, error: &Error) {
    let text = error.to_string();
    assert!(text.starts_with("could not download ") || text.starts_with("could not plan "), "{text}");
    assert!(text.contains("org/tiny@v1 from 127.0.0.1:"), "{text}");
    assert!(
        !error.advice().is_empty() && !text.contains(error.advice()),
        "whoever shows it adds the advice: {text}"
    );
    assert!(bench.manifest("v1").await.is_none());
    let right: BTreeSet<ContentId> = files().iter().map(|(_, bytes)| ContentId::of(bytes)).collect();
    for blob in bench.store.blobs().await.expect("the store can be read") {
        assert!(right.contains(&blob.id), "{blob:?} after {text}");
    }
    let later = SystemTime::now() + Duration::from_secs(3600);
    assert_eq!(bench.store.remove_stages(later).await.expect("the store can be read"), 0);
    bench.hub.http().clear_faults();
    let manifest = bench.pull(&wanted("v1")).await.expect("the hub is fine again");
    for (path, entry) in &manifest.files {
        assert_eq!(entry.content, ContentId::of(&bytes_of(path)), "{path}");
    }
}

fn on_weights(kind: FaultKind) -> Fault {
    Fault::new(format!("*/{WEIGHTS}"), kind).method("GET")
}

#[tokio::test]
async fn what_passes_is_overcome() {
    for (kind, times, restarted) in [
        (FaultKind::CutAfter(0), 1, true),
        (FaultKind::CutAfter(20_000), 3, true),
        (FaultKind::ResetAfter(20_000), 1, true),
        (FaultKind::StallAfter(20_000), 1, true),
        (FaultKind::Truncate(100), 1, true),
        (FaultKind::ExtraBytes(100), 1, true),
        (FaultKind::status(500), 2, false),
        (FaultKind::retry_after(429, "0"), 2, false),
        (FaultKind::retry_after(503, "Thu, 01 Jan 1970 00:00:00 GMT"), 2, false),
    ] {
        for bench in [Bench::hugging_face(), Bench::mozilla()] {
            bench.hub.fault(on_weights(kind.clone()).times(times));
            let events = Events::default();
            let manifest = bench.pull_with(&wanted("v1"), &events).await.expect("it passes");
            assert_eq!(manifest.files[WEIGHTS].content, ContentId::of(&bytes_of(WEIGHTS)), "{kind:?}");
            assert_eq!(bench.gets(WEIGHTS) as u64, times + 1, "{kind:?}");
            let restarts = events.of("file-restarted");
            assert_eq!(restarts.len() as u64, if restarted { times } else { 0 }, "{kind:?}");
            assert!(restarts.iter().all(|event| event["path"] == WEIGHTS && event["reason"] != ""));
        }
    }
}

#[tokio::test]
async fn what_does_not_pass_is_an_error_of_its_kind() {
    use ErrorKind::{Denied, Mismatch, MissingFile, Protocol, Unavailable};
    let html = Reply::status(200).header("Content-Type", "TEXT/html").body(vec![8; 50_000]);
    for (kind, expected, gets) in [
        (FaultKind::CutAfter(20_000), Unavailable, 4),
        (FaultKind::Truncate(100), Mismatch, 2),
        (FaultKind::Truncate(0), Mismatch, 2),
        (FaultKind::ExtraBytes(1), Mismatch, 2),
        (FaultKind::status(500), Unavailable, 3),
        (FaultKind::retry_after(429, "3600"), Unavailable, 1),
        (FaultKind::status(401), Denied, 1),
        (FaultKind::status(403), Denied, 1),
        (FaultKind::status(404), MissingFile, 1),
        (FaultKind::status(418), Protocol, 1),
        (FaultKind::captive_portal(), Protocol, 1),
        (FaultKind::Reply(html), Protocol, 1),
        (FaultKind::Reply(Reply::bytes(vec![8; 50_000]).with_status(203)), Protocol, 1),
        (FaultKind::Reply(Reply::bytes(vec![8; 50_000]).with_status(206)), Protocol, 1),
        (FaultKind::Reply(Reply::status(204)), Protocol, 1),
        (FaultKind::Reply(Reply::bytes("x").header("content-encoding", "gzip")), Protocol, 1),
        (FaultKind::Reply(Reply::status(302).header("location", "file:///etc/passwd")), Protocol, 1),
    ] {
        for bench in [Bench::hugging_face(), Bench::mozilla()] {
            bench.hub.fault(on_weights(kind.clone()));
            let error = bench.pull(&wanted("v1")).await.expect_err("it does not pass");
            assert_eq!(error.kind(), expected, "{kind:?}: {error}");
            assert_eq!(error.path().map(|path| path.as_str()), Some(WEIGHTS), "{kind:?}: {error}");
            assert_eq!(bench.gets(WEIGHTS), gets, "{kind:?}");
            check_after(&bench, &error).await;
        }
    }
}

#[tokio::test]
async fn a_flipped_byte_is_found_wherever_something_is_known() {
    for path in [WEIGHTS, "config.json", "tokenizer.json"] {
        for times in [1, 9] {
            let bench = Bench::hugging_face();
            bench.hub.fault(Fault::new(format!("*/{path}"), FaultKind::FlipByte(7)).times(times));
            match bench.pull(&wanted("v1")).await {
                Ok(manifest) => {
                    assert_eq!(times, 1, "{path}");
                    assert_eq!(manifest.files[path].content, ContentId::of(&bytes_of(path)));
                }
                Err(error) => {
                    assert_eq!((error.kind(), times), (ErrorKind::Mismatch, 9), "{path}: {error}");
                    assert_eq!(error.path().map(|path| path.as_str()), Some(path));
                    check_after(&bench, &error).await;
                }
            }
        }
    }
    // A hub without digests, and a caller who knows.
    let bench = Bench::mozilla();
    bench.hub.fault(on_weights(FaultKind::FlipByte(7)));
    let wanted = wanted("v1").with_digest(WEIGHTS, ContentId::of(&bytes_of(WEIGHTS)));
    let error = bench.pull(&wanted).await.expect_err("one byte is wrong");
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    check_after(&bench, &error).await;
}

#[tokio::test]
async fn retry_after_is_handed_on() {
    let bench = Bench::hugging_face();
    bench.hub.fault(Fault::new("/api/", FaultKind::retry_after(429, "3600")));
    let error = bench.client.plan(&*bench.store, &wanted("v1")).await.expect_err("not for an hour");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
    assert_eq!(bench.hub.requests().len(), 1);
}

#[tokio::test]
async fn a_dropped_download_leaves_nothing_half_written() {
    for bench in Bench::all() {
        bench.hub.fault(on_weights(FaultKind::StallAfter(20_000)).times(1));
        let plan = bench.client.plan(&*bench.store, &wanted("v1")).await.expect("the hub is fine");
        let (seen, arrived) = tokio::sync::watch::channel(false);
        let progress = |event: &hub_client::Event<'_>| {
            if let hub_client::Event::Received { path, .. } = event
                && path.as_str() == WEIGHTS
            {
                seen.send_replace(true);
            }
        };
        let mut arrived = arrived;
        tokio::select! {
            outcome = bench.client.download(&*bench.store, &plan, &progress) => panic!("it stalls: {outcome:?}"),
            seen = arrived.wait_for(|seen| *seen) => drop(seen.expect("the sender is here")),
        }
        assert!(bench.manifest("v1").await.is_none());
        let weights = ContentId::of(&bytes_of(WEIGHTS));
        assert!(!bench.store.contains(weights).await.expect("the store can be read"));
        bench.client.download(&*bench.store, &plan, &NoProgress).await.expect("the hub is fine");
        assert!(bench.manifest("v1").await.is_some());
    }
}

#[tokio::test]
async fn a_hub_that_is_gone_leaves_what_is_installed() {
    let bench = Bench::hugging_face();
    let before = bench.pull(&wanted("v1")).await.expect("the hub is fine");
    bench.hub.stop();
    let error = bench.pull(&wanted("v1")).await.expect_err("it is gone");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(bench.manifest("v1").await, Some(before));
}

#[tokio::test]
async fn limits_are_kept() {
    let limited = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        limits
    };
    for (limits, why) in [
        (limited(|limits| limits.page_bytes = 100), "listing"),
        (limited(|limits| limits.entries = 3), "more than 3"),
        (limited(|limits| limits.files = 2), "5 files"),
        (limited(|limits| limits.file_bytes = 49_999), "49999"),
        (limited(|limits| limits.total_bytes = 49_999), "together"),
    ] {
        let mut bench = Bench::hugging_face();
        bench.client = bench.client.with_limits(limits);
        let error = bench.pull(&wanted("v1")).await.expect_err(why);
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
        if why != "listing" {
            assert!(error.to_string().contains(why), "{error}");
        }
    }
    let mut options = testkit::hub::HubOptions::hugging_face();
    options.page_size = 1;
    let mut bench = Bench::new(options);
    bench.client = bench.client.with_limits(limited(|limits| limits.pages = 3));
    let error = bench.pull(&wanted("v1")).await.expect_err("there are more pages");
    assert_eq!((error.kind(), bench.hub.requests().len()), (ErrorKind::TooLarge, 3));
}
