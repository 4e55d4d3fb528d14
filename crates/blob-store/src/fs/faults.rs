//! What a test does to the system calls of a store: lets one fail, leaves one out, or stops at one.

#[cfg(feature = "conformance")]
use std::{fmt, io};

/// A kind of system call of a file system store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Call {
    /// What is at a path.
    Look,
    /// Opening a file to read it.
    Open,
    /// Reading from a file.
    Read,
    /// The names in a folder.
    List,
    /// Making a folder.
    MakeFolder,
    /// Making a file.
    Create,
    /// Writing to a file.
    Write,
    /// Saying who may do what with a file.
    SetMode,
    /// Making the content of a file durable.
    SyncFile,
    /// Making the entries of a folder durable.
    SyncFolder,
    /// Moving a file, over what is there.
    Rename,
    /// Giving a file a name that nothing has yet.
    Link,
    /// Removing a file.
    Remove,
}

/// What becomes of a call.
#[cfg(feature = "conformance")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Act {
    /// It is made.
    Go,
    /// It is not made, and fails.
    Fail(Failure),
    /// It is made, and fails whatever came of it: as when the disk reports late.
    FailLate(Failure),
}

/// Why a call fails.
#[cfg(feature = "conformance")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// `EIO`.
    Io,
    /// `ENOSPC`.
    NoSpace,
    /// `EDQUOT`.
    Quota,
    /// `EMFILE`.
    TooManyFiles,
    /// `EACCES`.
    Denied,
}

#[cfg(feature = "conformance")]
impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        Self::from_raw_os_error(match failure {
            Failure::Io => libc::EIO,
            Failure::NoSpace => libc::ENOSPC,
            Failure::Quota => libc::EDQUOT,
            Failure::TooManyFiles => libc::EMFILE,
            Failure::Denied => libc::EACCES,
        })
    }
}

/// Decides over every system call of a store, for tests; see
/// [`FsStore::open_with_faults`](crate::FsStore::open_with_faults).
#[cfg(feature = "conformance")]
pub struct Faults {
    act: Box<dyn Fn(Call) -> Act + Send + Sync>,
    skipped: Vec<Call>,
}

#[cfg(feature = "conformance")]
impl Faults {
    /// Asks `act` before each call, on the thread that makes it.
    pub fn new(act: impl Fn(Call) -> Act + Send + Sync + 'static) -> Self {
        Self { act: Box::new(act), skipped: Vec::new() }
    }

    /// Leaves out every [`SyncFile`](Call::SyncFile) or [`SyncFolder`](Call::SyncFolder), as if it had been made:
    /// a mistake that a test of power cuts has to find. `act` is asked all the same.
    #[must_use]
    pub fn without(mut self, sync: Call) -> Self {
        self.skipped.push(sync);
        self
    }

    pub(super) fn act(&self, call: Call) -> Act {
        (self.act)(call)
    }

    pub(super) fn skips(&self, call: Call) -> bool {
        self.skipped.contains(&call)
    }
}

#[cfg(feature = "conformance")]
impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("skipped", &self.skipped).finish_non_exhaustive()
    }
}
