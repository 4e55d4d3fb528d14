//! What is remembered about a server itself: until when to wait, how its clock differs, what it announced. Pure.
//!
//! One small JSON document for each server. Nothing in it is trusted: whatever it says, no wait is longer than a
//! server could have asked for.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Alert, Server, clock};

/// The format below; another number is another format.
const FORMAT: u64 = 1;

/// The longest document that is read, in bytes.
const DOCUMENT_BYTES: usize = 32 << 10;

/// A change of the clock's difference up to this much is not worth a write.
const SKEW_MOVED: Duration = Duration::from_secs(300);

/// A change of a wait up to this much is not worth a write.
const WAIT_MOVED: Duration = Duration::from_secs(1);

/// What is remembered about a server.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ServerState {
    /// No new operation before its end: `Backoff` may come with a good answer.
    pub(crate) new: Wait,
    /// No request at all before its end: the server refused one.
    pub(crate) any: Wait,
    pub(crate) skew: Option<Skew>,
    pub(crate) alert: Option<Alert>,
    /// When the server last began or ceased to announce something, in milliseconds.
    pub(crate) alert_changed: u64,
}

/// How long to wait, and when that was said last. The difference counts: a clock may be set back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Wait {
    seen: u64,
    until: u64,
}

/// How much the local clock is ahead of the server's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Skew {
    /// In seconds; negative where the local clock is behind.
    pub(crate) ahead: i64,
    /// When it was measured, by the local clock, in milliseconds.
    measured: u64,
}

/// As it is stored.
#[derive(Serialize, Deserialize)]
struct Document {
    format: u64,
    server: String,
    #[serde(default)]
    new: Wait,
    #[serde(default)]
    any: Wait,
    #[serde(default)]
    skew: Option<Skew>,
    #[serde(default)]
    alert: Option<StoredAlert>,
    #[serde(default)]
    alert_changed: u64,
}

#[derive(Serialize, Deserialize)]
struct StoredAlert {
    code: String,
    message: String,
    url: Option<String>,
}

/// The key of the document: no collection has a name with brackets.
pub(crate) fn key(server: &Server) -> String {
    format!("{}/(server)", server.url())
}

impl Wait {
    /// A wait that begins now.
    pub(crate) fn new(now: SystemTime, wait: Duration) -> Self {
        let seen = clock::milliseconds(now);
        Self { seen, until: seen.saturating_add(milliseconds(wait)) }
    }

    /// The same wait, seen now. A clock that was set back leaves as much of it as there was.
    fn at(self, now: SystemTime, longest: Duration) -> Self {
        let now = clock::milliseconds(now);
        let left = self.until.saturating_sub(now.max(self.seen)).min(milliseconds(longest));
        Self { seen: now, until: now.saturating_add(left) }
    }

    /// What is left of it, at the moment it was seen.
    pub(crate) fn left(self) -> Duration {
        Duration::from_millis(self.until.saturating_sub(self.seen))
    }

    fn longer(self, other: Self) -> Self {
        if other.left() > self.left() { other } else { self }
    }
}

impl Skew {
    /// The difference between two readings of two clocks.
    pub(crate) fn new(local: SystemTime, server: SystemTime) -> Self {
        let seconds = |time| i64::try_from(clock::seconds(time)).unwrap_or(i64::MAX);
        Self { ahead: seconds(local).saturating_sub(seconds(server)), measured: clock::milliseconds(local) }
    }
}

impl ServerState {
    /// Reads a document; [`None`] where it is damaged, or of another server.
    pub(crate) fn read(server: &Server, document: &[u8]) -> Option<Self> {
        if document.len() > DOCUMENT_BYTES {
            return None;
        }
        let document: Document = serde_json::from_slice(document).ok()?;
        if document.format != FORMAT || document.server != server.url().as_str() {
            return None;
        }
        let alert = document.alert.map(|it| Alert::new(&it.code, &it.message, it.url.as_deref()));
        Some(Self {
            new: document.new,
            any: document.any,
            skew: document.skew,
            alert: alert.flatten(),
            alert_changed: document.alert_changed,
        })
    }

    /// Writes the document.
    pub(crate) fn write(&self, server: &Server) -> Bytes {
        let alert = self.alert.as_ref().map(|alert| StoredAlert {
            code: alert.code.to_string(),
            message: alert.message.clone(),
            url: alert.url.as_ref().map(ToString::to_string),
        });
        let document = Document {
            format: FORMAT,
            server: server.url().to_string(),
            new: self.new,
            any: self.any,
            skew: self.skew,
            alert,
            alert_changed: self.alert_changed,
        };
        serde_json::to_vec(&document).expect("numbers and text can be written").into()
    }

