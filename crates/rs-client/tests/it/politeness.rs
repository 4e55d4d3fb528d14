//! A client waits when it is asked to, tells for how long, and remembers it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use rs_client::{Client, Error, ErrorKind, FileStorage, Limits, Storage};
use testkit::{
    http::{Fault, FaultKind, Reply},
    settings::ApiVersion,
};

use crate::support::{DAY, LIST, Pair, VERSIONS, builder, commit, ids, list};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Asserts that this error asks to wait for `asked`, or up to a tenth longer.
fn assert_waits(error: &Error, asked: Duration) {
    assert_eq!(error.kind(), ErrorKind::Backoff, "{error}");
    let left = error.retry_after().expect("the time is known");
    assert!(left >= asked && left <= asked + asked / 10, "{left:?} is not {asked:?}");
}

/// Syncs a client that must not make a request now.
async fn held_back(pair: &Pair, client: &Client) -> Error {
    pair.requests();
    let error = client.sync(&list()).await.expect_err("the server asked to wait");
    assert_eq!(pair.requests(), [] as [&str; 0]);
    error
}

/// Where the state of the server itself is kept.
fn key(pair: &Pair) -> String {
    format!("{}/(server)", pair.server.url())
}

async fn remembered(pair: &Pair) -> Option<String> {
    let stored = pair.storage.load(&key(pair)).await.expect("memory can be read")?;
    Some(String::from_utf8(stored.bytes.to_vec()).expect("it is text"))
}

#[tokio::test]
async fn backoff_on_a_good_answer_holds_the_next_sync_back() {
    for version in VERSIONS {
        let pair = Pair::of(version);
        pair.server.set_backoff(Some(60));
        assert_eq!(pair.client.waits_until(), None);
        let report = pair.client.sync(&list()).await.expect("this sync goes on to its end");
        assert_eq!(ids(&report.collection), ["a"]);

        assert_waits(&held_back(&pair, &pair.client).await, seconds(60));
        let error = pair.client.sync_all(&[list()]).await.expect_err("the server asked to wait");
        assert_waits(&error, seconds(60));
        assert!(pair.requests().is_empty());
        let until = pair.client.waits_until().expect("it waits");
        assert!(until > SystemTime::now() + seconds(55) && until < SystemTime::now() + seconds(67));
        pair.client.load(&list()).await.expect("reading goes on").expect("there is a copy");

        pair.clock.set(SystemTime::now() + seconds(68));
        pair.server.set_backoff(None);
        assert_eq!(pair.client.waits_until(), None);
        pair.client.sync(&list()).await.expect("the wait is over");
    }
}

/// A redirect is an answer as well, and so are a refusal and the list of changes.
#[tokio::test]
async fn backoff_counts_on_every_kind_of_answer() {
    let pair = Pair::of(ApiVersion::V2);
    pair.client.sync(&list()).await.expect("the server is good");
    pair.set("b");
    pair.server.forget_history(LIST);
    let target = format!("/v2/buckets/main/collections/{LIST}/changeset?_expected=0");
    let redirect = Reply::status(307).header("location", target).header("backoff", "40");
    pair.server.fault(Fault::new("*/changeset", FaultKind::Reply(redirect)).times(1));
    pair.client.sync(&list()).await.expect("the server is good");
    assert_waits(&held_back(&pair, &pair.client).await, seconds(40));

    let refusal = Reply::status(404).header("backoff", "41");
    let changes = pair.server.changeset(LIST);
    let changes = serde_json::json!({"changes": [], "timestamp": changes["timestamp"], "metadata": {}});
    let changes = Reply::json(&changes).header("backoff", "42");
    for (reply, asked) in [(refusal, 41), (changes, 42)] {
        pair.clock.set(SystemTime::now() + asked * DAY);
        pair.server.fault(Fault::new("*/monitor/*", FaultKind::Reply(reply)).times(1));
        let _ = pair.client.sync_all(&[list()]).await;
        assert_waits(&held_back(&pair, &pair.client).await, seconds(asked.into()));
    }
}

#[tokio::test]
async fn a_refusal_stops_the_rest_of_a_poll() {
    for version in VERSIONS {
        let pair = Pair::of(version);
        let name = |name| rs_client::CollectionName::new("main", name).expect("the name is one");
        let names = testkit::settings::COLLECTIONS.map(name);
        pair.server.fault(Fault::new("*/ml-*/changeset", FaultKind::retry_after(503, "30")).times(1));
        let results = pair.client.sync_all(&names).await.expect("the list is good");
        for (_, result) in results {
            assert_waits(&result.expect_err("the server asked to wait"), seconds(30));
        }
        assert_eq!(pair.requests().len(), 2, "the list, and the one that was refused");
    }
}

