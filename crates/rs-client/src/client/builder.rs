//! What a client is made from.

use std::{
    borrow::Cow,
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use serde::de::DeserializeOwned;
use transport::Transport;

use super::{Client, politeness::Politeness, shutdown::Shutdown};
use crate::{
    Clock, Collection, CollectionName, Limits, Observer, Packaged, Server, Storage, SystemClock,
    packaged::{Packages, bytes},
    requirement::Requirement,
};

/// What a [`Client`] is made from.
#[derive(Debug)]
pub struct ClientBuilder {
    server: Server,
    transport: Arc<dyn Transport>,
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    limits: Limits,
    accept_emptied: bool,
    trust_server_time: bool,
    observer: Option<Arc<dyn Observer>>,
    packages: Packages,
    requirements: HashMap<CollectionName, Requirement>,
}

impl Client {
    /// Starts making a client for `server` that sends requests over `transport` and keeps copies in `storage`.
    ///
    /// The transport decides on User-Agent, compression, proxies and retries.
    pub fn builder(
        server: Server,
        transport: Arc<dyn Transport>,
        storage: Arc<dyn Storage>,
    ) -> ClientBuilder {
        ClientBuilder {
            server,
            transport,
            storage,
            clock: Arc::new(SystemClock),
            limits: Limits::default(),
            accept_emptied: false,
            trust_server_time: false,
            observer: None,
            packages: Packages::default(),
            requirements: HashMap::new(),
        }
    }
}

impl ClientBuilder {
    /// Takes the time from `clock` instead of the system.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sets how much the server may send.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Accepts that a collection that had records has none anymore.
    ///
    /// Without this such an update fails with [`ErrorKind::Emptied`](crate::ErrorKind::Emptied) and the old copy stays. A signature does not
    /// name its collection: the signed emptiness of any collection is that of every other one, so whoever
    /// controls the connection could make an allow-list or a deny-list vanish. Where a collection is emptied on
    /// purpose, this accepts it, and so does [`Client::reset`] for one collection.
    #[must_use]
    pub fn accept_emptied(mut self, accept: bool) -> Self {
        self.accept_emptied = accept;
        self
    }

    /// Tells `observer` what the client does.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Holds certificates against the server's time where they are not valid at the local one. Off by default.
    ///
    /// For devices whose clock is wrong for good. Dangerous: whoever can answer for the server can name a date on
    /// which a certificate that has expired since, and whose key was stolen, was still valid. Then only HTTPS stands
    /// against it, which itself needs a clock that is about right. The local copy is verified again at that date
    /// when it is read.
    #[must_use]
    pub fn dangerously_trust_server_time(mut self, trust: bool) -> Self {
        self.trust_server_time = trust;
        self
    }

    /// Brings a copy of a collection along; see [`Packaged`].
    #[must_use]
    pub fn packaged(mut self, name: CollectionName, copy: Packaged) -> Self {
        self.packages.given.insert(name, copy);
        self
    }

    /// Looks for copies of collections in a folder that the program brings along.
    ///
    /// They are called `{bucket}/{collection}.snapshot` where they are signed; `{bucket}/{collection}.json` with the
    /// timestamp alone in `{bucket}/{collection}.timestamp` where they are not. See [`Packaged`].
    ///
    /// Attachments are looked for there as well, as `{bucket}/{collection}/{id of the record}`. Next to a file
    /// `{id}.meta.json`, with the `hash` and `size` from the record, may say which it is, so that another one need not
    /// be read; what is used is a file that has the size and SHA-256 of the record at hand.
    #[must_use]
    pub fn packaged_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.packages.folder = Some(folder.into());
        self
    }

    /// Brings the file of a record along, for a first start without a network.
    ///
    /// [`fetch_attachment`](Client::fetch_attachment) takes it where it has the size and SHA-256 that the record
    /// describes.
    #[must_use]
    pub fn packaged_attachment(
        mut self,
        name: CollectionName,
        id: impl Into<String>,
        file: impl Into<Cow<'static, [u8]>>,
    ) -> Self {
        self.packages.attachments.entry(name).or_default().insert(id.into(), bytes(file.into()));
        self
    }

    /// Requires that every record of a collection can be decoded into a `T`.
    ///
    /// A signature does not name its collection, so a server can present one validly signed collection as another;
    /// a type whose fields other collections' records lack keeps them out. Where a record does not fit, a sync
    /// fails with [`ErrorKind::Schema`](crate::ErrorKind::Schema) and the old copy stays; a local copy or snapshot
    /// that does not fit is not loaded either. Leave room for fields to come: serde ignores those it does not know.
    #[must_use]
    pub fn require_records<T: DeserializeOwned>(mut self, name: CollectionName) -> Self {
        self.requirements.insert(name, Requirement::records_of::<T>());
        self
    }

    /// Requires what `check` checks of a collection, as [`require_records`](Self::require_records) does of records.
    ///
    /// `check` says why it refuses.
    #[must_use]
    pub fn require(
        mut self,
        name: CollectionName,
        check: impl Fn(&Collection) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.requirements.insert(name, Requirement::new(check));
        self
    }

    /// Makes the client. Does no I/O.
    pub fn build(self) -> Client {
        let Self {
            server,
            transport,
            storage,
            clock,
            limits,
            accept_emptied,
            trust_server_time,
            observer,
            packages,
            requirements,
        } = self;
        Client {
            politeness: Politeness::new(limits.backoff),
            shutdown: Shutdown::default(),
            server,
            transport,
            storage,
            clock,
            limits,
            accept_emptied,
            trust_server_time,
            observer,
            packages: Arc::new(packages),
            requirements,
            memory: Mutex::default(),
        }
    }
}
