//! A server, a client of it, and shorthands.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use rs_client::{Client, ClientBuilder, CollectionName, FixedClock, MemoryStorage, Server, Storage};
use serde_json::{Value, json};
use testkit::settings::{ApiVersion, SettingsOptions, SettingsServer};
use transport::{HttpOptions, HttpTransport};

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// Both versions of the interface.
pub(crate) const VERSIONS: [ApiVersion; 2] = [ApiVersion::V1, ApiVersion::V2];

/// The collection that most tests use.
pub(crate) const LIST: &str = "ml-inference-options";

/// A settings server and a client that has nothing yet.
pub(crate) struct Pair {
    pub(crate) server: SettingsServer,
    pub(crate) client: Client,
    pub(crate) storage: Arc<MemoryStorage>,
    pub(crate) clock: Arc<FixedClock>,
    root: String,
}

impl Pair {
    pub(crate) fn new() -> Self {
        Self::with(SettingsOptions::default())
    }

    pub(crate) fn with(options: SettingsOptions) -> Self {
        let server = SettingsServer::start(options);
        let storage = Arc::new(MemoryStorage::new());
        let clock = Arc::new(FixedClock::new(SystemTime::now()));
        let root = server.root_hash();
        let client = builder(&server.url(), &root, storage.clone()).clock(clock.clone()).build();
        Self { server, client, storage, clock, root }
    }

    /// A pair that speaks this version, and has one record.
    pub(crate) fn of(version: ApiVersion) -> Self {
        let mut options = SettingsOptions::default();
        options.version = version;
        let pair = Self::with(options);
        pair.set("a");
        pair
    }

    /// Another client of the same server and the same storage, as after a restart.
    pub(crate) fn restarted(&self) -> Client {
        self.builder().build()
    }

    pub(crate) fn builder(&self) -> ClientBuilder {
        builder(&self.server.url(), &self.root, self.storage.clone()).clock(self.clock.clone())
    }

    /// The only local copy there is, as stored.
    pub(crate) async fn stored(&self) -> Value {
        let stored = self.storage.load(&self.key()).await.expect("memory can be read");
        let stored = stored.expect("there is a local copy");
        serde_json::from_slice(&stored.bytes).expect("local copies are JSON")
    }

    pub(crate) async fn store(&self, state: &Value) {
        let state = serde_json::to_vec(state).expect("it is JSON").into();
        commit(&*self.storage, &self.key(), state).await;
    }

    pub(crate) fn key(&self) -> String {
        format!("{}/main/{LIST}", self.server.url())
    }

    /// The paths and queries of the requests since the last call.
    pub(crate) fn requests(&self) -> Vec<String> {
        let requests = self.server.requests();
        self.server.forget_requests();
        requests.into_iter().map(|request| request.target).collect()
    }

    /// Publishes records one after the other.
    pub(crate) fn set_each(&self, ids: &[&str]) {
        ids.iter().for_each(|id| self.set(id));
    }

    pub(crate) fn set(&self, id: &str) {
        self.server.set_record(LIST, json!({"id": id, "taskName": "feature-extraction"}));
    }
}

/// Replaces whatever is kept under `key`.
pub(crate) async fn commit(storage: &dyn Storage, key: &str, state: bytes::Bytes) {
    let version = storage.version(key).await.expect("the storage can be read");
    let committed = storage.commit(key, state, version.as_ref()).await.expect("the storage can be written");
    committed.expect("nobody else writes");
}

pub(crate) fn builder(url: &str, root: &str, storage: Arc<dyn Storage>) -> ClientBuilder {
    let roots = vec![root.parse().expect("the root hash is one")];
    let server = Server::custom(url.parse().expect("the address is one"), roots);
    Client::builder(server, transport(), storage)
}

pub(crate) fn transport() -> Arc<HttpTransport> {
    Arc::new(HttpTransport::new(HttpOptions::new("rs-client-tests", "1")).expect("the options are valid"))
}

pub(crate) fn list() -> CollectionName {
    CollectionName::new("main", LIST).expect("the name is one")
}

pub(crate) fn ids(collection: &rs_client::Collection) -> Vec<&str> {
    collection.records.ids().collect()
}
