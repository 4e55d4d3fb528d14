//! The local copy of one collection, as it is stored.
//!
//! One JSON document: what identifies and proves the copy first, then the records as the server sent them. So the
//! timestamp can be told without reading the records, and even where these are damaged.

use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use content_id::ContentId;
use serde::Serialize;

use crate::{
    Changeset, Collection, CollectionName, Error, ErrorKind, Limits, Server, Trust, Verified,
    changeset::{read_changes, read_metadata},
    clock,
    json::{JsonError, Reader},
    signature::Signature,
    verify::Candidate,
};

/// The format below; another number is another format.
const FORMAT: u64 = 2;

/// What stands before the metadata and the records.
#[derive(Serialize)]
struct Head<'a> {
    format: u64,
    /// Of what is signed for: tells a timestamp that was stored from a damaged one.
    guard: &'a str,
    server: &'a str,
    bucket: &'a str,
    collection: &'a str,
    timestamp: u64,
    verified_at: u64,
    signature: &'a str,
    x5u: &'a str,
    chain: &'a str,
}

/// The head of a copy ends before this many bytes; if it does not, the timestamp is still among the first.
const HEAD_BYTES: usize = 64 << 10;

/// As [`Head`], read.
#[derive(Debug, Default)]
struct ReadHead {
    format: u64,
    guard: String,
    server: String,
    bucket: String,
    collection: String,
    timestamp: u64,
    verified_at: u64,
    signature: String,
    x5u: String,
    chain: String,
}

/// The key of a collection's local copy: each server has its own.
pub(crate) fn key(server: &Server, name: &CollectionName) -> String {
    format!("{}/{name}", server.url())
}

/// Writes a verified collection with what it takes to verify it again.
pub(crate) fn write(server: &Server, verified: &Verified<Collection>) -> Result<Bytes, Error> {
    let evidence = verified.evidence();
    let head = Head {
        format: FORMAT,
        guard: &guard(server.url().as_str(), &verified.name, verified.timestamp),
        server: server.url().as_str(),
        bucket: verified.name.bucket(),
        collection: verified.name.collection(),
        timestamp: verified.timestamp,
        verified_at: clock::seconds(evidence.at),
        signature: &evidence.signature.text(),
        x5u: &evidence.signature.x5u,
        chain: &evidence.chain,
    };
    let json = |result: serde_json::Result<Vec<u8>>| {
        result.map_err(|error| {
            Error::new(ErrorKind::Storage, "the local copy cannot be written").with_source(error)
        })
    };
    let head = json(serde_json::to_vec(&head))?;
    let metadata = json(serde_json::to_vec(&*verified.metadata))?;
    let records: usize = verified.records.iter().map(|record| record.json().len() + 2).sum();
    let mut state = BytesMut::with_capacity(head.len() + metadata.len() + records + 64);
    state.put_slice(head.strip_suffix(b"}").unwrap_or(&head));
    state.put_slice(b",\"metadata\":");
    state.put_slice(&metadata);
    state.put_slice(b",\"records\":[");
    for (index, record) in verified.records.iter().enumerate() {
        state.put_slice(if index == 0 { b"\n" } else { b",\n" });
        state.put_slice(record.json().as_bytes());
    }
    state.put_slice(b"\n]}");
    Ok(state.freeze())
}

/// Reads a local copy and verifies it again, with the chain and at the time of the first check.
///
/// # Errors
///
/// [`ErrorKind::Corrupt`] for whatever is wrong with it.
pub(crate) fn read(
    server: &Server,
    name: &CollectionName,
    state: &Bytes,
    limits: &Limits,
) -> Result<Verified<Collection>, Error> {
    let damaged = || Error::new(ErrorKind::Corrupt, "the local copy is damaged; sync to replace it");
    let (head, changeset) = parse(state, limits).map_err(|error| damaged().with_source(error))?;
    if head.server != server.url().as_str() || !head.is_of(name) {
        return Err(damaged().with_source("it is of another server, collection or format"));
    }
    verify(head, changeset, name, &server.trust(name), limits).map_err(|error| damaged().with_source(error))
}

/// Reads a copy that a program brought along, from whatever address it was once fetched.
///
/// # Errors
///
/// [`ErrorKind::Corrupt`] for whatever is wrong with it.
pub(crate) fn read_snapshot(
    server: &Server,
    name: &CollectionName,
    state: &Bytes,
    limits: &Limits,
) -> Result<Verified<Collection>, Error> {
    let damaged = || Error::new(ErrorKind::Corrupt, "the packaged snapshot is damaged");
    let (head, changeset) = parse(state, limits).map_err(|error| damaged().with_source(error))?;
    if !head.is_of(name) {
        return Err(damaged().with_source("it is of another collection or format"));
    }
    verify(head, changeset, name, &server.trust(name), limits).map_err(|error| damaged().with_source(error))
}

