//! Planning and downloading a model, and switching what is in use to it.

use std::sync::Arc;

use blob_store::{BlobStoreExt, Manifest, ManifestName, Pin};
use hub_client::{Plan, Progress, Wanted};
use serde::Serialize;

use super::{EvictedModel, Manager, Removed, SELECTION, engines::file_request};
use crate::{Error, ErrorKind, Selection, engine::Loaded, model_files::StoredFiles};

/// How often a pin that somebody else moves at the same time is set again.
const ATTEMPTS: usize = 5;

/// A model that is in the store, complete, and in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Installed {
    /// The name under which it is in use.
    pub usage: String,
    /// The hub it came from.
    pub hub: String,
    /// The model.
    pub model: String,
    /// Its revision.
    pub revision: String,
    /// The commit that the revision stood for, where the hub says.
    pub commit: Option<String>,
    /// How many files it has.
    pub files: u64,
    /// The size of its files together.
    pub bytes: u64,
    /// How many bytes were downloaded for it now; `None` if it was installed already and no request was made.
    pub fetched: Option<u64>,
    /// What was in use before, as `MODEL@REVISION`.
    pub replaced: Option<String>,
    /// What was evicted to make room for it.
    pub evicted: Vec<EvictedModel>,
    /// What was removed because nothing uses it any more.
    pub removed: Removed,
}

impl Manager {
    /// Says what pulling `selection` would fetch: one request for the listing, where the hub has one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Denied`] if the settings forbid the address, before any request is made;
    /// [`ErrorKind::NotFound`] if the hub lacks the model, the revision or a file; [`ErrorKind::Untrusted`] if what
    /// it says of a file is not what the record says or was fetched before; [`ErrorKind::LimitExceeded`];
    /// [`ErrorKind::Unavailable`]; [`ErrorKind::Offline`]; [`ErrorKind::Storage`].
    pub async fn plan(&self, selection: &Selection) -> Result<Plan, Error> {
        let rules = self.rules().await?;
        // Any file of the model does: the rules are about folders.
        let config = "config.json".parse().expect("a constant path is valid");
        let url = self.inner.hub.file_url(&selection.model, &selection.revision, &config);
        rules.check(&url)?;
        let mut wanted =
            Wanted::new(selection.model.clone(), selection.revision.clone(), file_request(selection));
        wanted.digests = selection.files.clone();
        let plan = self.inner.hub_client.plan(&*self.inner.store, &wanted).await;
        let plan = plan.map_err(|error| cannot(selection, error))?;
        for file in &plan.files {
            rules.check(&file.url)?;
        }
        Ok(plan)
    }

    /// Makes `selection` installed and in use. If it is already, and no file is damaged, no request is made.
    ///
    /// What was in use for the same task before stays so until the new model is complete, verified, and, where
    /// this build can run the task, was loaded once; then it is removed, with the files nothing else uses, and so
    /// is every other revision of the new model that nothing uses. Room is made before any file is fetched: see
    /// [`ManagerBuilder::quota`](crate::ManagerBuilder::quota).
    ///
    /// # Errors
    ///
    /// As [`plan`](Self::plan); also [`ErrorKind::Untrusted`] if a file is not what the record or the hub says,
    /// [`ErrorKind::NoSpace`], and as [`engine`](Self::engine) if the new model cannot take the place of the old.
    pub async fn pull(&self, selection: &Selection, progress: &dyn Progress) -> Result<Installed, Error> {
        self.heal().await;
        if let Some((manifest, selected)) = self.already_installed(selection).await? {
            self.check_origins(&manifest).await?;
            self.note_use(&manifest.name).await;
            if !selected {
                let (replaced, removed) = self.switch(selection, &manifest, None, None).await?;
                return Ok(installed(selection, &manifest, None, replaced, removed));
            }
            return Ok(installed(selection, &manifest, None, None, Removed::default()));
        }
        self.install(selection, progress).await
    }

    /// Returns the manifest if the very files of `selection` are installed, undamaged, and whether under its own
    /// name.
    async fn already_installed(&self, selection: &Selection) -> Result<Option<(Manifest, bool)>, Error> {
        let name = self.manifest_name(selection);
        for pin in self.inner.store.pins().await? {
            if pin.manifest != name {
                continue;
            }
            let Ok(pinned) = super::selection_of(&pin) else { continue };
            if same_files(&pinned, selection)
                && let Some(manifest) = self.sound_manifest(&name).await?
            {
                let own = self.inner.store.pin(&selection.usage).await?;
                let selected = own.is_some_and(|(own, _)| own.manifest == name);
                return Ok(Some((manifest, selected)));
            }
        }
        Ok(None)
    }

