//! Stages in parts of the file system backend: the bytes in one sparse file, the record of them in a journal.

use std::{
    collections::BTreeMap,
    io,
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use content_id::{ContentId, Digest, Hasher};
use tokio::runtime::Handle;

use super::{
    files::Files,
    journal::{self, Parts},
    layout::Layout,
    part::FsPartWriter,
    record::Recorder,
    stage,
};
use crate::{
    Error, ErrorKind, Expected, Part, PartHashes, PartStage, PartWriter, Published, blocking::run,
    expect::Check, parts::gaps,
};

/// A stage in parts, as long as this process has it: its lock on the journal ends with it.
#[derive(Debug)]
pub(super) struct Parted {
    pub(super) layout: Arc<Layout>,
    pub(super) expected: Expected,
    check: Check,
    pub(super) files: Files,
    pub(super) recorder: Recorder,
    state: Mutex<State>,
    /// What of the blob was hashed, from its beginning on, without a gap.
    frontier: Mutex<Frontier>,
    /// Nobody is interested any more.
    closed: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    parts: Parts,
    /// Offsets of the parts whose bytes this process has seen; the others are read again before they are published.
    seen: BTreeMap<u64, Digest>,
    /// What is being written: where it begins and ends.
    claims: BTreeMap<u64, u64>,
    /// Whoever else works on it.
    publishing: u64,
    /// Whether a part was found to be bad; so may be others.
    dropped: bool,
    /// Published, discarded, proven wrong or given up: nothing of it may be touched any more.
    over: bool,
}

#[derive(Clone, Debug, Default)]
struct Frontier {
    hasher: Hasher,
}

/// A range that is being written; nobody else begins to write there until it is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) parted: Arc<Parted>,
    start: u64,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.parted.state().claims.remove(&self.start);
        self.parted.release();
    }
}

/// Publishing goes on to its end, also if nobody waits for it any more.
#[derive(Debug)]
struct Publishing(Arc<Parted>);

impl Drop for Publishing {
    fn drop(&mut self) {
        self.0.state().publishing -= 1;
        self.0.release();
    }
}

