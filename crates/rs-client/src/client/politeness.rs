//! Waits when the server asks for it, also after a restart, and remembers what else a server says about itself.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher as _, Hasher as _},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use transport::Headers;

use crate::{
    Alert, Error, ErrorKind, Server, Storage, Version, clock,
    server_state::{ServerState, Skew, Wait, key},
};

/// How often a write is tried when other programs write at the same time. What is not written is known in memory.
const COMMITS: usize = 4;

/// The part of a wait that is added by chance, so that those who were sent away together do not return together:
/// at most one in so many.
const CHANCE: u32 = 10;

/// What a server asked for and said.
#[derive(Debug)]
pub(super) struct Politeness {
    longest: Duration,
    known: Mutex<Known>,
}

/// What is known here, and how much of that others can know.
#[derive(Debug, Default)]
struct Known {
    state: ServerState,
    stored: ServerState,
    version: Option<Version>,
    /// Whether what is stored has to be replaced: it cannot be read, or the clock was set back since.
    outdated: bool,
}

impl Politeness {
    /// A server can ask for a wait of at most `longest`, to which chance adds a tenth at most.
    pub(super) fn new(longest: Duration) -> Self {
        Self { longest, known: Mutex::default() }
    }

    /// Notes what the head of one of the server's answers says: `Backoff`, and `Date` with `Age`.
    pub(super) fn note_head(&self, headers: &Headers, now: SystemTime) {
        let seconds = headers.get("backoff").and_then(|value| value.trim().parse().ok());
        let wait = seconds.map(|seconds| self.wait(Duration::from_secs(seconds), now));
        let skew = clock::server_time(headers).map(|time| Skew::new(now, time));
        let mut known = self.known();
        known.state.skew = skew.or(known.state.skew);
        if let Some(wait) = wait {
            known.state = known
                .state
                .at(now, self.longest())
                .merge(ServerState { new: wait, ..ServerState::default() });
        }
    }

    /// Notes whether the server announces its end; returns an announcement that was not known.
    pub(super) fn note_alert(&self, alert: Option<Alert>, now: SystemTime) -> Option<Alert> {
        let mut known = self.known();
        if known.state.alert == alert {
            return None;
        }
        known.state.alert.clone_from(&alert);
        // Later than what came before even where the clock stands still.
        known.state.alert_changed = clock::milliseconds(now).max(known.state.alert_changed.saturating_add(1));
        alert
    }

    /// Notes that a request was refused for a time.
    pub(super) fn note_refusal(&self, wait: Duration, now: SystemTime) {
        let wait = self.wait(wait, now);
        let mut known = self.known();
        let refused = ServerState { new: wait, any: wait, ..ServerState::default() };
        known.state = known.state.at(now, self.longest()).merge(refused);
    }

    /// Checks whether something new may begin.
    pub(super) fn may_begin(&self, now: SystemTime) -> Result<(), Error> {
        self.check(self.seen(now).new)
    }

    /// Checks whether what has begun may go on.
    pub(super) fn may_continue(&self, now: SystemTime) -> Result<(), Error> {
        self.check(self.seen(now).any)
    }

    /// What is left of the wait before something new may begin.
    pub(super) fn left(&self, now: SystemTime) -> Duration {
        self.seen(now).new.left()
    }

    pub(super) fn alert(&self) -> Option<Alert> {
        self.known().state.alert.clone()
    }

    /// By how many seconds the local clock is ahead.
    pub(super) fn skew(&self) -> Option<i64> {
        self.known().state.skew.map(|skew| skew.ahead)
    }

    /// Learns what other programs have stored. A storage that fails here also fails where it matters.
    pub(super) async fn refresh(&self, storage: &dyn Storage, server: &Server, now: SystemTime) {
        let key = key(server);
        let Ok(version) = storage.version(&key).await else { return };
        if version.is_none() || version == self.known().version {
            return;
        }
        let Ok(stored) = storage.load(&key).await else { return };
        let read = stored.as_ref().and_then(|stored| ServerState::read(server, &stored.bytes));
        let mut known = self.known();
        // A wait that was seen in the future begins anew whenever it is read, until it is written as seen now.
        known.outdated = stored.is_some() && read.as_ref().is_none_or(|read| read.is_ahead_of(now));
        known.version = stored.map(|stored| stored.version);
        known.stored = read.unwrap_or_default().at(now, self.longest());
        known.state = known.state.at(now, self.longest()).merge(known.stored.clone());
    }

    /// Stores what other programs, and this one after a restart, should know; nothing where they know it already.
    pub(super) async fn save(&self, storage: &dyn Storage, server: &Server, now: SystemTime) {
        for _ in 0..COMMITS {
            let (state, version) = {
                let mut known = self.known();
                known.state = known.state.at(now, self.longest());
                known.stored = known.stored.at(now, self.longest());
                if !known.outdated && !known.state.is_news_to(&known.stored) {
                    return;
                }
                (known.state.clone(), known.version.clone())
            };
            match storage.commit(&key(server), state.write(server), version.as_ref()).await {
                // It is known here, and the next operation tries again.
                Err(_) => return,
                Ok(Some(version)) => {
                    let mut known = self.known();
                    (known.stored, known.version, known.outdated) = (state, Some(version), false);
                    return;
                }
                Ok(None) => {
                    // Whoever removed it left nothing to compare with.
                    self.known().version = None;
                    self.refresh(storage, server, now).await;
                }
            }
        }
    }

    /// The state as it is now.
    fn seen(&self, now: SystemTime) -> ServerState {
        let mut known = self.known();
        known.state = known.state.at(now, self.longest());
        known.state.clone()
    }

    fn check(&self, wait: Wait) -> Result<(), Error> {
        let left = wait.left();
        if left.is_zero() {
            return Ok(());
        }
        let message = format!("the server asked to wait; {} s are left", left.as_secs().max(1));
        Err(Error::new(ErrorKind::Backoff, message).with_retry_after(left))
    }

    fn wait(&self, asked: Duration, now: SystemTime) -> Wait {
        let asked = asked.min(self.longest);
        Wait::new(now, asked.saturating_add((asked / CHANCE).mul_f64(chance())))
    }

    /// The longest wait, chance included.
    fn longest(&self) -> Duration {
        self.longest.saturating_add(self.longest / CHANCE)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number from 0.0 to 1.0 that differs from call to call; good enough to spread clients.
fn chance() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    random as f64 / u64::MAX as f64
}
