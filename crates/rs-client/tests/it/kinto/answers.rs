//! Answers of the real server that clients and our own loopback server rely on.

use std::{sync::Arc, time::SystemTime};

use rs_client::{ErrorKind, FixedClock, Outcome};

use super::{
    admin::REVIEWER,
    changes::{OPTIONS, RUNTIMES, published, sync},
    server::name,
};
use crate::support::DAY;

const MONITOR: &str = "/v1/buckets/monitor/collections/changes/changeset";

#[tokio::test]
async fn collections_that_are_current_cost_one_request_together() {
    let Some(kinto) = published() else { return };
    kinto.create(RUNTIMES);
    let names = [name("main", OPTIONS), name("main", RUNTIMES), name("main-preview", OPTIONS)];
    let watched = kinto.client();
    watched.client.sync_all(&names).await.expect("the server is good");
    watched.requests();
    for (_, result) in watched.client.sync_all(&names).await.expect("the server is good") {
        assert_eq!(result.expect("the collection is good").outcome, Outcome::UpToDate);
    }
    // The list is known by then, so only what is newer than its newest entry is asked for.
    let whole = kinto.get(&format!("{MONITOR}?_expected=0")).json();
    let newest = whole["timestamp"].as_u64().expect("it is a timestamp");
    assert_eq!(watched.requests(), [format!("{MONITOR}?_expected=0&_since=%22{newest}%22")]);

    // The list holds previews as well, in no order, each with the timestamp of its records.
    let changes = whole["changes"].as_array().expect("it is a list");
    assert_eq!(changes.len(), 4, "{changes:?}");
    let timestamp = sync(&watched.client).await.collection.timestamp;
    assert!(
        changes.iter().any(|it| it["bucket"] == "main"
            && it["collection"] == OPTIONS
            && it["last_modified"] == timestamp),
        "{changes:?}"
    );
}

#[tokio::test]
async fn a_collection_that_does_not_exist_is_denied() {
    let Some(kinto) = published() else { return };
    let watched = kinto.client();
    for unknown in [name("main", "no-such-list"), name("no-such-bucket", OPTIONS)] {
        let error = watched.client.sync(&unknown).await.expect_err("there is no such collection");
        assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
        assert!(watched.client.load(&unknown).await.expect("memory can be read").is_none());
    }
    // The workspace exists, and is nobody's but the editors'.
    let workspace = name("main-workspace", OPTIONS);
    let error = watched.client.sync(&workspace).await.expect_err("nobody may read it");
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
}

#[tokio::test]
async fn timestamps_are_taken_in_quotes_alone() {
    let Some(kinto) = published() else { return };
    let watched = kinto.client();
    let timestamp = sync(&watched.client).await.collection.timestamp;
    let list = format!("/v1/buckets/main/collections/{OPTIONS}/changeset");
    let month = 31 * 86_400_000;
    for (path, expected) in [
        (format!("{list}?_expected=0&_since=%22{timestamp}%22"), 200),
        (format!("{list}?_expected=0&_since={timestamp}"), 400),
        (format!("{list}?_expected=0&_since=%22{}%22", timestamp + 1000), 200),
        (format!("{list}?_expected=0&_since=%221%22"), 200),
        (format!("{list}?_expected=0&_since=%22-1%22"), 400),
        (format!("{list}?_expected=%22{timestamp}%22"), 200),
        (format!("{list}?_expected=abc"), 200),
        (list.clone(), 400),
        (format!("{MONITOR}?_expected=0&_since=%22{timestamp}%22"), 200),
        (format!("{MONITOR}?_expected=0&_since={timestamp}"), 400),
        // The list of changes is redirected to the whole of it where the timestamp is older than 21 days.
        (format!("{MONITOR}?_expected=0&_since=%22{}%22", timestamp - month), 307),
        (format!("{list}?_expected=0&_since=%22{}%22", timestamp - month), 200),
    ] {
        assert_eq!(kinto.get(&path).status, expected, "{path}");
    }
}

#[tokio::test]
async fn the_server_says_where_attachments_are_and_who_signs() {
    let Some(kinto) = published() else { return };
    assert_eq!(kinto.get("/v1").status, 307, "to the same with a slash");
    let info = kinto.get("/v1/").json();
    let origin = kinto.url().trim_end_matches("/v1").to_owned();
    assert_eq!(info["capabilities"]["attachments"]["base_url"], format!("{origin}/attachments/"));
    assert!(info["capabilities"]["changes"]["certs_chains_base_url"].is_null(), "{info}");

    let answer = kinto.get(&format!("/v1/buckets/main/collections/{OPTIONS}/changeset?_expected=0"));
    assert!(answer.header("date").is_some() && answer.header("etag").is_none(), "{answer:?}");
    let metadata = &answer.json()["metadata"];
    assert_eq!((&metadata["id"], metadata.get("bucket")), (&OPTIONS.into(), None));
    assert!(metadata.get("signatures").is_none(), "the released plugin signs once");
    let signature = &metadata["signature"];
    assert_eq!(
        (&signature["mode"], &signature["x5u"]),
        (&"p384ecdsa".into(), &format!("{origin}/chains/chain-1.pem").into())
    );
    assert_eq!(signature["signature"].as_str().map(str::len), Some(128));
    assert!(kinto.get("/v1/__heartbeat__").json()["signer"].as_bool().unwrap_or_default());
    for (path, status) in [("/v1/nothing", 404), ("/v1/__broadcasts__", 404)] {
        assert_eq!(kinto.get(path).status, status, "{path}");
    }
}

#[tokio::test]
async fn a_clock_that_is_far_ahead_is_named_and_the_copy_stays_readable() {
    let Some(mut kinto) = published() else { return };
    let clock = Arc::new(FixedClock::new(SystemTime::now()));
    let watched = kinto.client_with(|builder| builder.clock(clock.clone()));
    let first = sync(&watched.client).await.collection;
    kinto.rotate();
    kinto.status(REVIEWER, OPTIONS, "to-resign");

    // The leaf is valid for 80 days.
    clock.set(SystemTime::now() + 100 * DAY);
    let list = name("main", OPTIONS);
    let error = watched.client.sync(&list).await.expect_err("the new leaf has expired as well by this clock");
    assert_eq!(error.kind(), ErrorKind::Clock, "{error}");
    let copy = watched.client.load(&list).await.expect("the copy is good").expect("there is one");
    assert_eq!(copy.metadata["signature"], first.metadata["signature"]);
}
