//! Large files in parts: which requests are made, and what comes of those that fail.

use std::time::Duration;

use blob_store::{BlobStoreExt, FsStore};
use content_id::ContentId;
use hub_client::{ErrorKind, Event, Limits, NoProgress, Progress as _};
use testkit::{
    http::{Fault, FaultKind, Reply},
    hub::HubOptions,
};

use crate::{Bench, Events, MODEL, WEIGHTS, fast, files, wanted};

pub(crate) const PART: usize = 10_000;
pub(crate) const PARTS: usize = 10;

/// The last part is a short one.
pub(crate) fn weights() -> Vec<u8> {
    noise(PART * PARTS - 3_000, 7)
}

/// No two places of it are alike.
pub(crate) fn noise(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..size).map(|_| next()).collect()
}

pub(crate) fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.pause = Duration::from_millis(1);
    limits.part_bytes = PART as u64;
    limits.small_bytes = 1_000;
    limits.parallel = 3;
    limits
}

/// A hub whose model has weights of several parts, and a store in a folder.
pub(crate) fn bench(options: HubOptions) -> Bench {
    let mut bench = Bench::new(options);
    let folder = tempfile::tempdir().expect("there is room for a folder");
    bench.store = Box::new(FsStore::open_with(folder.path(), fast()).expect("the folder is empty"));
    bench._folder = Some(folder);
    publish(&bench, weights());
    bench.client = bench.client.with_limits(limits());
    bench
}

pub(crate) fn publish(bench: &Bench, weights: Vec<u8>) {
    let mut files = files();
    files.iter_mut().filter(|(path, _)| *path == WEIGHTS).for_each(|(_, bytes)| *bytes = weights.clone());
    bench.hub.add_model(MODEL, "v1", files);
}

/// All kinds of hubs that know parts.
pub(crate) fn benches() -> Vec<Bench> {
    let mut redirects = HubOptions::hugging_face();
    redirects.redirects = true;
    [HubOptions::hugging_face(), HubOptions::mozilla(), redirects].map(bench).into()
}

/// The ranges of the weights that were asked for, and with which `If-Range`.
pub(crate) fn ranges(bench: &Bench) -> Vec<(Option<String>, Option<String>)> {
    let requests = bench.hub.requests();
    let weights = |path: &str| path.ends_with(&format!("/{WEIGHTS}"));
    let asked = requests.iter().filter(|request| request.method == "GET" && weights(request.path()));
    let header = |request: &testkit::http::LoggedRequest, name| request.header(name).map(str::to_owned);
    asked.map(|request| (header(request, "range"), header(request, "if-range"))).collect()
}

/// How many bytes of the weights were asked for.
pub(crate) fn bytes_asked(bench: &Bench) -> usize {
    let size = weights().len();
    let bytes = |range: &Option<String>| {
        let Some(range) = range else { return size };
        let (first, last) = range.trim_start_matches("bytes=").split_once('-').expect("it is a range");
        let number = |text: &str| text.parse::<usize>().expect("it is a number");
        number(last) + 1 - number(first)
    };
    ranges(bench).iter().map(|(range, _)| bytes(range)).sum()
}

/// Checks that the right bytes are there, and nothing that is not needed any more.
pub(crate) async fn check(bench: &Bench) {
    let manifest = bench.manifest("v1").await.expect("the download wrote it");
    let content = manifest.files[WEIGHTS].content;
    let kept = bench.store.read_all(content, 1 << 20).await.expect("it is there");
    assert!(kept == weights() && content == ContentId::of(&weights()));
    let mut stages = bench.store.stages().await.expect("they can be listed");
    // A process that was killed may leave a small file half-written; that goes with the next collection.
    stages.retain(|stage| stage.resumable);
    assert!(stages.is_empty(), "{stages:?}");
}

/// Checks that what was told of the weights only grew, to the very end.
pub(crate) fn check_progress(events: &Events, restarts: bool) {
    let mut told = 0;
    for event in events.all().iter().filter(|event| event["path"] == WEIGHTS) {
        let field = |name: &str| event[name].as_u64();
        match event["event"].as_str().expect("an event has a name") {
            "file-resumed" => told = field("resumed").expect("it is a number"),
            "file-restarted" if restarts => told = field("kept").expect("it is a number"),
            "file-restarted" => panic!("{event}"),
            "received" => {
                let received = field("received").expect("it is a number");
                assert!(told <= received && received <= weights().len() as u64, "{told}: {event}");
                told = received;
            }
            _ => {}
        }
    }
    assert_eq!(told, weights().len() as u64);
}

