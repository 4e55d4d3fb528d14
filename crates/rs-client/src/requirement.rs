//! What a program requires of the records of a collection.

use std::{fmt, sync::Arc};

use serde::de::DeserializeOwned;

use crate::{Collection, Error, ErrorKind};

/// What the records of a collection have to be like, beyond being signed.
#[derive(Clone)]
pub(crate) struct Requirement(Arc<Check>);

type Check = dyn Fn(&Collection) -> Result<(), String> + Send + Sync;

impl Requirement {
    pub(crate) fn new(check: impl Fn(&Collection) -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(check))
    }

    /// Every record can be decoded into a `T`.
    pub(crate) fn records_of<T: DeserializeOwned>() -> Self {
        Self::new(|collection| {
            collection.records.iter().try_for_each(|record| match record.decode::<T>() {
                Ok(_) => Ok(()),
                Err(error) => Err(match std::error::Error::source(&error) {
                    Some(source) => format!("{error}: {source}"),
                    None => error.to_string(),
                }),
            })
        })
    }

    pub(crate) fn check(&self, collection: &Collection) -> Result<(), Error> {
        (self.0)(collection).map_err(|why| {
            let message = "the records are signed, but not what is required of this collection";
            Error::new(ErrorKind::Schema, message).with_source(why)
        })
    }
}

impl fmt::Debug for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Requirement").finish_non_exhaustive()
    }
}
