//! Removing what a model leaves behind, and nothing that anybody else uses.

use std::collections::BTreeMap;

use blob_store::{BlobStoreExt, GcOptions, Manifest, ManifestName, Reason};
use content_id::Digest;

use super::{Manager, inventory::Removed};
use crate::Error;

impl Manager {
    /// Removes the manifest `name` with the files only it has, unless something still uses it.
    pub(super) async fn remove_unused(&self, name: &ManifestName) -> Result<Removed, Error> {
        let store = &self.inner.store;
        let Some((manifest, _)) = store.manifest(name).await? else { return Ok(Removed::default()) };
        if store.pins().await?.iter().any(|pin| pin.manifest == *name) {
            return Ok(Removed::default());
        }
        match store.remove_manifest(name).await {
            Ok(_) => {}
            // Somebody came to use it in this instant.
            Err(error) if error.kind() == blob_store::ErrorKind::Pinned => return Ok(Removed::default()),
            Err(error) => return Err(error.into()),
        }
        let mut removed = self.sweep(&manifest).await?;
        removed.models = 1;
        Ok(removed)
    }

    /// Removes revisions of the same model that nothing uses: what an update that failed left behind.
    pub(super) async fn remove_stale(&self, current: &ManifestName) -> Result<Removed, Error> {
        let mut removed = Removed::default();
        for manifest in self.inner.store.manifests().await? {
            let name = &manifest.name;
            if name != current && (&name.hub, &name.model) == (&current.hub, &current.model) {
                removed.add(self.remove_unused(name).await?);
            }
        }
        Ok(removed)
    }

    /// Removes what interrupted downloads left behind more than an hour ago; that this may fail is no reason to
    /// fail anything else.
    pub(super) async fn collect_garbage(&self) {
        let _ = self.inner.store.collect_garbage(&GcOptions::new(self.now())).await;
    }

    /// Removes those files of `gone` that no manifest names any more.
    ///
    /// A file is first put out of sight, then the manifests are read again, and only what still no manifest names
    /// is destroyed: a download that finishes in between either finds its file missing, or brings it back.
    pub(super) async fn sweep(&self, gone: &Manifest) -> Result<Removed, Error> {
        let store = &self.inner.store;
        let mut candidates: BTreeMap<Digest, u64> = gone.blobs();
        self.forget_named(&mut candidates).await?;
        for digest in candidates.keys() {
            store.quarantine(*digest, Reason::Garbage).await?;
        }
        // In this order: what is destroyed was out of sight before the manifests were read.
        let held = store.quarantined().await?;
        let mut victims = candidates.clone();
        self.forget_named(&mut victims).await?;
        let mut removed = Removed::default();
        for held in held {
            if held.reason != Reason::Garbage || !candidates.contains_key(&held.digest) {
                continue;
            }
            if !victims.contains_key(&held.digest) {
                store.restore(&held).await?;
            } else if store.purge(&held).await? {
                removed.files += 1;
                removed.bytes += held.size;
            }
        }
        Ok(removed)
    }

    async fn forget_named(&self, blobs: &mut BTreeMap<Digest, u64>) -> Result<(), Error> {
        for manifest in self.inner.store.manifests().await? {
            for digest in manifest.blobs().keys() {
                blobs.remove(digest);
            }
        }
        Ok(())
    }
}
