//! What time it is, as far as this crate is told.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use transport::Headers;

/// How long ago a cache can say that an answer was made: caches keep none for longer.
const OLDEST_ANSWER: Duration = Duration::from_secs(365 * 86_400);

/// Tells the time.
///
/// Certificates are checked against it, and waiting times that a server asks for are measured with it.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Returns the current time.
    fn now(&self) -> SystemTime;
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SystemClock;

/// A clock that stands still until it is set, for tests.
#[derive(Debug)]
pub struct FixedClock(AtomicU64);

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

impl FixedClock {
    /// Creates a clock that shows `time`, to the second.
    pub fn new(time: SystemTime) -> Self {
        Self(AtomicU64::new(seconds(time)))
    }

    /// Sets the clock to `time`, to the second.
    pub fn set(&self, time: SystemTime) {
        self.0.store(seconds(time), Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> SystemTime {
        at(self.0.load(Ordering::SeqCst))
    }
}

/// The time by the clock of whoever sent these headers: when the answer was made, and how long ago that is.
pub(crate) fn server_time(headers: &Headers) -> Option<SystemTime> {
    let date = httpdate::parse_http_date(headers.get("date")?.trim()).ok()?;
    let age = headers.get("age").and_then(|age| age.trim().parse().ok());
    date.checked_add(Duration::from_secs(age.unwrap_or(0)).min(OLDEST_ANSWER))
}

/// The time by a clock that the local one is `ahead` of, in seconds.
pub(crate) fn shifted(local: SystemTime, ahead: i64) -> SystemTime {
    let by = Duration::from_secs(ahead.unsigned_abs());
    let shifted = if ahead < 0 { local.checked_add(by) } else { local.checked_sub(by) };
    shifted.unwrap_or(local)
}

/// How far two clocks are apart: `3 days ahead`, `90 s behind`.
pub(crate) fn apart(local: SystemTime, server: SystemTime) -> String {
    let (by, side) = match local.duration_since(server) {
        Ok(by) => (by, "ahead"),
        Err(error) => (error.duration(), "behind"),
    };
    match by.as_secs() {
        seconds @ ..=180 => format!("{seconds} s {side}"),
        seconds @ ..=10_800 => format!("{} minutes {side}", seconds / 60),
        seconds @ ..=259_200 => format!("{} hours {side}", seconds / 3600),
        seconds => format!("{} days {side}", seconds / 86_400),
    }
}

/// The moment that is this many milliseconds after 1970, or the last one that can be told.
pub(crate) fn at_milliseconds(milliseconds: u64) -> SystemTime {
    at(milliseconds / 1000) + Duration::from_millis(milliseconds % 1000)
}

/// Whole milliseconds since 1970; a time before that is 1970.
pub(crate) fn milliseconds(time: SystemTime) -> u64 {
    u64::try_from(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// Whole seconds since 1970; a time before that is 1970.
pub(crate) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The moment that is this many seconds after 1970, or the last one that can be told.
pub(crate) fn at(seconds: u64) -> SystemTime {
    // The year 9999 ends here; no certificate can name a later moment.
    UNIX_EPOCH + Duration::from_secs(seconds.min(253_402_300_799))
}

/// Writes a moment as `2026-03-28T10:13:31Z`.
pub(crate) fn text(time: SystemTime) -> String {
    let seconds = seconds(time);
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Days since 1970 of a date in the Gregorian calendar, which repeats every 400 years; [`None`] before 1970.
pub(crate) fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    // Years begin in March, so that the leap day is the last one.
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let month = if month <= 2 { month + 9 } else { month - 3 };
    let before_month = (153 * month + 2) / 5;
    let since_zero = 365 * year + year / 4 - year / 100 + year / 400 + before_month + day.checked_sub(1)?;
    since_zero.checked_sub(719_468)
}

fn date(days: u64) -> (u64, u64, u64) {
    let mut year = 1970 + days / 366;
    while self::days(year + 1, 1, 1).is_some_and(|first| first <= days) {
        year += 1;
    }
    let month = (1..=12).rev().find(|&month| self::days(year, month, 1).is_some_and(|first| first <= days));
    let month = month.unwrap_or(1);
    (year, month, days - self::days(year, month, 1).unwrap_or(days) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_in_the_gregorian_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_774_692_811, "2026-03-28T10:13:31Z"),
            (4_102_444_799, "2099-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
            (u64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(text(at(seconds)), expected);
        }
    }

    #[test]
    fn days_and_dates_are_inverse() {
        for day in (0..200_000).step_by(13) {
            let (year, month, day_of_month) = date(day);
            assert_eq!(days(year, month, day_of_month), Some(day));
        }
    }
}
