//! One record and the file attached to it.

use content_id::{ContentId, Digest};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{Error, ErrorKind, name::is_id};

/// A record, exactly as it was signed.
///
/// Fields that this crate does not know are kept: the signature covers them. Where a server sent a key twice,
/// the last one counts, for the signature and for every reader.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    id: String,
    fields: Map<String, Value>,
}

/// A file that belongs to a record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attachment {
    /// Where it lies below the server's base address for attachments.
    pub location: String,
    /// Exactly what it holds.
    pub content: ContentId,
    /// What it was called when it was uploaded; not a path to write to.
    pub filename: String,
    /// Its media type.
    pub mimetype: String,
}

impl Record {
    /// Takes the fields of a record as a server sent them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`] where `id` is missing or no proper identity, or where a number is too large to be
    /// read exactly.
    pub(crate) fn new(fields: Map<String, Value>) -> Result<Self, Error> {
        let id = match fields.get("id") {
            Some(Value::String(id)) if is_id(id) => id.clone(),
            Some(Value::String(id)) => {
                let shown: String = id.chars().take(80).collect();
                return Err(Error::new(ErrorKind::Protocol, format!("{shown:?} is not the id of a record")));
            }
            _ => return Err(Error::new(ErrorKind::Protocol, "a record has no id")),
        };
        if !fields.values().all(is_exact) {
            let message = format!("record {id} has a number that is too large to be read exactly");
            return Err(Error::new(ErrorKind::Protocol, message));
        }
        Ok(Self { id, fields })
    }

    /// Returns the identity within the collection.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns when the record last changed, in milliseconds since 1970, where it says so.
    pub fn last_modified(&self) -> Option<u64> {
        self.fields.get("last_modified")?.as_u64()
    }

    /// Returns all fields, those of the protocol included.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// Returns one field.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.fields.get(field)
    }

    /// Reads the record as a `T`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`] where the fields are not those of a `T`.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Error> {
        T::deserialize(&self.fields).map_err(|error| {
            Error::new(ErrorKind::Protocol, format!("record {} has unexpected fields", self.id))
                .with_source(error)
        })
    }

    /// Returns the attached file, where there is one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`] where the description of the file is incomplete or no proper one.
    pub fn attachment(&self) -> Result<Option<Attachment>, Error> {
        #[derive(Deserialize)]
        struct Described {
            location: String,
            hash: Digest,
            size: u64,
            filename: String,
            #[serde(default)]
            mimetype: String,
        }
        let described = match self.fields.get("attachment") {
            None | Some(Value::Null) => return Ok(None),
            Some(attachment) => Described::deserialize(attachment),
        };
        let Described { location, hash, size, filename, mimetype } = described.map_err(|error| {
            Error::new(ErrorKind::Protocol, format!("record {} describes no proper attachment", self.id))
                .with_source(error)
        })?;
        Ok(Some(Attachment { location, content: ContentId::new(hash, size), filename, mimetype }))
    }
}

/// Whether a value can be written again as it was read.
///
/// The parser turns integers outside 64 bits into floats; nothing else makes a float that large.
fn is_exact(value: &Value) -> bool {
    match value {
        Value::Number(number) if number.is_f64() => {
            number.as_f64().is_some_and(|number| number.abs() < 9_223_372_036_854_775_808.0)
        }
        Value::Array(items) => items.iter().all(is_exact),
        Value::Object(fields) => fields.values().all(is_exact),
        _ => true,
    }
}
