//! The backend over a folder of the local file system.

mod barrier;
mod batch;
mod begin;
mod blobs;
mod calls;
mod documents;
#[cfg_attr(not(feature = "conformance"), allow(unreachable_pub, reason = "only tests name a call"))]
mod faults;
mod files;
mod folder;
mod format;
mod full;
mod journal;
mod layout;
mod locks;
mod map;
mod part;
mod parts;
mod pipe;
mod record;
mod space;
mod stage;
mod stages;

use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use async_trait::async_trait;
use bytes::Bytes;
use content_id::{ContentId, Digest};

use crate::{
    BlobInfo, BlobName, BlobStore, ByteStream, Document, DocumentEntry, DocumentKey, DocumentKind, Error,
    Expected, Limits, LockGuard, PartStage, Quarantined, Reason, Stage, StageInfo, StageKey, Version,
    blocking::run,
};
use calls::Calls;
#[cfg(feature = "conformance")]
pub use faults::{Act, Call, Failure, Faults};
use layout::Layout;

/// A store in a folder of a local file system that has atomic renames.
///
/// - Directories get the default mode and blobs the mode 0444, both less the umask: a store is as shared as its
///   users' umasks say, and nobody writes into a blob by mistake.
/// - Symlinks below the folder are not followed, and what is no plain file is not opened. The folder itself may be
///   one. Who can write to the folder can still destroy what is in it.
/// - File work runs on the blocking threads of the tokio runtime of the caller, and directly where there is none.
/// - Network file systems are not promised.
///
/// Cloning gives another handle to the same store.
#[derive(Clone, Debug)]
pub struct FsStore {
    layout: Arc<Layout>,
}

/// How a file system store works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FsOptions {
    /// What acknowledged work survives.
    pub durability: Durability,
    /// What is accepted at most.
    pub limits: Limits,
}

/// What acknowledged work survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// A power cut: files are synced before they become visible, and folders afterwards.
    #[default]
    Full,
    /// Only the end of the process; after a power cut, files may be empty or gone. For tests and throw-away caches.
    ProcessCrashOnly,
}

impl FsOptions {
    /// Sets what acknowledged work survives.
    #[must_use]
    pub const fn durability(self, durability: Durability) -> Self {
        Self { durability, ..self }
    }

    /// Sets what is accepted at most.
    #[must_use]
    pub const fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }
}

impl FsStore {
    /// Opens the store in `dir` with the default options. The folder is created by the first write.
    ///
    /// # Errors
    ///
    /// `Unsupported` if a newer program made the store; `Damaged` if its format file makes no sense; `Backend`.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, Error> {
        Self::open_with(dir, FsOptions::default())
    }

    /// Opens the store in `dir`.
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open).
    pub fn open_with(dir: impl Into<PathBuf>, options: FsOptions) -> Result<Self, Error> {
        let layout = Layout::open(dir.into(), options, Calls::default())?;
        Ok(Self { layout: Arc::new(layout) })
    }

    /// Opens the store in `dir`, with `faults` deciding over its system calls. For tests.
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open).
    #[cfg(feature = "conformance")]
    #[doc(hidden)]
    pub fn open_with_faults(
        dir: impl Into<PathBuf>,
        options: FsOptions,
        faults: Arc<Faults>,
    ) -> Result<Self, Error> {
        let layout = Layout::open(dir.into(), options, Calls::with_faults(faults))?;
        Ok(Self { layout: Arc::new(layout) })
    }

    /// Returns the folder.
    pub fn dir(&self) -> &Path {
        self.layout.root()
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Layout) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let layout = Arc::clone(&self.layout);
        run(move || work(&layout)).await
    }
}

#[async_trait]
impl BlobStore for FsStore {
    async fn contains(&self, id: ContentId) -> Result<bool, Error> {
        self.run(move |layout| blobs::find(layout, id).map(|found| found.is_some())).await
    }

    async fn confirm(&self, ids: &[ContentId]) -> Result<Vec<ContentId>, Error> {
        let ids = ids.to_vec();
        self.run(move |layout| blobs::confirm(layout, ids)).await
    }

    async fn stage(&self, expected: Expected) -> Result<Box<dyn Stage>, Error> {
        let layout = Arc::clone(&self.layout);
        Ok(Box::new(stage::FsStage::create(layout, expected).await?))
    }

    async fn stage_parts(&self, key: &StageKey, expected: Expected) -> Result<Box<dyn PartStage>, Error> {
        let layout = Arc::clone(&self.layout);
        Ok(Box::new(parts::FsPartStage::begin(layout, key.stage_name(expected), expected).await?))
    }

