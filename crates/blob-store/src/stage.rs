//! Stages: blobs that are being written in one go, and what is known of them before.

use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;
use content_id::{ContentId, Digest};

use crate::Error;

/// A blob that is being written, invisible until it is published.
///
/// Dropping a stage discards it, at the latest when [`BlobStore::remove_stages`](crate::BlobStore::remove_stages) comes by. After an error a stage
/// accepts nothing more.
#[async_trait]
pub trait Stage: Debug + Send {
    /// Appends `piece`.
    ///
    /// # Errors
    ///
    /// `Mismatch` as soon as there are more bytes than expected; `TooLarge`; `NoSpace`; `Backend`. The error of
    /// an earlier write may come out of a later one.
    async fn write(&mut self, piece: Bytes) -> Result<(), Error>;

    /// Returns how many bytes were accepted so far.
    fn written(&self) -> u64;

    /// Checks size and digest, makes the blob durable, and only then visible.
    ///
    /// Publishing what is already there succeeds; a damaged blob in its place is replaced.
    ///
    /// # Errors
    ///
    /// `Mismatch` if the bytes are not what was expected: nothing became visible. `NoSpace`; `Backend`.
    async fn publish(self: Box<Self>) -> Result<ContentId, Error>;

    /// Throws the stage away now.
    ///
    /// # Errors
    ///
    /// `Backend`; what is left goes with [`BlobStore::remove_stages`](crate::BlobStore::remove_stages).
    async fn discard(self: Box<Self>) -> Result<(), Error>;
}

/// What is known of a blob before its bytes arrive; nothing, by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Expected {
    /// The digest the bytes must have.
    pub digest: Option<Digest>,
    /// The number of bytes there must be; the first byte above it ends the writing.
    pub size: Option<u64>,
}

impl Expected {
    /// Expects these two, as far as they are known.
    pub const fn new(digest: Option<Digest>, size: Option<u64>) -> Self {
        Self { digest, size }
    }
}

impl From<ContentId> for Expected {
    fn from(id: ContentId) -> Self {
        Self { digest: Some(id.digest), size: Some(id.size) }
    }
}
