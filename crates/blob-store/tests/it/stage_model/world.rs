//! A stage in parts, and beside it what it should be.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
};

use blob_store::{
    BlobStore, BlobStoreExt, Error, ErrorKind, Expected, Part, PartStage, PartWriter, Published, StageKey,
};
use bytes::Bytes;
use content_id::ContentId;

use super::{End, MOST, Step};

/// A part that is being written, and what of it was accepted.
struct Writing {
    range: Range<u64>,
    bytes: Vec<u8>,
    failed: bool,
    writer: Box<dyn PartWriter>,
}

/// Parts by where they begin.
type Ranges = BTreeMap<u64, Vec<u8>>;

fn end_of(start: u64, bytes: &[u8]) -> u64 {
    start + bytes.len() as u64
}

fn overlaps(a: &Range<u64>, b: &Range<u64>) -> bool {
    a.start < b.end && b.start < a.end
}

/// A stage, and what it should be.
pub(super) struct World<'a> {
    open: &'a dyn Fn() -> Arc<dyn BlobStore>,
    /// Whether several may have the stage at once, and share its parts.
    shared: bool,
    /// More than the blob, for parts that reach further.
    source: Bytes,
    expected: Expected,
    /// There but between one handle and the next.
    stage: Option<Box<dyn PartStage>>,
    /// The parts that this handle knows, and all that were ever recorded and are not gone.
    view: Ranges,
    recorded: BTreeSet<(u64, Vec<u8>)>,
    writers: Vec<Writing>,
    visible: BTreeSet<ContentId>,
}

async fn begin(store: &dyn BlobStore, expected: Expected) -> Result<Box<dyn PartStage>, Error> {
    store.stage_parts(&StageKey::new("source", "v1"), expected).await
}

impl<'a> World<'a> {
    /// A new stage, of which so much is expected.
    pub(super) async fn new(
        open: &'a dyn Fn() -> Arc<dyn BlobStore>,
        shared: bool,
        source: Bytes,
        expected: Expected,
    ) -> Self {
        Self {
            open,
            shared,
            source,
            expected,
            stage: Some(begin(&*open(), expected).await.expect("nobody has it")),
            view: Ranges::new(),
            recorded: BTreeSet::new(),
            writers: Vec::new(),
            visible: BTreeSet::new(),
        }
    }

    fn stage(&self) -> &dyn PartStage {
        self.stage.as_deref().expect("it is begun again at once")
    }

    /// Where parts overlap, those that begin first count, and of those the longest.
    fn seen(&self) -> Ranges {
        let mut all: Vec<_> = self.recorded.iter().collect();
        all.sort_by_key(|(start, bytes)| (*start, Reverse(bytes.len()), ContentId::of(bytes).digest));
        let mut seen = Ranges::new();
        for (start, bytes) in all {
            if seen.last_key_value().is_none_or(|(before, bytes)| end_of(*before, bytes) <= *start) {
                seen.insert(*start, bytes.clone());
            }
        }
        seen
    }

    fn bytes(&self, start: u64, count: u64, lie: bool) -> Bytes {
        let last = self.source.len() as u64;
        let bytes = self.source.slice(start.min(last) as usize..(start + count).min(last) as usize);
        if lie { bytes.iter().map(|byte| !byte).collect() } else { bytes }
    }

    fn end(&self) -> u64 {
        let last = self.view.last_key_value().map_or(0, |(start, bytes)| end_of(*start, bytes));
        self.expected.size.unwrap_or(last)
    }

    /// What no part has, byte by byte, cut at the multiples of `part_bytes`.
    fn missing(&self, part_bytes: u64) -> Vec<Range<u64>> {
        let mut missing: Vec<Range<u64>> = Vec::new();
        for at in 0..self.end() {
            let before = self.view.range(..=at).next_back();
            if before.is_some_and(|(start, bytes)| at < end_of(*start, bytes)) {
                continue;
            }
            match missing.last_mut() {
                Some(last) if last.end == at && at % part_bytes != 0 => last.end = at + 1,
                _ => missing.push(at..at + 1),
            }
        }
        missing
    }

    /// Why nobody who sees the parts `view` may begin to write a range, if so.
    fn refusal(&self, view: &Ranges, writers: &[Writing], range: &Range<u64>) -> Option<ErrorKind> {
        if range.is_empty() || self.expected.size.is_some_and(|size| size < range.end) {
            return Some(ErrorKind::Invalid);
        }
        if writers.iter().any(|writing| overlaps(&writing.range, range)) {
            return Some(ErrorKind::Busy);
        }
        let there = view.iter().any(|(start, bytes)| overlaps(&(*start..end_of(*start, bytes)), range));
        there.then_some(ErrorKind::Invalid)
    }