/// `Backoff` holds new syncs back, and not the files that the last one told of; a refusal holds everything back.
#[tokio::test]
async fn attachments_wait_after_a_refusal() {
    let pair = Pair::of(ApiVersion::V1);
    pair.server.set_attachment(LIST, "a", "file", &b"bytes"[..]);
    pair.server.set_backoff(Some(10));
    let report = pair.client.sync(&list()).await.expect("the server is good");
    let attachment = report.collection.records["a"].attachment().expect("it is good").expect("it is there");
    pair.client.attachment(&attachment).await.map(drop).expect("the server is good");
    pair.server.fault(Fault::new("/attachments", FaultKind::retry_after(429, "20")).times(1));
    let error = pair.client.attachment(&attachment).await.map(drop).expect_err("it is refused");
    assert_waits(&error, seconds(20));
    pair.requests();
    let error = pair.client.attachment(&attachment).await.map(drop).expect_err("the server asked to wait");
    assert_waits(&error, seconds(20));
    assert!(pair.requests().is_empty());
    assert_waits(&held_back(&pair, &pair.restarted()).await, seconds(20));
}

#[tokio::test]
async fn a_wait_is_known_to_other_programs_and_after_a_restart() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let pair = Pair::of(ApiVersion::V1);
    let client = || {
        let storage = Arc::new(FileStorage::open(folder.path()));
        builder(&pair.server.url(), &pair.server.root_hash(), storage).clock(pair.clock.clone()).build()
    };
    let (one, other) = (client(), client());
    one.sync(&list()).await.expect("the server is good");
    other.sync(&list()).await.expect("the server is good");
    pair.server.fault(Fault::new("*", FaultKind::retry_after(503, "300")).times(1));
    assert_waits(&one.sync(&list()).await.expect_err("it is refused"), seconds(300));
    for client in [&other, &client()] {
        assert_waits(&held_back(&pair, client).await, seconds(300));
        assert!(client.waits_until().is_some());
    }
    // The longer wait counts, whoever was asked.
    pair.clock.set(SystemTime::now() + seconds(400));
    pair.server.fault(Fault::new("*", FaultKind::retry_after(503, "1000")).times(1));
    assert_waits(&other.sync(&list()).await.expect_err("it is refused"), seconds(1000));
    assert_waits(&held_back(&pair, &one).await, seconds(1000));
}

#[tokio::test]
async fn nothing_is_written_where_nothing_matters() {
    let pair = Pair::of(ApiVersion::V1);
    for _ in 0..3 {
        pair.client.sync(&list()).await.expect("the server is good");
        pair.client.sync_all(&[list()]).await.expect("the server is good");
    }
    assert_eq!(remembered(&pair).await, None);
}

#[tokio::test]
async fn a_damaged_memory_is_replaced_and_cannot_hold_a_client_back() {
    let good = Pair::of(ApiVersion::V1);
    good.server.set_backoff(Some(60));
    good.client.sync(&list()).await.expect("the server is good");
    let document = remembered(&good).await.expect("a wait is worth a write");
    assert!(document.len() < 1000, "{document}");
    for damaged in ["", "{", "null", "\u{0}", &document.replace("\"format\":1", "\"format\":2")] {
        let pair = Pair::of(ApiVersion::V1);
        commit(&*pair.storage, &key(&pair), damaged.to_owned().into()).await;
        pair.client.sync(&list()).await.expect("nothing was read");
        let stored = remembered(&pair).await.expect("it is replaced");
        assert!(stored.contains("\"format\":1"), "{stored}");
    }
    // A wait that no server could have asked for.
    let pair = Pair::of(ApiVersion::V1);
    let absurd = format!(
        r#"{{"format": 1, "server": "{}", "new": {{"seen": 0, "until": 18446744073709551615}}, "alert_changed": 18446744073709551615}}"#,
        pair.server.url()
    );
    commit(&*pair.storage, &key(&pair), absurd.into()).await;
    let error = pair.client.sync(&list()).await.expect_err("it has to wait");
    assert!(error.retry_after().is_some_and(|left| left <= DAY + DAY / 10), "{error}");
    pair.clock.set(SystemTime::now() + 2 * DAY);
    pair.client.sync(&list()).await.expect("the longest wait is over");
}

