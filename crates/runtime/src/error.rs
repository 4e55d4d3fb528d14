//! The one error type of this crate: a kind to act on, the thing it is about, and the cause.

use std::{error, fmt};

/// What went wrong while loading, preparing or running a model.
///
/// [`Error::kind`] says what a caller could do differently; the text names the thing; the cause, where there is
/// one, is only in [`source`](error::Error::source).
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    node: Option<String>,
    source: Option<Box<dyn error::Error + Send + Sync>>,
}

/// The kinds of [`Error`], by what a caller could do about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The bytes are no ONNX model, or one that contradicts itself.
    InvalidModel,
    /// The model needs an operator, or a version of one, that the engine does not have.
    UnsupportedOperator,
    /// The model, or the chosen engine, needs something else that this build does not have.
    Unsupported,
    /// A given tensor has a wrong name, type or shape.
    InvalidInput,
    /// A limit of [`Limits`](crate::Limits) would have been exceeded; nothing was allocated for it.
    LimitExceeded,
    /// The deadline of [`RunOptions`](crate::RunOptions) passed.
    Deadline,
    /// A node could not be computed on these inputs.
    Run,
    /// A file could not be read.
    Io,
    /// A bug in this crate or below it: a panic that was caught. Worth a report.
    Internal,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), node: None, source: None }))
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidModel, message)
    }

    pub(crate) fn run(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Run, message)
    }

    pub(crate) fn limit(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::LimitExceeded, message)
    }

    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Names the node that the error is about, unless an inner place already did.
    pub(crate) fn at_node(mut self, node: impl Into<String>) -> Self {
        self.0.node.get_or_insert_with(|| node.into());
        self
    }

    /// Returns what a caller could do differently.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the name of the graph's node that the error is about, if it is about one.
    pub fn node(&self) -> Option<&str> {
        self.0.node.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.node {
            Some(node) => write!(f, "node {node}: {}", self.0.message),
            None => f.write_str(&self.0.message),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, message, node, source } = &*self.0;
        f.debug_struct("Error")
            .field("kind", kind)
            .field("message", message)
            .field("node", node)
            .field("source", source)
            .finish()
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
