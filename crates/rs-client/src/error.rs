//! Why an operation failed, as a caller can act on it.

use std::{fmt, time::Duration};

use crate::CollectionName;

/// What a caller can usefully tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Requests are switched off; none was made. The local copy can still be read.
    Offline,
    /// The server cannot be reached, is too slow, or failed; trying later may work.
    Unavailable,
    /// The server asked to wait; see [`Error::retry_after`].
    Backoff,
    /// The server has no such collection or attachment.
    NotFound,
    /// The server refuses access; version 1 servers also answer so for a collection they do not have.
    Denied,
    /// What the server sent is not what was signed: records without a matching signature, or an attachment
    /// that is not the one its record describes.
    Untrusted,
    /// The certificate chain of the signature is not acceptable; see [`Error::certificate`].
    Certificate,
    /// The chain would be acceptable at another time, and the local clock is probably wrong.
    Clock,
    /// Signed, but not newer than what is held: an older timestamp, other records under the same timestamp,
    /// or a timestamp from the future.
    Rollback,
    /// Signed, but a collection that had records would have none; see
    /// [`ClientBuilder::accept_emptied`](crate::ClientBuilder::accept_emptied).
    Emptied,
    /// Signed, but not the records that the program requires; see
    /// [`ClientBuilder::require`](crate::ClientBuilder::require).
    Schema,
    /// The server's interface has ended, and this program needs a newer version; the message has what the server
    /// says, and [`Client::alert`](crate::Client::alert) keeps it.
    EndOfLife,
    /// The client was shut down; see [`Client::shutdown`](crate::Client::shutdown).
    Shutdown,
    /// The local copy is damaged; the next sync fetches everything again.
    Corrupt,
    /// What the server sent is outside the protocol.
    Protocol,
    /// The local copy could not be read or written.
    Storage,
    /// What the server sent is larger than the limits allow.
    TooLarge,
}

/// What is wrong with a certificate chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CertificateProblem {
    /// The file does not hold certificates that can be read.
    Malformed,
    /// The chain does not end in a trusted root.
    Root,
    /// A certificate is no longer valid.
    Expired,
    /// A certificate is not valid yet.
    NotYetValid,
    /// A certificate is not signed by the next one, or the next one may not sign certificates.
    Link,
    /// A certificate is not meant for signing code.
    Usage,
    /// The leaf is for another name, or for one that its issuer may not sign for.
    Name,
    /// The leaf's key is not a P-384 key.
    Key,
}

/// Why an operation failed.
///
/// The message says what failed, and where known for which collection; the cause follows in
/// [`source`](std::error::Error::source).
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    collection: Option<String>,
    message: String,
    certificate: Option<CertificateProblem>,
    retry_after: Option<Duration>,
    status: Option<u16>,
    retried: bool,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            kind,
            collection: None,
            message,
            certificate: None,
            retry_after: None,
            status: None,
            retried: false,
            source: None,
        }
    }

    /// An error of the kind [`ErrorKind::Certificate`].
    pub(crate) fn in_chain(problem: CertificateProblem, message: impl Into<String>) -> Self {
        Self { certificate: Some(problem), ..Self::new(ErrorKind::Certificate, message) }
    }

    /// An error about getting `what`.
    pub(crate) fn in_transport(what: &str, source: transport::Error) -> Self {
        use transport::ErrorKind as Kind;
        if ShutDown::caused(&source) {
            return Self::new(ErrorKind::Shutdown, format!("could not get {what}: the client was shut down"));
        }
        let kind = match source.kind() {
            Kind::Offline => ErrorKind::Offline,
            Kind::NotFound => ErrorKind::NotFound,
            Kind::Denied => ErrorKind::Denied,
            Kind::Backoff => ErrorKind::Backoff,
            Kind::TooLarge => ErrorKind::TooLarge,
            Kind::Redirect | Kind::Protocol => ErrorKind::Protocol,
            _ => ErrorKind::Unavailable,
        };
        let (retry_after, status) = (source.retry_after(), source.status());
        Self { retry_after, status, ..Self::new(kind, format!("could not get {what}")).with_source(source) }
    }

    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same problem, after everything was fetched once more.
    pub(crate) fn retried(mut self) -> Self {
        self.retried = true;
        self
    }

    pub(crate) fn was_retried(&self) -> bool {
        self.retried
    }

    /// The same problem, of another kind.
    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// The same problem, with what to do about it.
    pub(crate) fn with_advice(mut self, advice: &str) -> Self {
        self.message = format!("{}: {advice}", self.message);
        self
    }

    pub(crate) fn of(mut self, collection: &CollectionName) -> Self {
        self.collection.get_or_insert_with(|| collection.to_string());
        self
    }

    pub(crate) fn with_retry_after(mut self, time: Duration) -> Self {
        self.retry_after = Some(time);
        self
    }

    /// The same problem, but with the clock as its probable cause.
    pub(crate) fn blame_clock(mut self, hint: &str) -> Self {
        self.kind = ErrorKind::Clock;
        self.message = format!("{}; {hint}", self.message);
        self
    }

    /// Returns the category, for branching.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns what is wrong with the chain, for the kinds [`ErrorKind::Certificate`] and
    /// [`ErrorKind::Clock`].
    pub fn certificate(&self) -> Option<CertificateProblem> {
        self.certificate
    }

    /// Returns the HTTP status of the server's answer, where that was the problem.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// Returns how long to wait before the next request, where the server said so.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

/// The cause of whatever a request fails with once the client was shut down.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShutDown;

impl ShutDown {
    /// Fails a request.
    pub(crate) fn error(self, url: &url::Url) -> transport::Error {
        transport::Error::new(transport::ErrorKind::Unreachable, url).with_source(self)
    }

    fn caused(error: &transport::Error) -> bool {
        std::error::Error::source(error).is_some_and(|source| source.is::<Self>())
    }
}

impl fmt::Display for ShutDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client was shut down")
    }
}

impl std::error::Error for ShutDown {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(collection) = &self.collection {
            write!(f, "{collection}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
