//! A folder of attachments, each named by what it holds.

use std::{
    collections::HashMap,
    fs::{File, FileTimes, Metadata},
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use content_id::{ContentId, Digest, Hasher};

use super::part::{Claim, Part, is_at};
use crate::{
    Error, ErrorKind,
    files::{about, blocking, open_plain, pause, wait_for},
};

/// How often to look whether another program has finished a download.
const PAUSE: Duration = Duration::from_millis(20);

/// Whoever downloads and gets nothing for this long is no longer waited for, unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(10);

/// A file that was asked for this recently is not marked as used again.
const LATELY: Duration = Duration::from_secs(60);

/// Bytes read at a time.
pub(super) const PIECE: usize = 256 << 10;

/// Keeps attachments in one folder.
///
/// A file is called by the SHA-256 of what it holds, so nothing that a server sends becomes a path, records that
/// describe the same file share it, and it never changes: use it in place, and do not write to it. It gets that name
/// when it is whole, checked, and on the disk. Until then it is called `….part`, from which a later download goes on,
/// also one of another program; parts that nobody went on with for a day are removed.
///
/// Any number of programs may share a folder. Of several that want the same file one downloads it and the others wait,
/// as long as it gets anywhere. Symlinks and whatever else is no plain file count as not there. Where the file system
/// has no locks, downloads begin anew instead.
///
/// Which files are still needed is known only from the records of all who share the folder; see
/// [`Client::prune_attachments`](crate::Client::prune_attachments).
///
/// A file that was there before is hashed when it is first asked for, and again by the same `AttachmentFolder` only
/// if its length or its time of modification has changed; clones share what is known. Open the folder anew to have
/// everything checked anew.
#[derive(Clone, Debug)]
pub struct AttachmentFolder {
    inner: Arc<Inner>,
    patience: Duration,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    verified: Mutex<HashMap<Digest, Stamp>>,
}

/// Tells one state of a file from another without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
    #[cfg(unix)]
    inode: (u64, u64),
}

/// What can be done about a file that is wanted.
#[derive(Debug)]
pub(crate) enum Begun {
    /// Nothing: here it is.
    Held(PathBuf),
    /// It has to be brought; a part may be there already.
    Part(Part),
}

impl AttachmentFolder {
    /// Keeps attachments in `folder`; nothing is read or written yet, and it is made when the first one comes.
    pub fn open(folder: impl Into<PathBuf>) -> Self {
        let inner = Inner { folder: folder.into(), verified: Mutex::default() };
        Self { inner: Arc::new(inner), patience: PATIENCE }
    }

    /// Sets for how long to wait for another program that downloads the wanted file and gets nothing; 10 s. After that
    /// the file is downloaded here as well.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// Returns the file that holds `content`; [`None`] where it is not there, or is damaged.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Storage`] where that cannot be told.
    pub async fn get(&self, content: ContentId) -> Result<Option<PathBuf>, Error> {
        self.work(content, move |inner| inner.held(content)).await
    }

    /// Puts a file into the folder, unless it is there, and returns where it lies.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Untrusted`] where `bytes` are not `content`; [`ErrorKind::Storage`] where it cannot be written.
    pub async fn put(&self, content: ContentId, bytes: impl Into<Bytes>) -> Result<PathBuf, Error> {
        let bytes = bytes.into();
        let put = self.work(content, move |inner| {
            if bytes.len() as u64 != content.size {
                return Ok(None);
            }
            if let Some(path) = inner.held(content)? {
                return Ok((ContentId::of(&bytes) == content).then_some(path));
            }
            let mut part = Part::private(&inner.folder, content)?;
            part.write(&bytes)?;
            if part.check().is_ok() { inner.publish(part).map(Some) } else { Ok(None) }
        });
        put.await?.ok_or_else(|| Error::new(ErrorKind::Untrusted, format!("these bytes are not {content}")))
    }

    /// Finds a file, or claims the right to bring it; waits while another one brings it.
    pub(crate) async fn begin(&self, content: ContentId) -> Result<Begun, Error> {
        let mut length = None;
        let mut since = Instant::now();
        loop {
            let stalled = since.elapsed() > self.patience;
            let claim = self.work(content, move |inner| inner.claim(content, stalled)).await?;
            match claim {
                Ok(begun) => return Ok(begun),
                Err(now) if length != Some(now) => (length, since) = (Some(now), Instant::now()),
                Err(_) => {}
            }
            // Without a runtime, who holds the lock may be another future of this very thread.
            tokio::task::yield_now().await;
        }
    }

