//! The recorded exchanges under fixtures/exchanges/settings, played back: every scenario ends as its name says.

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use rs_client::{
    CertificateProblem, Client, CollectionName, Error, ErrorKind, FixedClock, MemoryStorage, Outcome,
    SyncReport,
};
use testkit::replay::{Replay, Scenario};

use crate::support::{LIST, builder, ids, list};

/// A client of a scenario that is being played back, at the moment it was recorded for.
struct Player {
    client: Client,
    replay: Replay,
    _server: mockito::ServerGuard,
}

impl Player {
    async fn new(name: &str, version: &str) -> Self {
        let scenario = Scenario::load(&format!("settings/{name}"));
        let at = scenario.at.expect("scenarios of the settings server have a moment");
        let root = scenario.root.clone().expect("scenarios of the settings server have a root");
        let mut server = mockito::Server::new_async().await;
        let replay = scenario.replay(&mut server);
        let clock = Arc::new(FixedClock::new(UNIX_EPOCH + Duration::from_secs(at)));
        let url = format!("{}/{version}", server.url());
        let storage = Arc::new(MemoryStorage::new());
        let client = builder(&url, &root, storage).clock(clock).build();
        Self { client, replay, _server: server }
    }

    /// Learns what changed and brings the list up to date.
    async fn sync(&self) -> Result<SyncReport, Error> {
        let mut results = self.client.sync_all(&[list()]).await?;
        results.pop().expect("one list was asked for").1
    }

    /// The ids that are held, or nothing.
    async fn held(&self) -> Option<Vec<String>> {
        let copy = self.client.load(&list()).await.expect("the copy is readable")?;
        Some(ids(&copy).into_iter().map(str::to_owned).collect())
    }
}

fn named(name: &str) -> CollectionName {
    CollectionName::new("main", name).expect("the name is one")
}

#[tokio::test]
async fn first_sync() {
    let player = Player::new("first-sync", "v1").await;
    let names = [LIST, "ml-onnx-runtime", "ml-model-allow-deny-list"].map(named);
    for (name, result) in player.client.sync_all(&names).await.expect("the list of changes is there") {
        let report = result.expect("every collection verifies");
        assert_eq!((report.outcome, report.collection.records.len()), (Outcome::Updated, 1), "{name}");
    }
    player.replay.assert_all_requested();
}

#[tokio::test]
async fn tombstone() {
    let player = Player::new("tombstone", "v1").await;
    player.sync().await.expect("the first state verifies");
    assert_eq!(player.held().await.expect("it is held"), ["embedding", "other"]);
    let report = player.sync().await.expect("the second state verifies");
    assert_eq!((report.created, report.updated, report.deleted), one_each("new", "embedding", "other"));
    assert_eq!(player.held().await.expect("it is held"), ["embedding", "new"]);
    player.replay.assert_all_requested();
}

fn one_each(created: &str, updated: &str, deleted: &str) -> (Vec<String>, Vec<String>, Vec<String>) {
    (vec![created.to_owned()], vec![updated.to_owned()], vec![deleted.to_owned()])
}

#[tokio::test]
async fn signature_refresh() {
    let player = Player::new("signature-refresh", "v1").await;
    player.sync().await.expect("the first signature verifies");
    // The list of changes does not tell; asking for the collection itself does.
    assert_eq!(player.sync().await.expect("nothing is wrong").outcome, Outcome::UpToDate);
    let report = player.client.sync(&list()).await.expect("the new signature verifies");
    assert_eq!(report.outcome, Outcome::SignatureRefreshed);
    player.replay.assert_all_requested();
}

#[tokio::test]
async fn since_dropped_redirect() {
    let player = Player::new("since-dropped-redirect", "v2").await;
    player.sync().await.expect("the first state verifies");
    let report = player.sync().await.expect("the whole set replaces the old one");
    assert_eq!(report.deleted, ["other"]);
    assert_eq!(player.held().await.expect("it is held"), ["embedding"]);
    player.replay.assert_all_requested();
}

