//! Recording parts durably: first the bytes, then the line that says they are there; for all that wait, at once.

use std::{
    fs::File,
    io::{self, Seek, SeekFrom},
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::layout::Layout;
use crate::{Error, ErrorKind};

/// The journal, locked as long as this is there.
#[derive(Debug)]
pub(super) struct Recorder {
    waiting: Mutex<Waiting>,
    journal: Mutex<Journal>,
}

/// Lines that nobody has written yet.
#[derive(Debug, Default)]
struct Waiting {
    lines: String,
    /// How many lines there were so far.
    count: u64,
}

#[derive(Debug)]
struct Journal {
    file: File,
    /// How many lines were written.
    done: u64,
    ends_clean: bool,
    /// A line that could not be written, or bytes that could not be synced: nothing can be recorded any more.
    failed: Option<ErrorKind>,
}

impl Recorder {
    pub(super) fn new(file: File, ends_clean: bool) -> Self {
        let journal = Mutex::new(Journal { file, done: 0, ends_clean, failed: None });
        Self { waiting: Mutex::default(), journal }
    }

    /// Syncs `data`, then appends a line and syncs it. Who comes while another is at it shares the next two syncs.
    pub(super) fn append(
        &self,
        layout: &Layout,
        data: &File,
        line: String,
        subject: &str,
    ) -> Result<(), Error> {
        let ticket = {
            let mut waiting = lock(&self.waiting);
            waiting.lines += &line;
            waiting.count += 1;
            waiting.count
        };
        let mut journal = lock(&self.journal);
        if let Some(kind) = journal.failed {
            return Err(Error::new(kind, "record", subject).with_detail("another part failed before"));
        }
        if ticket <= journal.done {
            return Ok(());
        }
        let (lines, count) = {
            let mut waiting = lock(&self.waiting);
            (mem::take(&mut waiting.lines), waiting.count)
        };
        let outcome = layout.sync_data(data).and_then(|()| journal.write(layout, &lines));
        match outcome {
            Ok(()) => journal.done = count,
            Err(error) => {
                let error = Error::io("record", subject, error);
                journal.failed = Some(error.kind());
                return Err(error);
            }
        }
        Ok(())
    }

    /// Has the disk begin with what was written to `data` so far. If it fails nothing can be recorded any more: the
    /// system tells of lost bytes once, whichever part they were of, and a later sync would report success.
    pub(super) fn sync(&self, layout: &Layout, data: &File) -> io::Result<()> {
        let mut journal = lock(&self.journal);
        layout.sync_data(data).inspect_err(|_| journal.failed = Some(ErrorKind::Backend))
    }
}

impl Recorder {
    /// Records nothing more, and lets others have the stage.
    pub(super) fn close(&self) {
        let mut journal = lock(&self.journal);
        journal.failed.get_or_insert(ErrorKind::Busy);
        // Where there are no locks there is nothing to let go.
        let _ = journal.file.unlock();
    }
}

impl Journal {
    fn write(&mut self, layout: &Layout, lines: &str) -> io::Result<()> {
        self.file.seek(SeekFrom::End(0))?;
        if !self.ends_clean {
            // The end of a line that another process was killed over.
            layout.calls().write(&mut self.file, b"\n")?;
            self.ends_clean = true;
        }
        layout.calls().write(&mut self.file, lines.as_bytes())?;
        layout.sync_data(&self.file)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
