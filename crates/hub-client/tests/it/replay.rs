//! The recorded exchanges under fixtures/exchanges/hub, played back: every scenario ends as its name says.

use std::{sync::Arc, time::Duration};

use blob_store::{BlobStore, BlobStoreExt, Manifest, ObjectStoreBackend};
use hub_client::{Error, ErrorKind, HubClient, Limits, NoProgress, Plan, Trust, Wanted};
use hub_layout::{Dtype, FileRequest, Hub, HubKind};
use mockito::{Server, ServerGuard};
use object_store::memory::InMemory;
use testkit::{
    onnx::tiny_model,
    replay::{Replay, Scenario},
};
use transport::{HttpOptions, HttpTransport, Request, Transport};

const WEIGHTS: &str = "onnx/model_quantized.onnx";

/// A client of a scenario that is being played back, with an empty store.
struct Player {
    client: HubClient,
    store: ObjectStoreBackend,
    replay: Replay,
    server: ServerGuard,
    _storage: ServerGuard,
}

impl Player {
    async fn new(name: &str) -> Self {
        let kind = if name.starts_with("mozilla") { HubKind::Mozilla } else { HubKind::HuggingFace };
        let (mut server, mut storage) = (Server::new_async().await, Server::new_async().await);
        let replay = Scenario::load(&format!("hub/{name}")).replay_with_storage(&mut server, &mut storage);
        let hub =
            Hub::new(kind, server.url().parse().expect("servers have addresses")).expect("it is a root");
        let mut limits = Limits::default();
        limits.pause = Duration::ZERO;
        let client = HubClient::new(transport(), hub).with_limits(limits);
        let store = ObjectStoreBackend::new(Arc::new(InMemory::new()));
        Self { client, store, replay, server, _storage: storage }
    }

    async fn plan(&self) -> Result<Plan, Error> {
        self.plan_of("org/tiny", "main").await
    }

    async fn plan_of(&self, model: &str, revision: &str) -> Result<Plan, Error> {
        let task = "feature-extraction".parse().expect("it is a task");
        let request = FileRequest::new(task).with_dtype(Dtype::Q8);
        let model = model.parse().expect("it is a model id");
        let wanted = Wanted::new(model, revision.parse().expect("it is a revision"), request);
        self.client.plan(&self.store, &wanted).await
    }

    async fn download(&self) -> Result<Manifest, Error> {
        let plan = self.plan().await?;
        self.client.download(&self.store, &plan, &NoProgress).await
    }

    /// Downloads, and compares every file with what was published.
    async fn downloads_all_but(&self, lacking: &[&str]) {
        let manifest = self.download().await.expect("the recorded hub has all that is needed");
        let published = tiny_model();
        for (path, content) in &published {
            let stored = manifest.files.get(path);
            // The other weights are not asked for.
            if path == "onnx/model.onnx" || lacking.contains(&path.as_str()) {
                assert!(stored.is_none(), "{path}");
                continue;
            }
            let id = stored.expect("the file is needed").content;
            let bytes = self.store.read_all(id, 1 << 20).await.expect("a manifest's files are in the store");
            assert_eq!(bytes, content.as_slice(), "{path}");
        }
        self.replay.assert_all_requested();
    }

    /// Checks that neither a manifest nor a half-written file is visible.
    async fn has_no_model(&self) {
        assert!(self.store.manifests().await.expect("memory can be read").is_empty());
        for blob in self.store.blobs().await.expect("memory can be read") {
            self.store.read_all(blob.id, 1 << 20).await.expect("what is visible is whole");
        }
    }
}

fn transport() -> Arc<HttpTransport> {
    Arc::new(HttpTransport::new(HttpOptions::new("hub-client-tests", "1")).expect("the options are valid"))
}

#[tokio::test]
async fn whole_model() {
    let player = Player::new("whole-model").await;
    player.downloads_all_but(&[]).await;
}

#[tokio::test]
async fn listing_two_pages() {
    let player = Player::new("listing-two-pages").await;
    player.downloads_all_but(&[]).await;
}

#[tokio::test]
async fn redirect_to_storage() {
    let player = Player::new("redirect-to-storage").await;
    player.downloads_all_but(&[]).await;
}

