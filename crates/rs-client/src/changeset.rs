//! What a server sends: the changes of a collection since some moment.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::{
    CollectionName, Error, ErrorKind, Limits,
    alert::one_line,
    json::{JsonError, Reader},
    record::Change,
};

/// Changes, the timestamp they lead to, and the collection's metadata; nothing of it is verified.
#[derive(Clone, Debug)]
pub struct Changeset {
    pub(crate) timestamp: u64,
    pub(crate) metadata: Arc<Map<String, Value>>,
    /// In order of ids, none of them twice.
    pub(crate) changes: Vec<Change>,
}

impl Changeset {
    /// Reads a changeset as a server sends it.
    ///
    /// Its records share `json`; nothing but the metadata is copied.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`] where it is not one, names a record twice, or has a number that does not fit 64
    /// bits; [`ErrorKind::TooLarge`] where it has more records, larger ones, or more metadata, than `limits` allow.
    pub fn parse(json: impl Into<Bytes>, limits: &Limits) -> Result<Self, Error> {
        let json = json.into();
        let (mut timestamp, mut metadata, mut changes) = (None, None, None);
        let mut reader = Reader::new(&json, limits.json_depth)?;
        reader.object(|reader, key| {
            match &*key.decoded() {
                "timestamp" if timestamp.is_none() => timestamp = Some(reader.integer()?),
                "metadata" if metadata.is_none() => metadata = Some(read_metadata(reader, limits)?),
                "changes" if changes.is_none() => changes = Some(read_changes(reader, &json, limits)?),
                twice @ ("timestamp" | "metadata" | "changes") => {
                    let message = format!("the server's answer has {twice} twice");
                    return Err(Error::new(ErrorKind::Protocol, message));
                }
                _ => drop(reader.skip()?),
            }
            Ok(())
        })?;
        reader.end()?;
        let (Some(timestamp), Some(changes)) = (timestamp, changes) else {
            let message = "the server's answer is not a changeset: it has no timestamp or no changes";
            return Err(Error::new(ErrorKind::Protocol, message));
        };
        Ok(Self { timestamp, metadata: Arc::new(metadata.unwrap_or_default()), changes })
    }

    /// Whether the metadata is that of the collection that was asked for.
    ///
    /// Signatures do not name their collection, so this guards against mix-ups, not against a server that lies.
    /// The plugin for Kinto that is released leaves the bucket out, which is no mix-up.
    pub(crate) fn is_of(&self, name: &CollectionName) -> Result<(), Error> {
        let field = |field| self.metadata.get(field).map(|value| value.as_str().unwrap_or("(none)"));
        let bucket = field("bucket").unwrap_or(name.bucket());
        let collection = field("id").unwrap_or("(none)");
        if (bucket, collection) == (name.bucket(), name.collection()) {
            return Ok(());
        }
        let sent = one_line(&format!("{bucket}/{collection}"), 200);
        let message = format!("the server sent the collection {sent} instead");
        Err(Error::new(ErrorKind::Protocol, message))
    }
}

/// Reads an object that no signature covers.
pub(crate) fn read_metadata(reader: &mut Reader<'_>, limits: &Limits) -> Result<Map<String, Value>, Error> {
    let written = reader.skip()?;
    if written.len() as u64 > limits.metadata_bytes {
        let message = format!(
            "{} bytes of metadata are more than the {} allowed",
            written.len(),
            limits.metadata_bytes
        );
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    serde_json::from_str(written)
        .map_err(|error| Error::new(ErrorKind::Protocol, "the metadata is not an object").with_source(error))
}

/// Reads a list of changes, or of records, that lies in `text`, and puts it in order of ids.
pub(crate) fn read_changes(
    reader: &mut Reader<'_>,
    text: &Bytes,
    limits: &Limits,
) -> Result<Vec<Change>, Error> {
    let mut changes = Vec::new();
    reader.array(|reader| {
        if changes.len() >= limits.records {
            let message = format!("there are more than the {} records allowed", limits.records);
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let start = reader.position();
        changes.push(Change::read(reader, text)?);
        if reader.offset() - start > limits.record_bytes {
            let message = format!("a record has more than the {} bytes allowed", limits.record_bytes);
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        Ok(())
    })?;
    changes.shrink_to_fit();
    changes.sort_unstable_by(|one, other| one.id().cmp(other.id()));
    match changes.windows(2).find(|pair| pair[0].id() == pair[1].id()) {
        Some(pair) => {
            let message = format!("record {} is there twice", String::from_utf8_lossy(pair[0].id()));
            Err(Error::new(ErrorKind::Protocol, message))
        }
        None => Ok(changes),
    }
}

impl From<JsonError> for Error {
    fn from(error: JsonError) -> Self {
        Self::new(ErrorKind::Protocol, "what was sent cannot be read as JSON").with_source(error)
    }
}
