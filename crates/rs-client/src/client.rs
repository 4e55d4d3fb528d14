//! The client: a verified local copy of the collections of one server.

mod attachment;
mod builder;
#[cfg(feature = "bundles")]
mod bundles;
mod fetch;
mod politeness;
mod sync;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use transport::Transport;

use crate::{
    Clock, Collection, CollectionName, Error, ErrorKind, Limits, Server, Storage, Verified, Version, state,
};
use fetch::ServerInfo;
use politeness::Politeness;

pub use attachment::AttachmentStream;
pub use builder::ClientBuilder;

/// The most chains kept in memory; a server signs everything with one or two.
const CHAINS_KEPT: usize = 16;

/// Keeps verified copies of a server's collections.
///
/// All methods take `&self`; share one client in an [`Arc`]. No lock is held while a request is under way.
#[derive(Debug)]
pub struct Client {
    server: Server,
    transport: Arc<dyn Transport>,
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    limits: Limits,
    accept_emptied: bool,
    politeness: Politeness,
    memory: Mutex<Memory>,
}

/// What saves requests; losing it costs nothing else.
#[derive(Debug, Default)]
struct Memory {
    info: Option<Arc<ServerInfo>>,
    /// By address. Only chains that something verified with.
    chains: HashMap<String, Arc<str>>,
    copies: HashMap<CollectionName, Kept>,
}

/// A local copy that need not be read and verified again as long as the storage has the same version.
#[derive(Debug)]
struct Kept {
    copy: Verified<Collection>,
    version: Version,
    bytes: u64,
}

/// What the storage has of a collection.
struct Local {
    copy: Option<Verified<Collection>>,
    version: Option<Version>,
    damage: Option<Damage>,
}

/// A local copy that does not verify.
struct Damage {
    error: Error,
    /// The timestamp of the copy before it was damaged, where that can still be told.
    timestamp: Option<u64>,
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

    /// Returns the local copy of a collection, or [`None`] where there is none. Makes no request.
    ///
    /// It is verified again, with the chain that was stored with it and at the time it was fetched, so it can be
    /// read long after its certificate has expired. A copy that this client has verified before, and that nobody has
    /// replaced since, comes from memory.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`] where the copy is damaged; [`ErrorKind::Storage`] where it cannot be read.
    pub async fn load(&self, name: &CollectionName) -> Result<Option<Verified<Collection>>, Error> {
        let local = self.local(name).await.map_err(|error| error.of(name))?;
        match local.damage {
            Some(damage) => Err(damage.error.of(name)),
            None => Ok(local.copy),
        }
    }

    /// Forgets the local copy of a collection.
    ///
    /// The next sync takes whatever validly signed state the server has, even an older or an empty one. This is
    /// the way out where a server was reset, and [`ErrorKind::Rollback`] would otherwise last for ever.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Storage`] where that fails.
    pub async fn reset(&self, name: &CollectionName) -> Result<(), Error> {
        self.memory().copies.remove(name);
        self.storage.remove(&state::key(&self.server, name)).await.map_err(|error| {
            Error::new(ErrorKind::Storage, "could not remove the local copy").with_source(error).of(name)
        })
    }

    async fn local(&self, name: &CollectionName) -> Result<Local, Error> {
        let failed =
            |error| Error::new(ErrorKind::Storage, "could not read the local copy").with_source(error);
        let key = state::key(&self.server, name);
        let version = self.storage.version(&key).await.map_err(failed)?;
        let none = Local { copy: None, version: None, damage: None };
        if version.is_none() {
            return Ok(none);
        }
        if let Some(kept) = self.memory().copies.get(name)
            && Some(&kept.version) == version.as_ref()
        {
            return Ok(Local { copy: Some(kept.copy.clone()), version, damage: None });
        }
        let Some(stored) = self.storage.load(&key).await.map_err(failed)? else { return Ok(none) };
        let version = Some(stored.version.clone());
        Ok(match state::read(&self.server, name, &stored.bytes, &self.limits) {
            Ok(copy) => {
                let evidence = copy.evidence();
                self.keep_chain(&evidence.signature.x5u, &evidence.chain);
                self.keep_copy(&copy, stored.version, stored.bytes.len() as u64);
                Local { copy: Some(copy), version, damage: None }
            }
            Err(error) => {
                let timestamp = state::timestamp(&stored.bytes);
                Local { copy: None, version, damage: Some(Damage { error, timestamp }) }
            }
        })
    }

    /// Remembers a verified copy, and forgets others where they would be too many.
    fn keep_copy(&self, copy: &Verified<Collection>, version: Version, bytes: u64) {
        let copies = &mut self.memory().copies;
        copies.remove(&copy.name);
        if copies.values().map(|kept| kept.bytes).sum::<u64>() + bytes > self.limits.memory_bytes {
            copies.clear();
        }
        if bytes <= self.limits.memory_bytes {
            copies.insert(copy.name.clone(), Kept { copy: copy.clone(), version, bytes });
        }
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
