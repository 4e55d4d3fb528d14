//! Why a request failed, as a caller can act on it.

use std::{fmt, time::Duration};

use url::Url;

/// What a caller can usefully tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Requests are switched off; none was made.
    Offline,
    /// No connection, or it broke; trying later may work.
    Unreachable,
    /// The server's TLS certificate is not to be trusted; trying again does not help.
    Certificate,
    /// The server was too slow for the limits set.
    Timeout,
    /// The server has no such resource (404, 410).
    NotFound,
    /// The server refuses this client (401, 403).
    Denied,
    /// The server asks for fewer requests (429, 503).
    Backoff,
    /// The server failed (any other 5xx).
    Server,
    /// A redirect led somewhere it must not, or there were too many.
    Redirect,
    /// More bytes arrived than the caller allowed.
    TooLarge,
    /// The answer is outside the protocol.
    Protocol,
}

/// Why a request failed.
///
/// The URL is kept without user name, password, query and fragment, so that no secret ends in a log.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    url: Box<Url>,
    status: Option<u16>,
    retry_after: Option<Duration>,
    detail: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// Creates an error about `url` with no underlying cause.
    pub fn new(kind: ErrorKind, url: &Url) -> Self {
        let mut url = Box::new(url.clone());
        // Only URLs without a host refuse these, and they have no credentials.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_query(None);
        url.set_fragment(None);
        Self { kind, url, status: None, retry_after: None, detail: None, source: None }
    }

    /// Creates the error that an HTTP status outside 200..=299 stands for.
    pub fn from_status(status: u16, url: &Url) -> Self {
        let kind = match status {
            401 | 403 => ErrorKind::Denied,
            404 | 410 => ErrorKind::NotFound,
            408 => ErrorKind::Timeout,
            429 | 503 => ErrorKind::Backoff,
            500..=599 => ErrorKind::Server,
            _ => ErrorKind::Protocol,
        };
        Self { status: Some(status), ..Self::new(kind, url) }
    }

    /// Attaches the underlying cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Attaches what exactly is wrong: a lower-case phrase.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Attaches how long the server asks to wait.
    #[must_use]
    pub fn with_retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.retry_after = retry_after;
        self
    }

    /// Returns the category, for branching.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns the address concerned, without credentials and query.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Returns the HTTP status, where there was an answer.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// Returns how long the server asked to wait, where it did.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Returns whether the same request may succeed if sent again later.
    pub fn is_transient(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Unreachable | ErrorKind::Timeout | ErrorKind::Backoff | ErrorKind::Server
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            ErrorKind::Offline => "offline: no request was made",
            ErrorKind::Unreachable => "the server cannot be reached",
            ErrorKind::Certificate => "the server's certificate is not trusted",
            ErrorKind::Timeout => "the server is too slow",
            ErrorKind::NotFound => "there is nothing at this address",
            ErrorKind::Denied => "the server refuses access",
            ErrorKind::Backoff => "the server asks to wait",
            ErrorKind::Server => "the server failed",
            ErrorKind::Redirect => "the server redirects to where it must not",
            ErrorKind::TooLarge => "the answer is larger than allowed",
            ErrorKind::Protocol => "the server's answer makes no sense",
        };
        write!(f, "could not fetch {}: {what}", self.url)?;
        if let Some(status) = self.status {
            write!(f, " (status {status})")?;
        }
        if let Some(after) = self.retry_after {
            write!(f, " (retry after {} s)", after.as_secs())?;
        }
        match &self.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
