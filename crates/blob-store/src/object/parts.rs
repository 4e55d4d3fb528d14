//! Stages in parts of the object store backend: an object for each part, shared by all who fetch the same.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use content_id::{ContentId, Digest, Hasher};
use object_store::{ObjectStoreExt, path::Path};

use super::{
    ObjectStoreBackend, about, blobs, is_absent,
    stage::{ObjectStage, Target},
    stages,
};
use crate::{
    Error, ErrorKind, Expected, Part, PartHashes, PartStage, PartWriter, Published, Stage, expect::Check,
    layout, parts::gaps,
};

/// Bytes of a part that are held in memory, so that it takes one request to put it; a larger one is sent in pieces.
const HELD: u64 = 16 << 20;

/// Where a part is.
pub(super) fn path(name: Digest, part: &Part) -> Path {
    let part = format!("{}-{}-{}", part.offset, part.size, part.digest);
    Path::from_iter([layout::STAGING.to_owned(), name.to_string(), part])
}

/// The stage and the part that an object of this name in staging stands for.
pub(super) fn parse(location: &Path) -> Option<(Digest, Part)> {
    let mut levels = location.parts();
    let (_, name, part) = (levels.next()?, levels.next()?, levels.next()?);
    let name = name.as_ref().parse().ok()?;
    let mut words = part.as_ref().split('-');
    let (offset, size) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let part = Part::new(offset, size, words.next()?.parse().ok()?);
    (path(name, &part) == *location).then_some((name, part))
}

/// A stage in parts, as one of those who work on it sees it.
#[derive(Debug)]
pub(super) struct ObjectPartStage {
    store: ObjectStoreBackend,
    name: Digest,
    expected: Expected,
    check: Check,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    parts: BTreeMap<u64, Part>,
    /// What is being written here: where it begins and ends.
    claims: BTreeMap<u64, u64>,
}

