//! What is installed, and removing it.

use std::collections::BTreeMap;

use blob_store::{BlobStoreExt, Manifest, ManifestName, Pin, StageInfo};
use content_id::Digest;
use serde::Serialize;

use super::Manager;
use crate::{Error, ErrorKind, Target};

/// An installed model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct InstalledModel {
    /// The hub it came from, or `settings:ml-onnx-runtime` for a runtime file.
    pub hub: String,
    /// The model, or the runtime file's name.
    pub model: String,
    /// The revision, or the runtime file's version.
    pub revision: String,
    /// The commit that the revision stood for, where the hub says.
    pub commit: Option<String>,
    /// What uses it: the text form of queries, or `model:` and `runtime:` with a name; `task` or `engine` and which, for
    /// a use that another program has noted.
    pub used_by: Vec<String>,
    /// Whether it is never evicted: see [`Manager::pin`].
    pub pinned: bool,
    /// Whether an engine has it open now, in whichever process.
    pub open: bool,
    /// Its files by path.
    pub files: BTreeMap<String, InstalledFile>,
    /// The size of its files together.
    pub bytes: u64,
    /// The size of those files that no other installed model has: what its removal frees.
    pub own_bytes: u64,
    /// When it was installed, in Unix seconds.
    pub installed: u64,
    /// When an engine last opened it, in Unix seconds.
    pub used: u64,
}

/// A file of an installed model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct InstalledFile {
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: Digest,
}

/// How much space the store takes, and for what.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct StoreUsage {
    /// The installed models, by hub, name and revision.
    pub models: Vec<InstalledModel>,
    /// The files in the store, each counted once.
    pub files: u64,
    /// The size of these files together.
    pub bytes: u64,
    /// The size of those that belong to no model: they go when they are an hour old.
    pub unreferenced_bytes: u64,
    /// The size of damaged files, and of those that are going: they go with the next collection.
    pub quarantined_bytes: u64,
    /// What is being downloaded, or was left by a download that was interrupted.
    pub stages: Vec<StageInfo>,
    /// The size of these together.
    pub staged_bytes: u64,
    /// Bytes that can still be written where the store is, if it can tell.
    pub free: Option<u64>,
    /// See [`ManagerBuilder::quota`](crate::ManagerBuilder::quota).
    pub quota: Option<u64>,
    /// See [`ManagerBuilder::keep_free`](crate::ManagerBuilder::keep_free).
    pub keep_free: u64,
}

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Removed {
    /// Models, each revision counted.
    pub models: u64,
    /// Files that no other model shares.
    pub files: u64,
    /// The size of these files together.
    pub bytes: u64,
}

