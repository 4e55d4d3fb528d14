//! What a download tells while it runs.

use content_id::ContentId;
use hub_layout::RepoPath;
use serde::Serialize;

/// Is told how a download gets on.
///
/// It is called in the middle of the download, so it must not block for long. Several files get on at the same time.
pub trait Progress: Send + Sync {
    /// Takes note of `event`.
    fn event(&self, event: &Event<'_>);
}

/// One thing that happened. As JSON, the field `event` says which.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event<'a> {
    /// A download begins.
    #[non_exhaustive]
    Planned {
        /// Files of the plan.
        files: usize,
        /// Bytes of all of them, as far as known.
        total: u64,
        /// Bytes of those that are not there yet, as far as known.
        to_fetch: u64,
    },
    /// A file need not be fetched: the store has it.
    #[non_exhaustive]
    FilePresent {
        /// The file.
        path: &'a RepoPath,
        /// Its bytes.
        size: u64,
    },
    /// A file begins to arrive.
    #[non_exhaustive]
    FileStarted {
        /// The file.
        path: &'a RepoPath,
        /// Its bytes, if known.
        size: Option<u64>,
    },
    /// Parts of a file are there from an earlier try, and are not fetched again.
    #[non_exhaustive]
    FileResumed {
        /// The file.
        path: &'a RepoPath,
        /// Bytes that are there.
        resumed: u64,
        /// Its bytes, if known.
        size: Option<u64>,
    },
    /// Another process fetches the same file, and is waited for.
    #[non_exhaustive]
    FileWaiting {
        /// The file.
        path: &'a RepoPath,
        /// Bytes that the other one has recorded so far.
        received: u64,
        /// Its bytes, if known.
        size: Option<u64>,
    },
    /// More of a file arrived.
    #[non_exhaustive]
    Received {
        /// The file.
        path: &'a RepoPath,
        /// Bytes of it that arrived so far, with those that were there. It never falls back, unless
        /// [`FileRestarted`](Self::FileRestarted) says to how much.
        received: u64,
        /// Its bytes, if known.
        size: Option<u64>,
    },
    /// A file changed on the hub since the plan was made. What came of the old version is given up, the hub is asked
    /// again what it has, and the download begins anew; files that did not change are not fetched again.
    #[non_exhaustive]
    Replanned {
        /// The file.
        path: &'a RepoPath,
        /// What was noticed.
        reason: String,
        /// Bytes of all files, as far as known.
        total: u64,
        /// Bytes of those that are not there yet, as far as known.
        to_fetch: u64,
    },
    /// A part broke off and is asked for again, from where it broke off.
    #[non_exhaustive]
    PartRetried {
        /// The file.
        path: &'a RepoPath,
        /// Where the bytes begin that are asked for.
        offset: u64,
        /// What was wrong.
        reason: String,
    },
    /// A file broke off or was not what it should be, and is begun again.
    #[non_exhaustive]
    FileRestarted {
        /// The file.
        path: &'a RepoPath,
        /// Which attempt begins now, from 2.
        attempt: u32,
        /// Bytes of it that are kept and not fetched again.
        kept: u64,
        /// What was wrong.
        reason: String,
    },
    /// A file is verified and in the store.
    #[non_exhaustive]
    FileDone {
        /// The file.
        path: &'a RepoPath,
        /// What it is.
        content: ContentId,
    },
    /// All files are in the store, and so is the manifest.
    Finished,
    /// A model was removed to make room for the download. A download does not do this, but whoever decides before it
    /// what the store may hold.
    #[non_exhaustive]
    Evicted {
        /// The model and its revision.
        model: &'a str,
        /// Bytes that went with it.
        bytes: u64,
    },
}

impl<'a> Event<'a> {
    /// Tells that a model was removed to make room.
    pub const fn evicted(model: &'a str, bytes: u64) -> Self {
        Self::Evicted { model, bytes }
    }
}

/// Takes no note of anything.
#[derive(Clone, Copy, Debug, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "there is nothing to know about nothing, and callers write its name"
)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn event(&self, _: &Event<'_>) {}
}

impl<F: Fn(&Event<'_>) + Send + Sync> Progress for F {
    fn event(&self, event: &Event<'_>) {
        self(event);
    }
}