#[tokio::test]
async fn mozilla_no_listing() {
    let player = Player::new("mozilla-no-listing").await;
    player.downloads_all_but(&["special_tokens_map.json"]).await;
}

#[tokio::test]
async fn a_plan_says_why_a_file_is_trusted() {
    let player = Player::new("whole-model").await;
    let plan = player.plan().await.expect("the recorded hub has all that is needed");
    let trust = |path: &str| plan.files.iter().find(|file| file.path.as_str() == path).map(|file| file.trust);
    assert_eq!(trust(WEIGHTS), Some(Trust::Hub));
    assert_eq!(trust("config.json"), Some(Trust::FirstUse));
}

#[tokio::test]
async fn file_missing() {
    let player = Player::new("file-missing").await;
    let error = player.plan().await.expect_err("the task needs tokenizer.json");
    assert_eq!((error.kind(), path(&error)), (ErrorKind::MissingFile, Some("tokenizer.json")), "{error}");
    player.replay.assert_all_requested();
}

#[tokio::test]
async fn file_gone() {
    let player = Player::new("file-gone").await;
    let error = player.download().await.expect_err("tokenizer.json is not there");
    assert_eq!((error.kind(), path(&error)), (ErrorKind::MissingFile, Some("tokenizer.json")), "{error}");
    player.has_no_model().await;
}

fn path(error: &Error) -> Option<&str> {
    error.path().map(|path| path.as_str())
}

#[tokio::test]
async fn revision_missing() {
    let player = Player::new("revision-missing").await;
    let error = player.plan_of("org/tiny", "v9").await.expect_err("there is no such revision");
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    player.replay.assert_all_requested();
}

#[tokio::test]
async fn model_missing() {
    let player = Player::new("model-missing").await;
    let error = player.plan_of("org/nothing", "main").await.expect_err("there is no such model");
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    player.replay.assert_all_requested();
}

#[tokio::test]
async fn flipped_byte() {
    let player = Player::new("flipped-byte").await;
    let error = player.download().await.expect_err("the weights are not what was listed");
    assert_eq!((error.kind(), path(&error)), (ErrorKind::Mismatch, Some(WEIGHTS)), "{error}");
    player.has_no_model().await;
}

/// Parts are not asked for yet by the client; the transport below it knows them.
#[tokio::test]
async fn range_and_etag() {
    let player = Player::new("range-and-etag").await;
    let scenario = Scenario::load("hub/range-and-etag");
    let weights = tiny_model().into_iter().find(|(path, _)| path == WEIGHTS).expect("it has weights").1;
    for recorded in &scenario.exchanges {
        let url = format!("{}{}", player.server.url(), recorded.target).parse().expect("it is an address");
        let mut request =
            if recorded.method == "HEAD" { Request::head(url) } else { Request::get(url, 1 << 20) };
        for (name, value) in &recorded.request_headers {
            request = request.header(name.as_str(), value.as_str());
        }
        let response = transport().send(request).await.expect("any status is an answer");
        assert_eq!(response.status, recorded.status);
        let range = response.headers.get("content-range").map(str::to_owned);
        let body = response.bytes().await.expect("the body is whole");
        let whole = format!("/{}", weights.len());
        match range
            .map(|range| range.strip_suffix(&whole).expect("it ends with the size").to_owned())
            .as_deref()
        {
            Some("bytes 0-99") => assert_eq!(body, weights[..100]),
            Some("bytes 100-199") => assert_eq!(body, weights[100..200]),
            Some(outside) => assert_eq!((outside, recorded.status), ("bytes *", 416)),
            None if recorded.method == "GET" && recorded.status == 200 => assert_eq!(body, weights),
            None => assert!(body.is_empty()),
        }
    }
    player.replay.assert_all_requested();
}

#[test]
fn every_recorded_scenario_is_played() {
    let source = include_str!("replay.rs");
    let recorded = std::fs::read_dir(testkit::replay::folder().join("hub")).expect("the folder is there");
    for entry in recorded {
        let name = entry.expect("the folder is readable").file_name().to_string_lossy().replace('-', "_");
        assert!(source.contains(&format!("fn {name}()")), "no test here is called {name}");
    }
}
