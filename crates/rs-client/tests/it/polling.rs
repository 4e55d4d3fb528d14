//! One request tells what changed; where nothing did, it is small, or not made at all.

use rs_client::{CollectionName, ErrorKind, Hint, Outcome, SyncOptions, SyncReport};
use serde_json::json;
use testkit::{
    http::{Fault, FaultKind, Reply},
    settings::{ApiVersion, COLLECTIONS},
};

use crate::support::{DAY, LIST, Pair, VERSIONS, ids, list};

const MONITOR: &str = "*/monitor/collections/changes/changeset";

fn names() -> [CollectionName; 3] {
    COLLECTIONS.map(|name| CollectionName::new("main", name).expect("the name is one"))
}

async fn poll(pair: &Pair) -> Vec<SyncReport> {
    poll_with(pair, &SyncOptions::new()).await
}

async fn poll_with(pair: &Pair, options: &SyncOptions) -> Vec<SyncReport> {
    let results = pair.client.sync_all_with(&names(), options).await.expect("the list is good");
    results.into_iter().map(|(_, result)| result.expect("the collection is good")).collect()
}

fn outcomes(reports: &[SyncReport]) -> [Outcome; 3] {
    let outcomes: Vec<_> = reports.iter().map(|report| report.outcome).collect();
    outcomes.try_into().expect("three were asked for")
}

const NOTHING: [Outcome; 3] = [Outcome::UpToDate; 3];

#[tokio::test]
async fn the_second_poll_asks_only_for_what_changed_since() {
    for version in VERSIONS {
        let pair = Pair::of(version);
        poll(&pair).await;
        let newest = pair.server.timestamp(LIST);
        pair.requests();
        assert_eq!(outcomes(&poll(&pair).await), NOTHING);
        let quote = if version == ApiVersion::V1 { "%22" } else { "" };
        let [request] = &pair.requests()[..] else { panic!("one request is enough") };
        assert!(
            request.ends_with(&format!("changeset?_expected=0&_since={quote}{newest}{quote}")),
            "{request}"
        );

        pair.set("b");
        assert_eq!(outcomes(&poll(&pair).await), [Outcome::Updated, Outcome::UpToDate, Outcome::UpToDate]);
        assert_eq!(pair.requests().len(), 2, "the list and one collection");
        assert_eq!(outcomes(&poll(&pair).await), NOTHING);
        let [request] = &pair.requests()[..] else { panic!("one request is enough") };
        assert!(request.contains(&pair.server.timestamp(LIST).to_string()), "{request}");
    }
}

/// What failed is tried again, although the list has no news of it.
#[tokio::test]
async fn a_collection_that_failed_is_asked_for_again() {
    for version in VERSIONS {
        let pair = Pair::of(version);
        poll(&pair).await;
        pair.set("b");
        pair.server.fault(Fault::new(format!("*/{LIST}/changeset"), FaultKind::status(500)).times(1));
        let results = pair.client.sync_all(&names()).await.expect("the list is good");
        assert!(results[0].1.is_err() && results[1].1.is_ok());
        assert_eq!(outcomes(&poll(&pair).await)[0], Outcome::Updated);
    }
}

/// A broadcast names the newest change: it gets past caches, and saves the request where it is no news.
#[tokio::test]
async fn a_hint_saves_requests_and_is_expected() {
    for version in VERSIONS {
        let pair = Pair::of(version);
        let broadcast =
            |timestamp: u64| SyncOptions::new().hint(Hint::broadcast(&format!("\"{timestamp}\"")));
        let first = pair.server.timestamp(LIST);
        poll_with(&pair, &broadcast(first)).await;
        assert!(pair.requests()[0].ends_with(&format!("/changes/changeset?_expected={first}")));

        assert_eq!(outcomes(&poll_with(&pair, &broadcast(first)).await), NOTHING);
        assert_eq!(outcomes(&poll_with(&pair, &broadcast(first - 1)).await), NOTHING);
        assert_eq!(pair.requests(), [] as [&str; 0]);

        pair.set("b");
        let second = pair.server.timestamp(LIST);
        assert_eq!(outcomes(&poll_with(&pair, &broadcast(second)).await)[0], Outcome::Updated);
        let requests = pair.requests();
        let query = requests[0].split_once('?').expect("there is a query").1;
        let quote = if version == ApiVersion::V1 { "%22" } else { "" };
        assert_eq!(query, format!("_expected={second}&_since={quote}{first}{quote}"));
    }
}

#[tokio::test]
async fn a_hint_that_makes_no_sense_is_none() {
    for version in VERSIONS {
        let pair = Pair::of(version);
        poll(&pair).await;
        for value in ["", "soon", "-1", "0", "99999999999999", "18446744073709551615", "\"1", "{\"a\": 1}"] {
            pair.requests();
            let options = SyncOptions::new().hint(Hint::broadcast(value));
            assert_eq!(outcomes(&poll_with(&pair, &options).await), NOTHING);
            let [request] = &pair.requests()[..] else { panic!("the list is asked for") };
            assert!(request.contains("?_expected=0&_since="), "{value}: {request}");
        }
    }
}

