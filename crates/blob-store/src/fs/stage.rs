//! Stages of the file system backend: a unique file, hashed while it is written, renamed once it is checked.

use std::{fs::File, path::Path, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use content_id::{ContentId, Hasher};
use tempfile::NamedTempFile;

use super::{
    blobs::{self, folder_and_name},
    layout::Layout,
    pipe::Pipe,
};
use crate::{Error, Expected, Stage, blocking::run, expect::Check, layout};

/// A blob that is being written to a file, which goes away unless it is published.
#[derive(Debug)]
pub(super) struct FsStage {
    layout: Arc<Layout>,
    check: Check,
    file: NamedTempFile,
    content: Arc<File>,
    pipe: Pipe<()>,
}

impl FsStage {
    pub(super) async fn create(layout: Arc<Layout>, expected: Expected) -> Result<Self, Error> {
        let check = Check::new(expected, layout.options().limits)?;
        let (file, content) = {
            let (layout, check) = (Arc::clone(&layout), check.clone());
            run(move || {
                let folder = layout.folder(&[layout::STAGING])?;
                let file = layout.calls().create(&folder, "").map_err(|e| check.io("stage", e))?;
                let content = file.as_file().try_clone().map_err(|e| check.io("stage", e))?;
                Ok((file, content))
            })
            .await?
        };
        let content = Arc::new(content);
        let hashers = vec![Hasher::default()];
        let pipe = Pipe::new(Arc::clone(&layout), Arc::clone(&content), (), &check.subject(), 0, hashers);
        Ok(Self { layout, check, file, content, pipe })
    }
}

/// Makes a file durable, and then visible as the blob `id`: `rename` gives it the path.
pub(super) fn publish(
    layout: &Layout,
    id: ContentId,
    content: &File,
    rename: impl FnOnce(&Path) -> std::io::Result<()>,
) -> Result<(), Error> {
    let fail = |e| Error::io("publish", format_args!("blob {}", id.digest), e);
    // A blob must never be visible before its bytes are on the disk.
    layout.sync_file(content).map_err(fail)?;
    let (folder, name) = folder_and_name(id.digest);
    let folder = layout.folder(&[layout::BLOBS, layout::SHA256, &folder])?;
    // Replaces what is there: the same bytes, or damage. Whoever reads the old file keeps it.
    let path = folder.join(name);
    blobs::clear(layout, &path, id.digest)?;
    rename(&path).map_err(fail)?;
    layout.sync_folder(&folder).map_err(fail)
}

#[async_trait]
impl Stage for FsStage {
    async fn write(&mut self, piece: Bytes) -> Result<(), Error> {
        if self.pipe.has_failed() {
            return Err(self.check.failed_before());
        }
        if let Err(error) = self.check.accept(piece.len()) {
            self.pipe.fail();
            return Err(error);
        }
        let taken = self.check.written();
        self.pipe.push(piece).await.map_err(|e| self.layout.with_numbers(e, self.check.size(), taken))
    }

    fn written(&self) -> u64 {
        self.check.written()
    }

    async fn publish(mut self: Box<Self>) -> Result<ContentId, Error> {
        if self.pipe.has_failed() {
            return Err(self.check.failed_before());
        }
        let (layout, needed, taken) = (Arc::clone(&self.layout), self.check.size(), self.check.written());
        let fail = move |e| layout.with_numbers(e, needed, taken);
        let rest = self.pipe.drain().await.map_err(&fail)?;
        run(move || {
            let Self { layout, check, file, content, .. } = *self;
            let hasher = rest.complete(&layout, &content)?.pop().unwrap_or_default();
            let id = hasher.finish();
            check.finish(id)?;
            publish(&layout, id, &content, |path| layout.calls().persist(file, path))?;
            Ok(id)
        })
        .await
        .map_err(fail)
    }

    async fn discard(self: Box<Self>) -> Result<(), Error> {
        let Self { layout, check, file, .. } = *self;
        run(move || layout.calls().discard(file).map(drop).map_err(|e| check.io("discard", e))).await
    }
}
