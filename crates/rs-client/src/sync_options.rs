//! What a caller knows about a sync.

use std::{borrow::Cow, time::SystemTime};

use crate::{Limits, clock};

/// What a caller knows about a sync; see [`Client::sync_all_with`](crate::Client::sync_all_with).
///
/// ```
/// use rs_client::{Hint, SyncOptions};
///
/// // A message of the broadcast `remote-settings/monitor_changes` has arrived.
/// let options = SyncOptions::new().hint(Hint::broadcast("\"1784311520377\"")).trigger("broadcast");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncOptions {
    pub(crate) hint: Hint,
    pub(crate) trigger: Cow<'static, str>,
}

/// The timestamp of the newest change that a server has, learned on another way than by asking it.
///
/// It saves requests and gets past caches. Nothing is taken on its word: a hint that cannot be read, or that lies
/// further in the future than [`Limits::future`] allows, is as good as none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Hint(Option<u64>);

impl Default for SyncOptions {
    fn default() -> Self {
        Self { hint: Hint::none(), trigger: Cow::Borrowed("manual") }
    }
}

impl SyncOptions {
    /// Knows nothing; the trigger is `manual`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says how new the server's newest change is.
    #[must_use]
    pub fn hint(mut self, hint: Hint) -> Self {
        self.hint = hint;
        self
    }

    /// Says what a sync is begun by, for [`Uptake::trigger`](crate::Uptake::trigger): `startup`, `timer`,
    /// `broadcast`, ...
    #[must_use]
    pub fn trigger(mut self, trigger: impl Into<Cow<'static, str>>) -> Self {
        self.trigger = trigger.into();
        self
    }
}

impl Hint {
    /// Knows nothing.
    pub fn none() -> Self {
        Self(None)
    }

    /// Reads the value of the broadcast `remote-settings/monitor_changes`: a timestamp in quotes, which may be missing.
    pub fn broadcast(value: &str) -> Self {
        let value = value.trim();
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let digits = quoted.unwrap_or(value);
        let plain = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        Self(plain.then(|| digits.parse().ok()).flatten().filter(|timestamp| *timestamp > 0))
    }

    /// Takes a timestamp in milliseconds since 1970.
    pub fn timestamp(milliseconds: u64) -> Self {
        Self((milliseconds > 0).then_some(milliseconds))
    }

    /// The timestamp, unless it lies too far in the future.
    pub(crate) fn believable(self, now: SystemTime, limits: &Limits) -> Option<u64> {
        self.0.filter(|timestamp| is_believable(*timestamp, now, limits))
    }
}

/// Whether a timestamp, in milliseconds, is not too far in the future.
pub(crate) fn is_believable(timestamp: u64, now: SystemTime, limits: &Limits) -> bool {
    let latest = now.checked_add(limits.future).unwrap_or(now);
    timestamp <= clock::milliseconds(latest)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_value_of_a_broadcast_is_a_timestamp_with_or_without_quotes() {
        for value in ["\"1784311520377\"", "1784311520377", " \"1784311520377\"\n"] {
            assert_eq!(Hint::broadcast(value), Hint::timestamp(1_784_311_520_377));
        }
        for value in ["", "\"", "\"\"", "0", "-1", "+1", "1.5", "\"1", "99999999999999999999", "soon", "1 2"]
        {
            assert_eq!(Hint::broadcast(value), Hint::none(), "{value}");
        }
    }

    #[test]
    fn a_hint_from_the_far_future_is_none() {
        let now = clock::at(1_784_311_520);
        let limits = Limits::default();
        let day = u64::try_from(Duration::from_secs(86_400).as_millis()).expect("a day is short");
        assert!(Hint::timestamp(1_784_311_520_000 + day).believable(now, &limits).is_some());
        assert_eq!(Hint::timestamp(1_784_311_520_001 + day).believable(now, &limits), None);
        assert_eq!(Hint::timestamp(u64::MAX).believable(now, &limits), None);
    }
}
