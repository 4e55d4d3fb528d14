//! Writing one part of a stage of the file system backend.

use std::{fs::File, io, ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use content_id::{Digest, Hasher};

use super::{
    layout::Layout,
    parts::Claim,
    pipe::{Guard, Pipe},
};
use crate::{Error, ErrorKind, Part, PartWriter, blocking::run};

/// A part that is being written.
#[derive(Debug)]
pub(super) struct FsPartWriter {
    claim: Arc<Claim>,
    range: Range<u64>,
    written: u64,
    pipe: Pipe<Arc<Claim>>,
    /// Whether a second hash goes on with that of the whole.
    whole: bool,
}

/// All parts of a stage are in one file.
impl Guard for Arc<Claim> {
    fn sync(&self, layout: &Layout, file: &File) -> io::Result<()> {
        self.parted.recorder.sync(layout, file)
    }
}

impl FsPartWriter {
    pub(super) fn new(claim: Claim, range: Range<u64>) -> Self {
        let claim = Arc::new(claim);
        let parted = &claim.parted;
        let mut hashers = vec![Hasher::default()];
        // The first part's own hash is that of the whole so far.
        let before = if range.start == 0 { None } else { parted.hash_before(range.start) };
        let whole = before.is_some();
        hashers.extend(before);
        let pipe = Pipe::new(
            Arc::clone(&parted.layout),
            Arc::clone(&parted.files.data),
            Arc::clone(&claim),
            &parted.subject(),
            range.start,
            hashers,
        );
        Self { claim, range, written: 0, pipe, whole }
    }

    fn fail(&self, kind: ErrorKind, operation: &'static str) -> Error {
        Error::new(kind, operation, self.claim.parted.subject())
    }

    fn failed_before(&self) -> Error {
        self.fail(ErrorKind::Invalid, "write").with_detail("the part failed before")
    }
}

#[async_trait]
impl PartWriter for FsPartWriter {
    async fn write(&mut self, piece: Bytes) -> Result<(), Error> {
        if self.pipe.has_failed() {
            return Err(self.failed_before());
        }
        let size = self.range.end - self.range.start;
        let written = self.written.saturating_add(piece.len() as u64);
        if size < written {
            self.pipe.fail();
            let detail = format!("more than the {size} bytes of the part at {}", self.range.start);
            return Err(self.fail(ErrorKind::Mismatch, "write").with_detail(detail));
        }
        self.written = written;
        let pushed = self.pipe.push(piece).await;
        pushed.map_err(|e| self.claim.parted.layout.with_numbers(e, Some(size), written))
    }

    fn written(&self) -> u64 {
        self.written
    }

    async fn finish(mut self: Box<Self>, expected: Option<Digest>) -> Result<Part, Error> {
        if self.pipe.has_failed() {
            return Err(self.failed_before());
        }
        let (claim, needed, taken) =
            (Arc::clone(&self.claim), self.range.end - self.range.start, self.written);
        let fail = move |e| claim.parted.layout.with_numbers(e, Some(needed), taken);
        let rest = self.pipe.drain().await.map_err(&fail)?;
        run(move || {
            let parted = &self.claim.parted;
            let mut hashers = rest.complete(&parted.layout, &parted.files.data)?.into_iter();
            let own = hashers.next().unwrap_or_default();
            let whole = match self.whole {
                true => hashers.next(),
                false => (self.range.start == 0).then(|| own.clone()),
            };
            let part = Part::new(self.range.start, self.written, own.finish().digest);
            if let Some(expected) = expected.filter(|expected| *expected != part.digest) {
                let detail =
                    format!("the part at {} has digest {}, not {expected}", part.offset, part.digest);
                return Err(self.fail(ErrorKind::Mismatch, "write").with_detail(detail));
            }
            if part.size != 0 {
                parted.record(part, whole)?;
            }
            Ok(part)
        })
        .await
        .map_err(fail)
    }
}
