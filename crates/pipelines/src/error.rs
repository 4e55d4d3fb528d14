//! Why a pipeline could not be loaded or run, as a caller can act on it.

use std::{error, fmt};

/// What a caller can usefully tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no pipeline for the task; the message lists those there are.
    UnknownTask,
    /// A file that the pipeline needs is not among the model's files.
    MissingFile,
    /// A file of the model is broken, or the files contradict each other.
    InvalidModel,
    /// The model is in order, but uses something that this build lacks.
    Unsupported,
    /// The input is of the wrong kind, or empty.
    InvalidInput,
    /// A limit of [`Limits`](crate::Limits) or of the runtime would be exceeded.
    LimitExceeded,
    /// The model could not be computed on this input.
    Run,
    /// A file of the model could not be read.
    Io,
}

/// Why a pipeline could not be loaded or run.
///
/// The text names the file or the thing concerned; the cause, where there is one, is only in
/// [`source`](error::Error::source).
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn error::Error + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidModel, message)
    }

    pub(crate) fn limit(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::LimitExceeded, message)
    }

    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Says what `message` is about the runtime's error.
    pub(crate) fn from_runtime(message: impl Into<String>, error: runtime::Error) -> Self {
        let kind = match error.kind() {
            runtime::ErrorKind::InvalidModel => ErrorKind::InvalidModel,
            runtime::ErrorKind::UnsupportedOperator | runtime::ErrorKind::Unsupported => {
                ErrorKind::Unsupported
            }
            runtime::ErrorKind::LimitExceeded | runtime::ErrorKind::Deadline => ErrorKind::LimitExceeded,
            runtime::ErrorKind::Io => ErrorKind::Io,
            _ => ErrorKind::Run,
        };
        Self::new(kind, message).with_source(error)
    }

    /// Returns the category, for branching.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
