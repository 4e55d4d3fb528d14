//! The signatures of a collection and the bytes they cover.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest;
use serde_json::{Map, Value};

use crate::{Collection, Error, ErrorKind, canonical, json::Tape};

/// The only mode there is today; others are skipped, so that servers can add one.
const MODE: &str = "p384ecdsa";

/// One signature: R and S of a P-384 signature side by side, and where its certificates are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    pub(crate) bytes: [u8; 96],
    pub(crate) x5u: String,
}

/// The SHA-384 of what the signatures of a collection cover.
#[derive(Clone, Debug)]
pub(crate) struct SignedDigest(digest::Digest);

impl Signature {
    /// Reads a signature from URL-safe base64.
    pub(crate) fn new(signature: &str, x5u: &str) -> Result<Self, Error> {
        let refuse = || Error::new(ErrorKind::Untrusted, "a signature is not the base64 of 96 bytes");
        let bytes = URL_SAFE_NO_PAD.decode(signature).map_err(|error| refuse().with_source(error))?;
        let bytes = bytes.try_into().map_err(|_| refuse())?;
        Ok(Self { bytes, x5u: x5u.to_owned() })
    }

    /// The form that servers send.
    pub(crate) fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes)
    }

    /// Returns the signatures of the known mode: the list first, then the single one, each once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Untrusted`] where there is none, saying why the last one was not taken.
    pub(crate) fn all(metadata: &Map<String, Value>, most: usize) -> Result<Vec<Self>, Error> {
        let list = metadata.get("signatures").and_then(Value::as_array).into_iter().flatten();
        let single = metadata.get("signature").into_iter();
        let mut found = Vec::new();
        let mut problem = Error::new(ErrorKind::Untrusted, "the collection is not signed");
        for entry in list.chain(single).take(most) {
            let field = |field| entry.get(field).and_then(Value::as_str);
            if field("mode") != Some(MODE) {
                problem = Error::new(ErrorKind::Untrusted, "the collection has no signature of a known mode");
                continue;
            }
            match Self::new(field("signature").unwrap_or_default(), field("x5u").unwrap_or_default()) {
                Ok(signature) if found.contains(&signature) => {}
                Ok(signature) => found.push(signature),
                Err(error) => problem = error,
            }
        }
        if found.is_empty() { Err(problem) } else { Ok(found) }
    }
}

impl SignedDigest {
    /// Hashes the live records, by id, and the timestamp in canonical JSON, without making a copy of it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`] where a record has a key twice.
    pub(crate) fn of(collection: &Collection) -> Result<Self, Error> {
        let mut sha384 = digest::Context::new(&digest::SHA384);
        let mut json = canonical::Writer::new(|piece| sha384.update(piece));
        let mut tape = Tape::default();
        json.raw(b"Content-Signature:\0{\"data\":[");
        for (index, record) in collection.records.iter().enumerate() {
            if index > 0 {
                json.raw(b",");
            }
            tape.write(record.json(), &mut json).map_err(|error| {
                let message = format!("record {} cannot be read", record.id());
                Error::new(ErrorKind::Protocol, message).with_source(error)
            })?;
        }
        json.raw(b"],\"last_modified\":\"");
        json.raw(collection.timestamp.to_string().as_bytes());
        json.raw(b"\"}");
        json.finish();
        Ok(Self(sha384.finish()))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_ref()
    }
}
