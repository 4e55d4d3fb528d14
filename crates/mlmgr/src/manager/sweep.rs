//! Removing what a model leaves behind, and nothing that anybody else uses.

use std::{collections::BTreeMap, time::Duration};

use blob_store::{BlobStoreExt, GcOptions, Manifest, ManifestName, Pin};
use content_id::ContentId;

use super::{Manager, inventory::Removed};
use crate::{Error, ErrorKind};

/// How often a pin or manifest that somebody else changes at the same time is removed again.
const ATTEMPTS: usize = 5;

/// For how long an interrupted download can be resumed, unless its room is needed.
const RESUMABLE: Duration = Duration::from_secs(7 * 24 * 3600);

impl Manager {
    /// Removes the manifest `name` with the files only it has, unless something still uses it.
    pub(super) async fn remove_unused(&self, name: &ManifestName) -> Result<Removed, Error> {
        let store = &self.inner.store;
        let Some((manifest, _)) = store.manifest(name).await? else { return Ok(Removed::default()) };
        if store.pins().await?.iter().any(|pin| pin.manifest == *name) {
            return Ok(Removed::default());
        }
        for attempt in 1.. {
            match store.remove_manifest(name).await {
                Ok(_) => break,
                // Somebody came to use it in this instant.
                Err(error) if error.kind() == blob_store::ErrorKind::Pinned => return Ok(Removed::default()),
                // Somebody else changes it, or removes it too.
                Err(error) if error.kind() == blob_store::ErrorKind::Conflict && attempt < ATTEMPTS => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut removed = self.sweep(&manifest).await?;
        removed.models = 1;
        Ok(removed)
    }

    /// Removes a pin; on a disk so full that even this cannot be noted, the files that only it uses go first.
    pub(super) async fn let_go(&self, pin: &Pin) -> Result<Removed, Error> {
        let mut removed = Removed::default();
        for attempt in 1.. {
            match self.inner.store.remove_pin(&pin.name).await {
                Ok(_) => break,
                Err(error) if attempt == ATTEMPTS => return Err(error.into()),
                // Somebody else changes it in this instant.
                Err(error) if error.kind() == blob_store::ErrorKind::Conflict => {}
                Err(error) => match Error::from(error) {
                    error if error.kind() == ErrorKind::NoSpace && removed.files == 0 => {
                        removed = self.empty(pin).await?;
                        if removed.files == 0 {
                            return Err(error);
                        }
                    }
                    error => return Err(error),
                },
            }
        }
        Ok(removed)
    }

    /// Destroys the files that only `pin` uses, while its manifest still names them: it stands for a model that is
    /// not complete from then on.
    async fn empty(&self, pin: &Pin) -> Result<Removed, Error> {
        let store = &self.inner.store;
        let mut removed = Removed::default();
        let others = store.pins().await?;
        if others.iter().any(|other| other.manifest == pin.manifest && other.name != pin.name) {
            return Ok(removed);
        }
        let (mut own, mut shared) = (BTreeMap::new(), BTreeMap::new());
        for manifest in store.manifests().await? {
            let blobs = manifest.blobs();
            if manifest.name == pin.manifest { own = blobs } else { shared.extend(blobs) }
        }
        for (digest, size) in own.into_iter().filter(|(digest, _)| !shared.contains_key(digest)) {
            if store.remove(ContentId::new(digest, size)).await? {
                removed.files += 1;
                removed.bytes += size;
            }
        }
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

    /// Removes what belongs to no model and is more than an hour old, and what interrupted downloads left behind a week
    /// ago; that this may fail is no reason to fail anything else.
    pub(super) async fn collect_garbage(&self) {
        let options = GcOptions::new(self.now()).stage_grace(RESUMABLE);
        let _ = self.inner.store.collect_garbage(&options).await;
    }

    /// Removes those files of `gone` that no manifest names any more.
    pub(super) async fn sweep(&self, gone: &Manifest) -> Result<Removed, Error> {
        let mut removed = Removed::default();
        for held in self.inner.store.remove_unnamed(&gone.blobs()).await? {
            removed.files += 1;
            removed.bytes += held.size;
        }
        Ok(removed)
    }
}
