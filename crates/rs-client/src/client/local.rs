//! What a client has without asking the server.

use std::{ops::Deref, sync::Arc};

use bytes::Bytes;

use super::Client;
use crate::{
    Collection, CollectionName, Error, ErrorKind, Packaged, Verified, Version, files::blocking, state,
};

/// What there is of a collection before the server is asked.
#[derive(Debug, Default)]
pub(super) struct Local {
    /// Stored, or packaged and newer.
    pub(super) copy: Option<Verified<Collection>>,
    /// An unsigned packaged copy, where it is newer than all else.
    pub(super) dump: Option<Collection>,
    /// Of what is stored, verified or not.
    pub(super) version: Option<Version>,
    /// What is wrong with what is stored, or with what is packaged where that is all there is.
    pub(super) damage: Option<Damage>,
    /// The size of the copy.
    bytes: u64,
}

/// A copy that does not verify.
#[derive(Debug)]
pub(super) struct Damage {
    pub(super) error: Error,
    /// The timestamp of the copy before it was damaged, where that can still be told.
    timestamp: Option<u64>,
}

/// A local copy that need not be read and verified again as long as the storage has the same version.
#[derive(Debug)]
pub(super) struct Kept {
    copy: Verified<Collection>,
    /// [`None`] for a packaged copy while nothing is stored.
    version: Option<Version>,
    bytes: u64,
}

/// The newest copy of a collection that can be had without a network.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Current {
    /// Verified by its signature.
    Verified(Verified<Collection>),
    /// Packaged without a signature: the program that brings it along vouches for it.
    Unsigned(Collection),
}

impl Deref for Current {
    type Target = Collection;

    fn deref(&self) -> &Collection {
        match self {
            Self::Verified(collection) => collection,
            Self::Unsigned(collection) => collection,
        }
    }
}

impl Local {
    /// What changes can be applied to.
    pub(super) fn base(&self) -> Option<&Collection> {
        self.dump.as_ref().or(self.copy.as_deref())
    }

    /// Whether what is stored is damaged, whatever stands in for it.
    pub(super) fn is_damaged(&self) -> bool {
        self.damage.is_some() && self.version.is_some()
    }

    /// The timestamp that a new state must not be older than.
    pub(super) fn floor(&self) -> Option<u64> {
        let damaged = || self.damage.as_ref().and_then(|damage| damage.timestamp);
        self.copy.as_ref().map(|copy| copy.timestamp).or_else(damaged)
    }
}

impl Client {
    /// Returns the local copy of a collection, or [`None`] where there is none. Makes no request.
    ///
    /// It is verified again, with the chain that was stored with it and at the time it was fetched, so it can be
    /// read long after its certificate has expired. A copy that this client has verified before, and that nobody has
    /// replaced since, comes from memory. A packaged [snapshot](Packaged::snapshot) takes the place of an older copy,
    /// or of none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`] where the copy is damaged; [`ErrorKind::Schema`] where it is not what the program
    /// requires; [`ErrorKind::Storage`] where it cannot be read.
    pub async fn load(&self, name: &CollectionName) -> Result<Option<Verified<Collection>>, Error> {
        let local = self.local(name).await.map_err(|error| error.of(name))?;
        match (local.copy, local.damage) {
            (None, Some(damage)) => Err(damage.error.of(name)),
            (copy, _) => Ok(copy),
        }
    }

    /// Returns the newest copy of a collection that needs no request, be it an unsigned packaged
    /// [dump](Packaged::dump).
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub async fn current(&self, name: &CollectionName) -> Result<Option<Current>, Error> {
        let local = self.local(name).await.map_err(|error| error.of(name))?;
        match (local.dump, local.copy, local.damage) {
            (Some(dump), ..) => Ok(Some(Current::Unsigned(dump))),
            (_, Some(copy), _) => Ok(Some(Current::Verified(copy))),
            (_, _, Some(damage)) => Err(damage.error.of(name)),
            _ => Ok(None),
        }
    }

