//! Files that are read without being led astray, and written so that they survive a power cut.

use std::{
    fs::{File, Metadata, OpenOptions, TryLockError},
    io,
    path::Path,
    time::{Duration, Instant},
};

/// Names of unfinished files that nobody goes on with begin so; nothing is ever read from one.
const UNFINISHED: &str = ".unfinished-";

/// An unfinished file this old belongs to no living writer.
pub(crate) const ABANDONED: Duration = Duration::from_secs(86_400);

/// What is done under a lock that is waited for takes milliseconds; whoever holds one for longer has been stopped.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How often to look whether a lock is free.
const PAUSE: Duration = Duration::from_millis(2);

/// Opens a plain file for reading. Anything else of that name (a symlink, a FIFO, a device) is
/// [`InvalidData`](io::ErrorKind::InvalidData), and is neither followed nor waited for.
pub(crate) fn open_plain(path: &Path) -> io::Result<File> {
    open_if_plain(path, OpenOptions::new().read(true))
}

/// Opens what is there as `options` say, if it is a plain file; what is not there may be created.
pub(crate) fn open_if_plain(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let foreign = || io::Error::new(io::ErrorKind::InvalidData, "not a plain file");
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.is_file() => return Err(foreign()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    #[cfg(unix)]
    // In case it was exchanged since the look at it.
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = options.open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(foreign()) }
}

/// Makes a folder, durably, where there is none.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(folder)?;
    match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_folder(parent),
        _ => Ok(()),
    }
}

/// Has the entries of a folder written to disk: a rename is durable only after that.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Creates a file of an unused name that goes away unless it is persisted.
pub(crate) fn unfinished(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED);
    // Settings are public: as for other files, the umask says who may read them.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// Removes what killed writers left behind; a failure to do so is no failure of what is done besides.
pub(crate) fn remove_abandoned(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let unfinished = entry.file_name().to_str().is_some_and(|name| name.starts_with(UNFINISHED));
        if unfinished && entry.metadata().is_ok_and(|metadata| age(&metadata) > ABANDONED) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// How long ago a file was last written to; none at all where that cannot be told, or lies in the future.
pub(crate) fn age(metadata: &Metadata) -> Duration {
    metadata.modified().ok().and_then(|time| time.elapsed().ok()).unwrap_or_default()
}

/// Waits until `lock` has what it wants; says no where the file system has no locks.
///
/// A lock ends with its file, however the program that holds it ends.
///
/// # Errors
///
/// [`TimedOut`](io::ErrorKind::TimedOut) where somebody else has held it for 10 s.
pub(crate) fn wait_for(lock: impl Fn() -> Result<(), TryLockError>) -> io::Result<bool> {
    let start = Instant::now();
    loop {
        match lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) if start.elapsed() < LONGEST_WAIT => pause(PAUSE),
            Err(TryLockError::WouldBlock) => {
                let message = "another program has held the lock for 10 s; is it stopped?";
                return Err(io::Error::new(io::ErrorKind::TimedOut, message));
            }
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                return Ok(false);
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// Waits before another look at a lock.
#[allow(clippy::disallowed_methods, reason = "no system call waits for a lock and gives up after a time")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Names the file in the message.
pub(crate) fn about(error: io::Error, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Runs file operations where they may block: on a thread for that, if there is a runtime that has some.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => {
            runtime.spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
        }
        Err(_) => work(),
    }
}
