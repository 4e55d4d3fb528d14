//! Servers that are gone, that start again with nothing, and that come to their end.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use rs_client::{AlertCode, ErrorKind, FixedClock, Outcome};
use url::Url;

use super::{
    changes::{OPTIONS, options, published, sync},
    server::{Watched, name},
};
use crate::support::ids;

async fn assert_copy(watched: &Watched, expected: &[&str]) {
    let copy = watched.client.load(&name("main", OPTIONS)).await.expect("the copy is good");
    assert_eq!(ids(&copy.expect("there is one")), expected);
}

#[tokio::test]
async fn a_server_that_is_gone_leaves_the_copy_readable() {
    let Some(mut kinto) = published() else { return };
    let watched = kinto.client();
    sync(&watched.client).await;
    kinto.stop();
    let list = name("main", OPTIONS);
    let error = watched.client.sync(&list).await.expect_err("nobody listens");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let error = watched.client.sync_all(&[list]).await.expect_err("nobody listens");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_copy(&watched, &["embedding"]).await;
}

#[tokio::test]
async fn a_server_that_lost_everything_is_followed_once_it_has_published_again() {
    let Some(mut kinto) = published() else { return };
    kinto.set(OPTIONS, "lost", &options("r1"));
    kinto.publish(OPTIONS);
    let watched = kinto.client();
    let first = sync(&watched.client).await;

    kinto.restart();
    let list = name("main", OPTIONS);
    let error = watched.client.sync(&list).await.expect_err("there is no such collection");
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    assert_copy(&watched, &["embedding", "lost"]).await;

    // A collection is published empty when it is made, with a newer timestamp.
    kinto.create(OPTIONS);
    let error = watched.client.sync(&list).await.expect_err("this is not accepted silently");
    assert_eq!(error.kind(), ErrorKind::Emptied, "{error}");
    assert_copy(&watched, &["embedding", "lost"]).await;

    kinto.set(OPTIONS, "embedding", &options("r2"));
    kinto.set(OPTIONS, "next", &options("r2"));
    kinto.publish(OPTIONS);
    watched.requests();
    let report = sync(&watched.client).await;
    assert_eq!(report.outcome, Outcome::Updated);
    assert!(report.collection.timestamp > first.collection.timestamp);
    assert_eq!(ids(&report.collection), ["embedding", "next"]);
    assert_eq!(report.deleted, ["lost"], "of which the server has no tombstone");
    assert_eq!(watched.requests().len(), 2, "a difference that does not verify, and then the whole");
    assert_copy(&watched, &["embedding", "next"]).await;
}

#[tokio::test]
async fn a_server_that_is_to_end_says_so_and_then_answers_with_410() {
    let Some(mut kinto) = published() else { return };
    let watched = kinto.client();
    sync(&watched.client).await;
    assert_eq!(watched.client.alert(), None);

    let message = ["eos_message=It moves.", "eos_url=https://example.org/moves"];
    kinto.restart_with(&[&["eos=2999-01-01"], &message[..]].concat());
    kinto.create(OPTIONS);
    kinto.set(OPTIONS, "embedding", &options("r2"));
    kinto.publish(OPTIONS);
    assert_eq!(sync(&watched.client).await.updated, ["embedding"], "until then it works");
    let alert = watched.client.alert().expect("it says so in a header");
    assert_eq!((alert.code, alert.message.as_str()), (AlertCode::SoftEol, "It moves."));
    assert_eq!(alert.url.as_ref().map(Url::as_str), Some("https://example.org/moves"));

    kinto.restart_with(&[&["eos=2020-01-01"], &message[..]].concat());
    let answer = kinto.get("/v1/");
    assert_eq!((answer.status, answer.json()["errno"].as_u64()), (410, Some(202)));
    let list = name("main", OPTIONS);
    let error = watched.client.sync(&list).await.expect_err("it answers nothing else");
    assert_eq!(error.kind(), ErrorKind::EndOfLife, "{error}");
    assert_eq!(watched.client.alert().map(|alert| alert.code), Some(AlertCode::HardEol));
    assert_copy(&watched, &["embedding"]).await;
}

#[tokio::test]
async fn a_server_that_asks_to_wait_is_left_alone_for_that_time() {
    let Some(mut kinto) = published() else { return };
    let clock = Arc::new(FixedClock::new(SystemTime::now()));
    let watched = kinto.client_with(|builder| builder.clock(clock.clone()));
    sync(&watched.client).await;

    kinto.restart_with(&["backoff=40"]);
    kinto.create(OPTIONS);
    kinto.set(OPTIONS, "embedding", &options("r2"));
    kinto.publish(OPTIONS);
    assert_eq!(sync(&watched.client).await.updated, ["embedding"], "the answer itself is good");
    watched.requests();
    let list = name("main", OPTIONS);
    let error = watched.client.sync(&list).await.expect_err("the server asked to wait");
    assert_eq!(error.kind(), ErrorKind::Backoff, "{error}");
    let wait = error.retry_after().expect("the server said how long");
    assert!(wait > Duration::from_secs(30) && wait < Duration::from_secs(120), "{wait:?}");
    assert_eq!(watched.requests(), [""; 0]);
    assert_copy(&watched, &["embedding"]).await;
    clock.set(SystemTime::now() + Duration::from_secs(130));
    assert_eq!(sync(&watched.client).await.outcome, Outcome::UpToDate);
}
