//! What a server sends: the changes of a collection since some moment.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{CollectionName, Error, ErrorKind, Limits, Record, name::is_id};

/// Changes, the timestamp they lead to, and the collection's metadata; nothing of it is verified.
#[derive(Clone, Debug, PartialEq)]
pub struct Changeset {
    pub(crate) timestamp: u64,
    pub(crate) metadata: Map<String, Value>,
    pub(crate) changes: Vec<Change>,
}

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    /// The record is now this.
    Put(Record),
    /// There is no record of this id. When it went is not told by all servers and means nothing.
    Delete(String),
}

impl Changeset {
    /// Reads a changeset as a server sends it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`] where it is not one, names a record twice, or has a number that does not fit 64
    /// bits; [`ErrorKind::TooLarge`] where it has more records than `limits` allow.
    pub fn parse(json: &[u8], limits: &Limits) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Wire {
            timestamp: u64,
            #[serde(default)]
            metadata: Map<String, Value>,
            changes: Vec<Map<String, Value>>,
        }
        let Wire { timestamp, metadata, changes } = serde_json::from_slice(json).map_err(|error| {
            Error::new(ErrorKind::Protocol, "the server's answer is not a changeset").with_source(error)
        })?;
        if changes.len() > limits.records {
            let message = format!("{} changes are more than the {} allowed", changes.len(), limits.records);
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let changes = changes.into_iter().map(Change::new).collect::<Result<Vec<_>, _>>()?;
        let mut ids = BTreeSet::new();
        if let Some(twice) = changes.iter().map(Change::id).find(|id| !ids.insert(*id)) {
            return Err(Error::new(
                ErrorKind::Protocol,
                format!("the server's answer has record {twice} twice"),
            ));
        }
        Ok(Self { timestamp, metadata, changes })
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
        let message = format!("the server sent the collection {bucket}/{collection} instead");
        Err(Error::new(ErrorKind::Protocol, message))
    }
}

impl Change {
    fn new(fields: Map<String, Value>) -> Result<Self, Error> {
        if fields.get("deleted") != Some(&Value::Bool(true)) {
            return Record::new(fields).map(Self::Put);
        }
        match fields.get("id").and_then(Value::as_str) {
            Some(id) if is_id(id) => Ok(Self::Delete(id.to_owned())),
            _ => Err(Error::new(ErrorKind::Protocol, "a deleted record has no proper id")),
        }
    }

    fn id(&self) -> &str {
        match self {
            Self::Put(record) => record.id(),
            Self::Delete(id) => id,
        }
    }
}
