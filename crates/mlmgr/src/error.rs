//! Why something could not be done, as a caller or a user can act on it.

use std::fmt;

/// What a caller can usefully tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// What was asked for makes no sense: a name, an option, an input.
    InvalidInput,
    /// Several records match; the caller has to choose.
    Ambiguous,
    /// Requests are switched off, and what is stored does not suffice.
    Offline,
    /// A server cannot be reached, fails, or asks to wait.
    Unavailable,
    /// A signature, certificate, digest or size is not what it has to be.
    Untrusted,
    /// There is no such record, model, revision or file.
    NotFound,
    /// The model is known but not in the store.
    NotInstalled,
    /// A rule of the settings, or a server, refuses it.
    Denied,
    /// The disk is full, or the quota.
    NoSpace,
    /// Reading or writing the store failed.
    Storage,
    /// A model's files are not what they claim to be.
    InvalidModel,
    /// This build cannot do it.
    Unsupported,
    /// A stated limit was reached.
    LimitExceeded,
    /// Anything else.
    Failed,
}

/// Why something could not be done.
///
/// The message is one line in lower case that names the thing concerned, and does not repeat the text of
/// [`source`](std::error::Error::source): print the chain for all of it.
#[derive(Debug)]
pub struct Error {
    inner: Box<Inner>,
}

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    context: String,
    hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// Creates an error without an underlying cause.
    pub(crate) fn new(kind: ErrorKind, context: impl Into<String>) -> Self {
        Self { inner: Box::new(Inner { kind, context: context.into(), hint: None, source: None }) }
    }

    /// Says how to get out of it: one line for a person.
    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.inner.hint = Some(hint.into());
        self
    }

    /// Takes over the way out that another error names.
    #[must_use]
    pub(crate) fn with_hint_of(mut self, other: &Self) -> Self {
        self.inner.hint.clone_from(&other.inner.hint);
        self
    }

    /// Attaches the underlying cause.
    #[must_use]
    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// Replaces the message, which names what was being done.
    #[must_use]
    pub(crate) fn about(mut self, context: impl Into<String>) -> Self {
        self.inner.context = context.into();
        self
    }

    /// Returns the category, for branching.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// Returns how to get out of it, where that is known: one line for a person.
    pub fn hint(&self) -> Option<&str> {
        self.inner.hint.as_deref().or(match self.kind() {
            ErrorKind::Offline => Some("allow requests once, and it will work offline afterwards"),
            ErrorKind::Unavailable => {
                Some("check the network and the server's address; what is installed keeps working meanwhile")
            }
            ErrorKind::Untrusted => Some("nothing of it was used; what is installed keeps working"),
            ErrorKind::Storage => {
                Some("check that the store is a folder that you may read and write, or choose another one")
            }
            ErrorKind::NoSpace => Some("free some space, or choose another folder for the store"),
            _ => None,
        })
    }

    /// Returns the whole chain as one line: this error and each cause, separated by colons.
    pub fn chain(&self) -> String {
        let mut line = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            line.push_str(": ");
            line.push_str(&error.to_string());
            source = error.source();
        }
        // A cause from outside this project may span lines.
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

impl ErrorKind {
    /// Returns the name used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid-input",
            Self::Ambiguous => "ambiguous",
            Self::Offline => "offline",
            Self::Unavailable => "unavailable",
            Self::Untrusted => "untrusted",
            Self::NotFound => "not-found",
            Self::NotInstalled => "not-installed",
            Self::Denied => "denied",
            Self::NoSpace => "no-space",
            Self::Storage => "storage",
            Self::InvalidModel => "invalid-model",
            Self::Unsupported => "unsupported",
            Self::LimitExceeded => "limit-exceeded",
            Self::Failed => "failed",
        }
    }

    /// Returns the exit code by which a program tells this kind to its caller.
    ///
    /// 1 other, 2 usage, 3 network or unavailable, 4 integrity or signature, 5 not found, 6 denied by policy or
    /// authorisation, 7 no space or I/O, 8 unsupported or invalid model, 9 limit or deadline.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::InvalidInput | Self::Ambiguous => 2,
            Self::Offline | Self::Unavailable => 3,
            Self::Untrusted => 4,
            Self::NotFound | Self::NotInstalled => 5,
            Self::Denied => 6,
            Self::NoSpace | Self::Storage => 7,
            Self::InvalidModel | Self::Unsupported => 8,
            Self::LimitExceeded => 9,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.context)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.inner.source.as_deref().map(|source| source as _)
    }
}

/// As JSON: `{"kind", "exit_code", "message", "hint"}`; `message` is the whole chain.
impl serde::Serialize for Error {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut fields = serializer.serialize_struct("Error", 4)?;
        fields.serialize_field("kind", self.kind().as_str())?;
        fields.serialize_field("exit_code", &self.kind().exit_code())?;
        fields.serialize_field("message", &self.chain())?;
        fields.serialize_field("hint", &self.hint())?;
        fields.end()
    }
}
