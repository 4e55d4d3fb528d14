//! How many requests are under way at the same time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Shares what a client may ask for at the same time among all files and downloads; first come, first served.
#[derive(Debug)]
pub(crate) struct Pool(Arc<Semaphore>);

/// A request that may be under way.
#[derive(Debug)]
pub(crate) struct Slot {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Pool {
    pub(crate) fn new(parallel: usize) -> Self {
        Self(Arc::new(Semaphore::new(parallel.max(1).saturating_mul(2).min(Semaphore::MAX_PERMITS))))
    }

    /// Waits until a part may be asked for.
    pub(crate) async fn part(&self) -> Slot {
        self.acquire(2).await
    }

    /// Waits until a small file may be asked for.
    pub(crate) async fn small(&self) -> Slot {
        self.acquire(1).await
    }

    async fn acquire(&self, weight: u32) -> Slot {
        // It is never closed.
        Slot { _permit: Arc::clone(&self.0).acquire_many_owned(weight).await.ok() }
    }
}
