//! How a sync ended, in the words that Mozilla's clients report.

use std::error::Error as _;

use crate::{Error, ErrorKind, json::JsonError};

/// How a sync ended, in the words that Mozilla's clients report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UptakeStatus {
    /// Nothing was new.
    UpToDate,
    /// Something was new, and is now local.
    Success,
    /// The server asked to wait.
    Backoff,
    /// The answer was no JSON.
    ParseError,
    /// The answer was JSON, but not what was asked for; or too much.
    ContentError,
    /// No acceptable signature.
    SignatureError,
    /// No acceptable signature, also not after everything was fetched once more.
    SignatureRetryError,
    /// The local copy is damaged.
    CorruptionError,
    /// Signed, but not to take the place of the local copy.
    SyncError,
    /// The server refused, or failed.
    ServerError,
    /// The server was too slow.
    TimeoutError,
    /// The server cannot be reached.
    NetworkError,
    /// Requests are switched off.
    OfflineError,
    /// The client was shut down.
    ShutdownError,
    /// The local copy cannot be read or written.
    StorageError,
    /// Anything else.
    UnknownError,
}

impl UptakeStatus {
    /// Tells the status from the error that a sync ended with.
    pub fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::Offline => Self::OfflineError,
            ErrorKind::Backoff => Self::Backoff,
            ErrorKind::Untrusted if error.was_retried() => Self::SignatureRetryError,
            ErrorKind::Untrusted | ErrorKind::Certificate | ErrorKind::Clock => Self::SignatureError,
            ErrorKind::Rollback | ErrorKind::Emptied | ErrorKind::Schema => Self::SyncError,
            ErrorKind::Corrupt => Self::CorruptionError,
            ErrorKind::Storage => Self::StorageError,
            ErrorKind::Shutdown => Self::ShutdownError,
            ErrorKind::NotFound | ErrorKind::Denied | ErrorKind::EndOfLife => Self::ServerError,
            ErrorKind::TooLarge => Self::ContentError,
            ErrorKind::Protocol if error.status().is_some() => Self::ServerError,
            ErrorKind::Protocol => match error.source() {
                Some(source) if source.is::<JsonError>() || source.is::<serde_json::Error>() => {
                    Self::ParseError
                }
                _ => Self::ContentError,
            },
            ErrorKind::Unavailable => {
                use transport::ErrorKind as Kind;
                let source = error.source().and_then(|source| source.downcast_ref::<transport::Error>());
                match source.map(transport::Error::kind) {
                    Some(Kind::Timeout) => Self::TimeoutError,
                    Some(Kind::Server | Kind::Backoff) => Self::ServerError,
                    _ => Self::NetworkError,
                }
            }
        }
    }

    /// Returns what Firefox's client (Gecko) calls it.
    pub fn gecko_name(self) -> &'static str {
        match self {
            Self::UpToDate => "up_to_date",
            Self::Success => "success",
            Self::Backoff => "backoff",
            Self::ParseError => "parse_error",
            Self::ContentError => "content_error",
            Self::SignatureError => "signature_error",
            Self::SignatureRetryError => "signature_retry_error",
            Self::CorruptionError => "corruption_error",
            Self::SyncError => "sync_error",
            Self::ServerError => "server_error",
            Self::TimeoutError => "timeout_error",
            Self::NetworkError => "network_error",
            Self::OfflineError => "offline_error",
            Self::ShutdownError => "shutdown_error",
            Self::StorageError => "custom_1_error",
            Self::UnknownError => "unknown_error",
        }
    }

    /// Returns what application-services' client calls it, which tells fewer apart.
    pub fn application_services_name(self) -> &'static str {
        match self {
            Self::UpToDate => "up_to_date",
            Self::Success => "success",
            Self::Backoff => "backoff_error",
            Self::SignatureError | Self::SignatureRetryError => "signature_error",
            Self::ServerError => "server_error",
            Self::TimeoutError | Self::NetworkError | Self::OfflineError => "network_error",
            _ => "unknown_error",
        }
    }
}
