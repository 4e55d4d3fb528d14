//! The local copy of one collection, as it is stored.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Collection, CollectionName, Error, ErrorKind, Limits, Record, Server, Verified, clock,
    signature::Signature, verify::Candidate,
};

/// The format below; another number is another format.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Written<'a> {
    format: u32,
    server: &'a str,
    bucket: &'a str,
    collection: &'a str,
    timestamp: u64,
    verified_at: u64,
    signature: String,
    x5u: &'a str,
    chain: &'a str,
    metadata: &'a Map<String, Value>,
    records: Vec<&'a Map<String, Value>>,
}

#[derive(Deserialize)]
struct Read {
    format: u32,
    server: String,
    bucket: String,
    collection: String,
    timestamp: u64,
    verified_at: u64,
    signature: String,
    x5u: String,
    chain: String,
    metadata: Map<String, Value>,
    records: Vec<Map<String, Value>>,
}

/// The key of a collection's local copy: each server has its own.
pub(crate) fn key(server: &Server, name: &CollectionName) -> String {
    format!("{}/{name}", server.url())
}

/// Writes a verified collection with what it takes to verify it again.
pub(crate) fn write(server: &Server, verified: &Verified<Collection>) -> Result<Bytes, Error> {
    let evidence = verified.evidence();
    let state = Written {
        format: FORMAT,
        server: server.url().as_str(),
        bucket: verified.name.bucket(),
        collection: verified.name.collection(),
        timestamp: verified.timestamp,
        verified_at: clock::seconds(evidence.at),
        signature: evidence.signature.text(),
        x5u: &evidence.signature.x5u,
        chain: &evidence.chain,
        metadata: &verified.metadata,
        records: verified.records.values().map(Record::fields).collect(),
    };
    match serde_json::to_vec(&state) {
        Ok(state) => Ok(state.into()),
        Err(error) => {
            Err(Error::new(ErrorKind::Storage, "the local copy cannot be written").with_source(error))
        }
    }
}

/// Reads a local copy and verifies it again, with the chain and at the time of the first check.
///
/// # Errors
///
/// [`ErrorKind::Corrupt`] for whatever is wrong with it.
pub(crate) fn read(
    server: &Server,
    name: &CollectionName,
    state: &[u8],
    limits: &Limits,
) -> Result<Verified<Collection>, Error> {
    let damaged = || Error::new(ErrorKind::Corrupt, "the local copy is damaged; sync to replace it");
    let read: Read = serde_json::from_slice(state).map_err(|error| damaged().with_source(error))?;
    let of = (read.server.as_str(), read.bucket.as_str(), read.collection.as_str());
    if read.format != FORMAT || of != (server.url().as_str(), name.bucket(), name.collection()) {
        return Err(damaged().with_source("it is of another collection or format"));
    }
    let verify = || {
        let mut collection = Collection {
            name: name.clone(),
            timestamp: read.timestamp,
            records: Default::default(),
            metadata: read.metadata,
        };
        for fields in read.records {
            let record = Record::new(fields)?;
            collection.records.insert(record.id().to_owned(), record);
        }
        let signature = Signature::new(&read.signature, &read.x5u)?;
        let candidate = Candidate::with_signature(collection, signature.clone());
        let at = clock::at(read.verified_at);
        let evidence =
            candidate.check(&signature, &Arc::from(read.chain), &server.trust(name), at, limits)?;
        candidate.seal(evidence)
    };
    verify().map_err(|error| damaged().with_source(error))
}

/// Reads the timestamp of a local copy, unverified; [`None`] where it cannot be read.
pub(crate) fn timestamp(state: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Peek {
        timestamp: u64,
    }
    serde_json::from_slice(state).ok().map(|Peek { timestamp }| timestamp)
}
