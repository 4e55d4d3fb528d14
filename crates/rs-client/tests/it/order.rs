//! Time goes forward only.

use rs_client::{ErrorKind, Outcome};
use serde_json::json;
use testkit::settings::{ApiVersion, SettingsOptions};

use crate::support::{LIST, Pair, ids, list};

#[tokio::test]
async fn an_older_state_is_refused_even_after_a_restart() {
    for version in [ApiVersion::V1, ApiVersion::V2] {
        let mut options = SettingsOptions::default();
        options.version = version;
        let pair = Pair::with(options);
        pair.set_each(&["a", "b"]);
        pair.client.sync(&list()).await.expect("the server is good");
        let before = pair.stored().await;
        pair.server.roll_back(LIST, 1);
        let error = pair.restarted().sync(&list()).await.expect_err("it is older");
        assert_eq!(error.kind(), ErrorKind::Rollback, "{error}");
        assert_eq!(pair.stored().await, before);

        pair.client.reset(&list()).await.expect("memory can be written");
        let report = pair.client.sync(&list()).await.expect("a reset client takes what there is");
        assert_eq!(ids(&report.collection), ["a"]);
    }
}

#[tokio::test]
async fn other_records_under_the_same_timestamp_are_refused() {
    let pair = Pair::new();
    pair.set("a");
    pair.client.sync(&list()).await.expect("the server is good");
    let before = pair.stored().await;
    pair.server.equivocate(LIST, json!({"id": "b"}));
    let error = pair.client.sync(&list()).await.expect_err("it is signed, but something else");
    assert_eq!(error.kind(), ErrorKind::Rollback);
    assert!(error.to_string().contains("other records under the same timestamp"), "{error}");
    assert_eq!(pair.stored().await, before);
}

/// A timestamp far ahead, once accepted, would shut out every later change.
#[tokio::test]
async fn a_timestamp_from_the_future_is_refused() {
    let mut options = SettingsOptions::default();
    options.timestamps_from = Some(4_000_000_000_000);
    let pair = Pair::with(options);
    pair.set("a");
    let error = pair.client.sync(&list()).await.expect_err("2096 has not come");
    assert_eq!(error.kind(), ErrorKind::Rollback);
    assert!(error.to_string().contains("2096-"), "{error}");
    assert!(pair.client.load(&list()).await.expect("nothing is damaged").is_none());
}

/// The list of changes may be older than the collection itself.
#[tokio::test]
async fn a_list_that_lags_behind_is_no_error() {
    let pair = Pair::new();
    pair.set_each(&["a", "b"]);
    pair.client.sync(&list()).await.expect("the server is good");
    pair.server.roll_back(LIST, 1);
    pair.requests();
    let mut results = pair.client.sync_all(&[list()]).await.expect("the list is good");
    let (_, result) = results.pop().expect("there is one result");
    assert_eq!(result.expect("the copy is current").outcome, Outcome::UpToDate);
    assert_eq!(pair.requests().len(), 1);
}

/// A list that lags behind also must not lead to a request that version 2 servers refuse.
#[tokio::test]
async fn a_lagging_list_and_an_expired_certificate_are_told_apart() {
    let mut options = SettingsOptions::default();
    options.version = ApiVersion::V2;
    options.chain.leaf = testkit::pki::Validity::days(-1, 2);
    let pair = Pair::with(options);
    pair.set_each(&["a", "b"]);
    pair.client.sync(&list()).await.expect("the server is good");
    pair.server.roll_back(LIST, 1);
    pair.clock.set(std::time::SystemTime::now() + 3 * crate::support::DAY);
    let mut results = pair.client.sync_all(&[list()]).await.expect("the list is good");
    let (_, result) = results.pop().expect("there is one result");
    assert_eq!(result.expect_err("the server has an older state").kind(), ErrorKind::Rollback);
}

/// Two syncs at once end with the newer state, whichever commits last.
#[tokio::test]
async fn a_slow_sync_does_not_undo_a_faster_one() {
    let pair = Pair::new();
    pair.set("a");
    pair.server.fault(testkit::http::Fault::new("*/changeset", testkit::http::FaultKind::Hold).times(1));
    let (slow, other) = (pair.restarted(), pair.restarted());
    let slow = tokio::spawn(async move { slow.sync(&list()).await });
    pair.server.http().until_requests(1).await;
    pair.set("b");
    other.sync(&list()).await.expect("the server is good");
    pair.server.http().release();
    let report = slow.await.expect("it does not panic").expect("the server is good");
    assert_eq!(ids(&report.collection), ["a", "b"]);
    let kept = pair.client.load(&list()).await.expect("the copy is good").expect("there is one");
    assert_eq!(ids(&kept), ["a", "b"]);
}
