//! Stages of the file system backend: a unique file, hashed while it is written, renamed once it is checked.

use std::{io, mem, path::Path, sync::Arc, time::SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use content_id::{ContentId, Hasher};
use tempfile::NamedTempFile;
use tokio::{runtime::Handle, task::JoinHandle};

use super::{
    blobs::folder_and_name,
    calls::{Calls, is_absent},
    layout::Layout,
};
use crate::{
    Error, Expected, Stage,
    blocking::{join, run},
    expect::Check,
    layout,
};

/// Bytes gathered before they go to a blocking thread: enough to make its start-up cost vanish.
const BATCH: usize = 1 << 20;

/// A blob that is being written to a file.
#[derive(Debug)]
pub(super) struct FsStage {
    check: Check,
    pending: Vec<Bytes>,
    pending_bytes: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    Idle(Box<Writer>),
    /// One batch is written while the next is gathered.
    Busy(JoinHandle<Result<Writer, Error>>),
    Failed,
}

/// The file and the digest of what is in it; the file goes away with it.
#[derive(Debug)]
struct Writer {
    layout: Arc<Layout>,
    file: NamedTempFile,
    hasher: Hasher,
    check: Check,
}

impl FsStage {
    pub(super) async fn create(layout: Arc<Layout>, expected: Expected) -> Result<Self, Error> {
        let check = Check::new(expected, layout.options().limits)?;
        let writer = {
            let check = check.clone();
            run(move || {
                let folder = layout.folder(&[layout::STAGING])?;
                let file = layout.calls().create(&folder, "").map_err(|e| check.io("stage", e))?;
                Ok(Writer { layout, file, hasher: Hasher::default(), check })
            })
            .await?
        };
        Ok(Self { check, pending: Vec::new(), pending_bytes: 0, state: State::Idle(Box::new(writer)) })
    }

    /// Waits for the batch that is being written, if any. May be dropped at any point.
    async fn writer(&mut self) -> Result<Writer, Error> {
        if let State::Busy(handle) = &mut self.state {
            match join(handle).await {
                Ok(writer) => self.state = State::Idle(Box::new(writer)),
                Err(error) => {
                    self.state = State::Failed;
                    return Err(error);
                }
            }
        }
        match mem::replace(&mut self.state, State::Failed) {
            State::Idle(writer) => Ok(*writer),
            _ => Err(self.check.failed_before()),
        }
    }
}

impl Writer {
    fn write(mut self, pieces: Vec<Bytes>) -> Result<Self, Error> {
        for piece in pieces {
            self.layout
                .calls()
                .write(self.file.as_file_mut(), &piece)
                .map_err(|e| self.check.io("write", e))?;
            self.hasher.update(&piece);
        }
        Ok(self)
    }

    fn publish(self) -> Result<ContentId, Error> {
        let layout = self.layout;
        let id = self.hasher.finish();
        self.check.finish(id)?;
        let fail = |e| Error::io("publish", format_args!("blob {}", id.digest), e);
        // A blob must never be visible before its bytes are on the disk.
        layout.sync_file(self.file.as_file()).map_err(fail)?;
        let (folder, name) = folder_and_name(id.digest);
        let folder = layout.folder(&[layout::BLOBS, layout::SHA256, &folder])?;
        // Replaces what is there: the same bytes, or damage. Whoever reads the old file keeps it.
        layout.calls().persist(self.file, &folder.join(name)).map_err(fail)?;
        layout.sync_folder(&folder).map_err(fail)?;
        Ok(id)
    }
}

#[async_trait]
impl Stage for FsStage {
    async fn write(&mut self, piece: Bytes) -> Result<(), Error> {
        if let State::Failed = self.state {
            return Err(self.check.failed_before());
        }
        if let Err(error) = self.check.accept(piece.len()) {
            self.state = State::Failed;
            self.pending.clear();
            return Err(error);
        }
        self.pending_bytes += piece.len();
        self.pending.push(piece);
        if self.pending_bytes < BATCH {
            return Ok(());
        }
        let writer = self.writer().await?;
        let pieces = mem::take(&mut self.pending);
        self.pending_bytes = 0;
        self.state = match Handle::try_current() {
            Ok(runtime) => State::Busy(runtime.spawn_blocking(move || writer.write(pieces))),
            Err(_) => State::Idle(Box::new(writer.write(pieces)?)),
        };
        Ok(())
    }

    fn written(&self) -> u64 {
        self.check.written()
    }

    async fn publish(mut self: Box<Self>) -> Result<ContentId, Error> {
        let writer = self.writer().await?;
        let pieces = mem::take(&mut self.pending);
        run(move || writer.write(pieces)?.publish()).await
    }

    async fn discard(mut self: Box<Self>) -> Result<(), Error> {
        let Ok(writer) = self.writer().await else { return Ok(()) };
        let check = self.check.clone();
        run(move || {
            let Writer { layout, file, .. } = writer;
            layout.calls().discard(file).map(drop).map_err(|e| check.io("discard", e))
        })
        .await
    }
}

/// Removes the files in staging that nobody has written to since `before`.
pub(super) fn remove_stale(layout: &Layout, before: SystemTime) -> Result<u64, Error> {
    let Some(folder) = layout.existing(&[layout::STAGING])? else { return Ok(0) };
    let mut removed = 0;
    for name in layout.names(&folder)? {
        if remove_if_stale(layout.calls(), &folder.join(name), before).map_err(|e| layout.fail("clean", e))? {
            removed += 1;
        }
    }
    Ok(removed)
}

fn remove_if_stale(calls: &Calls, path: &Path, before: SystemTime) -> io::Result<bool> {
    let outcome = calls.look(path).and_then(|metadata| {
        let stale = !metadata.is_dir() && metadata.modified()? < before;
        if stale {
            calls.remove(path)?;
        }
        Ok(stale)
    });
    match outcome {
        // Its writer was faster.
        Err(error) if is_absent(&error) => Ok(false),
        other => other,
    }
}
