//! A folder held open, so that the files in it are found without walking down the whole path for each.

use std::{fs::File, io, path::Path};

#[cfg(unix)]
use rustix::{
    fs::{CWD, FileType, Mode, OFlags, fstat, openat},
    io::Errno,
};

/// A folder below the store's own.
#[derive(Debug)]
pub(super) struct Folder {
    #[cfg(unix)]
    handle: File,
    #[cfg(not(unix))]
    path: std::path::PathBuf,
}

#[cfg(unix)]
impl Folder {
    /// Opens a folder; nothing if there is none of this name, a symlink included.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        Self::of(openat(CWD, path, Self::flags(), Mode::empty()))
    }

    /// Opens a folder in this one.
    pub(super) fn folder(&self, name: &str) -> io::Result<Option<Self>> {
        Self::of(openat(&self.handle, name, Self::flags(), Mode::empty()))
    }

    /// Opens a plain file in this folder, and says how long it is; nothing if there is none of this name. Anything else
    /// of that name is not followed or waited for.
    pub(super) fn file(&self, name: &str) -> io::Result<Option<(File, u64)>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Some(file) = found(openat(&self.handle, name, flags, Mode::empty()))? else { return Ok(None) };
        let about = fstat(&file)?;
        let plain = FileType::from_raw_mode(about.st_mode) == FileType::RegularFile;
        Ok(plain.then(|| (file, u64::try_from(about.st_size).unwrap_or(0))))
    }

    fn flags() -> OFlags {
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
    }

    fn of(opened: Result<rustix::fd::OwnedFd, Errno>) -> io::Result<Option<Self>> {
        Ok(found(opened)?.map(|handle| Self { handle }))
    }
}

#[cfg(unix)]
fn found(opened: Result<rustix::fd::OwnedFd, Errno>) -> io::Result<Option<File>> {
    match opened {
        Ok(handle) => Ok(Some(handle.into())),
        // A socket or a device without a driver is `NXIO`.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO | Errno::NODEV) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(unix))]
impl Folder {
    /// Remembers a folder; nothing if there is none of this name.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        match std::fs::symlink_metadata(path) {
            Ok(metadata) => Ok(metadata.is_dir().then(|| Self { path: path.to_owned() })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Remembers a folder in this one.
    pub(super) fn folder(&self, name: &str) -> io::Result<Option<Self>> {
        Self::open(&self.path.join(name))
    }

    /// Opens a plain file in this folder, and says how long it is; nothing if there is none of this name.
    pub(super) fn file(&self, name: &str) -> io::Result<Option<(File, u64)>> {
        let path = self.path.join(name);
        match std::fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok(Some((file, length)))
    }
}
