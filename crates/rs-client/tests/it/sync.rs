//! First sync, updates, tombstones, redirects, one commit, and what each costs.

use rs_client::{ErrorKind, Limits, Outcome};
use serde_json::{Value, json};
use testkit::{
    http::{Fault, FaultKind, Reply},
    pki::ChainOptions,
    settings::{ApiVersion, SettingsOptions},
};

use crate::support::{DAY, LIST, Pair, ids, list};

#[tokio::test]
async fn a_first_sync_fetches_verifies_and_keeps_a_collection() {
    let pair = Pair::new();
    pair.set("a");
    let report = pair.client.sync(&list()).await.expect("the server is good");
    assert_eq!((report.outcome, report.created), (Outcome::Updated, vec!["a".to_owned()]));
    assert_eq!(report.collection.timestamp, pair.server.timestamp(LIST));
    assert_eq!(pair.requests().len(), 2, "one changeset and one chain");

    pair.server.stop();
    let kept = pair.restarted().load(&list()).await.expect("the copy is good").expect("there is one");
    assert_eq!(ids(&kept), ["a"]);
    assert_eq!(kept.records["a"].get("taskName"), Some(json!("feature-extraction")));
    assert_eq!(kept.records["a"].last_modified(), Some(kept.timestamp));
}

#[tokio::test]
async fn a_sync_with_nothing_new_costs_one_request_and_no_write() {
    let pair = Pair::new();
    pair.set("a");
    pair.client.sync(&list()).await.expect("the server is good");
    let before = pair.stored().await;
    pair.requests();
    pair.clock.set(std::time::SystemTime::now() + DAY);
    let report = pair.restarted().sync(&list()).await.expect("the server is good");
    assert_eq!(report.outcome, Outcome::UpToDate);
    assert_eq!(ids(&report.collection), ["a"]);
    assert_eq!(pair.requests().len(), 1);
    assert_eq!(pair.stored().await, before, "a write would have moved the time of verification");
}

/// Created, updated and deleted records arrive as differences, on both versions of the interface and with both
/// kinds of tombstones.
#[tokio::test]
async fn differences_are_merged() {
    for (version, dated_tombstones) in
        [(ApiVersion::V1, true), (ApiVersion::V2, false), (ApiVersion::V2, true)]
    {
        let mut options = SettingsOptions::default();
        (options.version, options.dated_tombstones) = (version, dated_tombstones);
        let pair = Pair::with(options);
        pair.set_each(&["a", "b", "c"]);
        let first = pair.client.sync(&list()).await.expect("the server is good").collection;
        pair.requests();

        pair.server.set_record(LIST, json!({"id": "b", "taskName": "other"}));
        pair.server.delete_record(LIST, "c");
        pair.set("d");
        pair.server.delete_record(LIST, "never-seen");
        pair.set("e");
        pair.server.delete_record(LIST, "e");
        let report = pair.client.sync(&list()).await.expect("the server is good");
        assert_eq!(ids(&report.collection), ["a", "b", "d"]);
        assert_eq!(report.created, ["d"]);
        assert_eq!(report.updated, ["b"]);
        assert_eq!(report.deleted, ["c"]);
        let [request] = &pair.requests()[..] else { panic!("one request is enough") };
        let quote = if request.starts_with("/v1/") { "%22" } else { "" };
        assert!(request.ends_with(&format!("_since={quote}{}{quote}", first.timestamp)), "{request}");
    }
}

/// A server that has forgotten the timestamp redirects to the whole collection, which has no tombstones: merging
/// it would keep deleted records.
#[tokio::test]
async fn a_redirect_to_the_whole_collection_replaces() {
    let mut options = SettingsOptions::default();
    options.version = ApiVersion::V2;
    let pair = Pair::with(options);
    pair.set_each(&["a", "b"]);
    pair.client.sync(&list()).await.expect("the server is good");
    pair.server.delete_record(LIST, "a");
    pair.set("c");
    pair.server.forget_history(LIST);
    pair.requests();
    let report = pair.client.sync(&list()).await.expect("the server is good");
    assert_eq!(ids(&report.collection), ["b", "c"]);
    assert_eq!(report.deleted, ["a"]);
    assert_eq!(pair.requests().len(), 2, "the request and its redirect, and no second attempt");
}

