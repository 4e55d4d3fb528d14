//! Why an operation on a store failed, as a caller can act on it.

use std::{fmt, io};

use content_id::{ContentId, Digest};
use serde::Serialize;

use crate::Version;

/// What a caller can usefully tell apart. In JSON it is the name in lower case, such as `not_found`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// The store does not hold this.
    NotFound,
    /// The bytes written are not the bytes announced; nothing of them is visible.
    Mismatch,
    /// Somebody else changed the document first; read it again and decide again.
    Conflict,
    /// Blobs that a manifest names are not in the store (or no longer), or parts that a blob consists of; nothing
    /// was written.
    Incomplete,
    /// Somebody else is writing this, and is alive; wait, or come again.
    Busy,
    /// The manifest is pinned, so it cannot be removed.
    Pinned,
    /// The disk or the quota is full; nothing half-written stays behind.
    NoSpace,
    /// What is stored is not what was stored: bit rot, truncation, or a foreign object in its place.
    Damaged,
    /// A newer program wrote this; it is left as it is.
    Unsupported,
    /// More bytes than the [`Limits`](crate::Limits) allow.
    TooLarge,
    /// A file's name could lead out of its folder, or some system cannot keep it.
    UnsafeName,
    /// Something else is where this should go; it is left alone.
    Occupied,
    /// Nothing tells what the bytes should be.
    Unverified,
    /// The request itself makes no sense: a range outside the blob, an empty name.
    Invalid,
    /// The file system or object store below failed.
    Backend,
}

/// Why an operation failed: what was attempted, on what, and the cause below.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    operation: &'static str,
    subject: Box<str>,
    detail: Option<Box<str>>,
    version: Option<Version>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// Creates an error: `operation` is a verb phrase ("read"), `subject` what it was done to.
    pub fn new(kind: ErrorKind, operation: &'static str, subject: impl fmt::Display) -> Self {
        let subject = subject.to_string().into();
        Self { kind, operation, subject, detail: None, version: None, source: None }
    }

    /// Creates an error about one blob.
    pub fn blob(kind: ErrorKind, operation: &'static str, id: ContentId) -> Self {
        Self::digest(kind, operation, id.digest)
    }

    /// Creates an error about the blob with this digest.
    pub fn digest(kind: ErrorKind, operation: &'static str, digest: Digest) -> Self {
        Self::new(kind, operation, format_args!("blob {digest}"))
    }

    /// Creates an error from one of the operating system, choosing the kind by its code.
    pub fn io(operation: &'static str, subject: impl fmt::Display, source: io::Error) -> Self {
        Self::new(kind_of(&source), operation, subject).with_source(source)
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
        self.detail = Some(detail.into().into());
        self
    }

    /// Attaches the version of the stored document concerned, so that it can be replaced or removed.
    #[must_use]
    pub fn with_version(mut self, version: Version) -> Self {
        self.version = Some(version);
        self
    }

    /// Returns the category, for branching.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns what was attempted, as a verb phrase.
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// Returns what it was attempted on: a blob, a manifest, a pin, a folder.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Returns the version of a document that is there but cannot be used.
    pub fn version(&self) -> Option<Version> {
        self.version
    }
}

/// The kind that an operating system's error stands for.
fn kind_of(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            ErrorKind::NoSpace
        }
        _ => ErrorKind::Backend,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            ErrorKind::NotFound => "it is not in the store",
            ErrorKind::Mismatch => "the bytes are not the ones announced",
            ErrorKind::Conflict => "it was changed by somebody else",
            ErrorKind::Incomplete => "what it consists of is not in the store",
            ErrorKind::Busy => "somebody else is writing it",
            ErrorKind::Pinned => "it is pinned",
            ErrorKind::NoSpace => "no space is left",
            ErrorKind::Damaged => "what is stored is damaged",
            ErrorKind::Unsupported => "it was written by a newer version of this program",
            ErrorKind::TooLarge => "it is larger than allowed",
            ErrorKind::UnsafeName => "it is not safe as a path",
            ErrorKind::Occupied => "something else is in its place",
            ErrorKind::Unverified => "nothing tells what its bytes should be",
            ErrorKind::Invalid => "the request makes no sense",
            ErrorKind::Backend => "the storage failed",
        };
        write!(f, "could not {} {}: {what}", self.operation, self.subject)?;
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