impl Removed {
    pub(super) fn add(&mut self, other: Self) {
        self.models += other.models;
        self.files += other.files;
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// The way out where nothing of a name is installed.
pub(super) const SEE: &str = "see what is installed, and what uses it: mlmgr ls";

impl Manager {
    /// Returns the installed models, by hub, name and revision. Makes no request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Storage`]; [`ErrorKind::Unsupported`] if a newer program wrote into the store.
    pub async fn list(&self) -> Result<Vec<InstalledModel>, Error> {
        self.heal().await;
        let store = &self.inner.store;
        let pins = store.pins().await?;
        let manifests = store.manifests().await?;
        let mut owners: BTreeMap<Digest, usize> = BTreeMap::new();
        for digest in manifests.iter().flat_map(|manifest| manifest.blobs().into_keys()) {
            *owners.entry(digest).or_default() += 1;
        }
        let mut models = Vec::with_capacity(manifests.len());
        for manifest in manifests {
            let open = store.is_locked(&manifest.name.key()).await?;
            models.push(InstalledModel { open, ..described(manifest, &pins, &owners) });
        }
        Ok(models)
    }

    /// Returns how much space the store takes, and for what. Makes no request.
    ///
    /// # Errors
    ///
    /// As [`list`](Self::list).
    pub async fn usage(&self) -> Result<StoreUsage, Error> {
        let models = self.list().await?;
        let (store, space) = (&self.inner.store, &self.inner.space);
        let usage = store.usage().await?;
        Ok(StoreUsage {
            models,
            files: usage.blobs,
            bytes: usage.total_bytes,
            unreferenced_bytes: usage.unreferenced_bytes,
            quarantined_bytes: usage.quarantined_bytes,
            stages: usage.stages,
            staged_bytes: usage.staged_bytes,
            free: store.free_space().await?,
            quota: space.quota,
            keep_free: space.keep_free,
        })
    }

    /// Stops using what `target` names, and removes the files that nothing uses any more. Makes no request.
    ///
    /// A task or feature is only let go of: the model stays as long as another one uses it. A model named outright
    /// goes, whatever uses it; without a revision, all its revisions go. Engines that were already handed out keep
    /// running what they have loaded.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotInstalled`] if there is nothing to remove, [`ErrorKind::Storage`].
    pub async fn remove(&self, target: &Target) -> Result<Removed, Error> {
        self.heal().await;
        let _changing = self.inner.changing.lock().await;
        match target {
            Target::Query(query) => self.remove_usage(&query.to_string()).await,
            Target::Runtime(name) => self.remove_usage(&super::runtime_files::usage(name)).await,
            Target::Model(model, revision) => {
                let (model, revision) = (model.to_string(), revision.as_ref().map(ToString::to_string));
                let goes = |name: &ManifestName| {
                    name.model == model && revision.as_ref().is_none_or(|revision| name.revision == *revision)
                };
                self.remove_models(goes, target).await
            }
        }
    }

    async fn remove_usage(&self, usage: &str) -> Result<Removed, Error> {
        let store = &self.inner.store;
        let Some((pin, _)) = store.pin(usage).await? else {
            let pins: Vec<_> = store.pins().await?.into_iter().map(|pin| pin.name).collect();
            let message =
                format!("nothing is installed for {usage} (in use: {})", crate::resolve::listed(&pins));
            return Err(Error::new(ErrorKind::NotInstalled, message).with_hint(SEE));
        };
        let mut removed = self.let_go(&pin).await?;
        removed.add(self.remove_unused(&pin.manifest).await?);
        Ok(removed)
    }

    async fn remove_models(
        &self,
        goes: impl Fn(&ManifestName) -> bool,
        target: &Target,
    ) -> Result<Removed, Error> {
        let store = &self.inner.store;
        let mut removed = Removed::default();
        for pin in store.pins().await?.into_iter().filter(|pin| goes(&pin.manifest)) {
            removed.add(self.let_go(&pin).await?);
        }
        let manifests = store.manifests().await?;
        for manifest in manifests.iter().filter(|manifest| goes(&manifest.name)) {
            removed.add(self.remove_unused(&manifest.name).await?);
        }
        if removed.models == 0 {
            let there: Vec<_> = manifests
                .iter()
                .map(|manifest| format!("{}@{}", manifest.name.model, manifest.name.revision))
                .collect();
            let message =
                format!("{target} is not installed (installed: {})", crate::resolve::listed(&there));
            return Err(Error::new(ErrorKind::NotInstalled, message).with_hint(SEE));
        }
        Ok(removed)
    }
}

fn described(manifest: Manifest, pins: &[Pin], owners: &BTreeMap<Digest, usize>) -> InstalledModel {
    let file = |entry: &blob_store::FileEntry| InstalledFile {
        size: entry.content.size,
        sha256: entry.content.digest,
    };
    let pins = || pins.iter().filter(|pin| pin.manifest == manifest.name);
    let own = manifest.blobs().into_iter().filter(|(digest, _)| owners.get(digest) == Some(&1));
    InstalledModel {
        bytes: manifest.bytes(),
        own_bytes: own.map(|(_, size)| size).fold(0, u64::saturating_add),
        used_by: pins()
            .map(|pin| pin.user.as_ref().map_or_else(|| pin.name.clone(), ToString::to_string))
            .collect(),
        pinned: pins().any(|pin| !pin.yields),
        open: false,
        files: manifest.files.iter().map(|(path, entry)| (path.clone(), file(entry))).collect(),
        hub: manifest.name.hub,
        model: manifest.name.model,
        revision: manifest.name.revision,
        commit: manifest.commit,
        installed: manifest.created,
        used: manifest.used,
    }
}