    /// The same state, seen now.
    pub(crate) fn at(&self, now: SystemTime, longest: Duration) -> Self {
        Self { new: self.new.at(now, longest), any: self.any.at(now, longest), ..self.clone() }
    }

    /// Whether a wait that is not over was last seen later than now: the clock was set back.
    pub(crate) fn is_ahead_of(&self, now: SystemTime) -> bool {
        let now = clock::milliseconds(now);
        [self.new, self.any].iter().any(|wait| wait.seen > now && !wait.left().is_zero())
    }

    /// What two clients know together: the longer waits, and what was learned last. Both are seen at one moment.
    pub(crate) fn merge(self, other: Self) -> Self {
        let later = |state: &Self| state.skew.map_or(0, |skew| skew.measured);
        let skew = if later(&other) > later(&self) { other.skew } else { self.skew.or(other.skew) };
        let (new, any) = (self.new.longer(other.new), self.any.longer(other.any));
        let theirs = other.alert_changed > self.alert_changed;
        let (alert, alert_changed) =
            if theirs { (other.alert, other.alert_changed) } else { (self.alert, self.alert_changed) };
        Self { new, any, skew, alert, alert_changed }
    }

    /// Whether this differs from what is stored by so much that another program should know. Both are seen at one
    /// moment.
    pub(crate) fn is_news_to(&self, stored: &Self) -> bool {
        let moved = |one: Wait, other: Wait| one.left().abs_diff(other.left()) > WAIT_MOVED;
        let ahead = |state: &Self| state.skew.map_or(0, |skew| skew.ahead);
        moved(self.new, stored.new)
            || moved(self.any, stored.any)
            || ahead(self).abs_diff(ahead(stored)) > SKEW_MOVED.as_secs()
            || self.alert != stored.alert
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_wait_passes_with_the_clock_and_does_not_grow_when_it_is_set_back() {
        let start = clock::at(1_700_000_000);
        let wait = Wait::new(start, seconds(100));
        let later = wait.at(start + seconds(30), DAY);
        assert_eq!(later.left(), seconds(70));
        let back = later.at(start - 300 * DAY, DAY);
        assert_eq!(back.left(), seconds(70));
        assert_eq!(back.at(start - 300 * DAY + seconds(60), DAY).left(), seconds(10));
        assert_eq!(wait.at(start + seconds(200), DAY).left(), Duration::ZERO);
        assert_eq!(Wait { seen: 0, until: u64::MAX }.at(start, DAY).left(), DAY);
        assert_eq!(Wait { seen: u64::MAX, until: u64::MAX }.at(start, DAY).left(), Duration::ZERO);
    }

    #[test]
    fn a_document_is_read_back_and_a_damaged_one_is_none() {
        let server = Server::production();
        let now = clock::at(1_700_000_000);
        let state = ServerState {
            new: Wait::new(now, seconds(5)),
            any: Wait::new(now, seconds(2)),
            skew: Some(Skew::new(now, now + seconds(400))),
            alert: Alert::new("soft-eol", "bye", Some("https://example.org/")),
            alert_changed: 7,
        };
        let written = state.write(&server);
        assert_eq!(ServerState::read(&server, &written), Some(state));
        assert_eq!(ServerState::read(&Server::stage(), &written), None);
        let text = String::from_utf8(written.to_vec()).expect("it is text");
        for damaged in [
            text.replace("\"format\":1", "\"format\":2"),
            text.replace("\"seen\":1", "\"seen\":-1"),
            text[..text.len() - 1].to_owned(),
            String::new(),
            "null".to_owned(),
            text.replace("bye", &"x".repeat(DOCUMENT_BYTES)),
        ] {
            assert_eq!(ServerState::read(&server, damaged.as_bytes()), None, "{damaged}");
        }
    }

    #[test]
    fn two_clients_know_the_longer_wait_and_the_later_news() {
        let now = clock::at(1_700_000_000);
        let one = ServerState {
            new: Wait::new(now, seconds(5)),
            skew: Some(Skew::new(now, now)),
            alert: Alert::new("soft-eol", "old", None),
            alert_changed: 1,
            ..ServerState::default()
        };
        let other = ServerState {
            any: Wait::new(now, seconds(9)),
            skew: Some(Skew::new(now + seconds(1), now)),
            alert_changed: 2,
            ..ServerState::default()
        };
        for both in [one.clone().merge(other.clone()), other.clone().merge(one.clone())] {
            assert_eq!((both.new, both.any), (one.new, other.any));
            assert_eq!((both.skew, both.alert), (other.skew, None));
        }
        assert!(one.is_news_to(&ServerState::default()) && !one.is_news_to(&one));
        let small = ServerState { skew: Some(Skew::new(now, now + seconds(200))), ..ServerState::default() };
        assert!(!small.is_news_to(&ServerState::default()));
    }
}
