//! Writing and hashing at the same time: each batch goes to the file on one thread and into each hash on another.

use std::{fs::File, io, mem, sync::Arc};

use bytes::Bytes;
use content_id::Hasher;
use tokio::{runtime::Handle, task::JoinHandle};

use super::layout::Layout;
use crate::{Error, blocking::join};

/// Bytes gathered before they go to blocking threads: enough to make their start-up cost vanish.
const BATCH: usize = 1 << 20;

/// Bytes gathered while those threads are busy, before they are waited for.
const BACKLOG: usize = 2 * BATCH;

/// Bytes after which the disk is set to work while more is written, so that the sync at the end is a short one.
const SYNC: u64 = 32 << 20;

/// What is held by whatever works on a file, so that it lives as long as a thread that still does.
pub(super) trait Guard: Clone + Send + 'static {
    /// Syncs the file before its end. What a failure means to others who write to it is the guard's business.
    fn sync(&self, layout: &Layout, file: &File) -> io::Result<()>;
}

/// A file that nobody else writes to.
impl Guard for () {
    fn sync(&self, layout: &Layout, file: &File) -> io::Result<()> {
        layout.sync_data(file)
    }
}

/// What is written to a place in a file, and hashed on the way.
#[derive(Debug)]
pub(super) struct Pipe<G> {
    layout: Arc<Layout>,
    file: Arc<File>,
    guard: G,
    /// What error messages call it.
    subject: Arc<str>,
    /// Where the next batch goes.
    at: u64,
    pending: Vec<Bytes>,
    pending_bytes: usize,
    writing: Option<JoinHandle<Result<(), Error>>>,
    hashing: Vec<Lane>,
    syncing: Option<JoinHandle<Result<(), Error>>>,
    unsynced: u64,
    failed: bool,
}

#[derive(Debug)]
enum Lane {
    Idle(Hasher),
    Busy(JoinHandle<Result<Hasher, Error>>),
}

/// The last batch, and what is known of those before.
#[derive(Debug)]
pub(super) struct Rest {
    pieces: Vec<Bytes>,
    at: u64,
    hashers: Vec<Hasher>,
    subject: Arc<str>,
}

