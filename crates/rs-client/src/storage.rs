//! Where local copies are kept.

use std::{
    collections::HashMap,
    fmt,
    fs::File,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use content_id::ContentId;

/// Names of unfinished files begin so; nothing is ever read from one.
const UNFINISHED: &str = ".unfinished-";

/// An unfinished file this old belongs to no living writer.
const ABANDONED: Duration = Duration::from_secs(86_400);

/// Keeps small pieces of state under keys.
///
/// What is kept is verified whenever it is read, so a storage need not be trusted: it can lose state, but not
/// forge it.
#[async_trait]
pub trait Storage: fmt::Debug + Send + Sync + 'static {
    /// Returns what was last committed under `key`.
    ///
    /// # Errors
    ///
    /// Where it cannot be told; that nothing is there is no error.
    async fn load(&self, key: &str) -> io::Result<Option<Bytes>>;

    /// Replaces what is kept under `key`, as a whole or not at all, and durably before it returns.
    ///
    /// # Errors
    ///
    /// Where that failed; the state is then what it was.
    async fn commit(&self, key: &str, state: Bytes) -> io::Result<()>;

    /// Forgets what is kept under `key`; nothing there is fine.
    ///
    /// # Errors
    ///
    /// Where that failed.
    async fn remove(&self, key: &str) -> io::Result<()>;
}

/// Keeps state in memory, for as long as the program runs.
#[derive(Debug, Default)]
pub struct MemoryStorage(Mutex<HashMap<String, Bytes>>);

/// Keeps state in one folder, one file a key.
///
/// A commit writes a new file, has it and the folder written to disk, and then takes the place of the old one in
/// one step. A program may be killed at any moment, and any number of programs may share the folder. The folder
/// is made at the first commit.
#[derive(Clone, Debug)]
pub struct FileStorage {
    folder: PathBuf,
}

impl MemoryStorage {
    /// Creates an empty storage.
    pub fn new() -> Self {
        Self::default()
    }

    fn states(&self) -> MutexGuard<'_, HashMap<String, Bytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Storage for MemoryStorage {
    async fn load(&self, key: &str) -> io::Result<Option<Bytes>> {
        Ok(self.states().get(key).cloned())
    }

    async fn commit(&self, key: &str, state: Bytes) -> io::Result<()> {
        self.states().insert(key.to_owned(), state);
        Ok(())
    }

    async fn remove(&self, key: &str) -> io::Result<()> {
        self.states().remove(key);
        Ok(())
    }
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
    async fn load(&self, key: &str) -> io::Result<Option<Bytes>> {
        let path = self.path(key);
        blocking(move || match read(&path) {
            Ok(state) => Ok(Some(state.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(about(error, &path)),
        })
        .await
    }

    async fn commit(&self, key: &str, state: Bytes) -> io::Result<()> {
        let (folder, path) = (self.folder.clone(), self.path(key));
        blocking(move || {
            std::fs::create_dir_all(&folder).map_err(|error| about(error, &folder))?;
            remove_abandoned(&folder);
            replace(&folder, &path, &state).map_err(|error| about(error, &path))
        })
        .await
    }

    async fn remove(&self, key: &str) -> io::Result<()> {
        let (folder, path) = (self.folder.clone(), self.path(key));
        blocking(move || match std::fs::remove_file(&path) {
            Ok(()) => sync_folder(&folder),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(about(error, &path)),
        })
        .await
    }
}

/// Reads a plain file of at most [`FileStorage::MAX_BYTES`]; opening anything else could wait for ever.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    if !std::fs::metadata(path)?.is_file() {
        return Err(invalid("not a plain file"));
    }
    let mut state = Vec::new();
    File::open(path)?.take(FileStorage::MAX_BYTES + 1).read_to_end(&mut state)?;
    if state.len() as u64 > FileStorage::MAX_BYTES {
        return Err(invalid("larger than any state"));
    }
    Ok(state)
}

fn replace(folder: &Path, path: &Path, state: &[u8]) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED);
    // Settings are public: as for other files, the umask says who may read them.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(state)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    sync_folder(folder)
}

/// A rename is durable only once its folder is on disk.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Removes what killed writers left behind; a failure to do so is no failure of the commit.
fn remove_abandoned(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let unfinished = entry.file_name().to_str().is_some_and(|name| name.starts_with(UNFINISHED));
        let age = entry.metadata().and_then(|file| file.modified()).ok().and_then(|time| time.elapsed().ok());
        if unfinished && age.is_some_and(|age| age > ABANDONED) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// A file name for a key: readable, the same on every system, and different for different keys.
fn file_name(key: &str) -> String {
    let readable: String = key
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.') { c } else { '_' })
        .collect();
    let end = readable.len().saturating_sub(80);
    let digest = ContentId::of(key.as_bytes()).digest.to_string();
    format!("{}-{}.json", readable[end..].trim_start_matches(['.', '-', '_']), &digest[..16])
}

fn about(error: io::Error, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Runs file operations where they may block: on a thread for that, if there is a runtime that has some.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => {
            runtime.spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
        }
        Err(_) => work(),
    }
}
