//! Names of collections and identities of records.

use std::{fmt, str::FromStr};

use crate::{Error, ErrorKind};

/// The longest name of a bucket or collection, in bytes.
const LONGEST_NAME: usize = 255;

/// The longest identity of a record, in bytes; servers set no limit.
const LONGEST_ID: usize = 4096;

/// A bucket and a collection in it, both made of ASCII letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CollectionName {
    bucket: String,
    collection: String,
}

impl CollectionName {
    /// Names a collection.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`] if either name is empty, longer than 255 bytes, begins with `-` or `_`, or holds
    /// anything but ASCII letters, digits, `-` and `_`.
    pub fn new(bucket: impl Into<String>, collection: impl Into<String>) -> Result<Self, Error> {
        let (bucket, collection) = (bucket.into(), collection.into());
        for name in [&bucket, &collection] {
            if name.len() > LONGEST_NAME || !is_id(name) {
                let message = format!("{name:?} is not the name of a bucket or collection");
                return Err(Error::new(ErrorKind::Protocol, message));
            }
        }
        Ok(Self { bucket, collection })
    }

    /// Returns the bucket.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Returns the collection's name inside its bucket.
    pub fn collection(&self) -> &str {
        &self.collection
    }
}

/// `bucket/collection`.
impl fmt::Display for CollectionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.bucket, self.collection)
    }
}

/// Reads `bucket/collection`.
impl FromStr for CollectionName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (bucket, collection) = text.split_once('/').unwrap_or((text, ""));
        Self::new(bucket, collection)
    }
}

/// Whether `text` is what the server lets buckets, collections and records be called.
pub(crate) fn is_id(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= LONGEST_ID
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}
