//! Stages of the object store backend: buffered, or in parts that become an object only once all are checked.

use std::{fmt, mem, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use content_id::{ContentId, Digest, Hasher};
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload, path::Path};

use super::{about, blobs, parts, relocate::relocate};
use crate::{Error, ErrorKind, Expected, Limits, Part, Stage, blocking::run, expect::Check, layout};

/// Bytes in a part, at least; object stores want 5 MiB in all but the last, and all of one length.
const PART: u64 = 8 << 20;

/// Parts in an upload, at most; object stores allow 10,000.
pub(super) const PARTS: u64 = 9_000;

/// Bytes in a part when the size is not known: enough for 140 GiB.
const PART_OF_UNKNOWN: u64 = 16 << 20;

/// A blob on its way into an object store.
pub(super) struct ObjectStage {
    objects: Arc<dyn ObjectStore>,
    check: Check,
    part: usize,
    hasher: Hasher,
    buffer: Vec<Bytes>,
    buffered: usize,
    upload: Option<Upload>,
    failed: bool,
    target: Target,
}

/// What the bytes become.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target {
    /// The blob of their digest.
    Blob,
    /// A part of the stage of this name, at this offset.
    Part(Digest, u64),
}

/// The parts sent so far; no object until they are completed.
struct Upload {
    parts: Box<dyn MultipartUpload>,
    /// Where they go: the blob's own place if its digest is known, and a stage otherwise.
    path: Path,
}

impl fmt::Debug for ObjectStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectStage")
            .field("check", &self.check)
            .field("buffered", &self.buffered)
            .finish_non_exhaustive()
    }
}

impl ObjectStage {
    pub(super) fn new(
        objects: Arc<dyn ObjectStore>,
        expected: Expected,
        limits: Limits,
        part_bytes: Option<u64>,
        target: Target,
    ) -> Result<Self, Error> {
        let check = Check::new(expected, limits)?;
        let part = part_bytes
            .unwrap_or_else(|| expected.size.map_or(PART_OF_UNKNOWN, |size| PART.max(size.div_ceil(PARTS))));
        let part = usize::try_from(part).unwrap_or(usize::MAX);
        let hasher = Hasher::default();
        Ok(Self {
            objects,
            check,
            part,
            hasher,
            buffer: Vec::new(),
            buffered: 0,
            upload: None,
            failed: false,
            target,
        })
    }

    /// Takes `bytes` from the front of the buffer, hashed.
    async fn take(&mut self, bytes: usize) -> Result<PutPayload, Error> {
        let mut pieces = Vec::new();
        let mut wanted = bytes;
        let mut rest = Vec::new();
        for mut piece in mem::take(&mut self.buffer) {
            let now = piece.split_to(wanted.min(piece.len()));
            wanted -= now.len();
            pieces.push(now);
            if !piece.is_empty() {
                rest.push(piece);
            }
        }
        self.buffer = rest;
        self.buffered -= bytes;
        let mut hasher = mem::take(&mut self.hasher);
        let (hasher, payload) = run(move || {
            pieces.iter().for_each(|piece| hasher.update(piece));
            Ok((hasher, PutPayload::from_iter(pieces)))
        })
        .await?;
        self.hasher = hasher;
        Ok(payload)
    }

    async fn send_part(&mut self, bytes: usize) -> Result<(), Error> {
        let payload = self.take(bytes).await?;
        let upload = match &mut self.upload {
            Some(upload) => upload,
            none => {
                let path = match (self.target, self.check.expected().digest) {
                    (Target::Blob, Some(digest)) => blobs::path(digest),
                    _ => stage_path(),
                };
                let parts = self.objects.put_multipart(&path).await;
                none.insert(Upload {
                    parts: parts.map_err(|e| about("write", self.check.subject()).backend(e))?,
                    path,
                })
            }
        };
        upload.parts.put_part(payload).await.map_err(|e| about("write", self.check.subject()).backend(e))
    }

    /// Makes the bytes visible, if they have the digest `own`, should one be known since they began.
    async fn finish(&mut self, own: Option<Digest>) -> Result<ContentId, Error> {
        let rest = self.take(self.buffered).await?;
        let id = mem::take(&mut self.hasher).finish();
        // Nothing above made anything visible; nothing below is reached with wrong bytes.
        self.check.finish(id)?;
        if let Some(own) = own.filter(|own| *own != id.digest) {
            let detail = format!("a part has digest {}, not {own}", id.digest);
            return Err(self.check.fail(ErrorKind::Mismatch, "write").with_detail(detail));
        }
        let about = || super::blob("publish", id.digest);
        let path = match self.target {
            Target::Blob => blobs::path(id.digest),
            // No bytes are no part.
            Target::Part(..) if id.size == 0 => return Ok(id),
            Target::Part(name, offset) => parts::path(name, &Part::new(offset, id.size, id.digest)),
        };
        let Some(mut upload) = self.upload.take() else {
            self.objects.put(&path, rest).await.map_err(|e| about().backend(e))?;
            return Ok(id);
        };
        let outcome = async {
            if rest.content_length() != 0 {
                upload.parts.put_part(rest).await?;
            }
            upload.parts.complete().await?;
            match upload.path == path {
                true => Ok(()),
                false => relocate(&self.objects, &upload.path, &path, id.size).await,
            }
        };
        let outcome = outcome.await.map_err(|e| about().backend(e));
        if outcome.is_err() {
            self.upload = Some(upload);
        }
        outcome.map(|()| id)
    }

    /// Finishes, or gives up.
    pub(super) async fn complete(mut self, own: Option<Digest>) -> Result<ContentId, Error> {
        if self.failed {
            return Err(self.check.failed_before());
        }
        let outcome = self.finish(own).await;
        if outcome.is_err() {
            let _ = self.abort().await;
        }
        outcome
    }

    /// Gives up what was sent. The error that led here is the one to report.
    async fn abort(&mut self) -> Result<(), object_store::Error> {
        self.failed = true;
        self.buffer.clear();
        match self.upload.take() {
            Some(mut upload) => upload.parts.abort().await,
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Stage for ObjectStage {
    async fn write(&mut self, piece: Bytes) -> Result<(), Error> {
        if self.failed {
            return Err(self.check.failed_before());
        }
        if let Err(error) = self.check.accept(piece.len()) {
            let _ = self.abort().await;
            return Err(error);
        }
        self.buffered += piece.len();
        self.buffer.push(piece);
        // One part stays: what fits in one is put in one request.
        while self.part < self.buffered {
            // Also if this future is dropped half-way.
            self.failed = true;
            if let Err(error) = self.send_part(self.part).await {
                let _ = self.abort().await;
                return Err(error);
            }
            self.failed = false;
        }
        Ok(())
    }

    fn written(&self) -> u64 {
        self.check.written()
    }

    async fn publish(self: Box<Self>) -> Result<ContentId, Error> {
        self.complete(None).await
    }

    async fn discard(mut self: Box<Self>) -> Result<(), Error> {
        self.abort().await.map_err(|e| about("discard", self.check.subject()).backend(e))
    }
}

/// A place that nobody reads.
pub(super) fn stage_path() -> Path {
    Path::from_iter([layout::STAGING.to_owned(), layout::unique_name()])
}
