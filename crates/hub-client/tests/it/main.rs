//! The hub client against hubs on loopback, in both layouts, over every kind of store.

mod faults;
mod full;
mod hostile;
mod parts;
mod plans;
mod repair;
mod replay;
mod resume;
mod revisions;
mod secrets;
mod stores;
mod whole;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use blob_store::{BlobStore, BlobStoreExt, FsOptions, FsStore, Manifest, ManifestName, ObjectStoreBackend};
use hub_client::{Event, HubClient, Limits, Progress, Wanted};
use hub_layout::{FileRequest, Hub, HubKind};
use testkit::hub::{HubOptions, HubServer, Layout};
use transport::{HttpOptions, HttpTransport, Retry, RetryPolicy, Transport};

const MODEL: &str = "org/tiny";
const WEIGHTS: &str = "onnx/model_quantized.onnx";

/// A hub with one model at revision `v1`, a store, and a client between them.
struct Bench {
    hub: HubServer,
    client: HubClient,
    store: Box<dyn BlobStore>,
    _folder: Option<tempfile::TempDir>,
}

impl Bench {
    fn new(options: HubOptions) -> Self {
        let layout = options.layout;
        let hub = HubServer::start(options);
        hub.add_model(MODEL, "v1", files());
        let client = client(layout, &hub.url());
        let store = ObjectStoreBackend::new(Arc::new(object_store::memory::InMemory::new()));
        Self { hub, client, store: Box::new(store), _folder: None }
    }

    fn hugging_face() -> Self {
        Self::new(HubOptions::hugging_face())
    }

    fn mozilla() -> Self {
        Self::new(HubOptions::mozilla())
    }

    /// Each layout with each kind of store.
    fn all() -> Vec<Self> {
        let mut benches = Vec::new();
        for options in [HubOptions::hugging_face(), HubOptions::mozilla()] {
            benches.push(Self::new(options.clone()));
            let folder = tempfile::tempdir().expect("there is room for a folder");
            let store = FsStore::open_with(folder.path(), fast()).expect("the folder is empty");
            benches.push(Self { store: Box::new(store), _folder: Some(folder), ..Self::new(options) });
        }
        benches
    }

    async fn pull(&self, wanted: &Wanted) -> Result<Manifest, hub_client::Error> {
        self.pull_with(wanted, &Events::default()).await
    }

    async fn pull_with(
        &self,
        wanted: &Wanted,
        progress: &dyn Progress,
    ) -> Result<Manifest, hub_client::Error> {
        let plan = self.client.plan(&*self.store, wanted).await?;
        self.client.download(&*self.store, &plan, progress).await
    }

    /// What the store holds under the model's name.
    async fn manifest(&self, revision: &str) -> Option<Manifest> {
        let name = ManifestName::new(self.client.hub().id(), MODEL, revision);
        let found = self.store.manifest(&name).await.expect("the store can be read");
        found.map(|(manifest, _)| manifest)
    }

    /// The GET requests for this file so far.
    fn gets(&self, file: &str) -> usize {
        let requests = self.hub.requests();
        let file = format!("/{file}");
        requests.iter().filter(|request| request.method == "GET" && request.path().ends_with(&file)).count()
    }
}

/// Without waiting for the disk, which these tests are not about.
fn fast() -> FsOptions {
    let mut options = FsOptions::default();
    options.durability = blob_store::Durability::ProcessCrashOnly;
    options
}

fn files() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("config.json", b"{\"model_type\":\"bert\"}".to_vec()),
        ("tokenizer.json", b"{\"version\":\"1.0\"}".to_vec()),
        ("tokenizer_config.json", b"{}".to_vec()),
        ("README.md", b"# tiny\n".to_vec()),
        ("onnx/model.onnx", vec![1; 70_000]),
        (WEIGHTS, vec![8; 50_000]),
        ("pytorch_model.bin", vec![0; 1000]),
    ]
}

fn bytes_of(path: &str) -> Vec<u8> {
    files().into_iter().find(|(name, _)| *name == path).expect("the test knows its files").1
}

fn client(layout: Layout, url: &str) -> HubClient {
    let kind = match layout {
        Layout::Mozilla => HubKind::Mozilla,
        _ => HubKind::HuggingFace,
    };
    let root = url.parse().expect("a server's address is a URL");
    client_of(Hub::new(kind, root).expect("it is a good root"), quick_http())
}

fn client_of(hub: Hub, transport: impl Transport) -> HubClient {
    let mut limits = Limits::default();
    limits.pause = Duration::from_millis(1);
    HubClient::new(Arc::new(transport), hub)
        .with_limits(limits)
        .with_clock(|| SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000))
}

/// HTTP that gives up and tries again soon enough for tests.
fn quick_http() -> Retry<HttpTransport> {
    let mut options = HttpOptions::new("hub-client-test", "1");
    options.stall_timeout = Duration::from_millis(250);
    let http = HttpTransport::new(options).expect("the options make sense");
    let mut policy = RetryPolicy::default();
    policy.base = Duration::from_millis(1);
    policy.attempts = 3;
    Retry::new(http, policy)
}

fn wanted(revision: &str) -> Wanted {
    let request = FileRequest::new("feature-extraction".parse().expect("it is a task"));
    let revision = revision.parse().expect("it is a revision");
    Wanted::new(MODEL.parse().expect("it is a model id"), revision, request)
}

/// Keeps the events of a download, as JSON.
#[derive(Default)]
struct Events(Mutex<Vec<serde_json::Value>>);

impl Events {
    fn all(&self) -> Vec<serde_json::Value> {
        self.0.lock().expect("no test panics with it").clone()
    }

    /// The events of this name.
    fn of(&self, name: &str) -> Vec<serde_json::Value> {
        self.all().into_iter().filter(|event| event["event"] == name).collect()
    }
}

impl Progress for Events {
    fn event(&self, event: &Event<'_>) {
        let event = serde_json::to_value(event).expect("an event is JSON");
        self.0.lock().expect("no test panics with it").push(event);
    }
}
