//! Pacing: no more bytes in a second than asked for.

use std::time::{Duration, Instant};

use crate::{Error, blocking};

/// Shorter waits are put off until they are worth it.
const LEAST: Duration = Duration::from_millis(5);

/// Keeps the pace of reading.
#[derive(Debug)]
pub(super) struct Pace {
    bytes_per_second: Option<u64>,
    start: Instant,
    /// When what was read so far may have been read, counted from the start.
    due: Duration,
}

impl Pace {
    pub(super) fn new(bytes_per_second: Option<u64>) -> Self {
        Self { bytes_per_second, start: Instant::now(), due: Duration::ZERO }
    }

    /// Counts `bytes` in, and waits until they are due.
    pub(super) async fn keep(&mut self, bytes: u64) -> Result<(), Error> {
        if self.bytes_per_second.is_none() {
            return Ok(());
        }
        let wait = self.count(bytes, self.start.elapsed());
        if wait < LEAST { Ok(()) } else { blocking::pause(wait).await }
    }

    /// Counts `bytes` in that were read `now`; returns how long to wait for them to be due.
    fn count(&mut self, bytes: u64, now: Duration) -> Duration {
        let Some(rate) = self.bytes_per_second else { return Duration::ZERO };
        let takes = u128::from(bytes) * 1_000_000_000 / u128::from(rate.max(1));
        let takes = Duration::from_nanos(u64::try_from(takes).unwrap_or(u64::MAX));
        // Time in which nothing was read is not made up for.
        self.due = self.due.max(now.saturating_sub(takes)).saturating_add(takes);
        self.due.saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_due_at_the_pace_asked_for() {
        let ms = Duration::from_millis;
        let mut pace = Pace::new(Some(1000));
        assert_eq!(pace.count(100, ms(0)), ms(100));
        // Read without waiting, so it is due later still.
        assert_eq!(pace.count(100, ms(50)), ms(150));
        assert_eq!(pace.count(100, ms(200)), ms(100));
        // A long pause gives no right to a burst.
        assert_eq!(pace.count(100, ms(10_000)), ms(0));
        assert_eq!(pace.count(100, ms(10_000)), ms(100));
        assert_eq!(Pace::new(None).count(u64::MAX, ms(0)), ms(0));
        Pace::new(Some(1)).count(u64::MAX, ms(0));
    }
}