#[tokio::test]
async fn a_wait_is_capped_and_nonsense_is_ignored() {
    let pair = Pair::of(ApiVersion::V1);
    pair.server.set_backoff(Some(u64::MAX));
    pair.client.sync(&list()).await.expect("the server is good");
    let longest = Limits::default().backoff;
    let error = pair.client.sync(&list()).await.expect_err("the server asked to wait");
    assert_waits(&error, longest);
    pair.clock.set(SystemTime::now() - 300 * DAY);
    let set_back = pair.client.sync(&list()).await.expect_err("a clock set back changes nothing");
    assert!(set_back.retry_after() <= error.retry_after(), "{set_back}");
    assert_waits(&set_back, longest - seconds(60));
    let set_back = held_back(&pair, &pair.restarted()).await;
    assert!(set_back.retry_after() <= error.retry_after(), "{set_back}");
    pair.clock.set(SystemTime::now() - 300 * DAY + longest + longest / 10 + seconds(2));
    pair.client.sync(&list()).await.expect("the longest wait is over");

    let pair = Pair::of(ApiVersion::V1);
    let mut reply = Reply::json(&pair.server.changeset(LIST));
    for value in ["-5", "soon", "1e9", ""] {
        reply = reply.header("backoff", value).header("retry-after", value);
    }
    let refusal = reply.clone().with_status(503);
    pair.server.fault(Fault::new("*/changeset", FaultKind::Reply(reply)).times(1));
    pair.server.fault(Fault::new("*/changeset", FaultKind::Reply(refusal)).times(1));
    pair.client.sync(&list()).await.expect("the server is good");
    let error = pair.client.sync(&list()).await.expect_err("the server refuses");
    assert_eq!((error.kind(), error.retry_after(), error.status()), (ErrorKind::Backoff, None, Some(503)));
    pair.client.sync(&list()).await.expect("the headers meant nothing");
}

/// A date is the server's, and so is compared with the server's clock, whatever the local one shows.
#[tokio::test]
async fn a_date_to_retry_after_is_understood() {
    for local in [SystemTime::now(), SystemTime::now() + 500 * DAY, SystemTime::now() - 500 * DAY] {
        let pair = Pair::of(ApiVersion::V2);
        pair.clock.set(local);
        let reply = Reply::status(503)
            .header("date", "Thu, 01 Jan 2026 00:00:00 GMT")
            .header("retry-after", "Thu, 01 Jan 2026 00:02:00 GMT");
        pair.server.fault(Fault::new("*", FaultKind::Reply(reply)).times(1));
        assert_waits(&pair.client.sync(&list()).await.expect_err("it is refused"), seconds(120));
        assert_waits(&held_back(&pair, &pair.client).await, seconds(120));
    }
}

/// A fleet that was sent away together does not return together.
#[tokio::test]
async fn waits_differ_by_chance() {
    let mut waits = std::collections::BTreeSet::new();
    let pair = Pair::of(ApiVersion::V1);
    pair.server.set_backoff(Some(1000));
    for _ in 0..8 {
        let storage = Arc::new(rs_client::MemoryStorage::new());
        let client = builder(&pair.server.url(), &pair.server.root_hash(), storage);
        let client = client.clock(pair.clock.clone()).build();
        client.sync(&list()).await.expect("the server is good");
        let error = client.sync(&list()).await.expect_err("the server asked to wait");
        assert_waits(&error, seconds(1000));
        waits.extend(error.retry_after());
    }
    assert!(waits.len() > 4, "{waits:?}");
}

/// A program that is started anew for each sync, on a machine whose clock was wrong when it was asked to wait.
#[tokio::test]
async fn a_wait_passes_over_restarts_also_after_the_clock_was_set_back() {
    let pair = Pair::of(ApiVersion::V1);
    let now = SystemTime::now();
    pair.clock.set(now + 30 * DAY);
    pair.server.set_backoff(Some(60));
    pair.client.sync(&list()).await.expect("this sync goes on to its end");
    pair.server.set_backoff(None);
    pair.clock.set(now);
    assert_waits(&held_back(&pair, &pair.restarted()).await, seconds(60));
    pair.clock.set(now + seconds(40));
    let error = held_back(&pair, &pair.restarted()).await;
    assert!(error.retry_after().expect("the time is known") <= seconds(26), "{error}");
    pair.clock.set(now + seconds(67));
    pair.restarted().sync(&list()).await.expect("it has waited");
}