    /// Makes a whole and checked part a file of the folder.
    pub(crate) async fn publish(&self, part: Part) -> Result<PathBuf, Error> {
        self.work(part.content(), move |inner| inner.publish(part)).await
    }

    /// Does what may block where it may.
    async fn work<T: Send + 'static>(
        &self,
        content: ContentId,
        work: impl FnOnce(&Inner) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let inner = Arc::clone(&self.inner);
        let path = self.inner.path(content.digest);
        blocking(move || work(&inner).map_err(|error| about(error, &path))).await.map_err(|error| {
            Error::new(ErrorKind::Storage, "could not use the folder of attachments").with_source(error)
        })
    }

    /// Works with the folder where that may block; `content` is what it is about.
    pub(super) async fn with_folder<T: Send + 'static>(
        &self,
        content: ContentId,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        self.work(content, move |inner| work(&inner.folder)).await
    }

    pub(super) fn forget(&self, digest: Digest) {
        self.inner.verified().remove(&digest);
    }
}

impl Inner {
    fn path(&self, digest: Digest) -> PathBuf {
        self.folder.join(digest.to_string())
    }

    fn verified(&self) -> MutexGuard<'_, HashMap<Digest, Stamp>> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks for a file, checks it, and marks it as used.
    fn held(&self, content: ContentId) -> io::Result<Option<PathBuf>> {
        let path = self.path(content.digest);
        let mut file = match open_plain(&path) {
            Ok(file) => file,
            // What is no plain file is none of ours; the rename of a new file takes its place.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        // Whoever removes the file holds it locked. One that was stopped then is no reason not to read it.
        let _ = wait_for(|| file.try_lock_shared());
        if !is_at(&file, &path)? {
            return Ok(None);
        }
        let metadata = file.metadata()?;
        let stamp = Stamp::of(&metadata);
        if metadata.len() != content.size {
            return Ok(None);
        }
        let known = self.verified().get(&content.digest) == Some(&stamp);
        if !known {
            if hash(&mut file, content.size)? != content {
                return Ok(None);
            }
            self.verified().insert(content.digest, stamp);
        }
        let used = metadata.accessed().ok().and_then(|time| time.elapsed().ok());
        if used.is_none_or(|used| used > LATELY) {
            // Only keeps the file from being removed at once when no record describes it any longer.
            let _ = file.set_times(FileTimes::new().set_accessed(SystemTime::now()));
        }
        Ok(Some(path))
    }

    /// As [`AttachmentFolder::begin`], without waiting: otherwise how far another one is.
    fn claim(&self, content: ContentId, stalled: bool) -> io::Result<Result<Begun, u64>> {
        if let Some(path) = self.held(content)? {
            return Ok(Ok(Begun::Held(path)));
        }
        if stalled {
            return Ok(Ok(Begun::Part(Part::private(&self.folder, content)?)));
        }
        Ok(match Part::claim(&self.folder, content)? {
            Claim::Busy { length } => {
                pause(PAUSE);
                Err(length)
            }
            // Another one may have finished since the look above.
            Claim::Mine(part) => Ok(match self.held(content)? {
                Some(path) => Begun::Held(path),
                None => Begun::Part(part),
            }),
        })
    }

    fn publish(&self, part: Part) -> io::Result<PathBuf> {
        let content = part.content();
        let path = self.path(content.digest);
        let metadata = part.publish(&path)?;
        self.verified().insert(content.digest, Stamp::of(&metadata));
        Ok(path)
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            length: metadata.len(),
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            inode: {
                use std::os::unix::fs::MetadataExt as _;
                (metadata.dev(), metadata.ino())
            },
        }
    }
}

/// Hashes what is there from here on, up to one byte more than expected.
pub(super) fn hash(file: &mut File, size: u64) -> io::Result<ContentId> {
    let mut hasher = Hasher::default();
    read(file, size.saturating_add(1), &mut hasher)?;
    Ok(hasher.finish())
}

/// Feeds at most `most` bytes to `hasher`.
pub(super) fn read(file: &mut File, most: u64, hasher: &mut Hasher) -> io::Result<()> {
    let mut source = file.take(most);
    let mut piece = vec![0; PIECE];
    loop {
        match source.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(count) => hasher.update(&piece[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
