//! A settings server, a hub, and managers that use them.

use std::{path::Path, sync::Arc, time::Duration};

use mlmgr::{
    Embedding, Engine, Error, Hub, HubKind, HubLimits, Input, Manager, ManagerBuilder, NoProgress, Output,
    Retry, RunOptions, Server, Transport,
    transport::{HttpOptions, HttpTransport, Offline, RetryPolicy},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{
    hub::{HubOptions, HubServer},
    onnx::{tiny_model, tiny_model_with_seed},
    settings::{SettingsOptions, SettingsServer},
};

pub(crate) const TASK: &str = "feature-extraction";
pub(crate) const OPTIONS: &str = "ml-inference-options";
pub(crate) const RULES: &str = "ml-model-allow-deny-list";
pub(crate) const RUNTIMES: &str = "ml-onnx-runtime";
pub(crate) const MODEL: &str = "org/tiny";
pub(crate) const WEIGHTS: &str = "onnx/model_quantized.onnx";
pub(crate) const TEXT: &str = "The cat sleeps.";

/// Servers on loopback and a folder for stores.
pub(crate) struct World {
    pub(crate) settings: SettingsServer,
    pub(crate) hub: HubServer,
    pub(crate) folder: TempDir,
}

impl World {
    /// Starts the servers, without records and models.
    pub(crate) fn empty() -> Self {
        Self {
            settings: SettingsServer::start(SettingsOptions::default()),
            hub: HubServer::start(HubOptions::hugging_face()),
            folder: tempfile::tempdir().expect("a temporary folder can be made"),
        }
    }

    /// Starts the servers with a tiny model as v1 and a record that names it.
    pub(crate) fn new() -> Self {
        let world = Self::empty();
        world.hub.add_model(MODEL, "v1", tiny_model());
        world.settings.set_record(OPTIONS, record("embed", "v1"));
        world
    }

    /// Publishes other weights as another revision.
    pub(crate) fn publish(&self, revision: &str, seed: u64) -> String {
        self.hub.add_model(MODEL, revision, tiny_model_with_seed(seed))
    }

    /// A manager builder for these servers, with a store of its own by name.
    pub(crate) fn builder(&self, store: &str) -> ManagerBuilder {
        let roots = vec![self.settings.root_hash().parse().expect("the test's root hash is one")];
        let server = Server::custom(self.settings.url().parse().expect("the test's server has a URL"), roots);
        let hub = Hub::new(HubKind::HuggingFace, self.hub.url().parse().expect("the test's hub has a URL"));
        Manager::builder()
            .settings(server)
            .hub_limits(hub_limits())
            .hub(hub.expect("the test's hub is a hub"))
            .folder(self.store(store))
            .transport(online())
    }

    pub(crate) fn store(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn manager(&self) -> Manager {
        self.builder("store").build().expect("a manager can be made")
    }

    /// A manager with the same store that makes no request.
    pub(crate) fn offline(&self) -> Manager {
        let transport: Arc<dyn Transport> = Arc::<Offline>::default();
        self.builder("store").transport(transport).build().expect("a manager can be made")
    }

    /// How many requests reached the servers.
    pub(crate) fn requests(&self) -> usize {
        self.settings.requests().len() + self.hub.requests().len()
    }

    /// A manager whose task is installed.
    pub(crate) async fn installed(&self) -> Manager {
        let manager = self.manager();
        manager.sync().await.expect("the settings are good");
        let selection = manager.resolve(TASK).await.expect("one record is for the task");
        manager.pull(&selection, &NoProgress).await.expect("the model is there");
        manager
    }
}

/// Requests are tried twice, at once.
pub(crate) fn online() -> Arc<dyn Transport> {
    let http = HttpTransport::new(HttpOptions::new("mlmgr-test", "0")).expect("HTTP works");
    let mut policy = RetryPolicy::default();
    (policy.attempts, policy.base) = (2, Duration::from_millis(1));
    // A server that asks to wait for seconds is an error here.
    policy.max_retry_after = Duration::ZERO;
    Arc::new(Retry::new(http, policy))
}

/// What breaks off is begun again at once.
pub(crate) fn hub_limits() -> HubLimits {
    let mut limits = HubLimits::default();
    limits.pause = Duration::from_millis(1);
    limits
}

/// A record of the task for a revision of the model.
pub(crate) fn record(id: &str, revision: &str) -> Value {
    json!({"id": id, "taskName": TASK, "modelId": MODEL, "modelRevision": revision, "dtype": "q8"})
}

/// Runs an engine on one text.
pub(crate) fn embed(engine: &Engine) -> Result<Embedding, Error> {
    let output = engine.run(&Input::Texts(vec![TEXT.to_owned()]), &RunOptions::sentence_embedding())?;
    let Output::Embeddings(mut embeddings) = output else { panic!("feature extraction gives embeddings") };
    assert_eq!(embeddings.len(), 1);
    Ok(embeddings.remove(0))
}

/// The files under a folder, by content digest, wherever they lie.
pub(crate) fn digests_under(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder can be read") {
            let entry = entry.expect("the entry can be read");
            if entry.file_type().expect("it has a type").is_dir() {
                folders.push(entry.path());
            } else {
                let bytes = std::fs::read(entry.path()).expect("the file can be read");
                found.push(mlmgr::ContentId::of(&bytes).digest.to_string());
            }
        }
    }
    found
}

/// The digest of a file of the tiny model.
pub(crate) fn digest_of(seed: Option<u64>, path: &str) -> String {
    let files = seed.map_or_else(tiny_model, tiny_model_with_seed);
    let (_, bytes) = files.iter().find(|(name, _)| name == path).expect("the tiny model has the file");
    mlmgr::ContentId::of(bytes).digest.to_string()
}

/// Checks that an error is of a kind, names things, and says nothing twice.
pub(crate) fn check_error(error: &Error, kind: mlmgr::ErrorKind, names: &[&str]) {
    let chain = error.chain();
    assert_eq!(error.kind(), kind, "{chain}");
    for name in names {
        assert!(chain.contains(name), "{name:?} is not in: {chain}");
    }
    let mut messages = vec![error.to_string()];
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        messages.push(error.to_string());
        source = error.source();
    }
    for (index, message) in messages.iter().enumerate() {
        assert!(!message.ends_with('.'), "{message:?} ends with a stop");
        assert!(!message.is_empty(), "an empty message in: {chain}");
        for other in messages.iter().skip(index + 1) {
            assert!(!message.contains(&**other), "{other:?} is repeated in: {chain}");
        }
    }
}
