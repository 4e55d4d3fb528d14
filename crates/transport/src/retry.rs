//! Repeats requests that failed for a passing reason.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use tokio::time::Instant;

use crate::{Error, Request, Response, Transport};

/// How often, and how long, to try.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// The most requests made, the first included; 1 switches retries off. Default: 5.
    pub attempts: u32,
    /// The pause before the first repetition; it doubles each time. Default: 0.5 s.
    pub base: Duration,
    /// The longest pause, unless the server asks for a longer one. Default: 15 s.
    pub cap: Duration,
    /// The part of each pause that is left to chance, 0.0 to 1.0, so that many clients do not come back
    /// together. Default: 0.5.
    pub jitter: f64,
    /// The longest pause that the server may ask for; if it asks for more, there is no repetition. Default: 60 s.
    pub max_retry_after: Duration,
    /// No repetition starts later than this after the first request. Default: 180 s.
    pub deadline: Duration,
}

/// A transport that repeats requests which failed for a passing reason.
///
/// Repeated are errors that [`Error::is_transient`] and answers of the statuses 408, 429 and 5xx, after a pause
/// that grows, or as long as `Retry-After` asks. Once an answer is handed out, nothing is repeated: what breaks in
/// its body is the caller's to see. When there are no attempts left, the last answer or error is returned as it is.
#[derive(Clone, Debug)]
pub struct Retry<T> {
    inner: T,
    policy: RetryPolicy,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 5,
            base: Duration::from_millis(500),
            cap: Duration::from_secs(15),
            jitter: 0.5,
            max_retry_after: Duration::from_secs(60),
            deadline: Duration::from_secs(180),
        }
    }
}

impl RetryPolicy {
    /// Returns how long to wait before repetition `number` (from 1), or [`None`] if there is to be none.
    ///
    /// `asked` is what the server asked for, `elapsed` the time since the first request, and `chance` any number
    /// from 0.0 to 1.0, which decides the part left to chance.
    pub fn pause(
        &self,
        number: u32,
        asked: Option<Duration>,
        elapsed: Duration,
        chance: f64,
    ) -> Option<Duration> {
        if number >= self.attempts {
            return None;
        }
        let factor = 1_u32.checked_shl(number.saturating_sub(1)).unwrap_or(u32::MAX);
        let full = self.base.saturating_mul(factor).min(self.cap);
        let jitter = self.jitter.clamp(0.0, 1.0) * chance.clamp(0.0, 1.0);
        let own = full.mul_f64(1.0 - jitter);
        let pause = match asked {
            Some(asked) if asked > self.max_retry_after => return None,
            Some(asked) => asked.max(own),
            None => own,
        };
        (elapsed.saturating_add(pause) <= self.deadline).then_some(pause)
    }

    /// Returns what [`pause`](Self::pause) does, and leaves to chance what is to be left to it.
    pub fn next_pause(&self, number: u32, asked: Option<Duration>, elapsed: Duration) -> Option<Duration> {
        self.pause(number, asked, elapsed, chance())
    }
}

impl<T> Retry<T> {
    /// Repeats what `inner` fails at, as `policy` says.
    pub fn new(inner: T, policy: RetryPolicy) -> Self {
        Self { inner, policy }
    }
}

#[async_trait]
impl<T: Transport> Transport for Retry<T> {
    async fn send(&self, request: Request) -> Result<Response, Error> {
        let start = Instant::now();
        let mut number = 0;
        loop {
            number += 1;
            let outcome = self.inner.send(request.clone()).await;
            let asked = match &outcome {
                Ok(response) if (200..=299).contains(&response.status) => return outcome,
                Ok(response) => {
                    if !Error::from_status(response.status, &response.url).is_transient() {
                        return outcome;
                    }
                    response.headers.retry_after(SystemTime::now())
                }
                Err(error) if error.is_transient() => error.retry_after(),
                Err(_) => return outcome,
            };
            let Some(pause) = self.policy.next_pause(number, asked, start.elapsed()) else {
                return outcome;
            };
            // The connection is free for others while we wait.
            drop(outcome);
            tokio::time::sleep(pause).await;
        }
    }
}

/// Returns a number from 0.0 to 1.0 that differs from call to call; good enough to spread clients.
fn chance() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    random as f64 / u64::MAX as f64
}