    /// Returns the manifest if all its files are in the store, with the very bytes that they had: reads them all.
    pub(super) async fn sound_manifest(&self, name: &ManifestName) -> Result<Option<Manifest>, Error> {
        let Some(manifest) = self.complete_manifest(name).await? else { return Ok(None) };
        match StoredFiles::open(&self.inner.store, &manifest).await {
            Ok(_) => Ok(Some(manifest)),
            Err(error) if error.kind() == ErrorKind::NotInstalled => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Downloads `selection` and switches to it.
    pub(super) async fn install(
        &self,
        selection: &Selection,
        progress: &dyn Progress,
    ) -> Result<Installed, Error> {
        let plan = self.plan(selection).await?;
        self.install_planned(selection, &plan, progress).await
    }

    /// Downloads what `plan` says and switches to it.
    pub(super) async fn install_planned(
        &self,
        selection: &Selection,
        plan: &Plan,
        progress: &dyn Progress,
    ) -> Result<Installed, Error> {
        let store = &self.inner.store;
        let name = self.manifest_name(selection);
        // A revision that moves has the same name before and after.
        let overwritten = store.manifest(&name).await?.map(|(manifest, _)| manifest);
        let in_use = store.pin(&selection.usage).await?.is_some();
        let fetched = plan.bytes_to_fetch();
        let evicted = self.make_room(&self.wanted(selection, plan).await?, progress).await?;
        let manifest = self.inner.hub_client.download(&**store, plan, progress).await;
        let manifest = manifest.map_err(|error| cannot(selection, error))?;
        // Nothing pins it yet.
        let _hold = store.hold(&name).await.ok();
        let mut loaded = None;
        if in_use && pipelines::TASKS.contains(&selection.task.as_str()) {
            match self.load_model(selection, &manifest).await {
                Ok(model) => loaded = Some(Arc::new(model)),
                Err(error) => {
                    self.put_back(overwritten).await;
                    return Err(error);
                }
            }
        }
        let (replaced, removed) = self.switch(selection, &manifest, loaded, overwritten).await?;
        Ok(Installed { evicted, ..installed(selection, &manifest, Some(fetched), replaced, removed) })
    }

    /// Restores the manifest of a revision that moved to something unusable.
    async fn put_back(&self, overwritten: Option<Manifest>) {
        let Some(manifest) = overwritten else { return };
        if let Ok(Some((_, version))) = self.inner.store.manifest(&manifest.name).await {
            // If this fails, the new files stay; the next update tries again.
            let _ = self.inner.store.put_manifest(&manifest, Some(version)).await;
        }
    }

    /// Switches what is in use, then the engines, then removes what is left behind.
    pub(super) async fn switch(
        &self,
        selection: &Selection,
        manifest: &Manifest,
        loaded: Option<Arc<Loaded>>,
        overwritten: Option<Manifest>,
    ) -> Result<(Option<String>, Removed), Error> {
        let _changing = self.inner.changing.lock().await;
        // What says where it can be fetched again; what came from a folder does not.
        let comes_back = manifest.files.values().all(|file| file.origin.is_some());
        let mut pin =
            Pin::new(&selection.usage, manifest.name.clone(), self.now_seconds()).yields(comes_back);
        let value = serde_json::to_value(selection).map_err(|error| {
            Error::new(ErrorKind::Failed, format!("{} cannot be noted", selection.usage)).with_source(error)
        })?;
        pin.other.insert(SELECTION.to_owned(), value);
        let before = self.set_pin(pin).await?;
        if let Some(loaded) = loaded {
            for slot in self.live_slots(Some(&selection.usage)) {
                slot.replace(Arc::clone(&loaded));
            }
        }
        let mut removed = Removed::default();
        if let Some(overwritten) = overwritten {
            removed.add(self.sweep(&overwritten).await?);
        }
        let mut replaced = None;
        if let Some(before) = before.filter(|before| before.manifest != manifest.name) {
            replaced = Some(format!("{}@{}", before.manifest.model, before.manifest.revision));
            removed.add(self.remove_unused(&before.manifest).await?);
        }
        removed.add(self.remove_stale(&manifest.name).await?);
        Ok((replaced, removed))
    }

    /// Sets a pin, whatever it was before, and lets it yield if it did before; returns that.
    pub(super) async fn set_pin(&self, mut pin: Pin) -> Result<Option<Pin>, Error> {
        let mut attempt = 1;
        loop {
            let (before, version): (Option<Pin>, _) = self.inner.store.pin(&pin.name).await?.unzip();
            pin.yields = before.as_ref().map_or(pin.yields, |before| before.yields);
            match self.inner.store.set_pin(&pin, version).await {
                Ok(_) => return Ok(before),
                Err(error) if error.kind() == blob_store::ErrorKind::Conflict && attempt < ATTEMPTS => {
                    attempt += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn cannot(selection: &Selection, error: hub_client::Error) -> Error {
    Error::from(error).about(format!("{} cannot be installed", selection.usage))
}

/// Returns whether two selections lead to the very same files.
pub(super) fn same_files(one: &Selection, other: &Selection) -> bool {
    let files = |of: &Selection| {
        let Selection { task, model, revision, dtype, model_file, files, .. } = of.clone();
        (task, model, revision, dtype, model_file, files)
    };
    files(one) == files(other)
}

fn installed(
    selection: &Selection,
    manifest: &Manifest,
    fetched: Option<u64>,
    replaced: Option<String>,
    removed: Removed,
) -> Installed {
    Installed {
        usage: selection.usage.clone(),
        hub: manifest.name.hub.clone(),
        model: manifest.name.model.clone(),
        revision: manifest.name.revision.clone(),
        commit: manifest.commit.clone(),
        files: manifest.files.len() as u64,
        bytes: manifest.bytes(),
        fetched,
        replaced,
        evicted: Vec::new(),
        removed,
    }
}
