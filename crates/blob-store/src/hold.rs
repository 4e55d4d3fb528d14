//! Holds: what is open is not evicted.

use std::fmt::Debug;

use crate::{BlobStore, Error, ErrorKind, ManifestName, removal};

/// Keeps a manifest from being evicted until it is dropped, or its process ends.
///
/// Made by [`hold`](crate::BlobStoreExt::hold).
#[derive(Debug)]
pub struct Hold {
    guard: Option<LockGuard>,
}

impl Hold {
    /// Returns whether others can see it; not so on backends without locks.
    pub fn is_seen(&self) -> bool {
        self.guard.is_some()
    }
}

/// Holds a lock until it is dropped.
#[derive(Debug)]
pub struct LockGuard(#[expect(dead_code, reason = "dropping it is its use")] Box<dyn Debug + Send + Sync>);

impl LockGuard {
    /// Wraps what releases the lock when it is dropped.
    pub fn new(guard: impl Debug + Send + Sync + 'static) -> Self {
        Self(Box::new(guard))
    }
}

pub(crate) async fn hold<S: BlobStore + ?Sized>(store: &S, name: &ManifestName) -> Result<Hold, Error> {
    let fail = |e: Error| Error::new(e.kind(), "hold", format_args!("manifest {name}")).with_source(e);
    let key = name.key();
    let guard = store.lock_shared(&key).await.map_err(fail)?;
    // As for a pin: the lock first, then the look. An evictor announces first and looks for locks afterwards.
    match store.document(&key).await.map_err(fail)? {
        None => Err(Error::new(ErrorKind::NotFound, "hold", format_args!("manifest {name}"))),
        Some(document) => {
            if removal::is_leaving(&document.bytes)
                && let Ok(None) = removal::keep(store, name).await
            {
                return Err(Error::new(ErrorKind::NotFound, "hold", format_args!("manifest {name}")));
            }
            Ok(Hold { guard })
        }
    }
}
