//! Local copies in files.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use bytes::Bytes;
use content_id::ContentId;

use super::{Storage, Stored, Version};
use crate::files::{
    about, blocking, make_folder, open_if_plain, open_plain, remove_abandoned, sync_folder, unfinished,
    wait_for,
};

/// Who holds this file locked may compare and replace.
const LOCK: &str = ".lock";

/// Hexadecimal digits of a SHA-256.
const DIGEST_BYTES: usize = 64;

/// Keeps state in one folder, one file a key.
///
/// Each file is the SHA-256 of the state in one line, and after it the state. A commit writes a new file, has it and
/// the folder written to disk, and then takes the place of the old one in one step. A program may be killed at any
/// moment, and any number of programs may share the folder: a commit compares and replaces while it holds a lock
/// that the system frees when its owner ends. Where the file system has no locks, of two commits in the same
/// instant the later one counts. The folder is made at the first commit.
#[derive(Clone, Debug)]
pub struct FileStorage {
    folder: PathBuf,
}

impl FileStorage {
    /// The most bytes that are read of one state: 256 MiB, many times that of the largest collection.
    pub const MAX_BYTES: u64 = 256 << 20;

    /// Keeps state in `folder`; nothing is read or written yet.
    pub fn open(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Returns the file that holds the state of `key`, whether or not it exists.
    pub fn path(&self, key: &str) -> PathBuf {
        self.folder.join(file_name(key))
    }
}

#[async_trait]
impl Storage for FileStorage {
    async fn load(&self, key: &str) -> io::Result<Option<Stored>> {
        let path = self.path(key);
        blocking(move || found(read(&path), &path)).await
    }

    async fn version(&self, key: &str) -> io::Result<Option<Version>> {
        let path = self.path(key);
        blocking(move || found(read_version(&path), &path)).await
    }

    async fn commit(
        &self,
        key: &str,
        state: Bytes,
        expected: Option<&Version>,
    ) -> io::Result<Option<Version>> {
        let (folder, path, expected) = (self.folder.clone(), self.path(key), expected.cloned());
        blocking(move || {
            make_folder(&folder).map_err(|error| about(error, &folder))?;
            remove_abandoned(&folder);
            let digest = Version::of(&state);
            let version = version_of(digest.as_str().as_bytes(), (DIGEST_BYTES + 1 + state.len()) as u64);
            let file = write(&folder, digest.as_str(), &state).map_err(|error| about(error, &folder))?;
            let _lock = lock(&folder).map_err(|error| about(error, &folder))?;
            if found(read_version(&path), &path)? != expected {
                return Ok(None);
            }
            file.persist(&path)?;
            sync_folder(&folder).map_err(|error| about(error, &folder))?;
            Ok(Some(version))
        })
        .await
    }

    async fn remove(&self, key: &str) -> io::Result<()> {
        let (folder, path) = (self.folder.clone(), self.path(key));
        blocking(move || {
            if found(std::fs::symlink_metadata(&path), &path)?.is_none() {
                return Ok(());
            }
            // Not between the comparison and the replacement of a commit, which would bring back what was removed.
            let _lock = lock(&folder).map_err(|error| about(error, &folder))?;
            match found(std::fs::remove_file(&path), &path)? {
                Some(()) => sync_folder(&folder).map_err(|error| about(error, &folder)),
                None => Ok(()),
            }
        })
        .await
    }
}

fn found<T>(result: io::Result<T>, path: &Path) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(about(error, path)),
    }
}

/// Reads a file of at most [`FileStorage::MAX_BYTES`].
fn read(path: &Path) -> io::Result<Stored> {
    let mut file = open_plain(path)?.take(FileStorage::MAX_BYTES + 1);
    let mut whole =
        Vec::with_capacity(file.get_ref().metadata()?.len().min(FileStorage::MAX_BYTES) as usize + 1);
    file.read_to_end(&mut whole)?;
    if whole.len() as u64 > FileStorage::MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "larger than any state"));
    }
    let version = version_of(&whole, whole.len() as u64);
    let mut state = Bytes::from(whole);
    // A file that is not as this crate writes it has no state, but it has a version, and so can be replaced.
    let _head = state.split_to(state.len().min(DIGEST_BYTES + 1));
    Ok(Stored::new(state, version))
}

fn read_version(path: &Path) -> io::Result<Version> {
    let mut head = Vec::with_capacity(DIGEST_BYTES);
    let file = open_plain(path)?;
    let length = file.metadata()?.len();
    file.take(DIGEST_BYTES as u64).read_to_end(&mut head)?;
    Ok(version_of(&head, length))
}

/// The first line of a file, whatever it is, and the file's length.
fn version_of(file: &[u8], length: u64) -> Version {
    let first = String::from_utf8_lossy(&file[..file.len().min(DIGEST_BYTES)]);
    Version::new(format!("{first} {length}"))
}

/// Writes a new file next to the others, and to disk.
fn write(folder: &Path, digest: &str, state: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    let mut file = unfinished(folder)?;
    writeln!(file, "{digest}")?;
    file.write_all(state)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Waits until nobody else holds the lock; it ends with the file that is returned.
fn lock(folder: &Path) -> io::Result<File> {
    let file = open_if_plain(&folder.join(LOCK), File::options().create(true).append(true))?;
    wait_for(|| file.try_lock())?;
    Ok(file)
}

/// A file name for a key: readable, the same on every system, and different for different keys.
fn file_name(key: &str) -> String {
    let readable: String = key
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.') { c } else { '_' })
        .collect();
    let end = readable.len().saturating_sub(80);
    let digest = ContentId::of(key.as_bytes()).digest.to_string();
    format!("{}-{}.state", readable[end..].trim_start_matches(['.', '-', '_']), &digest[..16])
}