    /// Begins to write, unless that is refused.
    async fn part(&mut self, range: Range<u64>) {
        let outcome = self.stage().part(range.clone()).await;
        let refusal = self.refusal(&self.view, &self.writers, &range);
        assert_eq!(outcome.as_ref().err().map(|error| error.kind()), refusal, "{range:?}");
        if let Ok(writer) = outcome {
            self.writers.push(Writing { range, bytes: Vec::new(), failed: false, writer });
        }
    }

    async fn write(&mut self, number: usize, bytes: u64, lie: bool) {
        let writing = &self.writers[number];
        let piece = self.bytes(end_of(writing.range.start, &writing.bytes), bytes, lie);
        let writing = &mut self.writers[number];
        let outcome = writing.writer.write(piece.clone()).await.map_err(|error| error.kind());
        let most = (writing.range.end - writing.range.start) as usize;
        if writing.failed {
            assert_eq!(outcome, Err(ErrorKind::Invalid));
        } else if most < writing.bytes.len() + piece.len() {
            assert_eq!(outcome, Err(ErrorKind::Mismatch));
            writing.failed = true;
        } else {
            assert_eq!(outcome, Ok(()));
            writing.bytes.extend(&piece);
        }
        assert_eq!(writing.writer.written(), writing.bytes.len() as u64);
    }

    /// Finishes a part, whose digest is said to be the right one, the wrong one, or nothing; `over` if its stage can
    /// record nothing any more.
    async fn finish(&mut self, number: usize, sound: Option<bool>, over: bool) {
        let Writing { range, bytes, failed, writer } = self.writers.swap_remove(number);
        let (own, wrong) = (ContentId::of(&bytes).digest, ContentId::of(b"something else").digest);
        let outcome = writer.finish(sound.map(|sound| if sound { own } else { wrong })).await;
        let part = Part::new(range.start, bytes.len() as u64, own);
        match outcome.map_err(|error| error.kind()) {
            Err(ErrorKind::Invalid) => assert!(failed),
            Err(ErrorKind::Mismatch) => assert!(!failed && sound == Some(false)),
            Err(kind) => assert!(over && !failed && !bytes.is_empty(), "{kind:?}"),
            Ok(finished) => {
                assert!(!failed && sound != Some(false) && (!over || bytes.is_empty()));
                assert_eq!(finished, part);
                if !bytes.is_empty() {
                    self.recorded.insert((range.start, bytes.clone()));
                    self.view.insert(range.start, bytes);
                }
            }
        }
    }

    /// Another process.
    async fn other(&mut self, range: Range<u64>, lie: bool) {
        let outcome = begin(&*(self.open)(), self.expected).await;
        if !self.shared {
            assert_eq!(outcome.expect_err("it has an owner").kind(), ErrorKind::Busy);
            return;
        }
        let (stage, seen) = (outcome.expect("it is shared"), self.seen());
        let outcome = stage.part(range.clone()).await;
        let refusal = self.refusal(&seen, &[], &range);
        assert_eq!(outcome.as_ref().err().map(|error| error.kind()), refusal, "{range:?}");
        let Ok(mut writer) = outcome else { return };
        let bytes = self.bytes(range.start, range.end - range.start, lie);
        writer.write(bytes.clone()).await.expect("it is not too much");
        writer.finish(None).await.expect("nothing is known of it");
        if !bytes.is_empty() {
            self.recorded.insert((range.start, bytes.to_vec()));
        }
    }

