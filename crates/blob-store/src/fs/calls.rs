//! Every system call of this backend, in one place, so that a test can make each of them fail.
//!
//! Nothing else in this folder calls `std::fs`, writes to a file or syncs one.

#[cfg(feature = "conformance")]
use std::sync::Arc;
use std::{
    fs::{self, DirBuilder, File, Metadata, OpenOptions},
    io::{self, Read, Write},
    path::Path,
    time::SystemTime,
};

use tempfile::{NamedTempFile, TempPath};

#[cfg(feature = "conformance")]
use super::faults::{Act, Faults};
use super::{
    barrier::Barrier,
    faults::{
        Call,
        Call::{Create, Link, List, Look, MakeFolder, Open, Remove, Rename, SyncFile, SyncFolder},
    },
};

/// Makes the system calls. Without the feature `conformance` it is nothing but these calls.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls {
    #[cfg(feature = "conformance")]
    faults: Option<Arc<Faults>>,
}

impl Calls {
    #[cfg(feature = "conformance")]
    pub(super) fn with_faults(faults: Arc<Faults>) -> Self {
        Self { faults: Some(faults) }
    }

    /// Makes one call: what each call below is made through, and what a call that is not below goes through.
    #[cfg_attr(not(feature = "conformance"), inline(always))]
    pub(super) fn make<T>(&self, call: Call, perform: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        #[cfg(feature = "conformance")]
        match self.faults.as_ref().map_or(Act::Go, |faults| faults.act(call)) {
            Act::Go => {}
            Act::Fail(failure) => return Err(failure.into()),
            Act::FailLate(failure) => {
                let _ = perform();
                return Err(failure.into());
            }
        }
        let _ = call;
        perform()
    }

    /// What is at a path, symlinks not followed.
    pub(super) fn look(&self, path: &Path) -> io::Result<Metadata> {
        self.make(Look, || fs::symlink_metadata(path))
    }

    /// What a path leads to.
    pub(super) fn look_through(&self, path: &Path) -> io::Result<Metadata> {
        self.make(Look, || fs::metadata(path))
    }

    /// Opens a plain file for reading; nothing if it is not there. Anything else of that name (a symlink, a FIFO, a
    /// device) is `InvalidData`, and opening it neither hangs nor has an effect.
    pub(super) fn open(&self, path: &Path) -> io::Result<Option<(File, Metadata)>> {
        self.open_plain(path, OpenOptions::new().read(true))
    }

    /// Opens a plain file for reading and writing, as carefully.
    pub(super) fn open_to_write(&self, path: &Path) -> io::Result<Option<File>> {
        let opened = self.open_plain(path, OpenOptions::new().read(true).write(true))?;
        Ok(opened.map(|(file, _)| file))
    }

    fn open_plain(&self, path: &Path, options: &mut OpenOptions) -> io::Result<Option<(File, Metadata)>> {
        match self.look(path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Err(not_a_file()),
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(error),
        }
        #[cfg(unix)]
        // In case it was exchanged since the look at it.
        std::os::unix::fs::OpenOptionsExt::custom_flags(options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let file = match self.make(Open, || options.open(path)) {
            Ok(file) => file,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        if metadata.is_file() { Ok(Some((file, metadata))) } else { Err(not_a_file()) }
    }

    /// Reads what comes next, at most `limit` bytes, to the end of `into`.
    pub(super) fn read(&self, file: &mut File, limit: u64, into: &mut Vec<u8>) -> io::Result<()> {
        self.make(Call::Read, || file.take(limit).read_to_end(into)).map(|_| ())
    }

    /// The names in a folder, as far as they are text; everything in a store is ASCII.
    pub(super) fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.make(List, || {
            let mut names = Vec::new();
            for entry in fs::read_dir(folder)? {
                names.extend(entry?.file_name().into_string().ok());
            }
            Ok(names)
        })
    }

    /// The names of plain files in a folder; what is at a name need not be looked at for that.
    pub(super) fn files(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.make(List, || {
            let mut names = Vec::new();
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                match entry.file_type() {
                    Ok(about) if about.is_file() => names.extend(entry.file_name().into_string().ok()),
                    Ok(_) => {}
                    // It went away, where looking was needed after all.
                    Err(error) if is_absent(&error) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(names)
        })
    }

    /// Creates one folder; returns whether it was not there. What is no folder is not followed or replaced.
    pub(super) fn make_folder(&self, path: &Path) -> io::Result<bool> {
        match self.make(MakeFolder, || DirBuilder::new().create(path)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match self.look(path)?.is_dir() {
                true => Ok(false),
                false => Err(io::Error::new(io::ErrorKind::NotADirectory, "not a folder")),
            },
            Err(error) => Err(error),
        }
    }

    /// Creates a file of an unused name, with mode 0444 less the umask, that goes away unless it is persisted.
    pub(super) fn create(&self, folder: &Path, prefix: &str) -> io::Result<NamedTempFile> {
        self.create_unused(folder, prefix, 0o444)
    }

    /// The same with mode 0666 less the umask: others may go on with it.
    pub(super) fn create_shared(&self, folder: &Path) -> io::Result<NamedTempFile> {
        self.create_unused(folder, "", 0o666)
    }

    fn create_unused(&self, folder: &Path, prefix: &str, mode: u32) -> io::Result<NamedTempFile> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(prefix).rand_bytes(16);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
        let _ = mode;
        self.make(Create, || builder.tempfile_in(folder))
    }

    /// Creates a file of this name for reading and writing, where there is nothing, with mode 0666 less the umask.
    pub(super) fn create_named(&self, path: &Path) -> io::Result<File> {
        self.make(Create, || OpenOptions::new().read(true).write(true).create_new(true).open(path))
    }

    /// Writes to a place in a file.
    pub(super) fn write_at(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        self.make(Call::Write, || write_all_at(file, bytes, at))
    }

    /// Reads from a place in a file; nothing at its end.
    pub(super) fn read_at(&self, file: &File, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        self.make(Call::Read, || read_at(file, bytes, at))
    }

    /// Gives a file the length `size`, and lets nobody write to it any more, if this user may decide that.
    pub(super) fn close_to_writers(&self, file: &File, size: u64) -> io::Result<()> {
        self.make(Call::Write, || {
            let metadata = file.metadata()?;
            if metadata.len() != size {
                file.set_len(size)?;
            }
            Ok(())
        })?;
        let close = || {
            let mut permissions = file.metadata()?.permissions();
            permissions.set_readonly(true);
            // It may have been written days ago, but it is published now. Where that cannot be said, it only looks old.
            let _ = file.set_modified(SystemTime::now());
            file.set_permissions(permissions)
        };
        match self.make(Call::SetMode, close) {
            // Only its owner may; and it was another user who began it.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            done => done,
        }
    }

    pub(super) fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        self.make(Call::Write, || file.write_all(bytes))
    }

