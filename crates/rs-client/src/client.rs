//! The client: a verified local copy of the collections of one server.

mod attachment;
mod builder;
#[cfg(feature = "bundles")]
mod bundles;
mod condition;
mod fetch;
mod fetch_attachment;
mod local;
mod monitor;
mod politeness;
mod poll;
mod request;
mod shutdown;
mod sync;
mod transfer;
mod waiting;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use transport::Transport;

use crate::{
    Clock, Collection, CollectionName, Limits, Observer, Server, Storage, Verified, packaged::Packages,
    requirement::Requirement,
};
use condition::Conditions;
use fetch::ServerInfo;
use local::Kept;
use monitor::Timestamps;
use politeness::Politeness;
use shutdown::Shutdown;

pub use attachment::AttachmentStream;
pub use builder::ClientBuilder;
pub use fetch_attachment::{FetchOptions, FetchOutcome, Fetched};
pub use local::Current;

/// The most chains kept in memory; a server signs everything with one or two.
const CHAINS_KEPT: usize = 16;

/// Keeps verified copies of a server's collections.
///
/// All methods take `&self`; share one client in an [`Arc`]. No lock is held while a request is under way. Files are
/// read and written on threads that may block, where there is a Tokio runtime; verifying takes the time of the task
/// that asks.
#[derive(Debug)]
pub struct Client {
    server: Server,
    transport: Arc<dyn Transport>,
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    limits: Limits,
    accept_emptied: bool,
    packages: Arc<Packages>,
    requirements: HashMap<CollectionName, Requirement>,
    politeness: Politeness,
    shutdown: Shutdown,
    observer: Option<Arc<dyn Observer>>,
    trust_server_time: bool,
    memory: Mutex<Memory>,
}

/// What saves requests; losing it costs nothing else.
#[derive(Debug, Default)]
struct Memory {
    info: Option<Arc<ServerInfo>>,
    list: Option<Arc<Timestamps>>,
    conditions: Conditions,
    /// By address. Only chains that something verified with.
    chains: HashMap<String, Arc<str>>,
    copies: HashMap<CollectionName, Kept>,
}

/// What a sync did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// Nothing is new.
    UpToDate,
    /// Records changed; or there was no local copy before.
    Updated,
    /// The records are the same; the signature, or other metadata, is new.
    SignatureRefreshed,
}

/// What a sync did, and what there is now.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SyncReport {
    /// What happened.
    pub outcome: Outcome,
    /// The local copy after the sync.
    pub collection: Verified<Collection>,
    /// Ids of new records, in order.
    pub created: Vec<String>,
    /// Ids of changed records, in order.
    pub updated: Vec<String>,
    /// Ids of records that are gone, in order.
    pub deleted: Vec<String>,
    /// Whether the local copy was damaged, and was replaced by this sync.
    pub repaired: bool,
}

impl Client {
    /// Returns the server.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The chain of this address that something verified with.
    fn kept_chain(&self, x5u: &str) -> Option<Arc<str>> {
        self.memory().chains.get(x5u).map(Arc::clone)
    }

    /// Remembers a chain that something verified with.
    fn keep_chain(&self, x5u: &str, chain: &Arc<str>) {
        let chains = &mut self.memory().chains;
        if chains.len() >= CHAINS_KEPT && !chains.contains_key(x5u) {
            chains.clear();
        }
        chains.insert(x5u.to_owned(), Arc::clone(chain));
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