/// A collection whose copy is lost is fetched, although no list is asked for.
#[tokio::test]
async fn a_hint_does_not_keep_a_lost_copy_from_being_replaced() {
    let pair = Pair::of(ApiVersion::V1);
    poll(&pair).await;
    pair.client.reset(&list()).await.expect("memory can be written");
    let options = SyncOptions::new().hint(Hint::timestamp(pair.server.timestamp(LIST)));
    assert_eq!(outcomes(&poll_with(&pair, &options).await)[0], Outcome::Updated);
}

/// Version 1 servers know the list of the last 21 days, and redirect to the whole for what is older.
#[tokio::test]
async fn a_list_that_is_too_old_is_replaced() {
    let pair = Pair::of(ApiVersion::V1);
    poll(&pair).await;
    pair.server.skip(22 * DAY);
    pair.clock.set(std::time::SystemTime::now() + 22 * DAY);
    pair.set("b");
    pair.requests();
    assert_eq!(outcomes(&poll(&pair).await)[0], Outcome::Updated);
    let requests = pair.requests();
    assert!(requests[0].contains("_since") && !requests[1].contains("_since"), "{requests:?}");
    assert_eq!(requests.len(), 3, "the list, its redirect, and one collection");
}

/// What is only in the old list is not in the new one.
#[tokio::test]
async fn a_redirect_that_drops_the_timestamp_replaces_the_list() {
    for version in VERSIONS {
        let pair = Pair::of(version);
        let timestamp = pair.server.timestamp(LIST);
        let entry = |name: &str, timestamp: u64| json!({"bucket": "main", "collection": name, "last_modified": timestamp});
        let old =
            json!({"timestamp": timestamp, "changes": [entry("ghost", timestamp), entry(LIST, timestamp)]});
        pair.server.fault(Fault::new(MONITOR, FaultKind::Reply(Reply::json(&old))).times(1));
        let ghost = [CollectionName::new("main", "ghost").expect("the name is one")];
        let expected = |pair: &Pair| pair.requests().pop().expect("the ghost was asked for");
        pair.client.sync_all(&ghost).await.expect("the list is good");
        assert!(expected(&pair).ends_with(&format!("ghost/changeset?_expected={timestamp}")));
        pair.client.sync_all(&ghost).await.expect("the list is good");
        assert!(
            expected(&pair).ends_with(&format!("ghost/changeset?_expected={timestamp}")),
            "it is remembered"
        );
        let segment = if version == ApiVersion::V1 { "v1" } else { "v2" };
        let whole = format!("/{segment}/buckets/monitor/collections/changes/changeset?_expected=0");
        let redirect = Reply::status(307).header("location", whole);
        pair.server.fault(Fault::new(MONITOR, FaultKind::Reply(redirect)).times(1));
        pair.client.sync_all(&ghost).await.expect("the list is good");
        assert!(expected(&pair).ends_with("ghost/changeset?_expected=0"), "it is gone");
    }
}

/// Servers that refuse a `_since` are asked without one, once; what they send then is everything.
#[tokio::test]
async fn a_refused_timestamp_is_left_out() {
    for version in VERSIONS {
        let pair = Pair::of(version);
        pair.set("b");
        poll(&pair).await;
        pair.server.delete_record(LIST, "a");
        pair.server.refuse_since(true);
        pair.requests();
        let reports = poll(&pair).await;
        assert_eq!(
            (ids(&reports[0].collection), &reports[0].deleted[..]),
            (vec!["b"], &["a".to_owned()][..])
        );
        let requests = pair.requests();
        let since: Vec<_> = requests.iter().map(|request| request.contains("_since")).collect();
        assert_eq!(since, [true, false, true, false], "{requests:?}");

        pair.server.fault(Fault::new("*/changeset", FaultKind::status(400)));
        let error = pair.client.sync(&list()).await.expect_err("it is refused either way");
        assert_eq!((error.kind(), error.status()), (ErrorKind::Protocol, Some(400)));
        assert_eq!(pair.requests().len(), 2, "once with, once without");
    }
}

#[tokio::test]
async fn an_empty_answer_is_nothing_new() {
    for version in VERSIONS {
        let pair = Pair::of(version);
        poll(&pair).await;
        pair.server.fault(Fault::new("*/changeset", FaultKind::Reply(Reply::status(204))));
        assert_eq!(outcomes(&poll(&pair).await), NOTHING);
        assert_eq!(pair.client.sync(&list()).await.expect("nothing is new").outcome, Outcome::UpToDate);
        pair.server.http().clear_faults();
        pair.set("b");
        assert_eq!(outcomes(&poll(&pair).await)[0], Outcome::Updated);
        // Where there is no copy, nothing is not enough.
        pair.client.reset(&list()).await.expect("memory can be written");
        pair.server.fault(Fault::new("*/changeset", FaultKind::Reply(Reply::status(204))));
        pair.client.sync(&list()).await.expect_err("there is no copy");
    }
}