#[tokio::test]
async fn expired_leaf() {
    refused("expired-leaf", CertificateProblem::Expired).await;
}

#[tokio::test]
async fn wrong_name_chain() {
    refused("wrong-name-chain", CertificateProblem::Name).await;
}

async fn refused(name: &str, problem: CertificateProblem) {
    let player = Player::new(name, "v1").await;
    let error = player.sync().await.expect_err("the chain must not be trusted");
    assert_eq!((error.kind(), error.certificate()), (ErrorKind::Certificate, Some(problem)), "{error}");
    assert_eq!(player.held().await, None);
    player.replay.assert_all_requested();
}

#[tokio::test]
async fn tampered_record() {
    let player = Player::new("tampered-record", "v1").await;
    let good = player.sync().await.expect("the first state verifies").collection;
    let error = player.sync().await.expect_err("nobody signed the second state");
    assert_eq!(error.kind(), ErrorKind::Untrusted, "{error}");
    let held = player.client.load(&list()).await.expect("the copy is readable").expect("there is one");
    assert_eq!(*held, *good);
    player.replay.assert_all_requested();
}

#[tokio::test]
async fn rollback() {
    let player = Player::new("rollback", "v1").await;
    let good = player.sync().await.expect("the first state verifies").collection;
    assert_eq!(player.sync().await.expect("an older list of changes is no news").outcome, Outcome::UpToDate);
    let error = player.client.sync(&list()).await.expect_err("the state is older than the copy");
    assert_eq!(error.kind(), ErrorKind::Rollback, "{error}");
    let held = player.client.load(&list()).await.expect("the copy is readable").expect("there is one");
    assert_eq!(held.timestamp, good.timestamp);
    player.replay.assert_all_requested();
}

#[tokio::test]
async fn unavailable() {
    let player = Player::new("unavailable", "v1").await;
    let error = player.sync().await.expect_err("the server is overloaded");
    assert_eq!(error.kind(), ErrorKind::Backoff, "{error}");
    // A tenth at most is added by chance.
    let left = error.retry_after().expect("the time is known");
    assert!((Duration::from_secs(30)..=Duration::from_secs(33)).contains(&left), "{left:?}");
    let error = player.sync().await.expect_err("the wait is not over");
    assert_eq!(error.kind(), ErrorKind::Backoff, "{error}");
    player.replay.assert_all_requested();
}

#[tokio::test]
async fn backoff() {
    let player = Player::new("backoff", "v1").await;
    player.sync().await.expect("an answer that asks to wait is an answer");
    let error = player.sync().await.expect_err("the wait is not over");
    assert_eq!(error.kind(), ErrorKind::Backoff, "{error}");
    assert_eq!(player.held().await.expect("it is held"), ["embedding"]);
    player.replay.assert_all_requested();
}

#[tokio::test]
async fn attachment() {
    let player = Player::new("attachment", "v1").await;
    let name = named("ml-onnx-runtime");
    let results =
        player.client.sync_all(std::slice::from_ref(&name)).await.expect("the list of changes is there");
    assert!(results.iter().all(|(_, result)| result.is_ok()), "{results:?}");
    let copy = player.client.load(&name).await.expect("the copy is readable").expect("there is one");
    let attachment =
        copy.records["wasm-1"].attachment().expect("it is well formed").expect("it was recorded with one");
    let mut bytes = Vec::new();
    player.client.download_attachment(&attachment, &mut bytes).await.expect("size and SHA-256 are right");
    assert!(bytes.starts_with(b"\0asm"));
    player.replay.assert_all_requested();
}

#[test]
fn every_recorded_scenario_is_played() {
    let source = include_str!("replay.rs");
    let recorded =
        std::fs::read_dir(testkit::replay::folder().join("settings")).expect("the folder is there");
    for entry in recorded {
        let name = entry.expect("the folder is readable").file_name().to_string_lossy().replace('-', "_");
        assert!(source.contains(&format!("fn {name}()")), "no test here is called {name}");
    }
}