fn on_weights(bench: &Bench, fault: impl Fn(Fault) -> Fault, kind: FaultKind) {
    match bench.hub.storage() {
        Some(storage) => storage.fault(fault(Fault::new("/storage/", kind))),
        None => bench.hub.fault(fault(Fault::new(format!("*/{WEIGHTS}"), kind).method("GET"))),
    }
}

#[tokio::test]
async fn each_part_is_asked_for_once_and_its_digest_is_recorded() {
    for bench in benches() {
        let events = Events::default();
        let manifest = bench.pull_with(&wanted("v1"), &events).await.expect("the hub is fine");
        check(&bench).await;
        check_progress(&events, false);
        let mut asked = ranges(&bench);
        assert_eq!((asked.len(), bytes_asked(&bench)), (PARTS, weights().len()));
        // The first answer brings the validator of whoever has the bytes.
        assert_eq!(asked.remove(0), (Some(format!("bytes=0-{}", PART - 1)), None));
        let server = bench.hub.storage().unwrap_or(bench.hub.http());
        let exchanges = server.exchanges();
        let reply =
            exchanges.iter().find_map(|exchange| exchange.reply.as_ref().filter(|reply| reply.status == 206));
        let etag = reply.and_then(|reply| reply.get("etag")).expect("the first part has one");
        assert!(asked.iter().all(|(_, if_range)| if_range.as_deref() == Some(etag)), "{asked:?}");
        let parts = manifest.files[WEIGHTS].parts.clone().expect("they are recorded");
        let content = manifest.files[WEIGHTS].content;
        let hashes = bench.store.part_hashes(content, PART as u64).await.expect("it is there");
        assert_eq!(parts, hashes);
    }
}

#[tokio::test]
async fn what_breaks_off_goes_on_where_it_did() {
    for bench in benches() {
        for (kind, exact) in [
            (FaultKind::CutAfter(0), true),
            (FaultKind::CutAfter(6_000), true),
            (FaultKind::StallAfter(6_000), true),
            (FaultKind::ResetAfter(6_000), false),
            (FaultKind::Truncate(6_000), false),
            (FaultKind::ExtraBytes(1), false),
            (FaultKind::status(503), false),
            (FaultKind::retry_after(429, "0"), false),
            (FaultKind::retry_after(503, "Thu, 01 Jan 1970 00:00:00 GMT"), false),
        ] {
            // The first request, which is on its own, and later ones.
            for skip in [0, 1, 4, 9] {
                on_weights(&bench, |fault| fault.after(skip).times(1), kind.clone());
                bench.hub.http().forget_requests();
                let events = Events::default();
                bench.pull_with(&wanted("v1"), &events).await.expect("it passes");
                check(&bench).await;
                let asked = ranges(&bench).len();
                assert_eq!(asked, PARTS + 1, "{kind:?} after {skip}: {:?}", ranges(&bench));
                if exact {
                    assert_eq!(events.of("part-retried").len(), 1, "{kind:?}");
                    check_progress(&events, false);
                    // Only what had not come is asked for again.
                    let (FaultKind::CutAfter(came) | FaultKind::StallAfter(came)) = kind else { continue };
                    let lost =
                        events.of("part-retried")[0]["offset"].as_u64().expect("a number") % PART as u64;
                    assert_eq!(lost, came, "{kind:?} after {skip}");
                } else {
                    check_progress(&events, true);
                }
                forget(&bench).await;
            }
        }
    }
}

/// Makes the next download begin from nothing.
async fn forget(bench: &Bench) {
    let manifest = bench.manifest("v1").await.expect("the download wrote it");
    bench.store.remove_manifest(&manifest.name).await.expect("nothing uses it");
    bench.store.remove(manifest.files[WEIGHTS].content).await.expect("it is there");
    bench.hub.http().clear_faults();
    bench.hub.storage().into_iter().for_each(|storage| storage.clear_faults());
}

