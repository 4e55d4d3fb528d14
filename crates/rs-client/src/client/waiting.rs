//! Begins and ends operations as the server asks, and tells what it asked for.

use std::{future::Future, time::SystemTime};

use super::Client;
use crate::{Alert, Error, clock};

impl Client {
    /// Returns the time before which no new sync begins, because the server asked for it; [`None`] where it did not.
    ///
    /// That is what the header `Backoff` of any answer asks for, and `Retry-After` of a refusal, at most
    /// [`Limits::backoff`](crate::Limits::backoff) and up to a tenth more by chance. It is remembered in the storage,
    /// so that other clients of this server and this one after a restart wait as well; what they have stored is read
    /// at the start of each sync. Local copies can be read meanwhile.
    pub fn waits_until(&self) -> Option<SystemTime> {
        let now = self.clock.now();
        let left = self.politeness.left(now);
        (!left.is_zero()).then(|| now.checked_add(left)).flatten()
    }

    /// Returns what the server announces about the end of its interface, as of its last answer.
    ///
    /// Remembered in the storage, and so known after the start of the first sync.
    pub fn alert(&self) -> Option<Alert> {
        self.politeness.alert()
    }

    /// Returns by how many seconds the local clock is ahead of the server's: negative where it is behind.
    ///
    /// Measured with each answer, from its headers `Date` and `Age`, to a few seconds. [`None`] before the first one.
    pub fn clock_skew(&self) -> Option<i64> {
        self.politeness.skew()
    }

    /// The time that certificates are held against: the local one, or the server's where that is trusted.
    pub(super) fn now(&self) -> SystemTime {
        let now = self.clock.now();
        match self.politeness.skew() {
            Some(ahead) if self.trust_server_time => clock::shifted(now, ahead),
            _ => now,
        }
    }

    /// Does something new: not where the server asked to wait, and what it asks for meanwhile is remembered.
    pub(super) async fn operation<T>(
        &self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        self.open()?;
        self.politeness.refresh(&*self.storage, &self.server, self.clock.now()).await;
        let result = match self.politeness.may_begin(self.clock.now()) {
            Ok(()) => work.await,
            Err(error) => Err(error),
        };
        self.politeness.save(&*self.storage, &self.server, self.clock.now()).await;
        result
    }
}
