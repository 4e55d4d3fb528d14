//! A client waits when it is asked to, and tells for how long.

use std::time::{Duration, SystemTime};

use rs_client::{ErrorKind, Limits};
use testkit::http::{Fault, FaultKind};

use crate::support::{DAY, Pair, ids, list};

#[tokio::test]
async fn backoff_on_a_good_answer_holds_the_next_sync_back() {
    let pair = Pair::new();
    pair.set("a");
    pair.server.set_backoff(Some(60));
    let report = pair.client.sync(&list()).await.expect("this sync goes on to its end");
    assert_eq!(ids(&report.collection), ["a"]);
    pair.requests();

    for result in [pair.client.sync(&list()).await.map(drop), pair.client.sync_all(&[list()]).await.map(drop)]
    {
        let error = result.expect_err("the server asked to wait");
        assert_eq!(error.kind(), ErrorKind::Backoff);
        let left = error.retry_after().expect("the time is known");
        assert_eq!(left, Duration::from_secs(60));
    }
    assert!(pair.requests().is_empty());
    pair.client.load(&list()).await.expect("reading goes on").expect("there is a copy");

    pair.clock.set(SystemTime::now() + Duration::from_secs(62));
    pair.server.set_backoff(None);
    pair.client.sync(&list()).await.expect("the wait is over");
}

#[tokio::test]
async fn a_refusal_stops_the_rest_of_a_poll() {
    let pair = Pair::new();
    let name = |name| rs_client::CollectionName::new("main", name).expect("the name is one");
    let names = testkit::settings::COLLECTIONS.map(name);
    pair.server.fault(Fault::new("*/ml-*/changeset", FaultKind::retry_after(503, "30")).times(1));
    let results = pair.client.sync_all(&names).await.expect("the list is good");
    for (_, result) in results {
        let error = result.expect_err("the server asked to wait");
        assert_eq!(error.kind(), ErrorKind::Backoff);
        assert!(error.retry_after().is_some_and(|left| left <= Duration::from_secs(30)));
    }
    assert_eq!(pair.requests().len(), 2, "the list, and the one that was refused");
}

#[tokio::test]
async fn a_wait_is_capped_and_nonsense_is_ignored() {
    let pair = Pair::new();
    pair.set("a");
    pair.server.set_backoff(Some(u64::MAX));
    pair.client.sync(&list()).await.expect("the server is good");
    let error = pair.client.sync(&list()).await.expect_err("the server asked to wait");
    assert_eq!(error.retry_after(), Some(Limits::default().backoff));
    pair.clock.set(SystemTime::now() - 300 * DAY);
    let error = pair.client.sync(&list()).await.expect_err("a clock set back does not prolong it");
    assert_eq!(error.retry_after(), Some(Limits::default().backoff));
    pair.clock.set(SystemTime::now() + DAY + Duration::from_secs(2));
    pair.client.sync(&list()).await.expect("the longest wait is over");

    let pair = Pair::new();
    pair.set("a");
    let mut reply = testkit::http::Reply::json(&pair.server.changeset(crate::support::LIST));
    for value in ["-5", "soon", "1e9", ""] {
        reply = reply.header("backoff", value);
    }
    pair.server.fault(Fault::new("*/changeset", FaultKind::Reply(reply)));
    pair.client.sync(&list()).await.expect("the server is good");
    pair.client.sync(&list()).await.expect("the header meant nothing");
}
