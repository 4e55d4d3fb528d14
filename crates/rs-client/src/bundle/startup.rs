//! Many collections in one file, for a first start. Pure.

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use serde::{Deserialize, de::IgnoredAny};

use super::mozlz4;
use crate::{Changeset, CollectionName, Error, ErrorKind, Limits};

/// Which of a server's files with many collections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StartupFile {
    /// The collections that the server flags as needed at the start of a program.
    #[default]
    Flagged,
    /// All collections.
    All,
}

/// Changesets of many collections, as servers pack them; nothing of it is verified.
///
/// Collections of preview buckets are never in it.
pub struct StartupBundle {
    /// Parts of the one unpacked text.
    changesets: BTreeMap<CollectionName, Bytes>,
}

impl StartupFile {
    /// Where it lies below the server's address for attachments.
    pub(crate) fn location(self) -> &'static str {
        match self {
            Self::Flagged => "bundles/startup.json.mozlz4",
            Self::All => "bundles/changesets.json.mozlz4",
        }
    }
}

impl StartupBundle {
    /// Unpacks a file and finds the collections in it.
    ///
    /// A changeset is parsed only when it is asked for.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] where the file is larger than `limits` allow, packed or unpacked;
    /// [`ErrorKind::Protocol`] where it is not of the format, is no list, or has a collection twice. What in the
    /// list is no changeset of a collection is passed over.
    ///
    /// ```
    /// use rs_client::{ErrorKind, Limits, StartupBundle};
    ///
    /// let error = StartupBundle::read(b"[]", &Limits::default()).expect_err("it is not packed");
    /// assert_eq!(error.kind(), ErrorKind::Protocol);
    /// let empty = StartupBundle::read(b"mozLz40\0\x02\0\0\0\x20[]", &Limits::default())?;
    /// assert_eq!(empty.names().count(), 0);
    /// # Ok::<(), rs_client::Error>(())
    /// ```
    pub fn read(file: &[u8], limits: &Limits) -> Result<Self, Error> {
        let length = file.len() as u64;
        if length > limits.bundle_bytes {
            let message =
                format!("a bundle of {length} bytes is more than the {} allowed", limits.bundle_bytes);
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let text = Bytes::from(mozlz4::unpack(file, limits.unpacked_bytes)?);
        Ok(Self { changesets: split(&text)? })
    }

    /// Returns the names of the collections in it, in order.
    pub fn names(&self) -> impl Iterator<Item = &CollectionName> {
        self.changesets.keys()
    }

    /// Returns a collection's changeset, which is to be verified like any other; [`None`] where it has none.
    ///
    /// # Errors
    ///
    /// As [`Changeset::parse`]; [`ErrorKind::TooLarge`] also where it is longer than a changeset may be.
    pub fn changeset(&self, name: &CollectionName, limits: &Limits) -> Result<Option<Changeset>, Error> {
        let Some(json) = self.changesets.get(name) else { return Ok(None) };
        let parse = || {
            let length = json.len() as u64;
            if length > limits.changeset_bytes {
                let message = format!(
                    "a changeset of {length} bytes is more than the {} allowed",
                    limits.changeset_bytes
                );
                return Err(Error::new(ErrorKind::TooLarge, message));
            }
            // Copied, so that whoever keeps one collection does not keep the text of all.
            let changeset = Changeset::parse(Bytes::copy_from_slice(json), limits)?;
            changeset.is_of(name)?;
            Ok(changeset)
        };
        parse().map(Some).map_err(|error| error.of(name))
    }
}

/// Finds the collections in the list, and which part of the text each is.
fn split(text: &Bytes) -> Result<BTreeMap<CollectionName, Bytes>, Error> {
    let refuse = || Error::new(ErrorKind::Protocol, "the bundle is no JSON list");
    let mut changesets = BTreeMap::new();
    let text_of = std::str::from_utf8(text).map_err(|error| refuse().with_source(error))?;
    let mut rest = spaced(text_of).strip_prefix('[').map(spaced).ok_or_else(refuse)?;
    let mut more = !rest.starts_with(']');
    while more {
        let (length, name) = next(rest).map_err(|error| refuse().with_source(error))?;
        let (changeset, after) = rest.split_at(length);
        if let Some(name) = name {
            if changesets.contains_key(&name) {
                return Err(Error::new(ErrorKind::Protocol, format!("the bundle has {name} twice")));
            }
            changesets.insert(name, text.slice_ref(changeset.as_bytes()));
        }
        let after = spaced(after);
        let next = after.strip_prefix(',');
        more = next.is_some();
        rest = next.map_or(after, spaced);
    }
    match rest.strip_prefix(']').map(spaced) {
        Some("") => Ok(changesets),
        _ => Err(refuse()),
    }
}

/// What follows the white space of JSON.
fn spaced(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\n', '\r'])
}

/// Returns the length of the first value of a text, and the name of the collection that it is, if it is one.
fn next(text: &str) -> Result<(usize, Option<CollectionName>), serde_json::Error> {
    #[derive(Deserialize)]
    struct Peek {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    struct Metadata {
        bucket: String,
        id: String,
    }
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    values.next().transpose()?;
    let length = values.byte_offset();
    let peek = serde_json::from_str::<Peek>(&text[..length]).ok();
    Ok((length, peek.and_then(|Peek { metadata }| CollectionName::new(metadata.bucket, metadata.id).ok())))
}

impl fmt::Debug for StartupBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartupBundle").field("collections", &self.changesets.len()).finish_non_exhaustive()
    }
}
