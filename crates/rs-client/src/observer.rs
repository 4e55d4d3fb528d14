//! What a program can watch a client do.

use std::{borrow::Cow, fmt, time::Duration};

use crate::{Alert, CollectionName, Error, ErrorKind, UptakeStatus};

/// Watches a client, for logs and telemetry.
///
/// It is called while a client works, from whichever thread that is: it must return soon, and must not wait for
/// anything. No lock of the client is held meanwhile, so it may call methods such as
/// [`Client::alert`](crate::Client::alert).
///
/// ```
/// use rs_client::{Event, Observer};
///
/// #[derive(Debug)]
/// struct Log;
///
/// impl Observer for Log {
///     fn event(&self, event: &Event) {
///         if let Event::SyncFinished(uptake) = event {
///             println!("{}: {}", uptake.source, uptake.status.gecko_name());
///         }
///     }
/// }
/// ```
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// Takes note of what happened.
    fn event(&self, event: &Event);
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// Something began. Where its future is dropped, no end follows.
    SyncStarted(Source),
    /// Something ended.
    SyncFinished(Uptake),
    /// A local copy has other records than before.
    Changed(Changed),
    /// The server announces the end of its interface, and did not before.
    Alert(Alert),
}

/// What began or ended; written as the names that Mozilla's clients report.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// Learning what has changed: `settings-changes-monitoring`.
    Polling,
    /// The sync of several collections as a whole: `settings-sync`.
    Sync,
    /// The sync of one collection: `bucket/collection`.
    Collection(CollectionName),
}

/// How something ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Uptake {
    /// What ended.
    pub source: Source,
    /// How.
    pub status: UptakeStatus,
    /// How long it took.
    pub duration: Duration,
    /// How old the newest change was when it arrived here, by the server's clock where that is known.
    pub age: Option<Duration>,
    /// The timestamp of the newest change, in milliseconds since 1970.
    pub timestamp: Option<u64>,
    /// What it was begun by; see [`SyncOptions::trigger`](crate::SyncOptions::trigger).
    pub trigger: Cow<'static, str>,
    /// What went wrong, where something did.
    pub error: Option<ErrorKind>,
}

/// Which records of a collection changed, each list in order of ids.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Changed {
    /// The collection.
    pub collection: CollectionName,
    /// Its timestamp now, in milliseconds since 1970.
    pub timestamp: u64,
    /// Ids of new records.
    pub created: Vec<String>,
    /// Ids of changed records.
    pub updated: Vec<String>,
    /// Ids of records that are gone.
    pub deleted: Vec<String>,
}

impl Uptake {
    /// Returns the name of the error, where something went wrong: that of its kind.
    pub fn error_name(&self) -> Option<String> {
        self.error.map(|error| format!("{error:?}"))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Polling => f.write_str("settings-changes-monitoring"),
            Self::Sync => f.write_str("settings-sync"),
            Self::Collection(name) => name.fmt(f),
        }
    }
}

/// How far something came: what its uptake tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    pub(crate) status: UptakeStatus,
    pub(crate) timestamp: Option<u64>,
    pub(crate) error: Option<ErrorKind>,
}

impl Progress {
    pub(crate) fn failed(error: &Error) -> Self {
        Self { status: UptakeStatus::of(error), timestamp: None, error: Some(error.kind()) }
    }
}