impl Parted {
    pub(super) fn new(
        layout: Arc<Layout>,
        expected: Expected,
        check: Check,
        files: Files,
        recorder: Recorder,
        parts: Parts,
    ) -> Self {
        let state = Mutex::new(State { parts, ..State::default() });
        let (frontier, closed) = (Mutex::default(), AtomicBool::new(false));
        Self { layout, expected, check, files, recorder, state, frontier, closed }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn frontier(&self) -> MutexGuard<'_, Frontier> {
        self.frontier.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn subject(&self) -> String {
        self.check.subject()
    }

    fn fail(&self, kind: ErrorKind, operation: &'static str) -> Error {
        self.check.fail(kind, operation)
    }

    /// Gives the stage up, if nobody works on it any more. The lock goes now and not with the last who still looks at a
    /// part in the background: whoever comes next does not have to wait.
    fn release(&self) {
        let mut state = self.state();
        let idle = state.claims.is_empty() && state.publishing == 0;
        if !idle || !self.is_closed() || std::mem::replace(&mut state.over, true) {
            return;
        }
        let empty = state.parts.is_empty();
        drop(state);
        if empty {
            // What nobody could resume is nothing but litter.
            let _ = self.files.remove(&self.layout);
        }
        self.recorder.close();
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Lets nobody else write to `range`.
    fn claim(self: &Arc<Self>, range: &Range<u64>) -> Result<Claim, Error> {
        let refuse = |kind, what: &str| {
            let detail = format!("bytes {} to {} {what}", range.start, range.end);
            Err(self.fail(kind, "write").with_detail(detail))
        };
        if range.is_empty() || self.expected.size.is_some_and(|size| size < range.end) {
            return refuse(ErrorKind::Invalid, "are not in it");
        }
        if self.layout.options().limits.blob_bytes < range.end {
            return refuse(ErrorKind::TooLarge, "are more than allowed");
        }
        let mut state = self.state();
        let before = state.claims.range(..range.end).next_back();
        if before.is_some_and(|(_, end)| range.start < *end) {
            return refuse(ErrorKind::Busy, "are being written");
        }
        let before = state.parts.range(..range.end).next_back();
        if state.over || before.is_some_and(|(_, part)| range.start < part.range().end) {
            return refuse(ErrorKind::Invalid, "are there already");
        }
        state.claims.insert(range.start, range.end);
        drop(state);
        Ok(Claim { parted: Arc::clone(self), start: range.start })
    }

    /// The hash of everything before `offset`, if that is how far it is.
    pub(super) fn hash_before(&self, offset: u64) -> Option<Hasher> {
        let frontier = self.frontier.try_lock().ok()?;
        (frontier.hasher.size() == offset).then(|| frontier.hasher.clone())
    }

    /// Makes a part durable, and then the record of it. `whole` is the hash of everything up to its end, if known.
    pub(super) fn record(self: &Arc<Self>, part: Part, whole: Option<Hasher>) -> Result<(), Error> {
        self.recorder.append(&self.layout, &self.files.data, journal::there(&part), &self.subject())?;
        let mut state = self.state();
        state.parts.insert(part.offset, part);
        state.seen.insert(part.offset, part.digest);
        drop(state);
        if let Some(whole) = whole {
            let mut frontier = self.frontier();
            if frontier.hasher.size() == part.offset {
                frontier.hasher = whole;
            }
        }
        self.catch_up();
        Ok(())
    }

    /// Hashes on in the background what is there without a gap, so that publishing has little left to do.
    pub(super) fn catch_up(self: &Arc<Self>) {
        let Ok(runtime) = Handle::try_current() else { return };
        let Ok(frontier) = self.frontier.try_lock() else { return };
        let at = frontier.hasher.size();
        drop(frontier);
        if self.state().parts.contains_key(&at) {
            // Whoever drops the stage does not wait for this.
            let this = Arc::downgrade(self);
            runtime.spawn_blocking(move || {
                let Some(this) = this.upgrade() else { return };
                // Errors come out when it is published.
                let _ = this.advance(&|| this.is_closed());
            });
        }
    }

    /// Moves the frontier over the parts that are there; those that are not what was recorded are dropped.
    fn advance(&self, stop: &dyn Fn() -> bool) -> Result<(), Error> {
        let Ok(mut frontier) = self.frontier.lock() else { return Ok(()) };
        loop {
            let at = frontier.hasher.size();
            let Some(part) = self.state().parts.get(&at).copied() else { return Ok(()) };
            let seen = self.state().seen.get(&at) == Some(&part.digest);
            let mut whole = frontier.hasher.clone();
            let mut own = Hasher::default();
            let read = self.files.read(&self.layout, part.range(), stop, |piece| {
                whole.update(piece);
                if !seen {
                    own.update(piece);
                }
            });
            if stop() {
                return Ok(());
            }
            if !read || (!seen && own.finish().digest != part.digest) {
                drop(frontier);
                self.forget(&part)?;
                return self.forget_bad_parts(false, stop).map(|_| ());
            }
            self.state().seen.insert(at, part.digest);
            frontier.hasher = whole;
        }
    }

    /// Drops a part that is not what was recorded, for whoever comes next, too.
    fn forget(&self, part: &Part) -> Result<(), Error> {
        let mut state = self.state();
        state.seen.remove(&part.offset);
        state.dropped = true;
        let known = state.parts.remove(&part.offset).is_some();
        drop(state);
        if known {
            let line = journal::gone(part);
            self.recorder.append(&self.layout, &self.files.data, line, &self.subject())?;
        }
        Ok(())
    }

    /// Drops every part that is not what was recorded, looking again also at those that this process has seen.
    fn forget_bad_parts(&self, seen_too: bool, stop: &dyn Fn() -> bool) -> Result<Vec<Part>, Error> {
        let mut bad = Vec::new();
        let state = self.state();
        let doubtful = |part: &&Part| seen_too || state.seen.get(&part.offset) != Some(&part.digest);
        let parts: Vec<Part> = state.parts.values().filter(doubtful).copied().collect();
        drop(state);
        for part in parts {
            let mut own = Hasher::default();
            let read = self.files.read(&self.layout, part.range(), stop, |piece| own.update(piece));
            if stop() {
                break;
            }
            if read && own.finish().digest == part.digest {
                self.state().seen.insert(part.offset, part.digest);
            } else {
                self.forget(&part)?;
                bad.push(part);
            }
        }
        Ok(bad)
    }

    fn publish(&self) -> Result<Published, Error> {
        const OPERATION: &str = "publish";
        let state = self.state();
        if !state.claims.is_empty() {
            return Err(self.fail(ErrorKind::Busy, OPERATION).with_detail("parts are being written"));
        }
        let parts: Vec<Part> = state.parts.values().copied().collect();
        drop(state);
        let end = parts.last().map_or(0, |part| part.range().end);
        let size = self.expected.size.unwrap_or(end);
        if let Some(gap) = gaps(&parts, size).first() {
            if self.state().dropped {
                // So that all that are bad are fetched at once.
                self.forget_bad_parts(false, &|| false)?;
            }
            let detail = format!("bytes {} to {} are missing", gap.start, gap.end);
            return Err(self.fail(ErrorKind::Incomplete, OPERATION).with_detail(detail));
        }
        let damaged = |bad: &[Part]| {
            let detail = bad.first().map_or(String::new(), |part| {
                let Range { start, end } = part.range();
                format!("bytes {start} to {end} and {} other parts have to be fetched again", bad.len() - 1)
            });
            Err(self.fail(ErrorKind::Damaged, OPERATION).with_detail(detail))
        };
        self.advance(&|| false)?;
        let hasher = self.frontier().hasher.clone();
        if hasher.size() != size {
            // A part is bad; so may be others.
            self.forget_bad_parts(false, &|| false)?;
            let bad: Vec<Part> = parts.iter().filter(|part| !self.knows(part)).copied().collect();
            return damaged(&bad);
        }
        let id = hasher.finish();
        if let Err(error) = self.check.finish(id) {
            // If the disk is to blame, the parts that it changed can be told from the others.
            let bad = self.forget_bad_parts(true, &|| false)?;
            if !bad.is_empty() {
                return damaged(&bad);
            }
            let _ = self.end();
            return Err(error);
        }
        self.make_visible(id)?;
        Ok(Published::new(id, PartHashes::of(&parts)))
    }

    fn knows(&self, part: &Part) -> bool {
        self.state().parts.get(&part.offset) == Some(part)
    }

    fn make_visible(&self, id: ContentId) -> Result<(), Error> {
        let (layout, data) = (&self.layout, &self.files.data);
        // Parts that were dropped may have reached further.
        layout
            .calls()
            .close_to_writers(data, id.size)
            .map_err(|e| Error::io("publish", format_args!("blob {}", id.digest), e))?;
        stage::publish(layout, id, data, |path| layout.calls().rename(&self.files.data_path, path))?;
        // What cannot be removed now goes with the next collection.
        let _ = self.end();
        Ok(())
    }

    /// Removes what is left of the stage, once.
    fn end(&self) -> io::Result<()> {
        let mut state = self.state();
        if std::mem::replace(&mut state.over, true) {
            return Ok(());
        }
        state.parts.clear();
        drop(state);
        let removed = self.files.remove(&self.layout);
        self.recorder.close();
        removed
    }
}

/// A handle to a stage in parts; dropping it gives it up, as soon as no part is being written.
#[derive(Debug)]
pub(super) struct FsPartStage(Arc<Parted>);

impl FsPartStage {
    pub(super) async fn begin(layout: Arc<Layout>, name: Digest, expected: Expected) -> Result<Self, Error> {
        let parted = run(move || super::begin::begin(&layout, name, expected)).await?;
        parted.catch_up();
        Ok(Self(parted))
    }
}

impl Drop for FsPartStage {
    fn drop(&mut self) {
        self.0.closed.store(true, Ordering::Relaxed);
        self.0.release();
    }
}

impl FsPartStage {
    fn publishing(&self) -> Publishing {
        self.0.state().publishing += 1;
        Publishing(Arc::clone(&self.0))
    }
}

#[async_trait]
impl PartStage for FsPartStage {
    fn expected(&self) -> Expected {
        self.0.expected
    }

    fn parts(&self) -> Vec<Part> {
        self.0.state().parts.values().copied().collect()
    }

    async fn part(&self, range: Range<u64>) -> Result<Box<dyn PartWriter>, Error> {
        let claim = self.0.claim(&range)?;
        Ok(Box::new(FsPartWriter::new(claim, range)))
    }

    async fn publish(self: Box<Self>) -> Result<Published, Error> {
        let publishing = self.publishing();
        run(move || publishing.0.publish()).await
    }

    async fn discard(self: Box<Self>) -> Result<(), Error> {
        let parted = Arc::clone(&self.0);
        run(move || parted.end().map_err(|e| Error::io("discard", parted.subject(), e))).await
    }
}
