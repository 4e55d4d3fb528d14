//! Puts a manager together from its parts.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use blob_store::{BlobStore, FsStore, SpaceOptions};
use hub_client::{HubClient, Limits as HubLimits};
use hub_layout::Hub;
use rs_client::{Client, Clock, FileStorage, Server, Storage, SystemClock};
use runtime::EngineKind;
use transport::{HttpOptions, HttpTransport, Retry, RetryPolicy, Transport};

use super::{
    Inner, Manager,
    settings::{collection, looks_like},
};
use crate::{
    Error, ErrorKind,
    records::{ALLOW_DENY_LIST, INFERENCE_OPTIONS, InferenceRecord, ONNX_RUNTIME, RuleRecord, RuntimeRecord},
};

/// Puts a [`Manager`] together; what is not given is as production has it.
#[derive(Debug)]
pub struct ManagerBuilder {
    server: Server,
    hub: Hub,
    folder: Option<PathBuf>,
    store: Option<Arc<dyn BlobStore>>,
    storage: Option<Arc<dyn Storage>>,
    transport: Option<Arc<dyn Transport>>,
    clock: Option<Arc<dyn Clock>>,
    engine: EngineKind,
    hub_limits: HubLimits,
    any_hub: bool,
    accept_emptied: bool,
    space: SpaceOptions,
}

impl Default for ManagerBuilder {
    fn default() -> Self {
        Self {
            server: Server::production(),
            hub: Hub::mozilla(),
            folder: None,
            store: None,
            storage: None,
            transport: None,
            clock: None,
            engine: EngineKind::default(),
            hub_limits: HubLimits::default(),
            any_hub: false,
            accept_emptied: false,
            space: SpaceOptions::default(),
        }
    }
}

impl ManagerBuilder {
    /// Uses this settings server instead of Mozilla's production server.
    #[must_use]
    pub fn settings(mut self, server: Server) -> Self {
        self.server = server;
        self
    }

    /// Uses this hub instead of Mozilla's.
    #[must_use]
    pub fn hub(mut self, hub: Hub) -> Self {
        self.hub = hub;
        self
    }

    /// Keeps models under `models` and settings under `settings` in this folder, where no other store is given.
    #[must_use]
    pub fn folder(mut self, folder: impl AsRef<Path>) -> Self {
        self.folder = Some(folder.as_ref().to_owned());
        self
    }

    /// Keeps models here.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn BlobStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// Keeps the verified settings here.
    #[must_use]
    pub fn settings_storage(mut self, storage: Arc<dyn Storage>) -> Self {
        self.storage = Some(storage);
        self
    }

    /// Sends requests through this transport, instead of HTTP with retries.
    ///
    /// With [`transport::Offline`], everything that is stored works and nothing else does.
    #[must_use]
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Takes the time from here, instead of from the system.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Runs models with this engine.
    #[must_use]
    pub fn engine(mut self, engine: EngineKind) -> Self {
        self.engine = engine;
        self
    }

    /// Bounds what the hub may make this program do.
    #[must_use]
    pub fn hub_limits(mut self, limits: HubLimits) -> Self {
        self.hub_limits = limits;
        self
    }

    /// Does not ask the signed allow and deny list which hubs may be used.
    ///
    /// Dangerous: a model can then come from any server that a record or a caller names.
    #[must_use]
    pub fn dangerously_allow_any_hub(mut self, allow: bool) -> Self {
        self.any_hub = allow;
        self
    }

    /// Accepts that a collection that had records has none any more.
    ///
    /// Without this such an update is refused, because a signature does not say which collection it is for: see
    /// [`rs_client::ClientBuilder::accept_emptied`].
    #[must_use]
    pub fn accept_emptied_settings(mut self, accept: bool) -> Self {
        self.accept_emptied = accept;
        self
    }

    /// Lets the files in the store take this many bytes together; no limit by default.
    ///
    /// The quota is looked at before something is downloaded, and not otherwise: what lies there or is imported stays
    /// until then. Where a download would not fit, what nobody uses any more goes first, and then the models that
    /// were used least lately, with what uses them, as if each was [removed](Manager::remove). What is
    /// [pinned](Manager::pin), open in an engine of any process, or about to be replaced by the download stays, and
    /// what was imported from a folder is pinned from the start, since nothing says where it could be fetched again.
    /// Where that leaves too little room, the download is refused with [`ErrorKind::NoSpace`] before any file is
    /// fetched, and nothing goes.
    #[must_use]
    pub fn quota(mut self, bytes: u64) -> Self {
        self.space = self.space.quota(bytes).yielding(true);
        self
    }

    /// Keeps this many bytes free where the store is, as far as it can tell, in the way of [`quota`](Self::quota).
    ///
    /// Without this and without a quota, no model in use is ever evicted; a download that is larger than the disk's
    /// free space is refused all the same.
    #[must_use]
    pub fn keep_free(mut self, bytes: u64) -> Self {
        self.space = self.space.keep_free(bytes).yielding(true);
        self
    }

    /// Makes the manager; makes no request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if there is no place for models or settings, [`ErrorKind::Storage`] if it cannot
    /// be used, [`ErrorKind::Unsupported`] if a newer program made the store.
    pub fn build(self) -> Result<Manager, Error> {
        let folder = |part: &str| {
            let folder = self.folder.as_ref().map(|folder| folder.join(part));
            folder.ok_or_else(|| Error::new(ErrorKind::InvalidInput, format!("no place is given for {part}")))
        };
        let store = match self.store {
            Some(store) => store,
            None => Arc::new(FsStore::open(folder("models")?)?),
        };
        let storage = match self.storage {
            Some(storage) => storage,
            None => Arc::new(FileStorage::open(folder("settings")?)),
        };
        let transport = match self.transport {
            Some(transport) => transport,
            None => {
                let http = HttpTransport::new(HttpOptions::new("mlmgr", env!("CARGO_PKG_VERSION")));
                let http = http.map_err(|error| {
                    Error::new(ErrorKind::Failed, "requests cannot be made").with_source(error)
                })?;
                Arc::new(Retry::new(http, RetryPolicy::default()))
            }
        };
        let clock = self.clock.unwrap_or_else(|| Arc::<SystemClock>::default());
        let settings = Client::builder(self.server, Arc::clone(&transport), storage)
            .clock(Arc::clone(&clock))
            .accept_emptied(self.accept_emptied)
            .require(collection(INFERENCE_OPTIONS), looks_like::<InferenceRecord>)
            .require(collection(ONNX_RUNTIME), looks_like::<RuntimeRecord>)
            .require(collection(ALLOW_DENY_LIST), looks_like::<RuleRecord>)
            .build();
        Ok(Manager {
            inner: Arc::new(Inner {
                settings,
                hub_client: HubClient::new(transport, self.hub.clone())
                    .with_limits(self.hub_limits)
                    .with_clock({
                        let clock = Arc::clone(&clock);
                        move || clock.now()
                    }),
                hub: self.hub,
                store,
                clock,
                engine: self.engine,
                any_hub: self.any_hub,
                space: self.space,
                slots: Mutex::default(),
                changing: tokio::sync::Mutex::default(),
                healed: tokio::sync::OnceCell::new(),
            }),
        })
    }
}
