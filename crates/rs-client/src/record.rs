//! One record and the file attached to it.

use bytes::Bytes;
use content_id::{ContentId, Digest};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    Error, ErrorKind,
    json::{JsonError, Reader},
    name::is_id,
};

/// A record, exactly as it was signed.
///
/// It is kept as the JSON text that the server sent, which [`decode`](Self::decode) reads into any type. Fields that
/// this crate does not know are part of it: the signature covers them. Cloning it is cheap; it shares the text with
/// the other records of its collection.
#[derive(Clone, Debug)]
pub struct Record {
    json: Bytes,
    id: Bytes,
    last_modified: Option<u64>,
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

/// One entry of a list of changes, or of records.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// The record is now this.
    Put(Record),
    /// There is no record of this id. When it went is not told by all servers and means nothing.
    Delete(Bytes),
}

impl Change {
    /// Reads the next value, which lies in `text`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`] where it is no object with a proper `id`.
    pub(crate) fn read(reader: &mut Reader<'_>, text: &Bytes) -> Result<Self, Error> {
        let start = reader.position();
        let (mut id, mut deleted, mut last_modified) = (None, false, None);
        reader.object(|reader, key| -> Result<(), JsonError> {
            match &*key.decoded() {
                "id" => {
                    let at = reader.position();
                    let written = reader.skip()?;
                    id = Some((at, written));
                }
                "deleted" => deleted = reader.skip()? == "true",
                "last_modified" => last_modified = reader.skip()?.parse().ok(),
                _ => drop(reader.skip()?),
            }
            Ok(())
        })?;
        let end = reader.offset();
        let id = match id {
            Some((at, written)) => read_id(at, written, text)?,
            None if deleted => return Err(Error::new(ErrorKind::Protocol, "a deleted record has no id")),
            None => return Err(Error::new(ErrorKind::Protocol, "a record has no id")),
        };
        Ok(match deleted {
            true => Self::Delete(id),
            false => Self::Put(Record { json: text.slice(start..end), id, last_modified }),
        })
    }

    pub(crate) fn id(&self) -> &Bytes {
        match self {
            Self::Put(record) => &record.id,
            Self::Delete(id) => id,
        }
    }
}

/// The identity written at `at`; without a copy, if it is written without escapes.
fn read_id(at: usize, written: &str, text: &Bytes) -> Result<Bytes, Error> {
    let decoded = Reader::of_text(written, 1).and_then(|mut reader| reader.string().map(|id| id.decoded()));
    let Ok(id) = decoded else {
        return Err(Error::new(ErrorKind::Protocol, "the id of a record is not a string"));
    };
    if !is_id(&id) {
        let shown: String = id.chars().take(80).collect();
        return Err(Error::new(ErrorKind::Protocol, format!("{shown:?} is not the id of a record")));
    }
    match id {
        std::borrow::Cow::Borrowed(id) => Ok(text.slice(at + 1..at + 1 + id.len())),
        std::borrow::Cow::Owned(id) => Ok(id.into()),
    }
}

impl Record {
    /// Returns the identity within the collection.
    pub fn id(&self) -> &str {
        str_of(&self.id)
    }

    /// Returns when the record last changed, in milliseconds since 1970, where it says so.
    pub fn last_modified(&self) -> Option<u64> {
        self.last_modified
    }

    /// Returns the record as the server sent it: a JSON object, byte for byte.
    pub fn json(&self) -> &str {
        str_of(&self.json)
    }

    /// Reads all fields, those of the protocol included; each call reads them anew.
    pub fn fields(&self) -> Map<String, Value> {
        // What this crate's own reader accepts, serde_json accepts; a property test holds that.
        serde_json::from_slice(&self.json).unwrap_or_default()
    }

    /// Reads one field; each call reads the record anew.
    pub fn get(&self, field: &str) -> Option<Value> {
        self.fields().remove(field)
    }

    /// Reads the record as a `T`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`] where the fields are not those of a `T`.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.json).map_err(|error| {
            Error::new(ErrorKind::Protocol, format!("record {} has unexpected fields", self.id()))
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
        struct Attached {
            #[serde(default)]
            attachment: Option<Described>,
        }
        #[derive(Deserialize)]
        struct Described {
            location: String,
            hash: Digest,
            size: u64,
            filename: String,
            #[serde(default)]
            mimetype: String,
        }
        let Attached { attachment } = serde_json::from_slice(&self.json).map_err(|error| {
            Error::new(ErrorKind::Protocol, format!("record {} describes no proper attachment", self.id()))
                .with_source(error)
        })?;
        Ok(attachment.map(|described| {
            let Described { location, hash, size, filename, mimetype } = described;
            Attachment { location, content: ContentId::new(hash, size), filename, mimetype }
        }))
    }

    pub(crate) fn id_bytes(&self) -> &Bytes {
        &self.id
    }
}

/// Records are equal where they have the same canonical form, however they were written.
impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        let canonical = |record: &Self| {
            let mut text = Vec::with_capacity(record.json.len());
            crate::canonical::write(record.json(), |piece| text.extend_from_slice(piece)).ok().map(|()| text)
        };
        self.json == other.json || (self.id == other.id && canonical(self) == canonical(other))
    }
}

/// The text of bytes that were cut out of text.
fn str_of(bytes: &Bytes) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}
