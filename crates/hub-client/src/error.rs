//! Why a model could not be planned or downloaded, as a caller can act on it.

use std::{fmt, time::Duration};

use hub_layout::{ModelId, RepoPath, Revision};

/// What a caller can usefully tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The hub cannot be reached, is too slow, fails, or asks to wait.
    Unavailable,
    /// Requests are switched off, and one would be needed.
    Offline,
    /// The hub has no such model or revision.
    NotFound,
    /// The hub has the model, but not a file that is needed.
    MissingFile,
    /// The hub refuses access.
    Denied,
    /// Bytes arrived that are not the ones announced or recorded; nothing of them is visible.
    Mismatch,
    /// The hub's answer makes no sense, or something else answered in its place.
    Protocol,
    /// More than the [`Limits`](crate::Limits) allow.
    TooLarge,
    /// No space is left for the model.
    NoSpace,
    /// The store failed.
    Storage,
}

/// What may help with a file, besides giving up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    Nothing,
    /// To ask again.
    Again,
    /// To ask for the whole file instead of parts of it.
    Whole,
    /// To find out what the hub has now.
    NewPlan,
}

/// Why a model could not be planned or downloaded: which one, which file, and the cause below.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    about: Option<Box<About>>,
    path: Option<RepoPath>,
    detail: Option<Box<str>>,
    retry_after: Option<Duration>,
    remedy: Remedy,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

#[derive(Debug)]
struct About {
    action: &'static str,
    model: ModelId,
    revision: Revision,
    hub: String,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self::plain(kind).with_detail(detail)
    }

    fn plain(kind: ErrorKind) -> Self {
        Self {
            kind,
            about: None,
            path: None,
            detail: None,
            retry_after: None,
            remedy: Remedy::Nothing,
            source: None,
        }
    }

    /// Wraps a failed request, which the transport has repeated as often as it makes sense.
    pub(crate) fn request(error: transport::Error) -> Self {
        use transport::ErrorKind as Kind;
        let kind = match error.kind() {
            Kind::Offline => ErrorKind::Offline,
            Kind::NotFound => ErrorKind::NotFound,
            Kind::Denied => ErrorKind::Denied,
            Kind::TooLarge => ErrorKind::TooLarge,
            Kind::Redirect | Kind::Protocol => ErrorKind::Protocol,
            _ => ErrorKind::Unavailable,
        };
        Self { retry_after: error.retry_after(), ..Self::plain(kind).with_source(error) }
    }

    /// Wraps a failed body: the transport repeats none of those.
    pub(crate) fn body(error: transport::Error) -> Self {
        let remedy = if error.is_transient() { Remedy::Again } else { Remedy::Nothing };
        Self { remedy, ..Self::request(error) }
    }

    /// Wraps a failure of the store.
    pub(crate) fn store(error: blob_store::Error) -> Self {
        use blob_store::ErrorKind as Kind;
        let kind = match error.kind() {
            Kind::Mismatch => ErrorKind::Mismatch,
            Kind::NoSpace => ErrorKind::NoSpace,
            Kind::TooLarge => ErrorKind::TooLarge,
            _ => ErrorKind::Storage,
        };
        // What is missing or damaged is dropped, and fetched when it is tried again.
        let again = matches!(error.kind(), Kind::Mismatch | Kind::Incomplete | Kind::Damaged);
        let remedy = if again { Remedy::Again } else { Remedy::Nothing };
        Self { remedy, ..Self::plain(kind).with_source(error) }
    }

    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    pub(crate) fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into().into());
        self
    }

    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Says that asking again may help.
    pub(crate) fn passing(self) -> Self {
        self.with_remedy(Remedy::Again)
    }

    pub(crate) fn with_remedy(mut self, remedy: Remedy) -> Self {
        self.remedy = remedy;
        self
    }

    /// Names the file concerned, unless it is named already.
    pub(crate) fn at(mut self, path: &RepoPath) -> Self {
        self.path.get_or_insert_with(|| path.clone());
        self
    }

    pub(crate) fn about(
        mut self,
        action: &'static str,
        model: &ModelId,
        revision: &Revision,
        hub: &str,
    ) -> Self {
        let (model, revision, hub) = (model.clone(), revision.clone(), hub.to_owned());
        self.about = Some(Box::new(About { action, model, revision, hub }));
        self
    }

    pub(crate) fn remedy(&self) -> Remedy {
        self.remedy
    }

    /// Returns the category, for branching.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns the file concerned, where it is about one.
    pub fn path(&self) -> Option<&RepoPath> {
        self.path.as_ref()
    }

    /// Returns how long the hub asked to wait, where it did.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Returns what can be done about it: a lower-case phrase, which the text of the error leaves out.
    pub fn advice(&self) -> &'static str {
        match self.kind {
            ErrorKind::Unavailable => "check the network, or try again later",
            ErrorKind::Offline => "go online once to fetch it",
            ErrorKind::NotFound => "check the model id, the revision and which hub is asked",
            ErrorKind::MissingFile => "choose another number format, model file or revision",
            ErrorKind::Denied => "accept the model's terms on its hub, or give a token that may read it",
            ErrorKind::Mismatch => "try again; if it stays so, the hub's copy is damaged or was replaced",
            ErrorKind::Protocol => {
                "check the hub's address; a network that wants a log-in may have answered in its place"
            }
            ErrorKind::TooLarge => "raise the limit, if the model is meant to be so large",
            ErrorKind::NoSpace => "make room, then try again",
            ErrorKind::Storage => "check the store",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            ErrorKind::Unavailable => "the hub is not available",
            ErrorKind::Offline => "offline: no request was made",
            ErrorKind::NotFound => "the hub has no such model or revision",
            ErrorKind::MissingFile => "the hub lacks a file",
            ErrorKind::Denied => "the hub refuses access",
            ErrorKind::Mismatch => "the bytes are not the ones expected",
            ErrorKind::Protocol => "the hub's answer makes no sense",
            ErrorKind::TooLarge => "it is larger than allowed",
            ErrorKind::NoSpace => "no space is left",
            ErrorKind::Storage => "the store failed",
        };
        let action = self.about.as_ref().map_or("fetch", |about| about.action);
        write!(f, "could not {action} ")?;
        if let Some(path) = &self.path {
            write!(f, "{path} of ")?;
        }
        match &self.about {
            Some(about) => write!(f, "{}@{} from {}: {what}", about.model, about.revision, about.hub)?,
            None => write!(f, "a model: {what}")?,
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