    /// Makes the content of a file durable. A failure is final: a second try would report success for lost data.
    pub(super) fn sync_file(&self, file: &File) -> io::Result<()> {
        self.sync(SyncFile, || file.sync_all())
    }

    /// Makes what was written to a file durable, but not when it was changed and who may read it. As final.
    pub(super) fn sync_data(&self, file: &File) -> io::Result<()> {
        self.sync(SyncFile, || file.sync_data())
    }

    /// Makes the entries of a folder durable.
    pub(super) fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        #[cfg(unix)]
        self.sync(SyncFolder, || File::open(folder)?.sync_all())?;
        let _ = folder;
        Ok(())
    }

    /// A way to make everything that is written from now on durable at once, where the system has one; see
    /// [`Barrier`].
    pub(super) fn barrier(&self, folder: &Path) -> io::Result<Option<Barrier>> {
        self.make(Open, || Barrier::before(folder))
    }

    /// Makes everything written so far durable, of these `files` the content or of the folders the entries.
    pub(super) fn sync_barrier(&self, barrier: &Barrier, files: bool) -> io::Result<()> {
        self.sync(if files { SyncFile } else { SyncFolder }, || barrier.sync())
    }

    fn sync(&self, call: Call, perform: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        #[cfg(feature = "conformance")]
        if self.faults.as_ref().is_some_and(|faults| faults.skips(call)) {
            return self.make(call, || Ok(()));
        }
        self.make(call, perform)
    }

    /// Moves what is at a path to another, replacing what is there.
    pub(super) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.make(Rename, || fs::rename(from, to))
    }

    /// Gives a file its name, replacing what has it.
    pub(super) fn persist(&self, file: NamedTempFile, to: &Path) -> io::Result<()> {
        self.make(Rename, || file.persist(to).map(drop).map_err(|e| e.error))
    }

    /// Gives a file that was closed its name, replacing what has it.
    pub(super) fn persist_path(&self, file: TempPath, to: &Path) -> io::Result<()> {
        self.make(Rename, || file.persist(to).map_err(|e| e.error))
    }

    /// Gives a file its name, unless something has it; returns whether it has it now.
    pub(super) fn persist_new(&self, file: NamedTempFile, to: &Path) -> io::Result<bool> {
        match self.make(Link, || file.persist_noclobber(to).map(drop).map_err(|e| e.error)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes a file; returns whether it was there.
    pub(super) fn remove(&self, path: &Path) -> io::Result<bool> {
        gone(self.make(Remove, || fs::remove_file(path)))
    }

    /// Removes a folder, if there is nothing in it.
    pub(super) fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.make(Remove, || fs::remove_dir(path))
    }

    /// Removes a folder with all that is in it; returns whether it was there. Symlinks are not followed.
    pub(super) fn remove_tree(&self, path: &Path) -> io::Result<bool> {
        gone(self.make(Remove, || fs::remove_dir_all(path)))
    }

    /// Removes a file that was never given a name.
    pub(super) fn discard(&self, file: NamedTempFile) -> io::Result<bool> {
        gone(self.make(Remove, || file.close()))
    }
}

/// Whether it was there to be moved or removed.
pub(super) fn gone(outcome: io::Result<()>) -> io::Result<bool> {
    match outcome {
        Ok(()) => Ok(true),
        Err(error) if is_absent(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the error says that there is nothing of this name.
pub(super) fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

/// What is no plain file, or what replaced one while it was opened.
fn not_a_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not a plain file")
}

#[cfg(unix)]
fn write_all_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(windows)]
fn write_all_at(file: &File, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, at)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[written..];
        at += written as u64;
    }
    Ok(())
}

/// Reads up to `bytes.len()` bytes at a place in a file.
#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, bytes, at)
}

/// Reads up to `bytes.len()` bytes at a place in a file.
#[cfg(windows)]
fn read_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, bytes, at)
}
