//! The manager: settings, hub, store and engines put together.

mod builder;
mod engines;
mod install;
mod inventory;
mod moving;
mod pinning;
mod runtime_files;
mod settings;
mod space;
mod sweep;
mod update;

use std::{
    path::Path,
    sync::{Arc, Mutex, Weak},
};

use blob_store::{BlobStore, BlobStoreExt, Manifest, ManifestName, Pin, SpaceOptions};
use hub_client::HubClient;
use hub_layout::Hub;
use rs_client::{Client, Clock};
use runtime::EngineKind;

use crate::{Error, ErrorKind, IntoQuery, Selection, engine::Slot, resolve};

pub use builder::ManagerBuilder;
pub use install::Installed;
pub use inventory::{InstalledFile, InstalledModel, Removed, StoreUsage};
pub use moving::{ExportedModel, ImportSource, ImportedModel};
pub use runtime_files::RuntimeFile;
pub use settings::{CollectionOutcome, CollectionSync, SyncSummary};
pub use space::EvictedModel;
pub use update::{ModelOutcome, ModelUpdate, Update};

/// Finds, fetches, verifies, keeps, updates and opens models.
///
/// A cheap handle: clones share everything. All methods may be called at the same time, from several tasks and,
/// with one store, from several processes. Network requests happen in [`sync`](Self::sync),
/// [`sync_each`](Self::sync_each), [`update`](Self::update), [`follow`](Self::follow), [`plan`](Self::plan), and
/// for what is not yet stored in [`pull`](Self::pull), [`ready`](Self::ready) and
/// [`runtime_pull`](Self::runtime_pull); nothing else makes any.
///
/// It needs a Tokio runtime around it and starts none.
#[derive(Clone, Debug)]
pub struct Manager {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: Client,
    hub: Hub,
    hub_client: HubClient,
    store: Arc<dyn BlobStore>,
    clock: Arc<dyn Clock>,
    engine: EngineKind,
    any_hub: bool,
    /// How much room the store may take.
    space: SpaceOptions,
    /// Engines that were handed out and may still be in use.
    slots: Mutex<Vec<Weak<Slot>>>,
    /// Held while what is in use changes, so that two updates do not undo each other.
    changing: tokio::sync::Mutex<()>,
    /// Set once the store's documents were looked through.
    healed: tokio::sync::OnceCell<()>,
}

/// A model in use: its pin, and what chose it.
#[derive(Clone, Debug)]
struct InUse {
    pin: Pin,
    selection: Selection,
}

/// The field of a pin that holds the selection.
const SELECTION: &str = "selection";

impl Manager {
    /// Opens a manager for Mozilla's production servers that keeps everything under `folder`.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), mlmgr::Error> {
    /// use mlmgr::{Input, Manager, NoProgress, RunOptions};
    ///
    /// let manager = Manager::open("models")?;
    /// let engine = manager.ready("feature-extraction", &NoProgress).await?;
    /// let texts = Input::Texts(vec!["good morning".to_owned()]);
    /// let output = engine.run(&texts, &RunOptions::sentence_embedding())?;
    /// println!("{output:?}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Storage`] if the folder cannot be used.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, Error> {
        Self::builder().folder(folder).build()
    }

    /// Starts to put a manager together.
    pub fn builder() -> ManagerBuilder {
        ManagerBuilder::default()
    }

    /// Returns the hub that models come from.
    pub fn hub(&self) -> &Hub {
        &self.inner.hub
    }

    /// Returns the store that models are kept in.
    pub fn store(&self) -> &Arc<dyn BlobStore> {
        &self.inner.store
    }

    /// Says which model a task or feature uses, by the stored settings. Makes no request.
    ///
    /// # Errors
    ///
    /// As [`resolve`](crate::resolve()); also [`ErrorKind::NotFound`] if settings were never fetched.
    pub async fn resolve(&self, query: impl IntoQuery) -> Result<Selection, Error> {
        let query = query.into_query()?;
        resolve::resolve(&self.inference_records().await?, &query)
    }

    /// Returns the model in use under a name, if there is one.
    async fn in_use(&self, usage: &str) -> Result<Option<InUse>, Error> {
        let Some((pin, _)) = self.inner.store.pin(usage).await? else { return Ok(None) };
        let selection = selection_of(&pin)?;
        Ok(Some(InUse { pin, selection }))
    }

    /// Removes damaged notes of what is installed, so that it is fetched again; done once.
    ///
    /// Where that cannot be, whoever reads them says what is damaged.
    async fn heal(&self) {
        let healed = || async {
            let _ = self.inner.store.remove_damaged_documents().await;
        };
        self.inner.healed.get_or_init(healed).await;
    }

    /// Returns the manifest of an installed model, if it is there and complete.
    async fn complete_manifest(&self, name: &ManifestName) -> Result<Option<Manifest>, Error> {
        let Some((manifest, _)) = self.inner.store.manifest(name).await? else { return Ok(None) };
        for entry in manifest.files.values() {
            if !self.inner.store.contains(entry.content).await? {
                return Ok(None);
            }
        }
        Ok(Some(manifest))
    }

    /// Names what `selection` is, on this manager's hub.
    fn manifest_name(&self, selection: &Selection) -> ManifestName {
        ManifestName::new(self.inner.hub.id(), selection.model.to_string(), selection.revision.to_string())
    }

    fn now(&self) -> std::time::SystemTime {
        self.inner.clock.now()
    }

    fn now_seconds(&self) -> u64 {
        self.now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs()
    }
}

/// Reads what chose the model that a pin keeps.
fn selection_of(pin: &Pin) -> Result<Selection, Error> {
    let unreadable =
        || Error::new(ErrorKind::Storage, format!("what is stored about {} cannot be read", pin.name));
    let value = pin.other.get(SELECTION).ok_or_else(unreadable)?;
    serde::Deserialize::deserialize(value).map_err(|error: serde_json::Error| unreadable().with_source(error))
}