    /// Compares what came of publishing; returns whether the stage is over.
    async fn published(&mut self, outcome: Result<Published, Error>) -> bool {
        let whole: Vec<u8> = self.view.values().flatten().copied().collect();
        let (id, Expected { digest, size, .. }) = (ContentId::of(&whole), self.expected);
        let expected = digest.zip(size).map(|(digest, size)| ContentId::new(digest, size));
        let gap = !self.missing(1).is_empty();
        let kind = match () {
            () if !self.writers.is_empty() => Some(ErrorKind::Busy),
            () if gap && self.shared && expected.is_some_and(|id| self.visible.contains(&id)) => None,
            () if gap => Some(ErrorKind::Incomplete),
            () if size.is_some_and(|size| size != id.size) => Some(ErrorKind::Mismatch),
            () if digest.is_some_and(|digest| digest != id.digest) => Some(ErrorKind::Mismatch),
            () => None,
        };
        assert_eq!(outcome.as_ref().err().map(|error| error.kind()), kind, "{:?}", self.view);
        if kind == Some(ErrorKind::Mismatch) {
            let wrong = |(start, bytes): &(u64, Vec<u8>)| self.view.get(start) == Some(bytes);
            self.recorded.retain(|part| !wrong(part));
        }
        let Ok(published) = outcome else { return kind == Some(ErrorKind::Mismatch) };
        let id = if gap { expected.expect("another has published it") } else { id };
        assert_eq!(published.id, id);
        self.recorded.clear();
        self.visible.insert(id);
        let content = (self.open)().read_all(id, 4 * MOST).await.expect("it is visible");
        assert!(gap || content == whole);
        let lengths: Vec<usize> = self.view.values().map(Vec::len).collect();
        let uniform = lengths.split_last().is_some_and(|(last, before)| {
            before.iter().all(|length| *length == lengths[0]) && *last <= lengths[0]
        });
        assert_eq!(published.parts.is_some(), uniform && !gap);
        // The digests are those of the blob, whoever wrote it.
        for part in published.parts.iter().flat_map(|hashes| hashes.parts(id.size).expect("they fit")) {
            let bytes = &content[part.offset as usize..][..part.size as usize];
            assert_eq!(part.digest, ContentId::of(bytes).digest);
        }
        true
    }

    async fn end_and_begin(&mut self, end: End, finish: bool) {
        let stage = self.stage.take().expect("it is begun again at once");
        let mut over = match end {
            End::Dropped => {
                drop(stage);
                false
            }
            End::Discarded => {
                stage.discard().await.expect("it is thrown away");
                self.recorded.clear();
                true
            }
            End::Published => {
                let outcome = stage.publish().await;
                self.published(outcome).await
            }
        };
        over &= !self.shared;
        let store = (self.open)();
        if !over && !self.shared && !self.writers.is_empty() {
            let error = begin(&*store, self.expected).await.expect_err("a writer still has it");
            assert_eq!(error.kind(), ErrorKind::Busy);
        }
        while !self.writers.is_empty() {
            if finish {
                self.finish(0, None, over).await;
            } else {
                self.writers.remove(0);
            }
        }
        let stages = store.stages().await.expect("a listing");
        let bytes: u64 = self.recorded.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        let listed: Vec<_> = stages.iter().map(|stage| (stage.bytes, stage.resumable, stage.owned)).collect();
        assert_eq!(listed, if bytes == 0 { vec![] } else { vec![(bytes, true, false)] });
        self.stage = Some(begin(&*store, self.expected).await.expect("nobody has it"));
        self.view = self.seen();
    }

    pub(super) async fn apply(&mut self, step: &Step) {
        let count = self.writers.len();
        match *step {
            Step::Begin { start, length } => self.part(start..start + length).await,
            Step::Write { writer, bytes, lie } if 0 < count => self.write(writer % count, bytes, lie).await,
            Step::Finish { writer, sound } if 0 < count => self.finish(writer % count, sound, false).await,
            Step::DropWriter(writer) if 0 < count => drop(self.writers.remove(writer % count)),
            Step::Fill { part_bytes, backwards, most } => {
                let mut missing = self.stage().missing(part_bytes);
                if backwards {
                    missing.reverse();
                }
                for range in missing.into_iter().take(most) {
                    self.part(range.clone()).await;
                    if count < self.writers.len() {
                        self.write(count, range.end - range.start, false).await;
                        self.finish(count, Some(true), false).await;
                    }
                }
            }
            Step::Other { start, length, lie } => self.other(start..start + length, lie).await,
            Step::End { end, finish } => self.end_and_begin(end, finish).await,
            Step::Write { .. } | Step::Finish { .. } | Step::DropWriter(_) => {}
        }
    }

    pub(super) fn compare(&self) {
        let part = |(start, bytes): (&u64, &Vec<u8>)| {
            Part::new(*start, bytes.len() as u64, ContentId::of(bytes).digest)
        };
        assert_eq!(self.stage().parts(), self.view.iter().map(part).collect::<Vec<_>>());
        for part_bytes in [1, 7, 100, u64::MAX] {
            assert_eq!(self.stage().missing(part_bytes), self.missing(part_bytes), "cut at {part_bytes}");
        }
    }
}