#[tokio::test]
async fn a_part_that_stays_bad_is_an_error_and_the_others_stay() {
    let html = || Reply::status(206).header("content-type", "text/html").body("<p>Log in</p>");
    for (kind, expected) in [
        (FaultKind::CutAfter(100), ErrorKind::Unavailable),
        (FaultKind::StallAfter(100), ErrorKind::Unavailable),
        (FaultKind::status(500), ErrorKind::Unavailable),
        (FaultKind::status(403), ErrorKind::Denied),
        (FaultKind::status(404), ErrorKind::MissingFile),
        (FaultKind::captive_portal(), ErrorKind::Protocol),
        (FaultKind::Reply(html()), ErrorKind::Protocol),
        (FaultKind::Truncate(100), ErrorKind::Mismatch),
        (FaultKind::ExtraBytes(1), ErrorKind::Mismatch),
    ] {
        let bench = bench(HubOptions::hugging_face());
        on_weights(&bench, |fault| fault.after(6), kind.clone());
        let error = bench.pull(&wanted("v1")).await.expect_err("it does not pass");
        assert_eq!(error.kind(), expected, "{kind:?}: {error}");
        assert_eq!(error.path().map(|path| path.as_str()), Some(WEIGHTS), "{error}");
        assert!(bench.manifest("v1").await.is_none());
        let stages = bench.store.stages().await.expect("they can be listed");
        assert_eq!(stages.len(), 1, "{kind:?}");
        let kept = stages[0].bytes as usize;
        // Six requests were answered; of those, one for each connection may have been dropped.
        assert!(kept >= 4 * PART, "{kind:?}: {kept}");

        bench.hub.http().clear_faults();
        bench.hub.http().forget_requests();
        let events = Events::default();
        bench.pull_with(&wanted("v1"), &events).await.expect("the hub is fine again");
        check(&bench).await;
        check_progress(&events, false);
        assert_eq!(bytes_asked(&bench), weights().len() - kept, "{kind:?}");
        assert_eq!(events.of("file-resumed")[0]["resumed"], kept);
    }
}

#[tokio::test]
async fn a_hub_that_sends_no_parts_is_read_in_one_go() {
    for mut options in [HubOptions::hugging_face(), HubOptions::mozilla()] {
        options.ranges = false;
        let bench = bench(options);
        let events = Events::default();
        bench.pull_with(&wanted("v1"), &events).await.expect("the hub is fine");
        check(&bench).await;
        check_progress(&events, false);
        assert_eq!(ranges(&bench).len(), 1);
    }
}

#[tokio::test]
async fn a_hub_that_stops_to_send_parts_is_read_in_one_go_and_what_is_there_stays() {
    for skip in [1, 5, 9] {
        for etag in [true, false] {
            let bench = bench(HubOptions::hugging_face());
            let whole = Reply::bytes(weights());
            let etag =
                if etag { format!("\"{}\"", ContentId::of(&weights()).digest) } else { "\"x\"".into() };
            let whole = whole.header("etag", etag);
            on_weights(&bench, |fault| fault.after(skip), FaultKind::Reply(whole));
            let events = Events::default();
            bench.pull_with(&wanted("v1"), &events).await.expect("it is the same file");
            check(&bench).await;
            check_progress(&events, true);
            let restarts = events.of("file-restarted");
            assert_eq!(restarts.len(), 1, "{restarts:?}");
            let last = ranges(&bench).pop().expect("there were some");
            assert_eq!(last, (None, None));
        }
    }
}

