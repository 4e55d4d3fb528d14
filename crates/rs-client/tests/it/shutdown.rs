//! A client can be shut down, and a future dropped, at any time.

use std::{future::Future, pin::pin, sync::Arc, task::Poll, time::Duration};

use futures::TryStreamExt as _;
use rs_client::{Client, Clock as _, ErrorKind, FileStorage};
use testkit::{
    http::{Fault, FaultKind},
    settings::ApiVersion,
};

use crate::support::{LIST, Pair, VERSIONS, builder, ids, list};

/// A client whose next request for `pattern` is stuck.
fn stuck(pair: &Pair, pattern: &str, kind: FaultKind) -> Arc<Client> {
    pair.server.forget_requests();
    pair.server.fault(Fault::new(pattern, kind).times(1));
    Arc::new(pair.restarted())
}

#[tokio::test]
async fn requests_under_way_end_at_once() {
    for version in VERSIONS {
        for kind in [FaultKind::Hold, FaultKind::StallAfter(20)] {
            let pair = Pair::of(version);
            pair.client.sync(&list()).await.expect("the server is good");
            pair.set("b");
            let client = stuck(&pair, "*/changeset", kind);
            let sync = tokio::spawn({
                let client = Arc::clone(&client);
                async move { client.sync(&list()).await }
            });
            pair.server.http().until_requests(1).await;
            client.shutdown();
            let error = sync.await.expect("it does not panic").expect_err("it was shut down");
            assert_eq!(error.kind(), ErrorKind::Shutdown, "{error}");
            assert!(error.to_string().starts_with("main/ml-inference-options: "), "{error}");

            let copy = client.load(&list()).await.expect("reading goes on").expect("there is a copy");
            assert_eq!(ids(&copy), ["a"]);
            pair.server.http().release();
            assert_eq!(ids(&pair.client.sync(&list()).await.expect("others go on").collection), ["a", "b"]);
        }
    }
}

#[tokio::test]
async fn nothing_begins_after_it() {
    let pair = Pair::of(ApiVersion::V1);
    pair.server.set_attachment(LIST, "a", "file", &b"bytes"[..]);
    let report = pair.client.sync(&list()).await.expect("the server is good");
    let attachment = report.collection.records["a"].attachment().expect("it is good").expect("it is there");
    pair.requests();
    assert!(!pair.client.is_shut_down());
    pair.client.shutdown();
    pair.client.shutdown();
    assert!(pair.client.is_shut_down());
    let errors = [
        pair.client.sync(&list()).await.map(drop).expect_err("it is shut down"),
        pair.client.sync_all(&[list()]).await.map(drop).expect_err("it is shut down"),
        pair.client.attachment(&attachment).await.map(drop).expect_err("it is shut down"),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Shutdown, "{error}");
    }
    assert!(pair.requests().is_empty());
    pair.client.load(&list()).await.expect("reading goes on").expect("there is a copy");
}