    /// Returns the local copy with all that it takes to verify it, for [`Packaged::snapshot`]. Makes no request.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub async fn snapshot(&self, name: &CollectionName) -> Result<Option<Bytes>, Error> {
        let Some(copy) = self.load(name).await? else { return Ok(None) };
        state::write(&self.server, &copy).map(Some).map_err(|error| error.of(name))
    }

    /// Forgets the local copy of a collection.
    ///
    /// The next sync takes whatever validly signed state the server has, even an older or an empty one, as long as it
    /// is not older than a packaged snapshot. This is the way out where a server was reset, and
    /// [`ErrorKind::Rollback`] would otherwise last for ever.
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

    /// Finds what there is, at the cost of asking for the storage's version if nothing has changed.
    pub(super) async fn local(&self, name: &CollectionName) -> Result<Local, Error> {
        let key = state::key(&self.server, name);
        let version = self.storage.version(&key).await.map_err(unreadable)?;
        if let Some(kept) = self.memory().copies.get(name)
            && kept.version == version
        {
            return Ok(Local { copy: Some(kept.copy.clone()), version, ..Local::default() });
        }
        let mut local = match version {
            Some(_) => self.stored(name, &key).await?,
            None => Local::default(),
        };
        if let Some(packaged) = self.packaged(name).await? {
            self.prefer_if_newer(name, &packaged, &mut local);
        }
        if let (Some(copy), None) = (&local.copy, &local.dump) {
            let evidence = copy.evidence();
            self.keep_chain(&evidence.signature.x5u, &evidence.chain);
            // What stands in for a damaged copy must not hide that it is damaged.
            if local.damage.is_none() {
                self.keep_copy(copy, local.version.clone(), local.bytes);
            }
        }
        Ok(local)
    }

    async fn stored(&self, name: &CollectionName, key: &str) -> Result<Local, Error> {
        let Some(stored) = self.storage.load(key).await.map_err(unreadable)? else {
            return Ok(Local::default());
        };
        let mut local =
            Local { version: Some(stored.version), bytes: stored.bytes.len() as u64, ..Local::default() };
        let copy = state::read(&self.server, name, &stored.bytes, &self.limits);
        match copy.and_then(|copy| self.required(name, &copy).map(|()| copy)) {
            Ok(copy) => local.copy = Some(copy),
            Err(error) => {
                let timestamp = state::timestamp_of(&self.server, name, &stored.bytes);
                local.damage = Some(Damage { error, timestamp });
            }
        }
        Ok(local)
    }

    async fn packaged(&self, name: &CollectionName) -> Result<Option<Packaged>, Error> {
        let (packages, wanted) = (Arc::clone(&self.packages), name.clone());
        let found = blocking(move || packages.find(&wanted)).await;
        found.map_err(|error| {
            Error::new(ErrorKind::Storage, "could not read the packaged copy").with_source(error)
        })
    }

    fn prefer_if_newer(&self, name: &CollectionName, packaged: &Packaged, local: &mut Local) {
        if let Some(floor) = local.floor()
            && packaged.timestamp().is_none_or(|timestamp| timestamp <= floor)
        {
            return;
        }
        let preferred = match packaged.as_snapshot() {
            Some(state) => {
                let copy = state::read_snapshot(&self.server, name, state, &self.limits);
                copy.and_then(|copy| self.required(name, &copy).map(|()| copy)).map(|copy| {
                    local.bytes = state.len() as u64;
                    local.copy = Some(copy);
                })
            }
            None => packaged.read_dump(name, &self.limits).and_then(|dump| {
                dump.iter().try_for_each(|dump| self.required(name, dump))?;
                local.dump = dump;
                Ok(())
            }),
        };
        // Where there is a good copy, nobody misses the packaged one.
        if let Err(error) = preferred
            && local.damage.is_none()
            && local.copy.is_none()
        {
            local.damage = Some(Damage { error, timestamp: None });
        }
    }

    /// Checks what the program requires of a collection.
    pub(super) fn required(&self, name: &CollectionName, collection: &Collection) -> Result<(), Error> {
        self.requirements.get(name).map_or(Ok(()), |requirement| requirement.check(collection))
    }

    /// Remembers a verified copy, and forgets others where they would be too many.
    pub(super) fn keep_copy(&self, copy: &Verified<Collection>, version: Option<Version>, bytes: u64) {
        let copies = &mut self.memory().copies;
        copies.remove(&copy.name);
        if copies.values().map(|kept| kept.bytes).sum::<u64>() + bytes > self.limits.memory_bytes {
            copies.clear();
        }
        if bytes <= self.limits.memory_bytes {
            copies.insert(copy.name.clone(), Kept { copy: copy.clone(), version, bytes });
        }
    }
}

fn unreadable(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Storage, "could not read the local copy").with_source(error)
}
