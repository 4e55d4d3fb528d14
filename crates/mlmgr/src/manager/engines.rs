//! Opening models, and keeping the engines that were handed out current.

use std::sync::{Arc, PoisonError};

use blob_store::{BlobStoreExt, Hold, Manifest, ManifestName};
use hub_client::Progress;
use hub_layout::{FileKind, FileRequest, RepoPath, WeightsFormat, needed_files};
use pipelines::LoadOptions;

use super::{InUse, Manager};
use crate::{
    Engine, EngineInfo, Error, ErrorKind, IntoQuery, Selection,
    engine::{Loaded, Slot},
    model_files::StoredFiles,
};

/// The backends of records that the engines here stand in for: all run ONNX files.
const BACKENDS: [&str; 3] = ["onnx", "onnx-native", "best-onnx"];

impl Manager {
    /// Opens the installed model of a task or feature. Makes no request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotInstalled`] if there is none; [`ErrorKind::Denied`] if the settings forbid it now;
    /// [`ErrorKind::Unsupported`] or [`ErrorKind::InvalidModel`] if it cannot be run; [`ErrorKind::LimitExceeded`];
    /// [`ErrorKind::Storage`].
    pub async fn engine(&self, query: impl IntoQuery) -> Result<Engine, Error> {
        self.heal().await;
        let query = query.into_query()?;
        let missing = || {
            Error::new(ErrorKind::NotInstalled, format!("no model is installed for {}", query.described()))
                .with_hint(format!("fetch it while online: mlmgr pull {}", query.arguments()))
        };
        let in_use = self.in_use(&query.to_string()).await?.ok_or_else(missing)?;
        let manifest = self.complete_manifest(&in_use.pin.manifest).await?.ok_or_else(|| {
            missing().about(format!("files of {} are missing in the store", in_use.pin.manifest))
        })?;
        self.check_origins(&manifest).await?;
        self.note_use(&manifest.name).await;
        if let Some(slot) = self.live_slots(Some(&in_use.pin.name)).pop() {
            return Ok(Engine { slot });
        }
        let loaded = Arc::new(self.load_model(&in_use.selection, &manifest).await?);
        Ok(Engine { slot: self.new_slot(in_use, loaded) })
    }

    /// Opens the model of a task or feature, fetching settings and model first where they are not stored.
    ///
    /// What is installed is opened without any request.
    ///
    /// # Errors
    ///
    /// As [`engine`](Self::engine), [`sync`](Self::sync), [`resolve`](Self::resolve) and [`pull`](Self::pull).
    pub async fn ready(&self, query: impl IntoQuery, progress: &dyn Progress) -> Result<Engine, Error> {
        self.heal().await;
        let query = query.into_query()?;
        let in_use = self.in_use(&query.to_string()).await?;
        let installed = match &in_use {
            Some(in_use) => self.complete_manifest(&in_use.pin.manifest).await?.is_some(),
            None => false,
        };
        if !installed {
            let of = query.described();
            self.ensure_settings().await.map_err(|error| {
                Error::new(error.kind(), format!("no model is installed for {of}"))
                    .with_hint_of(&error)
                    .with_source(error)
            })?;
            let (missing, selection) = match in_use {
                // A damaged installation is repaired as it was.
                Some(in_use) => {
                    (format!("files of {} are missing or damaged", in_use.pin.manifest), in_use.selection)
                }
                None => (format!("no model is installed for {of}"), self.resolve(&query).await?),
            };
            self.pull(&selection, progress).await.map_err(|error| {
                let (model, revision) = (&selection.model, &selection.revision);
                Error::new(error.kind(), format!("{missing}, and {model}@{revision} cannot be fetched"))
                    .with_hint_of(&error)
                    .with_source(error)
            })?;
        }
        self.engine(query).await
    }

    /// Moves the engines that were handed out to what is in use now; returns how many moved. Makes no request.
    ///
    /// [`update`](Self::update) and [`pull`](Self::pull) do this by themselves. It is for a program that keeps
    /// running while another process updates the store they share.
    ///
    /// # Errors
    ///
    /// As [`engine`](Self::engine) for the first engine that cannot move; it keeps running what it has.
    pub async fn reload(&self) -> Result<usize, Error> {
        let mut moved = 0;
        for slot in self.live_slots(None) {
            let Some(in_use) = self.in_use(&slot.usage).await? else { continue };
            let Some(manifest) = self.complete_manifest(&in_use.pin.manifest).await? else { continue };
            self.check_origins(&manifest).await?;
            let info = info_of(&in_use.selection, &manifest)?;
            if slot.info().as_ref() != Some(&info) {
                slot.replace(Arc::new(self.load_model(&in_use.selection, &manifest).await?));
                moved += 1;
            }
        }
        Ok(moved)
    }

