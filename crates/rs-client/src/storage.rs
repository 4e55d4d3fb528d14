//! Where local copies are kept.

mod file;
mod memory;

use std::{fmt, io};

use async_trait::async_trait;
use bytes::Bytes;
use content_id::ContentId;

pub use file::FileStorage;
pub use memory::MemoryStorage;

/// Keeps small pieces of state under keys.
///
/// What is kept is verified whenever it is read, so a storage need not be trusted: it can lose state, but not
/// forge it. Several clients, also of several programs, may share one.
#[async_trait]
pub trait Storage: fmt::Debug + Send + Sync + 'static {
    /// Returns what was last committed under `key`.
    ///
    /// # Errors
    ///
    /// Where it cannot be told; that nothing is there is no error.
    async fn load(&self, key: &str) -> io::Result<Option<Stored>>;

    /// Returns the version of what is kept under `key`, at much less than the cost of loading it.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    async fn version(&self, key: &str) -> io::Result<Option<Version>>;

    /// Replaces what is kept under `key` if its version is still `expected`; [`None`] expects nothing there.
    ///
    /// The state is replaced as a whole or not at all, and durably before this returns. Returns the new version, or
    /// [`None`] where somebody else has committed or removed in between: then nothing was written.
    ///
    /// # Errors
    ///
    /// Where that failed; the state is then what it was.
    async fn commit(
        &self,
        key: &str,
        state: Bytes,
        expected: Option<&Version>,
    ) -> io::Result<Option<Version>>;

    /// Forgets what is kept under `key`; nothing there is fine.
    ///
    /// # Errors
    ///
    /// Where that failed.
    async fn remove(&self, key: &str) -> io::Result<()>;
}

/// What is kept under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored {
    /// What was committed.
    pub bytes: Bytes,
    /// Which commit it was.
    pub version: Version,
}

/// Tells one state from another: two states of one key never share a version, unless they are the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Version(String);

impl Stored {
    /// Says that `bytes` are kept as `version`.
    pub fn new(bytes: Bytes, version: Version) -> Self {
        Self { bytes, version }
    }
}

impl Version {
    /// Takes any text that a storage tells states apart by.
    pub fn new(version: impl Into<String>) -> Self {
        Self(version.into())
    }

    /// Returns the SHA-256 of `state`, for storages that have nothing better.
    pub fn of(state: &[u8]) -> Self {
        Self(ContentId::of(state).digest.to_string())
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