#[tokio::test]
async fn fields_that_nobody_knows_are_kept_and_verified() {
    let pair = Pair::new();
    let odd: Value = serde_json::from_str(
        r#"{"id": "world", "big": 18446744073709551615, "small": -9223372036854775808, "deleted": false,
            "née": {"z": [null, true, {"a": 1}], "A": "\u007f\u0000\ud83d\ude00/é"}, "attachment": null}"#,
    )
    .expect("the text is JSON");
    pair.server.set_record(LIST, odd.clone());
    pair.client.sync(&list()).await.expect("the server is good");
    let kept = pair.restarted().load(&list()).await.expect("the copy is good").expect("there is one");
    let record = &kept.records["world"];
    for (field, value) in odd.as_object().expect("it is an object") {
        assert_eq!(record.get(field).as_ref(), Some(value), "{field}");
    }
}

#[tokio::test]
async fn one_request_tells_what_changed_in_many_collections() {
    let pair = Pair::new();
    let names = testkit::settings::COLLECTIONS
        .map(|name| rs_client::CollectionName::new("main", name).expect("the name is one"));
    pair.set("a");
    for (_, result) in pair.client.sync_all(&names).await.expect("the server is good") {
        assert_eq!(result.expect("the collection is good").outcome, Outcome::Updated);
    }
    assert_eq!(pair.requests().len(), 5, "the list, three collections, and one chain");

    for (_, result) in pair.restarted().sync_all(&names).await.expect("the server is good") {
        assert_eq!(result.expect("the collection is good").outcome, Outcome::UpToDate);
    }
    assert_eq!(pair.requests().len(), 1, "the list");

    pair.set("b");
    let results = pair.client.sync_all(&names).await.expect("the server is good");
    let outcomes: Vec<_> =
        results.into_iter().map(|(_, result)| result.expect("the collection is good").outcome).collect();
    assert_eq!(outcomes, [Outcome::Updated, Outcome::UpToDate, Outcome::UpToDate]);
    let requests = pair.requests();
    assert_eq!(requests.len(), 2, "the list and one collection");
    let expected = format!("_expected={}&_since=", pair.server.timestamp(LIST));
    assert!(requests[1].contains(&expected), "{}", requests[1]);
}

#[tokio::test]
async fn one_collections_failure_does_not_stop_the_others() {
    let pair = Pair::new();
    let names = ["ml-onnx-runtime", "no-such-list", LIST]
        .map(|name| rs_client::CollectionName::new("main", name).expect("the name is one"));
    pair.set("a");
    pair.server.tamper("ml-onnx-runtime", json!({"id": "evil"}));
    let results = pair.client.sync_all(&names).await.expect("the list is good");
    let kinds: Vec<_> = results
        .iter()
        .map(|(name, result)| {
            let error = result.as_ref().err();
            assert!(error.is_none_or(|error| error.to_string().starts_with(&format!("{name}: "))));
            error.map(rs_client::Error::kind)
        })
        .collect();
    assert_eq!(kinds, [Some(ErrorKind::Untrusted), Some(ErrorKind::Denied), None]);
}

#[tokio::test]
async fn a_server_that_is_gone_leaves_the_copy_readable() {
    let pair = Pair::new();
    pair.set("a");
    pair.client.sync(&list()).await.expect("the server is good");
    pair.server.stop();
    let error = pair.client.sync(&list()).await.expect_err("nobody answers");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error.to_string().starts_with("main/ml-inference-options: could not get the changeset"),
        "{error}"
    );
    let kept = pair.client.load(&list()).await.expect("the copy is good").expect("there is one");
    assert_eq!(ids(&kept), ["a"]);
}