#[tokio::test]
async fn an_attachment_that_is_being_read_ends() {
    let pair = Pair::of(ApiVersion::V1);
    pair.server.set_attachment(LIST, "a", "file", vec![7; 100_000]);
    let report = pair.client.sync(&list()).await.expect("the server is good");
    let attachment = report.collection.records["a"].attachment().expect("it is good").expect("it is there");
    let client = stuck(&pair, "/attachments/*", FaultKind::StallAfter(50_000));
    let mut stream = client.attachment(&attachment).await.expect("the head is there");
    client.shutdown();
    let error = loop {
        match stream.try_next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the end never came"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Shutdown, "{error}");
}

/// A body that was begun outlives its client.
#[tokio::test]
async fn an_attachment_can_be_read_after_its_client_is_gone() {
    let pair = Pair::of(ApiVersion::V1);
    pair.server.set_attachment(LIST, "a", "file", vec![7; 100_000]);
    let client = pair.restarted();
    let report = client.sync(&list()).await.expect("the server is good");
    let attachment = report.collection.records["a"].attachment().expect("it is good").expect("it is there");
    let stream = client.attachment(&attachment).await.expect("the head is there");
    drop(client);
    let pieces: Vec<_> = stream.try_collect().await.expect("the bytes are good");
    assert_eq!(pieces.iter().map(|piece: &bytes::Bytes| piece.len()).sum::<usize>(), 100_000);
}

/// No lock is held while a request is under way: everything else goes on meanwhile.
#[tokio::test]
async fn a_request_under_way_holds_nobody_up() {
    let pair = Pair::of(ApiVersion::V1);
    pair.client.sync(&list()).await.expect("the server is good");
    for pattern in ["*/monitor/*", "*/changeset", "/chains/"] {
        let client = stuck(&pair, pattern, FaultKind::Hold);
        pair.server.rotate_leaf();
        let slow = tokio::spawn({
            let client = Arc::clone(&client);
            async move {
                if pattern.contains("monitor") {
                    client.sync_all(&[list()]).await.map(drop)
                } else {
                    client.sync(&list()).await.map(drop)
                }
            }
        });
        let expected = if pattern == "/chains/" { 2 } else { 1 };
        pair.server.http().until_requests(expected).await;
        let meanwhile = async {
            client.load(&list()).await.expect("reading goes on").expect("there is a copy");
            client.sync(&list()).await.expect("another sync goes on");
            assert!(client.alert().is_none() && client.waits_until().is_none());
        };
        tokio::time::timeout(Duration::from_secs(20), meanwhile)
            .await
            .expect("nobody waits for the slow one");
        pair.server.http().release();
        slow.await.expect("it does not panic").expect("the server is good");
    }
}

/// Wherever a sync is dropped, the copy is whole and the next sync works.
#[tokio::test]
async fn a_sync_can_be_dropped_anywhere() {
    let pair = Pair::of(ApiVersion::V2);
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let client = || {
        let storage = Arc::new(FileStorage::open(folder.path()));
        let client = builder(&pair.server.url(), &pair.server.root_hash(), storage);
        client.clock(pair.clock.clone()).build()
    };
    client().sync(&list()).await.expect("the server is good");
    let mut finished = false;
    for polls in 0..200 {
        pair.set(&format!("r{polls}"));
        // Every other time a wait is stored beside the copy.
        pair.server.set_backoff((polls % 2 == 0).then_some(1));
        let client = client();
        let before = client.load(&list()).await.expect("the copy is whole").expect("there is one");
        {
            let names = [list()];
            let mut sync = pin!(client.sync_all(&names));
            let mut left = polls;
            let done = std::future::poll_fn(|context| {
                if left == 0 {
                    return Poll::Ready(false);
                }
                left -= 1;
                sync.as_mut().poll(context).map(|_| true)
            });
            finished = done.await;
        }
        let after = client.load(&list()).await.expect("the copy is whole").expect("there is one");
        assert!(*after == *before || after.timestamp == pair.server.timestamp(LIST));
        pair.server.set_backoff(None);
        pair.clock.set(pair.clock.now() + Duration::from_secs(2));
        let report = client.sync(&list()).await.expect("the next sync works");
        assert_eq!(report.collection.timestamp, pair.server.timestamp(LIST));
        if finished {
            break;
        }
    }
    assert!(finished, "a sync needs fewer steps");
}

/// As above, at each of the requests that a first sync makes.
#[tokio::test]
async fn a_sync_can_be_dropped_at_each_request() {
    for pattern in ["*/monitor/*", "*/ml-inference-options/changeset", "/chains/"] {
        for kind in [FaultKind::Hold, FaultKind::StallAfter(10)] {
            let pair = Pair::of(ApiVersion::V1);
            let client = stuck(&pair, pattern, kind);
            let sync = tokio::spawn({
                let client = Arc::clone(&client);
                async move { client.sync_all(&[list()]).await.map(drop) }
            });
            let expected = 1 + ["*/monitor/*", "*/ml-inference-options/changeset", "/chains/"]
                .iter()
                .position(|it| *it == pattern)
                .expect("it is one of them");
            pair.server.http().until_requests(expected).await;
            sync.abort();
            assert!(sync.await.expect_err("it was dropped").is_cancelled());
            assert!(client.load(&list()).await.expect("nothing is damaged").is_none());
            let mut results = client.sync_all(&[list()]).await.expect("the list is good");
            let (_, report) = results.pop().expect("one was asked for");
            assert_eq!(ids(&report.expect("the server is good").collection), ["a"]);
            pair.server.http().release();
        }
    }
}
