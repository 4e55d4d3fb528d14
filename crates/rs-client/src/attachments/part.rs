//! An attachment that is not whole yet.

use std::{
    fs::{File, Metadata, OpenOptions, TryLockError},
    io::{self, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use content_id::{ContentId, Digest, Hasher};
use tempfile::NamedTempFile;

use super::folder::read;
use crate::files::{ABANDONED, age, make_folder, open_if_plain, remove_abandoned, sync_folder, unfinished};

/// Ends the names of parts.
const SUFFIX: &str = ".part";

/// How often a part is opened that others keep renaming or removing.
const ATTEMPTS: usize = 8;

/// What there is of a file, and the digest of it.
///
/// Dropped, it stays for whoever goes on with it, unless there is nothing in it.
#[derive(Debug)]
pub(crate) struct Part {
    content: ContentId,
    hasher: Hasher,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// Locked, so that nobody else writes to it, renames it or removes it.
    Shared { file: File, path: PathBuf },
    /// Goes away when it is dropped.
    Private(NamedTempFile),
    /// It is a file of the folder now, or nothing at all.
    Gone,
}

#[derive(Debug)]
pub(super) enum Claim {
    Mine(Part),
    /// Another one holds it, and has come this far.
    Busy {
        length: u64,
    },
}

impl Part {
    /// Claims the part that everybody goes on with, or one of our own where that cannot be had.
    pub(super) fn claim(folder: &Path, content: ContentId) -> io::Result<Claim> {
        make_folder(folder)?;
        let path = folder.join(format!("{}{SUFFIX}", content.digest));
        for _ in 0..ATTEMPTS {
            // It may be somebody else's, or no file; then a file of our own does as well.
            let Ok(file) = open_part(&path) else { break };
            match file.try_lock() {
                Ok(()) if is_at(&file, &path)? => return Self::shared(file, path, content).map(Claim::Mine),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(Claim::Busy { length: file.metadata()?.len() }),
                Err(TryLockError::Error(_)) => break,
            }
        }
        Self::private(folder, content).map(Claim::Mine)
    }

    /// Makes a part that nobody else sees.
    pub(super) fn private(folder: &Path, content: ContentId) -> io::Result<Self> {
        make_folder(folder)?;
        remove_old(folder);
        let place = Place::Private(unfinished(folder)?);
        Ok(Self { content, hasher: Hasher::default(), place })
    }

    fn shared(file: File, path: PathBuf, content: ContentId) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            remove_old(folder);
        }
        let mut part = Self { content, hasher: Hasher::default(), place: Place::Shared { file, path } };
        match part.file()?.metadata()?.len() <= content.size {
            true => {
                let mut hasher = Hasher::default();
                read(part.file()?, content.size, &mut hasher)?;
                part.hasher = hasher;
            }
            false => part.restart()?,
        }
        Ok(part)
    }

    pub(crate) fn content(&self) -> ContentId {
        self.content
    }

    /// How many bytes there are.
    pub(crate) fn length(&self) -> u64 {
        self.hasher.size()
    }

    /// Appends.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file()?.write_all(bytes)?;
        self.hasher.update(bytes);
        Ok(())
    }

    /// Forgets what there is.
    pub(crate) fn restart(&mut self) -> io::Result<()> {
        self.hasher = Hasher::default();
        let file = self.file()?;
        file.set_len(0)?;
        file.rewind()
    }

    /// Whether it is whole and right; otherwise what it is.
    pub(crate) fn check(&self) -> Result<(), ContentId> {
        let found = self.hasher.clone().finish();
        if found == self.content { Ok(()) } else { Err(found) }
    }

    /// Gives it its name, once it is on the disk. If that fails it is gone: what could not be written to the disk
    /// cannot be relied on later either.
    pub(super) fn publish(mut self, path: &Path) -> io::Result<Metadata> {
        let metadata = self.publish_to(path);
        if metadata.is_err() {
            self.discard();
        }
        metadata
    }

    fn publish_to(&mut self, path: &Path) -> io::Result<Metadata> {
        if self.check().is_err() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not what it should be"));
        }
        self.file()?.sync_all()?;
        // Locked until the folder is on the disk, so that nobody else relies on it before.
        let locked = match std::mem::replace(&mut self.place, Place::Gone) {
            Place::Shared { file, path: part } => match std::fs::rename(&part, path) {
                Ok(()) => file,
                Err(error) => {
                    self.place = Place::Shared { file, path: part };
                    return Err(error);
                }
            },
            Place::Private(file) => file.persist(path)?,
            Place::Gone => return Err(gone()),
        };
        if let Some(folder) = path.parent() {
            sync_folder(folder)?;
        }
        locked.metadata()
    }

    /// Removes it.
    pub(crate) fn discard(&mut self) {
        if let Place::Shared { file, path } = std::mem::replace(&mut self.place, Place::Gone) {
            let _ = std::fs::remove_file(path);
            drop(file);
        }
    }

    fn file(&mut self) -> io::Result<&mut File> {
        match &mut self.place {
            Place::Shared { file, .. } => Ok(file),
            Place::Private(file) => Ok(file.as_file_mut()),
            Place::Gone => Err(gone()),
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if self.length() == 0 {
            self.discard();
        }
    }
}

fn gone() -> io::Error {
    io::Error::other("the part was given up")
}

/// The digest of the file that a name is that of a part of.
pub(super) fn part_of(name: &str) -> Option<Digest> {
    name.strip_suffix(SUFFIX)?.parse().ok()
}

fn open_part(path: &Path) -> io::Result<File> {
    let file = open_if_plain(path, OpenOptions::new().read(true).write(true).create(true).truncate(false))?;
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::nlink(&file.metadata()?) > 1 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it has another name besides"));
    }
    Ok(file)
}

/// Whether `path` still names `file`. As long as `file` is locked it goes on doing so: who renames or removes a file
/// of the folder holds it locked.
pub(super) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let there = match std::fs::symlink_metadata(path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let ours = file.metadata()?;
        Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        Ok(there.is_file())
    }
}

/// Removes what nobody went on with; a failure to do so is no failure of a download.
fn remove_old(folder: &Path) {
    remove_abandoned(folder);
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_part = entry.file_name().to_str().is_some_and(|name| part_of(name).is_some());
        if is_part && entry.metadata().is_ok_and(|metadata| age(&metadata) > ABANDONED) {
            let _ = remove_unless_used(&entry.path(), |metadata| age(metadata) > ABANDONED);
        }
    }
}

/// Removes a file that nobody holds locked, if it is `old` also once it is locked. Says whether it is gone.
pub(super) fn remove_unless_used(path: &Path, old: impl Fn(&Metadata) -> bool) -> io::Result<bool> {
    let file = crate::files::open_plain(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
        Err(TryLockError::WouldBlock) => return Ok(false),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    if !is_at(&file, path)? || !old(&file.metadata()?) {
        return Ok(false);
    }
    std::fs::remove_file(path)?;
    Ok(true)
}
