//! Waits when the server asks for it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use transport::Headers;

use crate::{Error, ErrorKind, clock};

/// Until when the server wants no request.
#[derive(Debug)]
pub(super) struct Politeness {
    longest: Duration,
    until: Mutex<Until>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Until {
    /// No new sync before this: `Backoff` may come with a good answer.
    new: Option<SystemTime>,
    /// No request at all before this: the server refused one.
    any: Option<SystemTime>,
}

impl Politeness {
    /// A server can ask for a wait of at most `longest`.
    pub(super) fn new(longest: Duration) -> Self {
        Self { longest, until: Mutex::default() }
    }

    /// Notes `Backoff: seconds`; a value that is no number is ignored.
    pub(super) fn note_headers(&self, headers: &Headers, now: SystemTime) {
        let seconds = headers.get("backoff").and_then(|value| value.trim().parse().ok());
        if let Some(seconds) = seconds {
            let until = self.end(Duration::from_secs(seconds), now);
            let mut noted = self.until();
            noted.new = noted.new.max(Some(until));
        }
    }

    /// Notes that a request was refused for a time.
    pub(super) fn note_refusal(&self, wait: Duration, now: SystemTime) {
        let until = self.end(wait, now);
        let mut noted = self.until();
        noted.new = noted.new.max(Some(until));
        noted.any = noted.any.max(Some(until));
    }

    /// Checks whether a new sync may begin.
    pub(super) fn may_begin(&self, now: SystemTime) -> Result<(), Error> {
        let until = self.until().new;
        self.check(until, now)
    }

    /// Checks whether a sync that has begun may go on.
    pub(super) fn may_continue(&self, now: SystemTime) -> Result<(), Error> {
        let until = self.until().any;
        self.check(until, now)
    }

    fn check(&self, until: Option<SystemTime>, now: SystemTime) -> Result<(), Error> {
        let left = until.and_then(|until| until.duration_since(now).ok()).unwrap_or_default();
        if left.is_zero() {
            return Ok(());
        }
        // A clock that was set back must not make the wait longer than the server could ask for.
        let left = left.min(self.longest);
        let message = format!("the server asked to wait; {} s are left", left.as_secs().max(1));
        Err(Error::new(ErrorKind::Backoff, message).with_retry_after(left))
    }

    fn end(&self, wait: Duration, now: SystemTime) -> SystemTime {
        now.checked_add(wait.min(self.longest)).unwrap_or_else(|| clock::at(u64::MAX))
    }

    fn until(&self) -> MutexGuard<'_, Until> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