/// An answer that was had before, and had nothing new, need not come again.
#[tokio::test]
async fn an_unchanged_answer_is_not_sent_again() {
    for version in VERSIONS {
        let pair = Pair::of(version);
        pair.server.answer_conditions();
        for _ in 0..2 {
            poll(&pair).await;
            pair.client.sync(&list()).await.expect("the server is good");
        }
        pair.server.forget_requests();
        assert_eq!(outcomes(&poll(&pair).await), NOTHING);
        assert_eq!(pair.client.sync(&list()).await.expect("nothing is new").outcome, Outcome::UpToDate);
        let statuses = || -> Vec<u16> {
            let exchanges = pair.server.http().exchanges();
            pair.server.forget_requests();
            exchanges.into_iter().map(|exchange| exchange.reply.expect("it is over").status).collect()
        };
        assert_eq!(statuses(), [304, 304]);

        pair.server.refresh_signature(LIST);
        let report = pair.client.sync(&list()).await.expect("the new signature is good");
        assert_eq!(report.outcome, Outcome::SignatureRefreshed);
        pair.set("b");
        assert_eq!(outcomes(&poll(&pair).await)[0], Outcome::Updated);
        assert!(statuses().iter().all(|status| *status == 200));
    }
}

/// A whole collection is never asked for on a condition: 304 would leave a client without a copy.
#[tokio::test]
async fn only_differences_are_conditional() {
    let pair = Pair::of(ApiVersion::V1);
    pair.server.answer_conditions();
    poll(&pair).await;
    poll(&pair).await;
    pair.client.reset(&list()).await.expect("memory can be written");
    pair.client.sync(&list()).await.expect("the server is good");
    for request in pair.server.requests() {
        let conditional = request.headers.iter().any(|(name, _)| name.starts_with("if-"));
        assert!(!conditional || request.target.contains("_since"), "{}", request.target);
    }
}

/// Dates tell seconds, so only that of an old change is sure to be of one change alone.
#[tokio::test]
async fn a_date_is_a_condition_once_it_is_certain() {
    for (modified, certain) in
        [("Thu, 01 Jan 2026 00:00:00 GMT", true), ("Thu, 01 Jan 2026 00:09:30 GMT", false)]
    {
        let pair = Pair::of(ApiVersion::V1);
        pair.server.set_header("date", Some("Thu, 01 Jan 2026 00:10:00 GMT"));
        pair.server.set_header("last-modified", Some(modified));
        for _ in 0..3 {
            pair.client.sync(&list()).await.expect("the server is good");
        }
        let last = pair.server.requests().pop().expect("there was a request");
        assert_eq!(last.header("if-modified-since"), certain.then_some(modified));
    }
}

/// A timestamp from the future, once remembered, would hide every later change.
#[tokio::test]
async fn a_list_from_the_future_is_not_remembered() {
    for version in VERSIONS {
        let pair = Pair::of(version);
        for (timestamp, last_modified) in [(u64::MAX, 1), (1, u64::MAX), (4_000_000_000_000, 1)] {
            let entry = json!({"bucket": "main", "collection": "any", "last_modified": last_modified});
            let reply = Reply::json(&json!({"timestamp": timestamp, "changes": [entry]}));
            pair.server.fault(Fault::new(MONITOR, FaultKind::Reply(reply)).times(1));
            poll(&pair).await;
            pair.requests();
            pair.set("b");
            assert_eq!(outcomes(&poll(&pair).await)[0], Outcome::Updated);
            assert!(pair.requests()[0].ends_with("_expected=0"));
            // From here on the list is known, so another program is started.
            let storage = pair.storage.clone();
            drop(storage);
            pair.client.reset(&list()).await.expect("memory can be written");
        }
    }
}

#[tokio::test]
async fn what_is_no_list_is_refused() {
    let pair = Pair::of(ApiVersion::V1);
    for body in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"changes": {}}"#,
        r#"{"changes": [{}]}"#,
        r#"{"changes": [], "timestamp": -1}"#,
    ] {
        let reply = Reply::status(200).body(body);
        pair.server.fault(Fault::new(MONITOR, FaultKind::Reply(reply)).times(1));
        let error = pair.client.sync_all(&names()).await.expect_err(body);
        assert_eq!(error.kind(), ErrorKind::Protocol, "{body}: {error}");
    }
    assert_eq!(outcomes(&poll(&pair).await)[0], Outcome::Updated);
}

/// That there is nothing new was said about another copy than the one there is now.
#[tokio::test]
async fn a_condition_is_for_one_local_copy() {
    for version in VERSIONS {
        let pair = Pair::of(version);
        pair.server.answer_conditions();
        pair.client.sync(&list()).await.expect("the server is good");
        let old = pair.stored().await;
        pair.server.refresh_signature(LIST);
        for _ in 0..3 {
            pair.client.sync(&list()).await.expect("the server is good");
        }
        // As after a reset, and a first start from something that is packaged or bundled.
        pair.store(&old).await;
        let report = pair.client.sync(&list()).await.expect("the server is good");
        assert_eq!(report.outcome, Outcome::SignatureRefreshed);
    }
}