#[tokio::test]
async fn other_bytes_than_those_asked_for_are_not_taken() {
    let size = weights().len();
    for range in [
        "",
        "nonsense",
        "bytes 0-9999",
        "bytes 0-9999/1",
        &format!("bytes 1-10000/{size}"),
        &format!("bytes 5-4/{size}"),
        &format!("bytes 0-18446744073709551615/{size}"),
        &format!("lines 0-9999/{size}"),
    ] {
        for skip in [0, 3] {
            for times in [1, 100] {
                let bench = bench(HubOptions::mozilla());
                let reply = Reply::bytes(vec![0; PART]).with_status(206).header("content-range", range);
                on_weights(&bench, |fault| fault.after(skip).times(times), FaultKind::Reply(reply));
                match bench.pull(&wanted("v1")).await {
                    Ok(_) => {
                        assert_eq!(times, 1);
                        check(&bench).await;
                    }
                    Err(error) => {
                        assert_eq!((error.kind(), times), (ErrorKind::Protocol, 100), "{error}");
                        assert!(bench.manifest("v1").await.is_none());
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn a_file_that_changes_on_the_way_is_never_glued_together() {
    // The hub lists a digest, and another validator comes in the middle.
    let bench = bench(HubOptions::hugging_face());
    let other = Reply::bytes(vec![0; PART]).with_status(206).header("etag", "\"other\"");
    let other = other.header("content-range", format!("bytes 30000-39999/{}", weights().len()));
    on_weights(&bench, |fault| fault.after(3).times(1), FaultKind::Reply(other));
    let events = Events::default();
    bench.pull_with(&wanted("v1"), &events).await.expect("it is the same file after all");
    check(&bench).await;
    let reason = events.of("file-restarted")[0]["reason"].clone();
    assert!(reason.as_str().is_some_and(|reason| reason.contains("changed on the way")), "{reason}");
}

#[tokio::test]
async fn without_a_digest_a_change_on_the_way_begins_the_file_anew() {
    let bench = bench(HubOptions::mozilla());
    let other = noise(weights().len(), 8);
    let events = Events::default();
    // As soon as the second part has come.
    let progress = |event: &Event<'_>| {
        events.event(event);
        if let Event::Received { path, received, .. } = event
            && path.as_str() == WEIGHTS
            && *received >= 2 * PART as u64
            && events.of("replanned").is_empty()
        {
            publish(&bench, other.clone());
        }
    };
    let manifest = bench.pull_with(&wanted("v1"), &progress).await.expect("it is one of the two");
    assert_eq!(manifest.files[WEIGHTS].content, ContentId::of(&other));
    let replanned = events.of("replanned");
    assert_eq!((replanned.len(), &replanned[0]["path"]), (1, &WEIGHTS.into()));
    let stages = bench.store.stages().await.expect("they can be listed");
    assert!(stages.is_empty(), "the old parts are of no use: {stages:?}");
}

#[tokio::test]
async fn wrong_bytes_are_found_in_the_end_and_fetched_once_more() {
    for times in [1, 100] {
        let bench = bench(HubOptions::hugging_face());
        on_weights(&bench, |fault| fault.after(4).times(times), FaultKind::FlipByte(7));
        let events = Events::default();
        match bench.pull_with(&wanted("v1"), &events).await {
            Ok(_) => {
                assert_eq!(times, 1);
                check(&bench).await;
                assert_eq!(events.of("file-restarted")[0]["kept"], 0);
            }
            Err(error) => {
                assert_eq!((error.kind(), times), (ErrorKind::Mismatch, 100), "{error}");
                let weights = ContentId::of(&weights());
                assert!(!bench.store.contains(weights).await.expect("the store can be asked"));
                let stages = bench.store.stages().await.expect("they can be listed");
                assert!(stages.is_empty(), "what is proven wrong is not kept: {stages:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_deadline_ends_a_download_and_leaves_what_came() {
    let mut bench = bench(HubOptions::hugging_face());
    on_weights(&bench, |fault| fault.after(5), FaultKind::Hold);
    let mut limits = limits();
    limits.deadline = Some(Duration::from_millis(400));
    let plan = bench.client.plan(&*bench.store, &wanted("v1")).await.expect("the hub is fine");
    let hurried = bench.client.clone().with_limits(limits);
    let error = hurried.download(&*bench.store, &plan, &NoProgress).await.expect_err("it takes too long");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("not done within 0.4 s"), "{error}");
    bench.hub.http().clear_faults();
    bench.hub.http().forget_requests();
    bench.client = hurried.with_limits(self::limits());
    bench.client.download(&*bench.store, &plan, &NoProgress).await.expect("there is time");
    check(&bench).await;
    assert!(bytes_asked(&bench) <= weights().len() - 2 * PART, "{}", bytes_asked(&bench));
}
