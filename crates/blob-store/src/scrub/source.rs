//! Where blobs come from again: a tier, another store, a hub.

use std::{fmt::Debug, ops::Range, sync::Arc};

use async_trait::async_trait;
use content_id::ContentId;
use futures::TryStreamExt;

use crate::{BlobStore, ByteStream, Error, FileEntry, ManifestName, repair};

/// Where a scrub gets blobs again that are damaged or missing. Any other store is one.
#[async_trait]
pub trait BlobSource: Debug + Send + Sync {
    /// Streams the bytes `range` of a blob. Nothing has to be checked here: what arrives is hashed before it gets
    /// into the store.
    ///
    /// # Errors
    ///
    /// Any; the scrub reports it and goes on.
    async fn fetch(&self, wanted: &Wanted, range: Range<u64>) -> Result<ByteStream, Error>;
}

/// A blob that a scrub wants again.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Wanted {
    /// What it is.
    pub content: ContentId,
    /// Which files it is; at least one.
    pub files: Vec<WantedFile>,
}

/// A file that is missing.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WantedFile {
    /// The manifest: hub, model and revision.
    pub manifest: ManifestName,
    /// The path of the file in it.
    pub path: String,
    /// What the manifest says about it, for example where it came from.
    pub entry: FileEntry,
}

#[async_trait]
impl<S: BlobStore> BlobSource for S {
    async fn fetch(&self, wanted: &Wanted, range: Range<u64>) -> Result<ByteStream, Error> {
        self.read(wanted.content, range).await
    }
}

#[async_trait]
impl BlobSource for Arc<dyn BlobStore> {
    async fn fetch(&self, wanted: &Wanted, range: Range<u64>) -> Result<ByteStream, Error> {
        self.read(wanted.content, range).await
    }
}

/// Fetches a blob into the store, where the digests of its parts are known only those that are damaged; what is damaged
/// in its place is replaced.
pub(super) async fn refetch<S: BlobStore + ?Sized>(
    store: &S,
    source: &dyn BlobSource,
    wanted: &Wanted,
) -> Result<(), Error> {
    if let Some(hashes) = wanted.files.iter().find_map(|file| file.entry.parts.as_ref()) {
        let fetch = |range| source.fetch(wanted, range);
        // What stands in a manifest may be wrong; then the whole is fetched.
        if repair::repair(store, wanted.content, hashes, &fetch).await.is_ok() {
            return Ok(());
        }
    }
    let mut pieces = source.fetch(wanted, 0..wanted.content.size).await?;
    let mut stage = store.stage(wanted.content.into()).await?;
    while let Some(piece) = pieces.try_next().await? {
        stage.write(piece).await?;
    }
    stage.publish().await.map(|_| ())
}