    /// Loads a model from the store, in a blocking task.
    pub(super) async fn load_model(
        &self,
        selection: &Selection,
        manifest: &Manifest,
    ) -> Result<Loaded, Error> {
        if let Some(backend) = selection.backend.as_deref().filter(|backend| !BACKENDS.contains(backend)) {
            let message = format!("{} is meant for the engine {backend:?}", manifest.name);
            return Err(Error::new(ErrorKind::Unsupported, message)
                .with_hint(format!("this program runs models for {}", BACKENDS.join(", "))));
        }
        let info = info_of(selection, manifest)?;
        // Before the files are looked for: from here on nobody evicts them.
        let hold = self.hold(&manifest.name).await?;
        let files = StoredFiles::open(&self.inner.store, manifest).await?;
        let task = info.task.clone();
        let options =
            LoadOptions { onnx_file: info.file.clone(), engine: self.inner.engine, ..LoadOptions::default() };
        let load = move || pipelines::load(&task, &files, &options);
        let loaded = tokio::task::spawn_blocking(load).await;
        let loaded = loaded.map_err(|error| {
            Error::new(ErrorKind::InvalidModel, format!("loading {} did not end", manifest.name))
                .with_source(error)
        })?;
        let pipeline = loaded
            .map_err(|error| Error::from(error).about(format!("{} cannot be loaded", manifest.name)))?;
        Ok(Loaded { pipeline, info, _hold: hold })
    }

    /// Keeps a model from being evicted; nothing where that cannot be, which is no reason not to use it.
    async fn hold(&self, name: &ManifestName) -> Result<Option<Hold>, Error> {
        match self.inner.store.hold(name).await {
            Ok(hold) => Ok(Some(hold)),
            Err(error) if error.kind() == blob_store::ErrorKind::NotFound => Err(error.into()),
            Err(_) => Ok(None),
        }
    }

    /// Returns the engines handed out, under a name or all, that are still in use.
    pub(super) fn live_slots(&self, usage: Option<&str>) -> Vec<Arc<Slot>> {
        let mut slots = self.inner.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|slot| slot.strong_count() != 0);
        slots
            .iter()
            .filter_map(std::sync::Weak::upgrade)
            .filter(|slot| usage.is_none_or(|usage| slot.usage == usage))
            .collect()
    }

    fn new_slot(&self, in_use: InUse, loaded: Arc<Loaded>) -> Arc<Slot> {
        let slot = Arc::new(Slot::new(in_use.pin.name, loaded));
        let mut slots = self.inner.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.push(Arc::downgrade(&slot));
        slot
    }

    /// Refuses an installed model whose files come from where the settings forbid now.
    pub(super) async fn check_origins(&self, manifest: &Manifest) -> Result<(), Error> {
        let rules = self.rules().await?;
        for entry in manifest.files.values() {
            if let Some(url) = entry.origin.as_deref().and_then(|origin| origin.parse().ok()) {
                rules.check(&url).map_err(|error| {
                    Error::new(
                        error.kind(),
                        format!("{} is installed, but must not be used now", manifest.name),
                    )
                    .with_hint_of(&error)
                    .with_source(error)
                })?;
            }
        }
        Ok(())
    }

    /// Notes that a model is used, once an hour; that this may fail is no reason not to use it.
    pub(super) async fn note_use(&self, name: &ManifestName) {
        let _ = self.inner.store.touch(name, self.now_seconds()).await;
    }
}

/// Describes what an engine of this selection and manifest has loaded.
fn info_of(selection: &Selection, manifest: &Manifest) -> Result<EngineInfo, Error> {
    Ok(EngineInfo {
        task: selection.task.to_string(),
        hub: manifest.name.hub.clone(),
        model: manifest.name.model.clone(),
        revision: manifest.name.revision.clone(),
        commit: manifest.commit.clone(),
        file: weights_file(selection, manifest)?.to_string(),
    })
}

/// Returns the file with the weights: what the selection asks for, among the files that are installed.
fn weights_file(selection: &Selection, manifest: &Manifest) -> Result<RepoPath, Error> {
    let listing: Vec<RepoPath> = manifest.files.keys().filter_map(|path| path.parse().ok()).collect();
    let needed = needed_files(&file_request(selection), Some(&listing)).map_err(|error| {
        Error::new(ErrorKind::NotInstalled, format!("{} is not complete", manifest.name)).with_source(error)
    })?;
    let is_onnx = |kind: FileKind| matches!(kind, FileKind::Weights { format: WeightsFormat::Onnx, .. });
    needed.into_iter().find(|file| is_onnx(file.kind)).map(|file| file.path).ok_or_else(|| {
        Error::new(
            ErrorKind::Unsupported,
            format!("{} has no ONNX file for {}", manifest.name, selection.task),
        )
    })
}

/// Returns what the files of a selection are wanted for.
pub(super) fn file_request(selection: &Selection) -> FileRequest {
    let mut request = FileRequest::new(selection.task.clone());
    request.dtype = selection.dtype;
    request.model_file = selection.model_file.clone();
    request
}
