//! A store that is written to, over stores that are only read.

use std::{
    collections::HashSet,
    ops::Range,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use async_trait::async_trait;
use bytes::Bytes;
use content_id::{ContentId, Digest};

use super::copying::or_else_from;
use crate::{
    BlobInfo, BlobName, BlobStore, ByteStream, Document, DocumentEntry, DocumentKey, DocumentKind, Error,
    ErrorKind, Expected, LockGuard, PartStage, Quarantined, Reason, Stage, StageInfo, StageKey, Version,
    blobs::hashes_to_its_name,
};

/// A store that reads through to others, which it never writes to: a warm cache on a read-only folder, an image that
/// brings models along, a store that another user keeps.
///
/// - A blob or document that the upper store does not have is looked for in the lower ones, in their order. What a
///   lower store cannot read is passed over; it is never a reason to fail.
/// - Everything that is written goes to the upper store. A document of a lower store is changed by writing the new
///   one to the upper, where it hides the other; removing it there shows the other again. One that only a lower store
///   has cannot be removed: `NotFound`, and `false` from the functions of [`BlobStoreExt`](crate::BlobStoreExt).
/// - Listings for showing ([`documents_as_seen`](BlobStore::documents_as_seen), and with it
///   [`manifests`](crate::BlobStoreExt::manifests) and [`pins`](crate::BlobStoreExt::pins)) have the documents of all;
///   collections, quarantine, and how much space is taken, are those of the upper store. A collection keeps what a
///   manifest of any of them names: the upper store may have it because it is damaged below.
/// - A blob that turns out damaged in a lower store is taken from the next one that has it, for as long as this store
///   is open; if none has it, it is missing, and publishing it puts it into the upper store.
///
/// A lower store promises nothing: what its keeper removes is gone from here as well.
///
/// Cloning gives another handle to the same stores.
#[derive(Clone, Debug)]
pub struct LayeredStore {
    upper: Arc<dyn BlobStore>,
    lowers: Vec<Arc<dyn BlobStore>>,
    /// Blobs of lower stores, by their place, that were seen to be damaged.
    damaged: Arc<Mutex<HashSet<(usize, Digest)>>>,
}

impl LayeredStore {
    /// Reads from `upper`, then from `lowers` in their order; writes to `upper`.
    pub fn new(upper: Arc<dyn BlobStore>, lowers: Vec<Arc<dyn BlobStore>>) -> Self {
        Self { upper, lowers, damaged: Arc::default() }
    }

    /// Returns the store that is written to.
    pub fn upper(&self) -> &Arc<dyn BlobStore> {
        &self.upper
    }

    /// Returns the stores that are only read.
    pub fn lowers(&self) -> &[Arc<dyn BlobStore>] {
        &self.lowers
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<(usize, Digest)>> {
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lower stores that may have a blob, with their places.
    fn sound_lowers(&self, digest: Digest) -> Vec<(usize, Arc<dyn BlobStore>)> {
        let damaged = self.lock();
        let lowers = self.lowers.iter().cloned().enumerate();
        lowers.filter(|(place, _)| !damaged.contains(&(*place, digest))).collect()
    }

    async fn is_below(&self, id: ContentId) -> bool {
        for (_, lower) in self.sound_lowers(id.digest) {
            if lower.contains(id).await.unwrap_or(false) {
                return true;
            }
        }
        false
    }

    async fn document_below(&self, key: &DocumentKey) -> Option<Document> {
        for lower in &self.lowers {
            if let Ok(Some(document)) = lower.document(key).await {
                return Some(document);
            }
        }
        None
    }

    /// The document below, if the upper store has none that hides it.
    async fn visible_below(&self, key: &DocumentKey) -> Result<Option<Document>, Error> {
        match self.upper.document(key).await? {
            Some(_) => Ok(None),
            None => Ok(self.document_below(key).await),
        }
    }

    /// Notes the lower copies of a blob that are damaged, up to the first sound one; returns whether there was one.
    async fn pass_over_damage(&self, id: ContentId) -> bool {
        let mut found = false;
        for (place, lower) in self.sound_lowers(id.digest) {
            match hashes_to_its_name(&*lower, id).await {
                Ok(true) => break,
                Err(error) if error.kind() != ErrorKind::Damaged => {}
                _ => found |= self.lock().insert((place, id.digest)),
            }
        }
        found
    }
}

#[async_trait]
impl BlobStore for LayeredStore {
    async fn contains(&self, id: ContentId) -> Result<bool, Error> {
        Ok(self.upper.contains(id).await? || self.is_below(id).await)
    }

    async fn confirm(&self, ids: &[ContentId]) -> Result<Vec<ContentId>, Error> {
        let mut missing = Vec::new();
        for id in self.upper.confirm(ids).await? {
            // Only looked for: to make it durable is to write.
            if !self.is_below(id).await {
                missing.push(id);
            }
        }
        Ok(missing)
    }

    async fn stage(&self, expected: Expected) -> Result<Box<dyn Stage>, Error> {
        self.upper.stage(expected).await
    }

    async fn stage_parts(&self, key: &StageKey, expected: Expected) -> Result<Box<dyn PartStage>, Error> {
        self.upper.stage_parts(key, expected).await
    }

    async fn read(&self, id: ContentId, range: Range<u64>) -> Result<ByteStream, Error> {
        let mut others = self.sound_lowers(id.digest).into_iter().map(|(_, lower)| lower);
        let error = match self.upper.read(id, range.clone()).await {
            Ok(bytes) => return Ok(or_else_from(bytes, others, id, range)),
            Err(error) if error.kind() == ErrorKind::Invalid => return Err(error),
            Err(error) => error,
        };
        while let Some(lower) = others.next() {
            if let Ok(bytes) = lower.read(id, range.clone()).await {
                return Ok(or_else_from(bytes, others, id, range));
            }
        }
        Err(error)
    }

    fn local_path(&self, id: ContentId) -> Option<PathBuf> {
        let below = || self.sound_lowers(id.digest).into_iter().find_map(|(_, lower)| lower.local_path(id));
        self.upper.local_path(id).or_else(below)
    }

    async fn map(&self, ids: &[ContentId]) -> Result<Vec<Option<Bytes>>, Error> {
        let mut mapped = self.upper.map(ids).await?;
        for (place, lower) in self.lowers.iter().enumerate() {
            let wanted: Vec<usize> = {
                let damaged = self.lock();
                let is_sound = |n: &usize| !damaged.contains(&(place, ids[*n].digest));
                (0..ids.len()).filter(|n| mapped[*n].is_none()).filter(is_sound).collect()
            };
            if wanted.is_empty() {
                continue;
            }
            let of: Vec<ContentId> = wanted.iter().map(|n| ids[*n]).collect();
            for (n, bytes) in wanted.into_iter().zip(lower.map(&of).await.unwrap_or_default()) {
                mapped[n] = bytes;
            }
        }
        Ok(mapped)
    }

    async fn ensure_local(&self, ids: &[ContentId]) -> Result<(), Error> {
        let wanted: Vec<_> = ids.iter().copied().filter(|id| self.local_path(*id).is_none()).collect();
        let mut of_upper = Vec::new();
        for id in wanted {
            // What is only below comes as it is: nothing is copied that nobody asked to have here.
            if self.upper.contains(id).await? || !self.is_below(id).await {
                of_upper.push(id);
            }
        }
        self.upper.ensure_local(&of_upper).await
    }

    async fn mend(&self, id: ContentId) -> Result<bool, Error> {
        if self.upper.mend(id).await? {
            return Ok(true);
        }
        match hashes_to_its_name(&*self.upper, id).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(self.pass_over_damage(id).await),
            Ok(true) => Ok(false),
            // Only if there is something better.
            _ => {
                self.pass_over_damage(id).await;
                Ok(self.is_below(id).await && self.upper.quarantine(id.digest, Reason::Damaged).await?)
            }
        }
    }

    async fn put_many(&self, contents: Vec<Bytes>) -> Result<Vec<ContentId>, Error> {
        let ids: Vec<ContentId> = contents.iter().map(|bytes| ContentId::of(bytes)).collect();
        // What is below is not put once more.
        let missing: HashSet<ContentId> = self.confirm(&ids).await?.into_iter().collect();
        let new = ids.iter().zip(contents).filter(|(id, _)| missing.contains(id)).map(|(_, bytes)| bytes);
        self.upper.put_many(new.collect()).await?;
        Ok(ids)
    }

    async fn remove(&self, id: ContentId) -> Result<bool, Error> {
        self.upper.remove(id).await
    }

    async fn blobs(&self) -> Result<Vec<BlobInfo>, Error> {
        self.upper.blobs().await
    }

    async fn blob_names(&self) -> Result<Vec<BlobName>, Error> {
        self.upper.blob_names().await
    }

    async fn look_at(&self, digests: Vec<Digest>) -> Result<Vec<BlobInfo>, Error> {
        self.upper.look_at(digests).await
    }

    async fn quarantine_many(&self, digests: Vec<Digest>, reason: Reason) -> Result<(), Error> {
        if reason != Reason::Damaged {
            return self.upper.quarantine_many(digests, reason).await;
        }
        for digest in digests {
            self.quarantine(digest, reason).await?;
        }
        Ok(())
    }

    async fn quarantine(&self, digest: Digest, reason: Reason) -> Result<bool, Error> {
        let hidden = self.upper.quarantine(digest, reason).await?;
        if hidden || reason != Reason::Damaged {
            return Ok(hidden);
        }
        let mut found = false;
        for (place, lower) in self.sound_lowers(digest) {
            let blobs = lower.look_at(vec![digest]).await.unwrap_or_default();
            let Some(blob) = blobs.first() else { continue };
            if !hashes_to_its_name(&*lower, blob.id).await.unwrap_or(false) {
                found |= self.lock().insert((place, digest));
            }
        }
        Ok(found)
    }

    async fn restore(&self, held: &Quarantined) -> Result<bool, Error> {
        self.upper.restore(held).await
    }

    async fn quarantined(&self) -> Result<Vec<Quarantined>, Error> {
        self.upper.quarantined().await
    }

    async fn read_quarantined(&self, held: &Quarantined, range: Range<u64>) -> Result<ByteStream, Error> {
        self.upper.read_quarantined(held, range).await
    }

    async fn purge_many(&self, held: Vec<Quarantined>) -> Result<Vec<Quarantined>, Error> {
        self.upper.purge_many(held).await
    }

    async fn purge(&self, held: &Quarantined) -> Result<bool, Error> {
        self.upper.purge(held).await
    }

    async fn document(&self, key: &DocumentKey) -> Result<Option<Document>, Error> {
        match self.upper.document(key).await? {
            Some(document) => Ok(Some(document)),
            None => Ok(self.document_below(key).await),
        }
    }

    async fn put_document(
        &self,
        key: &DocumentKey,
        bytes: Bytes,
        expected: Option<Version>,
    ) -> Result<Version, Error> {
        // What is damaged in the upper store hides what is below, and can be replaced.
        let below = self.visible_below(key).await.ok().flatten();
        match below.map(|document| document.version) {
            Some(below) if Some(below) == expected => self.upper.put_document(key, bytes, None).await,
            Some(_) if expected.is_none() => Err(Error::new(ErrorKind::Conflict, "write", key)),
            _ => self.upper.put_document(key, bytes, expected).await,
        }
    }

    async fn remove_document(&self, key: &DocumentKey, expected: Version) -> Result<(), Error> {
        match self.visible_below(key).await {
            Ok(Some(below)) if below.version == expected => {
                Err(Error::new(ErrorKind::NotFound, "remove", key)
                    .with_detail("only a store that is never written to has it"))
            }
            _ => self.upper.remove_document(key, expected).await,
        }
    }

    async fn documents(&self, kind: DocumentKind) -> Result<Vec<DocumentEntry>, Error> {
        self.upper.documents(kind).await
    }

    async fn document_as_seen(&self, key: &DocumentKey) -> Result<Option<Document>, Error> {
        match self.upper.document_as_seen(key).await? {
            Some(document) => Ok(Some(document)),
            None => Ok(self.document_below(key).await),
        }
    }

    async fn documents_as_seen(&self, kind: DocumentKind) -> Result<Vec<DocumentEntry>, Error> {
        let mut entries = self.upper.documents_as_seen(kind).await?;
        let mut known: HashSet<DocumentKey> = entries.iter().map(|(key, _)| *key).collect();
        for lower in &self.lowers {
            let below = lower.documents(kind).await.unwrap_or_default();
            entries
                .extend(below.into_iter().filter(|(key, document)| document.is_ok() && known.insert(*key)));
        }
        Ok(entries)
    }

    async fn documents_below(&self, kind: DocumentKind) -> Vec<DocumentEntry> {
        let mut entries = self.upper.documents_below(kind).await;
        for lower in &self.lowers {
            entries.extend(lower.documents(kind).await.unwrap_or_default());
            entries.extend(lower.documents_below(kind).await);
        }
        entries
    }

    async fn stages(&self) -> Result<Vec<StageInfo>, Error> {
        self.upper.stages().await
    }

    async fn remove_stages(&self, before: SystemTime) -> Result<u64, Error> {
        self.upper.remove_stages(before).await
    }

    async fn own_document(&self, key: &DocumentKey) -> Result<Option<Document>, Error> {
        self.upper.own_document(key).await
    }

    async fn free_space(&self) -> Result<Option<u64>, Error> {
        self.upper.free_space().await
    }

    async fn lock_shared(&self, key: &DocumentKey) -> Result<Option<LockGuard>, Error> {
        self.upper.lock_shared(key).await
    }

    async fn is_locked(&self, key: &DocumentKey) -> Result<bool, Error> {
        self.upper.is_locked(key).await
    }
}