impl ObjectPartStage {
    pub(super) async fn begin(
        store: &ObjectStoreBackend,
        name: Digest,
        expected: Expected,
    ) -> Result<Self, Error> {
        let check = Check::new(expected, store.limits)?;
        let limit = expected.size.unwrap_or(store.limits.blob_bytes);
        let mut found = stages::parts(&store.objects, name).await?;
        found.retain(|part| {
            part.size != 0 && part.offset.checked_add(part.size).is_some_and(|end| end <= limit)
        });
        // Where those of several writers overlap, the longer ones from the beginning on.
        found.sort_by_key(|part| (part.offset, u64::MAX - part.size, part.digest));
        let mut parts = BTreeMap::new();
        let mut at = 0;
        for part in found {
            if at <= part.offset {
                at = part.range().end;
                parts.insert(part.offset, part);
            }
        }
        let state = Arc::new(Mutex::new(State { parts, ..State::default() }));
        Ok(Self { store: store.clone(), name, expected, check, state })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Whether the blob is there: then somebody else has published it, and used up the parts. Those that are known here
    /// say nothing of it: some are missing, or are not what they were.
    async fn published_by_another(&self) -> Result<Option<Published>, Error> {
        let Expected { digest: Some(digest), size: Some(size) } = self.expected else { return Ok(None) };
        let id = ContentId::new(digest, size);
        if !blobs::contains(&self.store.objects, id).await? {
            return Ok(None);
        }
        self.clear().await;
        Ok(Some(Published::new(id, None)))
    }

    /// Removes all parts, also those of others, who find the blob; what is left goes with the next collection.
    async fn clear(&self) {
        if let Ok(all) = stages::parts(&self.store.objects, self.name).await {
            let _ = self.forget(&all).await;
        }
    }

    /// Writes a part into the blob's upload, if it is what its name says.
    async fn copy(&self, part: &Part, upload: &mut ObjectStage) -> Result<bool, Error> {
        let path = path(self.name, part);
        let mut hasher = Hasher::default();
        while hasher.size() < part.size {
            let range = hasher.size()..part.size.min(hasher.size() + blobs::PIECE);
            // Request by request, not as a stream: the object store may allow only so many at a time.
            let piece = match self.store.objects.get_range(&path, range.clone()).await {
                Ok(piece) => piece,
                Err(error) if is_absent(&error) => return Ok(false),
                Err(error) => return Err(about("publish", self.check.subject()).backend(error)),
            };
            if piece.len() as u64 != range.end - range.start {
                return Ok(false);
            }
            hasher.update(&piece);
            upload.write(piece).await?;
        }
        Ok(hasher.finish().digest == part.digest)
    }

    /// Drops parts, for everybody.
    async fn forget(&self, parts: &[Part]) -> Result<(), Error> {
        for part in parts {
            self.state().parts.remove(&part.offset);
            match self.store.objects.delete(&path(self.name, part)).await {
                Err(error) if !is_absent(&error) => {
                    return Err(about("discard", self.check.subject()).backend(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn fail(&self, kind: ErrorKind, operation: &'static str, detail: String) -> Error {
        self.check.fail(kind, operation).with_detail(detail)
    }
}

#[async_trait]
impl PartStage for ObjectPartStage {
    fn expected(&self) -> Expected {
        self.expected
    }

    fn parts(&self) -> Vec<Part> {
        self.state().parts.values().copied().collect()
    }

    async fn part(&self, range: Range<u64>) -> Result<Box<dyn PartWriter>, Error> {
        let refuse = |kind, what: &str| {
            Err(self.fail(kind, "write", format!("bytes {} to {} {what}", range.start, range.end)))
        };
        if range.is_empty() || self.expected.size.is_some_and(|size| size < range.end) {
            return refuse(ErrorKind::Invalid, "are not in it");
        }
        if self.store.limits.blob_bytes < range.end {
            return refuse(ErrorKind::TooLarge, "are more than allowed");
        }
        let mut state = self.state();
        if state.claims.range(..range.end).next_back().is_some_and(|(_, end)| range.start < *end) {
            return refuse(ErrorKind::Busy, "are being written");
        }
        if state.parts.range(..range.end).next_back().is_some_and(|(_, part)| range.start < part.range().end)
        {
            return refuse(ErrorKind::Invalid, "are there already");
        }
        let upload = ObjectStage::new(
            Arc::clone(&self.store.objects),
            Expected::default(),
            self.store.limits,
            self.store.part_bytes.or(Some(HELD)),
            Target::Part(self.name, range.start),
        )?;
        state.claims.insert(range.start, range.end);
        drop(state);
        let claim = Claim { state: Arc::clone(&self.state), start: range.start };
        Ok(Box::new(ObjectPartWriter { upload, claim, range, failed: false }))
    }

    async fn publish(self: Box<Self>) -> Result<Published, Error> {
        const OPERATION: &str = "publish";
        if !self.state().claims.is_empty() {
            return Err(self.fail(ErrorKind::Busy, OPERATION, "parts are being written".to_owned()));
        }
        let parts = self.parts();
        let size = self.expected.size.unwrap_or(parts.last().map_or(0, |part| part.range().end));
        if let Some(gap) = gaps(&parts, size).first() {
            if let Some(published) = self.published_by_another().await? {
                return Ok(published);
            }
            let detail = format!("bytes {} to {} are missing", gap.start, gap.end);
            return Err(self.fail(ErrorKind::Incomplete, OPERATION, detail));
        }
        let mut upload = ObjectStage::new(
            Arc::clone(&self.store.objects),
            self.expected,
            self.store.limits,
            self.store.part_bytes,
            Target::Blob,
        )?;
        for part in &parts {
            match self.copy(part, &mut upload).await {
                Ok(true) => {}
                outcome => {
                    let _ = Box::new(upload).discard().await;
                    outcome?;
                    if let Some(published) = self.published_by_another().await? {
                        return Ok(published);
                    }
                    self.forget(&[*part]).await?;
                    let Range { start, end } = part.range();
                    let detail = format!("bytes {start} to {end} have to be fetched again");
                    return Err(self.fail(ErrorKind::Damaged, OPERATION, detail));
                }
            }
        }
        let outcome = upload.complete(None).await;
        match outcome {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Mismatch => {
                self.forget(&parts).await?;
                return Err(error);
            }
            Err(error) => return Err(error),
        }
        let id = outcome?;
        self.clear().await;
        Ok(Published::new(id, PartHashes::of(&parts)))
    }

    async fn discard(self: Box<Self>) -> Result<(), Error> {
        let all = stages::parts(&self.store.objects, self.name).await?;
        self.forget(&all).await
    }
}

/// A range that is being written here.
#[derive(Debug)]
struct Claim {
    state: Arc<Mutex<State>>,
    start: u64,
}

impl Drop for Claim {
    fn drop(&mut self) {
        lock(&self.state).claims.remove(&self.start);
    }
}

/// A part on its way into the object store.
#[derive(Debug)]
struct ObjectPartWriter {
    upload: ObjectStage,
    claim: Claim,
    range: Range<u64>,
    failed: bool,
}

#[async_trait]
impl PartWriter for ObjectPartWriter {
    async fn write(&mut self, piece: Bytes) -> Result<(), Error> {
        let size = self.range.end - self.range.start;
        if !self.failed && size < self.upload.written().saturating_add(piece.len() as u64) {
            self.failed = true;
            let detail = format!("more than the {size} bytes of the part at {}", self.range.start);
            return Err(Error::new(ErrorKind::Mismatch, "write", "a part").with_detail(detail));
        }
        if self.failed {
            return Err(Error::new(ErrorKind::Invalid, "write", "a part").with_detail("it failed before"));
        }
        self.upload.write(piece).await
    }

    fn written(&self) -> u64 {
        self.upload.written()
    }

    async fn finish(self: Box<Self>, expected: Option<Digest>) -> Result<Part, Error> {
        let Self { upload, claim, range, failed } = *self;
        if failed {
            return Err(Error::new(ErrorKind::Invalid, "write", "a part").with_detail("it failed before"));
        }
        let id = upload.complete(expected).await?;
        let part = Part::new(range.start, id.size, id.digest);
        if part.size != 0 {
            lock(&claim.state).parts.insert(part.offset, part);
        }
        Ok(part)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
