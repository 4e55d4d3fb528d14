//! What a client is made from.

use std::sync::{Arc, Mutex};

use transport::Transport;

use super::{Client, politeness::Politeness};
use crate::{Clock, Limits, Server, Storage, SystemClock};

/// What a [`Client`] is made from.
#[derive(Debug)]
pub struct ClientBuilder {
    server: Server,
    transport: Arc<dyn Transport>,
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    limits: Limits,
    accept_emptied: bool,
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

    /// Makes the client. Does no I/O.
    pub fn build(self) -> Client {
        let Self { server, transport, storage, clock, limits, accept_emptied } = self;
        Client {
            politeness: Politeness::new(limits.backoff),
            server,
            transport,
            storage,
            clock,
            limits,
            accept_emptied,
            memory: Mutex::default(),
        }
    }
}
