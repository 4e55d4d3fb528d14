//! Recorded exchanges played back: what a manager makes of bytes that are the same every time.

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use mlmgr::{Error, ErrorKind, FixedClock, Hub, HubKind, Manager, NoProgress, Selection, Server};
use mockito::ServerGuard;
use testkit::replay::{Replay, Scenario};

use crate::world::{TASK, check_error, hub_limits, online};

/// A manager of one scenario, and what has to live as long.
struct Player {
    manager: Manager,
    replay: Replay,
    _servers: [ServerGuard; 2],
    _folder: tempfile::TempDir,
}

async fn servers() -> [ServerGuard; 2] {
    [mockito::Server::new_async().await, mockito::Server::new_async().await]
}

impl Player {
    /// Plays a settings server.
    async fn settings(name: &str) -> Self {
        let scenario = Scenario::load(&format!("settings/{name}"));
        let at = scenario.at.expect("scenarios of the settings server have a moment");
        let root = scenario.root.clone().expect("scenarios of the settings server have a root");
        let mut servers = servers().await;
        let replay = scenario.replay(&mut servers[0]);
        let url = format!("{}/v1", servers[0].url()).parse().expect("the server has an address");
        let clock = Arc::new(FixedClock::new(UNIX_EPOCH + Duration::from_secs(at)));
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let builder = Manager::builder()
            .settings(Server::custom(url, vec![root.parse().expect("the scenario's root is a hash")]))
            .clock(clock);
        let manager = builder.folder(folder.path()).transport(online()).build();
        Self { manager: manager.expect("a manager can be made"), replay, _servers: servers, _folder: folder }
    }

    /// Plays a hub.
    async fn hub(name: &str) -> Self {
        let mut servers = servers().await;
        let [hub, storage] = &mut servers;
        let replay = Scenario::load(&format!("hub/{name}")).replay_with_storage(hub, storage);
        let kind = if name.starts_with("mozilla") { HubKind::Mozilla } else { HubKind::HuggingFace };
        let hub = Hub::new(kind, servers[0].url().parse().expect("the server has an address"));
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let builder = Manager::builder().hub(hub.expect("the server is a hub")).hub_limits(hub_limits());
        let manager = builder.folder(folder.path()).transport(online()).build();
        Self { manager: manager.expect("a manager can be made"), replay, _servers: servers, _folder: folder }
    }

    /// Installs a model by name.
    async fn pull(&self, model: &str, revision: &str) -> Result<(), Error> {
        let selection = Selection::of_model(
            model.parse().expect("a model id"),
            Some(revision.parse().expect("a revision")),
            TASK.parse().expect("a task name"),
            Some("q8".parse().expect("a dtype")),
        );
        self.manager.pull(&selection, &NoProgress).await.map(drop)
    }

    /// Checks that installing a model fails, and leaves nothing.
    async fn refuses(&self, model: &str, revision: &str, kind: ErrorKind, names: &[&str]) {
        let error = self.pull(model, revision).await.expect_err("the hub does not have it");
        check_error(&error, kind, names);
        assert_eq!(self.manager.list().await.expect("the store can be read"), []);
    }
}

#[tokio::test]
async fn first_sync() {
    let player = Player::settings("first-sync").await;
    player.manager.sync().await.expect("all three collections verify");
    player.replay.assert_all_requested();
    let selection = player.manager.resolve(TASK).await.expect("one record is for the task");
    assert_eq!(selection.record.as_deref(), Some("embedding"));
    assert_eq!((selection.model.as_str(), selection.revision.as_str()), ("org/model", "r1"));
    // Its rules allow another place than the hub: that is refused before any request.
    let error = player.manager.plan(&selection).await.expect_err("Mozilla's hub is not allowed");
    check_error(&error, ErrorKind::Denied, &["model-hub.mozilla.org/org/model/r1"]);
}

#[tokio::test]
async fn tampered_record() {
    let player = Player::settings("tampered-record").await;
    // The scenario has one collection; that the others fail does not stop it.
    let _ = player.manager.sync_each().await;
    let before = player.manager.resolve(TASK).await.expect("the first state verifies");
    let error = player.manager.sync().await.expect_err("nobody signed the second state");
    check_error(&error, ErrorKind::Untrusted, &["ml-inference-options"]);
    assert_eq!(player.manager.resolve(TASK).await.expect("the first state stays"), before);
}

#[tokio::test]
async fn chains_that_are_not_trusted() {
    for (name, why) in [("expired-leaf", "expired"), ("wrong-name-chain", "not for remote-settings")] {
        let player = Player::settings(name).await;
        let error = player.manager.sync().await.expect_err("the chain must not be trusted");
        check_error(&error, ErrorKind::Untrusted, &["ml-inference-options", why]);
        let error = player.manager.resolve(TASK).await.expect_err("nothing was stored");
        check_error(&error, ErrorKind::NotFound, &["never fetched"]);
    }
}

#[tokio::test]
async fn unavailable() {
    let player = Player::settings("unavailable").await;
    let error = player.manager.sync().await.expect_err("the server is overloaded");
    check_error(&error, ErrorKind::Unavailable, &["settings server"]);
    assert!(error.hint().expect("there is a way out").contains("wait"));
}

#[tokio::test]
async fn whole_models_install_and_run() {
    for name in ["whole-model", "redirect-to-storage", "listing-two-pages", "mozilla-no-listing"] {
        let player = Player::hub(name).await;
        player.pull("org/tiny", "main").await.unwrap_or_else(|error| panic!("{name}: {}", error.chain()));
        let models = player.manager.list().await.expect("the store can be read");
        assert_eq!(models[0].used_by, ["model:org/tiny@main"], "{name}");
    }
}

#[tokio::test]
async fn what_the_hub_lacks_or_breaks() {
    let missing = Player::hub("model-missing").await;
    missing.refuses("org/nothing", "main", ErrorKind::NotFound, &["org/nothing"]).await;
    let revision = Player::hub("revision-missing").await;
    revision.refuses("org/tiny", "v9", ErrorKind::NotFound, &["org/tiny@v9"]).await;
    let file = Player::hub("file-missing").await;
    file.refuses("org/tiny", "main", ErrorKind::NotFound, &["org/tiny@main"]).await;
    let flipped = Player::hub("flipped-byte").await;
    flipped.refuses("org/tiny", "main", ErrorKind::Untrusted, &["onnx/model_quantized.onnx"]).await;
}
