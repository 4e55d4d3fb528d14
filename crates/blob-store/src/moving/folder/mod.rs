//! Folders outside of a store: entered one part at a time, never through a symlink below the first.

#[cfg(not(unix))]
mod other;
#[cfg(unix)]
mod unix;

use std::{
    ffi::OsString,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

#[cfg(not(unix))]
use other::Handle;
#[cfg(unix)]
use unix::Handle;

/// What the names of files begin with that are being written. Whoever writes one holds a shared lock on it.
const TEMPORARY: &str = ".blob-store-";

/// Times that a file is made again because somebody cleaned it away before it was locked.
const ATTEMPTS: usize = 4;

/// What an entry of a folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    Symlink,
    Other,
}

impl Kind {
    /// What messages call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::File => "a file",
            Self::Folder => "a folder",
            Self::Symlink => "a symlink",
            Self::Other => "neither a file nor a folder",
        }
    }
}

/// What tells whether a file was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) size: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    pub(super) fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self { size: metadata.len(), modified: metadata.modified().ok() })
    }
}

/// An open folder.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    handle: Arc<Handle>,
    /// Where it is, for messages.
    path: PathBuf,
}

impl Folder {
    /// Opens the folder at `path`, which is the user's choice and may be a symlink.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { handle: Arc::new(Handle::open(path)?), path: path.to_owned() })
    }

    /// Opens the folder at `path`, and creates it where it is missing.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        Self::open(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the folder `name` in this one; nothing if it is not there.
    pub(super) fn child(&self, name: &str) -> io::Result<Option<Self>> {
        match self.handle.child(name) {
            Ok(handle) => Ok(Some(Self { handle: Arc::new(handle), path: self.path.join(name) })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.described(name, error)),
        }
    }

    /// Opens the folder `name` in this one, and creates it, durably, where it is missing.
    pub(super) fn make_child(&self, name: &str) -> io::Result<Self> {
        if let Some(child) = self.child(name)? {
            return Ok(child);
        }
        match self.handle.make_folder(name) {
            Ok(()) => self.sync()?,
            // Somebody else was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        self.child(name)?.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Goes down through `parts`; nothing if one of them is not there.
    pub(super) fn descend(&self, parts: &[&str]) -> io::Result<Option<Self>> {
        let mut folder = self.clone();
        for part in parts {
            match folder.child(part)? {
                Some(child) => folder = child,
                None => return Ok(None),
            }
        }
        Ok(Some(folder))
    }

    /// Opens the plain file `name` for reading; nothing if it is not there. Anything else is an error, and opening
    /// it neither hangs nor has an effect.
    pub(super) fn file(&self, name: &str) -> io::Result<Option<File>> {
        match self.kind(name)? {
            None => Ok(None),
            Some(Kind::File) => match self.handle.file(name) {
                Ok(file) if file.metadata()?.is_file() => Ok(Some(file)),
                Ok(_) => Err(not_a_file()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            },
            Some(_) => Err(not_a_file()),
        }
    }

    /// What is called `name`, if anything is.
    pub(super) fn kind(&self, name: &str) -> io::Result<Option<Kind>> {
        match self.handle.kind(name) {
            Ok(kind) => Ok(Some(kind)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The names in it.
    pub(super) fn names(&self) -> io::Result<Vec<OsString>> {
        self.handle.names()
    }

    /// Where the symlink `name` points to, if it is text.
    pub(super) fn read_link(&self, name: &str) -> io::Result<Option<String>> {
        self.handle.read_link(name)
    }

    /// Makes its entries durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.handle.sync()
    }

    /// Creates an empty file of an unused name.
    pub(super) fn temporary(&self) -> io::Result<Temporary> {
        let name = format!("{TEMPORARY}{}.tmp", crate::layout::unique_name());
        let file = self.handle.create(&name)?;
        // Where there are no locks nobody cleans up either.
        let _ = file.try_lock_shared();
        Ok(Temporary { folder: self.clone(), name, file: Some(file) })
    }

    /// Creates another name for the file at `from`, on the same file system.
    pub(super) fn temporary_link(&self, from: &Path) -> io::Result<Temporary> {
        for _ in 0..ATTEMPTS {
            let name = format!("{TEMPORARY}{}.tmp", crate::layout::unique_name());
            self.handle.link_from(from, &name)?;
            let mut temporary = Temporary { folder: self.clone(), name, file: None };
            // Unless somebody cleaned it away before it could be locked.
            if let Some(file) = self.file(&temporary.name)? {
                let _ = file.try_lock_shared();
                temporary.file = Some(file);
                return Ok(temporary);
            }
        }
        Err(io::ErrorKind::NotFound.into())
    }

    /// Removes what killed writers left in this folder.
    pub(super) fn clean(&self) -> io::Result<()> {
        for name in self.names()? {
            let Some(name) = name.to_str().filter(|name| is_temporary(name)) else { continue };
            let Ok(Some(file)) = self.file(name) else { continue };
            if file.try_lock().is_err() {
                continue;
            }
            match self.handle.remove(name) {
                // Its writer gave it its name just before we held the lock.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// Says what stands in a folder's place.
    fn described(&self, name: &str, error: io::Error) -> io::Error {
        match self.kind(name) {
            Ok(Some(Kind::Folder) | None) | Err(_) => error,
            Ok(Some(kind)) => io::Error::new(io::ErrorKind::NotADirectory, format!("it is {}", kind.name())),
        }
    }
}

fn is_temporary(name: &str) -> bool {
    let unique = name.strip_prefix(TEMPORARY).and_then(|rest| rest.strip_suffix(".tmp"));
    unique.is_some_and(|unique| unique.len() == 32 && unique.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn not_a_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not a plain file")
}

/// A file without its final name; it goes away unless it gets one.
#[derive(Debug)]
pub(super) struct Temporary {
    folder: Folder,
    name: String,
    file: Option<File>,
}

impl Temporary {
    pub(super) fn file(&self) -> io::Result<&File> {
        self.file.as_ref().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Makes the file share the blocks of `source`; afterwards either may change without the other.
    pub(super) fn clone_from(&mut self, source: &File) -> io::Result<()> {
        let file = self.folder.handle.clone_file(source, self.file()?, &self.name)?;
        if let Some(file) = file {
            let _ = file.try_lock_shared();
            self.file = Some(file);
        }
        Ok(())
    }

    /// Gives the file its name, if there is nothing of this name, or in any case where `replace` says so.
    pub(super) fn persist(self, name: &str, replace: bool) -> io::Result<()> {
        match replace {
            true => self.folder.handle.rename(&self.name, name),
            false => self.folder.handle.rename_new(&self.name, name),
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Gone when it got its name; a rename onto another name of the same file leaves it, though.
        let _ = self.folder.handle.remove(&self.name);
    }
}