    async fn read(&self, id: ContentId, range: Range<u64>) -> Result<ByteStream, Error> {
        blobs::read(Arc::clone(&self.layout), id, range).await
    }

    fn local_path(&self, id: ContentId) -> Option<PathBuf> {
        blobs::find(&self.layout, id).ok().flatten()
    }

    async fn map(&self, ids: &[ContentId]) -> Result<Vec<Option<Bytes>>, Error> {
        map::map(Arc::clone(&self.layout), ids.to_vec()).await
    }

    async fn put_many(&self, contents: Vec<Bytes>) -> Result<Vec<ContentId>, Error> {
        batch::put(Arc::clone(&self.layout), contents).await
    }

    async fn remove(&self, id: ContentId) -> Result<bool, Error> {
        self.run(move |layout| blobs::remove(layout, id.digest)).await
    }

    async fn blobs(&self) -> Result<Vec<BlobInfo>, Error> {
        blobs::list(Arc::clone(&self.layout)).await
    }

    async fn blob_names(&self) -> Result<Vec<BlobName>, Error> {
        blobs::names(Arc::clone(&self.layout)).await
    }

    async fn look_at(&self, digests: Vec<Digest>) -> Result<Vec<BlobInfo>, Error> {
        blobs::look_at(Arc::clone(&self.layout), digests).await
    }

    async fn quarantine_many(&self, digests: Vec<Digest>, reason: Reason) -> Result<(), Error> {
        let quarantine = move |layout: &Layout| {
            digests.into_iter().try_for_each(|digest| blobs::quarantine(layout, digest, reason).map(|_| ()))
        };
        self.run(quarantine).await
    }

    async fn purge_many(&self, held: Vec<Quarantined>) -> Result<Vec<Quarantined>, Error> {
        let purge = move |layout: &Layout| {
            let purged = held.into_iter().map(|held| Ok(blobs::purge(layout, &held)?.then_some(held)));
            purged.filter_map(Result::transpose).collect()
        };
        self.run(purge).await
    }

    async fn quarantine(&self, digest: Digest, reason: Reason) -> Result<bool, Error> {
        self.run(move |layout| blobs::quarantine(layout, digest, reason)).await
    }

    async fn restore(&self, held: &Quarantined) -> Result<bool, Error> {
        let held = held.clone();
        self.run(move |layout| blobs::restore(layout, &held)).await
    }

    async fn quarantined(&self) -> Result<Vec<Quarantined>, Error> {
        self.run(blobs::quarantined).await
    }

    async fn read_quarantined(&self, held: &Quarantined, range: Range<u64>) -> Result<ByteStream, Error> {
        blobs::read_quarantined(Arc::clone(&self.layout), held.clone(), range).await
    }

    async fn purge(&self, held: &Quarantined) -> Result<bool, Error> {
        let held = held.clone();
        self.run(move |layout| blobs::purge(layout, &held)).await
    }

    async fn document(&self, key: &DocumentKey) -> Result<Option<Document>, Error> {
        let key = *key;
        self.run(move |layout| documents::read(layout, &key)).await
    }

    async fn put_document(
        &self,
        key: &DocumentKey,
        bytes: Bytes,
        expected: Option<Version>,
    ) -> Result<Version, Error> {
        let key = *key;
        self.run(move |layout| documents::put(layout, &key, &bytes, expected)).await
    }

    async fn remove_document(&self, key: &DocumentKey, expected: Version) -> Result<(), Error> {
        let key = *key;
        self.run(move |layout| documents::remove(layout, &key, expected)).await
    }

    async fn documents(&self, kind: DocumentKind) -> Result<Vec<DocumentEntry>, Error> {
        documents::list(Arc::clone(&self.layout), kind).await
    }

    async fn stages(&self) -> Result<Vec<StageInfo>, Error> {
        self.run(stages::list).await
    }

    async fn remove_stages(&self, before: SystemTime) -> Result<u64, Error> {
        self.run(move |layout| stages::remove_stale(layout, before)).await
    }

    async fn free_space(&self) -> Result<Option<u64>, Error> {
        self.run(space::free).await
    }

    async fn lock_shared(&self, key: &DocumentKey) -> Result<Option<LockGuard>, Error> {
        let key = *key;
        self.run(move |layout| Ok(locks::shared(layout, &key))).await
    }

    async fn is_locked(&self, key: &DocumentKey) -> Result<bool, Error> {
        let key = *key;
        self.run(move |layout| locks::is_held(layout, &key)).await
    }
}