impl<G: Guard> Pipe<G> {
    /// Writes to `file` from `at` on; every hasher sees every byte.
    pub(super) fn new(
        layout: Arc<Layout>,
        file: Arc<File>,
        guard: G,
        subject: &str,
        at: u64,
        hashers: Vec<Hasher>,
    ) -> Self {
        Self {
            layout,
            file,
            guard,
            subject: subject.into(),
            at,
            pending: Vec::new(),
            pending_bytes: 0,
            writing: None,
            hashing: hashers.into_iter().map(Lane::Idle).collect(),
            syncing: None,
            unsynced: 0,
            failed: false,
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Accepts nothing more.
    pub(super) fn fail(&mut self) {
        self.failed = true;
        self.pending.clear();
    }

    /// Appends `piece`. One batch is written while the next is gathered.
    pub(super) async fn push(&mut self, piece: Bytes) -> Result<(), Error> {
        self.pending_bytes += piece.len();
        self.pending.push(piece);
        if self.pending_bytes < BATCH || (self.is_busy() && self.pending_bytes < BACKLOG) {
            return Ok(());
        }
        self.settle().await?;
        self.sync_early().await?;
        let pieces = mem::take(&mut self.pending);
        let (bytes, at) = (mem::take(&mut self.pending_bytes) as u64, self.at);
        self.at += bytes;
        self.unsynced += bytes;
        let Ok(runtime) = Handle::try_current() else {
            let hashers = self.hashing.drain(..).filter_map(Lane::idle).collect();
            let rest = Rest { pieces, at, hashers, subject: Arc::clone(&self.subject) };
            let hashers = rest.complete(&self.layout, &self.file).inspect_err(|_| self.failed = true)?;
            self.hashing.extend(hashers.into_iter().map(Lane::Idle));
            return Ok(());
        };
        for hasher in self.hashing.drain(..).filter_map(Lane::idle).collect::<Vec<_>>() {
            let pieces = pieces.clone();
            self.hashing.push(Lane::Busy(runtime.spawn_blocking(move || Ok(hash(hasher, &pieces)))));
        }
        let (layout, file) = (Arc::clone(&self.layout), Arc::clone(&self.file));
        let (guard, subject) = (self.guard.clone(), Arc::clone(&self.subject));
        self.writing = Some(runtime.spawn_blocking(move || {
            let outcome = write(&layout, &file, at, &pieces).map_err(|e| Error::io("write", subject, e));
            drop(guard);
            outcome
        }));
        Ok(())
    }

    /// Waits until nothing works on the file any more, and returns what is left to be done: in one go with what comes
    /// next, which for a small blob is everything.
    pub(super) async fn drain(&mut self) -> Result<Rest, Error> {
        self.settle().await?;
        self.settle_sync().await?;
        self.failed = true; // There is nothing more to come.
        Ok(Rest {
            pieces: mem::take(&mut self.pending),
            at: self.at,
            hashers: self.hashing.drain(..).filter_map(Lane::idle).collect(),
            subject: Arc::clone(&self.subject),
        })
    }

    fn is_busy(&self) -> bool {
        let hashes = |lane: &Lane| matches!(lane, Lane::Busy(handle) if !handle.is_finished());
        self.writing.as_ref().is_some_and(|handle| !handle.is_finished()) || self.hashing.iter().any(hashes)
    }

    /// Waits for the batch that is under way, if any. May be dropped at any point.
    async fn settle(&mut self) -> Result<(), Error> {
        if let Some(handle) = &mut self.writing {
            let outcome = join(handle).await;
            self.writing = None;
            outcome.inspect_err(|_| self.failed = true)?;
        }
        for lane in &mut self.hashing {
            if let Lane::Busy(handle) = lane {
                let hasher = join(handle).await.inspect_err(|_| self.failed = true)?;
                *lane = Lane::Idle(hasher);
            }
        }
        Ok(())
    }

    /// Has the disk begin with what was written so far, unless it is still at it.
    async fn sync_early(&mut self) -> Result<(), Error> {
        if self.unsynced < SYNC {
            return Ok(());
        }
        if self.syncing.as_ref().is_some_and(|handle| !handle.is_finished()) {
            return Ok(());
        }
        self.settle_sync().await?;
        self.unsynced = 0;
        if let Ok(runtime) = Handle::try_current() {
            let (layout, file) = (Arc::clone(&self.layout), Arc::clone(&self.file));
            let (guard, subject) = (self.guard.clone(), Arc::clone(&self.subject));
            self.syncing = Some(runtime.spawn_blocking(move || {
                let outcome = guard.sync(&layout, &file).map_err(|e| Error::io("write", subject, e));
                drop(guard);
                outcome
            }));
        }
        Ok(())
    }

    /// A sync that failed is final: a later one would report success for lost data.
    async fn settle_sync(&mut self) -> Result<(), Error> {
        let Some(handle) = &mut self.syncing else { return Ok(()) };
        let outcome = join(handle).await;
        self.syncing = None;
        outcome.inspect_err(|_| self.failed = true)
    }
}

impl Lane {
    fn idle(self) -> Option<Hasher> {
        match self {
            Self::Idle(hasher) => Some(hasher),
            Self::Busy(_) => None,
        }
    }
}

impl Rest {
    /// Writes and hashes it, here and now.
    pub(super) fn complete(self, layout: &Layout, file: &File) -> Result<Vec<Hasher>, Error> {
        write(layout, file, self.at, &self.pieces).map_err(|e| Error::io("write", self.subject, e))?;
        Ok(self.hashers.into_iter().map(|hasher| hash(hasher, &self.pieces)).collect())
    }
}

fn hash(mut hasher: Hasher, pieces: &[Bytes]) -> Hasher {
    pieces.iter().for_each(|piece| hasher.update(piece));
    hasher
}

fn write(layout: &Layout, file: &File, mut at: u64, pieces: &[Bytes]) -> io::Result<()> {
    for piece in pieces {
        layout.calls().write_at(file, piece, at)?;
        at += piece.len() as u64;
    }
    Ok(())
}