#[tokio::test]
async fn what_is_no_changeset_is_refused_and_changes_nothing() {
    let pair = Pair::new();
    pair.set("a");
    pair.client.sync(&list()).await.expect("the server is good");
    let before = pair.stored().await;
    let broken = [
        (FaultKind::captive_portal(), ErrorKind::Protocol),
        (FaultKind::Truncate(40), ErrorKind::Protocol),
        (FaultKind::ExtraBytes(3), ErrorKind::Protocol),
        (FaultKind::CutAfter(40), ErrorKind::Unavailable),
        (FaultKind::status(400), ErrorKind::Protocol),
        (FaultKind::status(401), ErrorKind::Denied),
        (FaultKind::status(404), ErrorKind::NotFound),
        (FaultKind::status(410), ErrorKind::NotFound),
        (FaultKind::status(500), ErrorKind::Unavailable),
    ];
    for (kind, expected) in broken {
        let shown = format!("{kind:?}");
        pair.server.fault(Fault::new("*/changeset", kind));
        let error = pair.client.sync(&list()).await.expect_err(&shown);
        assert_eq!(error.kind(), expected, "{shown}: {error}");
        pair.server.http().clear_faults();
    }
    assert_eq!(pair.stored().await, before);
    assert_eq!(pair.client.sync(&list()).await.expect("it is good again").outcome, Outcome::UpToDate);
}

/// Records that come one by one are no more than may come at once.
#[tokio::test]
async fn a_copy_does_not_grow_beyond_what_can_be_fetched() {
    let pair = Pair::new();
    let mut limits = Limits::default();
    limits.changeset_bytes = 6000;
    let client = pair.builder().limits(limits).build();
    let sync = async |id: &str| {
        pair.server.set_record(LIST, json!({"id": id, "text": "x".repeat(1500)}));
        client.sync(&list()).await
    };
    sync("a").await.expect("it is small");
    sync("b").await.expect("it is small");
    sync("c").await.expect("it is not too large yet");
    let error = sync("d").await.expect_err("all together are too large");
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    let copy = client.load(&list()).await.expect("the copy is good").expect("it is there");
    assert_eq!(ids(&copy), ["a", "b", "c"]);
}

/// A server whose chain has one address for ever: at the next sync, or when what was used before has expired.
#[tokio::test]
async fn a_chain_that_was_replaced_in_its_place_is_fetched_again() {
    let pair = Pair::new();
    pair.set("a");
    let first = pair.client.sync(&list()).await.expect("the server is good").collection;
    let before = pair.stored().await;
    let x5u = before["x5u"].as_str().expect("it is text").to_owned();
    let path = x5u.strip_prefix(&pair.server.http().url()).expect("it is on this server");
    let replaced = || {
        pair.set("b");
        let mut changeset = pair.server.changeset(LIST);
        changeset["metadata"]["signature"]["x5u"] = json!(x5u);
        if let Some(signatures) = changeset["metadata"]["signatures"].as_array_mut() {
            signatures.iter_mut().for_each(|signature| signature["x5u"] = json!(x5u));
        }
        pair.server.http().clear_faults();
        pair.server.fault(Fault::new("*/changeset", FaultKind::Reply(Reply::json(&changeset))));
        pair.server.fault(Fault::new(path, FaultKind::Reply(Reply::bytes(pair.server.chain_pem()))));
    };
    pair.server.rotate_leaf();
    replaced();
    let error = pair.client.sync(&list()).await.expect_err("the old chain has another key");
    assert_eq!(error.kind(), ErrorKind::Untrusted, "{error}");
    let report = pair.client.sync(&list()).await.expect("the new chain is good");
    assert_eq!(ids(&report.collection), ["a", "b"]);

    pair.store(&before).await;
    let later = first.certificate_expires() + DAY;
    let mut options = ChainOptions::default();
    options.leaf.not_after = later + 30 * DAY;
    pair.server.use_leaf(&options);
    replaced();
    pair.clock.set(later);
    let report = pair.restarted().sync(&list()).await.expect("the new chain is good");
    assert_eq!(ids(&report.collection), ["a", "b"]);
}

/// What a server calls a collection may be anything.
#[tokio::test]
async fn the_name_of_another_collection_is_safe_to_show() {
    let pair = Pair::new();
    pair.set("a");
    let mut changeset = pair.server.changeset(LIST);
    changeset["metadata"]["id"] = json!(format!("a\u{1b}[2J\n{}", "x".repeat(5000)));
    pair.server.fault(Fault::new("*/changeset", FaultKind::Reply(Reply::json(&changeset))).times(1));
    let error = pair.client.sync(&list()).await.expect_err("it is another collection").to_string();
    assert!(error.len() < 400 && !error.chars().any(char::is_control), "{error}");
}
