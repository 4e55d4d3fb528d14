//! What the errors of lower crates mean here: one conversion for each.

use crate::{Error, ErrorKind};

/// Returns whether an error comes from a full disk in the end.
fn is_no_space(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            use std::io::ErrorKind as Kind;
            return matches!(io.kind(), Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge);
        }
        next = error.source();
    }
    false
}

impl From<transport::Error> for Error {
    fn from(error: transport::Error) -> Self {
        use transport::ErrorKind as Kind;
        let kind = match error.kind() {
            Kind::Offline => ErrorKind::Offline,
            Kind::NotFound => ErrorKind::NotFound,
            Kind::Denied | Kind::Redirect => ErrorKind::Denied,
            Kind::TooLarge => ErrorKind::LimitExceeded,
            _ => ErrorKind::Unavailable,
        };
        Self::new(kind, "a request failed").with_source(error)
    }
}

impl From<blob_store::Error> for Error {
    fn from(error: blob_store::Error) -> Self {
        Self::new(Self::from_kind(&error), "the model store failed").with_source(error)
    }
}

impl Error {
    fn from_kind(error: &blob_store::Error) -> ErrorKind {
        use blob_store::ErrorKind as Kind;
        match error.kind() {
            Kind::NotFound | Kind::Incomplete => ErrorKind::NotInstalled,
            Kind::Mismatch => ErrorKind::Untrusted,
            Kind::NoSpace => ErrorKind::NoSpace,
            Kind::Unsupported => ErrorKind::Unsupported,
            Kind::TooLarge => ErrorKind::LimitExceeded,
            _ if is_no_space(error) => ErrorKind::NoSpace,
            _ => ErrorKind::Storage,
        }
    }

    /// What an error means while a model is exported or imported, where the fault is mostly the other side's.
    pub(crate) fn from_moving(error: blob_store::Error, context: &str) -> Self {
        use blob_store::ErrorKind as Kind;
        let (kind, hint) = match error.kind() {
            Kind::Damaged | Kind::Mismatch => {
                (ErrorKind::Untrusted, Some("copy it once more from where it came"))
            }
            Kind::Unverified => {
                (ErrorKind::Untrusted, Some("import the files as a folder if you trust them"))
            }
            Kind::NotFound | Kind::Incomplete => (ErrorKind::NotFound, None),
            Kind::UnsafeName | Kind::Invalid => (ErrorKind::InvalidModel, None),
            Kind::Occupied => (ErrorKind::InvalidInput, Some("to replace what is there: --replace")),
            _ => (Self::from_kind(&error), None),
        };
        let here = Self::new(kind, context).with_source(error);
        match hint {
            Some(hint) => here.with_hint(hint),
            None => here,
        }
    }
}

impl From<rs_client::Error> for Error {
    fn from(error: rs_client::Error) -> Self {
        use rs_client::ErrorKind as Kind;
        let kind = match error.kind() {
            Kind::Offline => ErrorKind::Offline,
            Kind::NotFound => ErrorKind::NotFound,
            Kind::Denied => ErrorKind::Denied,
            Kind::Untrusted
            | Kind::Certificate
            | Kind::Clock
            | Kind::Rollback
            | Kind::Emptied
            | Kind::Schema
            | Kind::Corrupt => ErrorKind::Untrusted,
            Kind::TooLarge => ErrorKind::LimitExceeded,
            Kind::Storage if is_no_space(&error) => ErrorKind::NoSpace,
            Kind::Storage => ErrorKind::Storage,
            _ => ErrorKind::Unavailable,
        };
        let here = Self::new(kind, "the settings failed");
        let here = match error.kind() {
            Kind::Clock => here.with_hint("check this machine's date and time"),
            Kind::Backoff => here.with_hint("wait as long as the server asks, then try again"),
            Kind::NotFound => {
                here.with_hint("check the address of the settings server: it ends in /v1 or /v2")
            }
            Kind::EndOfLife => {
                here.with_hint("update mlmgr: the settings server no longer serves this version")
            }
            Kind::Corrupt => here.with_hint("fetch the settings again: mlmgr sync"),
            Kind::Emptied => {
                here.with_hint("if the collection was emptied on purpose: mlmgr sync --accept-emptied")
            }
            Kind::Rollback => here.with_hint(
                "what was fetched before stays; if the server was reset on purpose, start with a new store",
            ),
            _ => here,
        };
        here.with_source(error)
    }
}

impl From<hub_client::Error> for Error {
    fn from(error: hub_client::Error) -> Self {
        use hub_client::ErrorKind as Kind;
        let kind = match error.kind() {
            Kind::Offline => ErrorKind::Offline,
            Kind::NotFound | Kind::MissingFile => ErrorKind::NotFound,
            Kind::Denied => ErrorKind::Denied,
            Kind::Mismatch => ErrorKind::Untrusted,
            Kind::TooLarge => ErrorKind::LimitExceeded,
            Kind::NoSpace => ErrorKind::NoSpace,
            Kind::Storage if is_no_space(&error) => ErrorKind::NoSpace,
            Kind::Storage => ErrorKind::Storage,
            _ => ErrorKind::Unavailable,
        };
        Self::new(kind, "the hub failed").with_hint(error.advice()).with_source(error)
    }
}

impl From<pipelines::Error> for Error {
    fn from(error: pipelines::Error) -> Self {
        use pipelines::ErrorKind as Kind;
        let kind = match error.kind() {
            Kind::UnknownTask | Kind::Unsupported => ErrorKind::Unsupported,
            Kind::MissingFile | Kind::InvalidModel => ErrorKind::InvalidModel,
            Kind::InvalidInput => ErrorKind::InvalidInput,
            Kind::LimitExceeded => ErrorKind::LimitExceeded,
            Kind::Io => ErrorKind::Storage,
            _ => ErrorKind::Failed,
        };
        let here = Self::new(kind, "the task failed");
        let here = match error.kind() {
            Kind::UnknownTask => {
                here.with_hint("a later version may run it; its model can be pulled already")
            }
            Kind::Unsupported => {
                here.with_hint("choose a model that this version runs, or another one with --engine")
            }
            Kind::InvalidModel => here.with_hint("choose another model or revision"),
            _ => here,
        };
        here.with_source(error)
    }
}
