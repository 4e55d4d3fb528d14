//! What is installed, and removing it.

use std::collections::BTreeMap;

use blob_store::{BlobStoreExt, Manifest, ManifestName, Pin};
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
    /// What uses it: the text form of queries, or `model:` and `runtime:` with a name.
    pub used_by: Vec<String>,
    /// Its files by path.
    pub files: BTreeMap<String, InstalledFile>,
    /// The size of its files together.
    pub bytes: u64,
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
const SEE: &str = "see what is installed, and what uses it: mlmgr ls";

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
        Ok(store.manifests().await?.into_iter().map(|manifest| described(manifest, &pins)).collect())
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

fn described(manifest: Manifest, pins: &[Pin]) -> InstalledModel {
    let file = |entry: &blob_store::FileEntry| InstalledFile {
        size: entry.content.size,
        sha256: entry.content.digest,
    };
    InstalledModel {
        bytes: manifest.bytes(),
        used_by: pins
            .iter()
            .filter(|pin| pin.manifest == manifest.name)
            .map(|pin| pin.name.clone())
            .collect(),
        files: manifest.files.iter().map(|(path, entry)| (path.clone(), file(entry))).collect(),
        hub: manifest.name.hub,
        model: manifest.name.model,
        revision: manifest.name.revision,
        commit: manifest.commit,
        installed: manifest.created,
        used: manifest.used,
    }
}