/// Reads the timestamp of a collection's damaged copy; [`None`] where it cannot be relied on, or is that of another one.
pub(crate) fn timestamp_of(server: &Server, name: &CollectionName, state: &[u8]) -> Option<u64> {
    let head = guarded(state)?;
    (head.server == server.url().as_str() && head.is_of(name)).then_some(head.timestamp)
}

/// Reads the timestamp of a copy, even where its records are damaged; [`None`] where it cannot be relied on.
pub(crate) fn timestamp(state: &[u8]) -> Option<u64> {
    guarded(state).map(|head| head.timestamp)
}

/// Reads as much of the head as can be had, if the timestamp in it was stored.
fn guarded(state: &[u8]) -> Option<ReadHead> {
    let mut head = ReadHead::default();
    // Damaged is what may be damaged: the head comes first.
    let start = &state[..state.len().min(HEAD_BYTES)];
    let mut reader = Reader::new(valid_start(start), 8).ok()?;
    let _ = reader.object(|reader, key| head.field(reader, &key.decoded()).map(drop));
    let name = CollectionName::new(&head.bucket[..], &head.collection[..]).ok()?;
    let guarded = head.format == FORMAT && head.guard == guard(&head.server, &name, head.timestamp);
    guarded.then_some(head)
}

fn parse(state: &Bytes, limits: &Limits) -> Result<(ReadHead, Changeset), Error> {
    let mut head = ReadHead::default();
    let (mut metadata, mut changes) = (Default::default(), Vec::new());
    let mut reader = Reader::new(state, limits.json_depth)?;
    reader.object(|reader, key| -> Result<(), Error> {
        let key = key.decoded();
        match &*key {
            "metadata" => metadata = read_metadata(reader, limits)?,
            "records" => changes = read_changes(reader, state, limits)?,
            _ if head.field(reader, &key)? => {}
            _ => drop(reader.skip()?),
        }
        Ok(())
    })?;
    reader.end()?;
    let changeset = Changeset { timestamp: head.timestamp, metadata: Arc::new(metadata), changes };
    Ok((head, changeset))
}

fn verify(
    head: ReadHead,
    changeset: Changeset,
    name: &CollectionName,
    trust: &Trust,
    limits: &Limits,
) -> Result<Verified<Collection>, Error> {
    let signature = Signature::new(&head.signature, &head.x5u)?;
    let collection = Collection::merge(None, name, changeset);
    let candidate = Candidate::with_signature(collection, signature.clone())?;
    let at = clock::at(head.verified_at);
    let evidence = candidate.check(&signature, &Arc::from(head.chain), trust, at, limits)?;
    candidate.seal(evidence)
}

impl ReadHead {
    /// Reads the value of one field; says no, and reads nothing, where it is none of the head.
    fn field(&mut self, reader: &mut Reader<'_>, key: &str) -> Result<bool, JsonError> {
        let text = |reader: &mut Reader<'_>| reader.string().map(|text| text.decoded().into_owned());
        match key {
            "format" => self.format = reader.integer()?,
            "guard" => self.guard = text(reader)?,
            "server" => self.server = text(reader)?,
            "bucket" => self.bucket = text(reader)?,
            "collection" => self.collection = text(reader)?,
            "timestamp" => self.timestamp = reader.integer()?,
            "verified_at" => self.verified_at = reader.integer()?,
            "signature" => self.signature = text(reader)?,
            "x5u" => self.x5u = text(reader)?,
            "chain" => self.chain = text(reader)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn is_of(&self, name: &CollectionName) -> bool {
        self.format == FORMAT && (&*self.bucket, &*self.collection) == (name.bucket(), name.collection())
    }
}

fn guard(server: &str, name: &CollectionName, timestamp: u64) -> String {
    ContentId::of(format!("{server}/{name}@{timestamp}").as_bytes()).digest.to_string()
}

/// The part of a text before the first byte that is no UTF-8.
fn valid_start(text: &[u8]) -> &[u8] {
    match std::str::from_utf8(text) {
        Ok(_) => text,
        Err(error) => &text[..error.valid_up_to()],
    }
}
