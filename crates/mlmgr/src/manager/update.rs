//! Following the settings: every model in use moves to what its record now says.

use blob_store::{BlobStoreExt, Pin};
use hub_client::Progress;
use serde::Serialize;

use super::{EvictedModel, InUse, Manager, Removed, SyncSummary, install::same_files};
use crate::{Error, ErrorKind, Query, Selection};

/// What an update did.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Update {
    /// The settings, by collection.
    pub settings: SyncSummary,
    /// Everything in use.
    pub models: Vec<ModelUpdate>,
}

/// What an update did to one model in use.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct ModelUpdate {
    /// The name under which it is in use.
    pub usage: String,
    /// What happened.
    pub outcome: ModelOutcome,
    /// What was in use before, as `MODEL@REVISION`.
    pub from: String,
    /// What is in use now.
    pub to: String,
    /// How many bytes were downloaded.
    pub fetched: u64,
    /// What was evicted to make room for it.
    pub evicted: Vec<EvictedModel>,
    /// What was removed because nothing uses it any more.
    pub removed: Removed,
    /// Sentences that say how the choice was made.
    pub why: Vec<String>,
    /// Why it failed, if it did.
    pub error: Option<Error>,
}

/// What happened to a model in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ModelOutcome {
    /// It is what the settings say.
    UpToDate,
    /// Something else was downloaded, verified and switched to.
    Updated,
    /// No record chooses a model any more; what is installed stays until it is removed.
    Withdrawn,
    /// The settings forbid it now; it is not run any more.
    Refused,
    /// It could not be updated; what was in use stays.
    Failed,
}

impl Update {
    /// Returns the first failure, of the settings or else of a model.
    pub fn failure(&self) -> Option<&Error> {
        self.settings.failure().or_else(|| self.models.iter().find_map(|model| model.error.as_ref()))
    }
}

impl Manager {
    /// Fetches the settings, and moves every model in use to what they now say.
    ///
    /// For each use: the new revision is planned, downloaded and verified, loaded once where this build can run
    /// the task, then switched to; engines follow; then the old revision's files go, unless another model has
    /// them too. When any of this fails, the old revision stays in use and the report says why; the other models
    /// are updated all the same. A revision that moves, such as `main`, is looked up at the hub. In the end, what
    /// belongs to no model and is an hour old is removed, and what interrupted downloads left behind a week ago.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Storage`] if it cannot be read what is in use. All else is in the report: see
    /// [`Update::failure`].
    pub async fn update(&self, progress: &dyn Progress) -> Result<Update, Error> {
        let settings = self.sync_each().await;
        let models = self.follow(progress).await?;
        Ok(Update { settings, models })
    }

    /// Moves every model in use to what the stored settings say, as [`update`](Self::update) does.
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update).
    pub async fn follow(&self, progress: &dyn Progress) -> Result<Vec<ModelUpdate>, Error> {
        self.heal().await;
        let mut updates = Vec::new();
        for pin in self.inner.store.pins().await? {
            // Removed or evicted since the list was read.
            if self.inner.store.pin(&pin.name).await?.is_none() {
                continue;
            }
            let mut update = ModelUpdate::of(&pin);
            let result = match pin.name.strip_prefix("runtime:") {
                Some(name) => self.follow_runtime(name, &mut update).await,
                None => self.follow_model(&pin.name, progress, &mut update).await,
            };
            if let Err(error) = result {
                if update.outcome != ModelOutcome::Refused {
                    update.outcome = ModelOutcome::Failed;
                }
                update.error = Some(error);
            }
            updates.push(update);
        }
        self.collect_garbage().await;
        Ok(updates)
    }

    async fn follow_runtime(&self, name: &str, update: &mut ModelUpdate) -> Result<(), Error> {
        let file = match self.runtime_pull(name).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return update.withdrawn(&error),
            other => other?,
        };
        if file.fetched || file.replaced.is_some() {
            update.outcome = ModelOutcome::Updated;
            update.fetched = if file.fetched { file.content.size } else { 0 };
        }
        update.to = format!("{name}@{}", file.version);
        update.removed = file.removed;
        Ok(())
    }

    async fn follow_model(
        &self,
        usage: &str,
        progress: &dyn Progress,
        update: &mut ModelUpdate,
    ) -> Result<(), Error> {
        // It may have been let go of since the list was read.
        let Some(in_use) = self.in_use(usage).await? else { return Ok(()) };
        let selection = match self.reselect(&in_use).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return update.withdrawn(&error),
            other => other?,
        };
        update.why = selection.why.clone();
        let result = self.move_to(&in_use, &selection, progress, update).await;
        self.refuse_forbidden(usage, update).await?;
        result.map_err(|error| {
            let (from, kept) = (&update.from, update.outcome != ModelOutcome::Refused);
            let stays = if kept { format!("; {from} stays in use") } else { String::new() };
            let target = format!("{}@{}", selection.model, selection.revision);
            Error::new(error.kind(), format!("{usage} was not moved to {target}{stays}"))
                .with_hint_of(&error)
                .with_source(error)
        })
    }

    /// Chooses again for what is in use.
    async fn reselect(&self, in_use: &InUse) -> Result<Selection, Error> {
        if in_use.pin.name.starts_with("model:") {
            return Ok(in_use.selection.clone());
        }
        let query: Query = in_use.pin.name.parse()?;
        self.resolve(query).await
    }

    async fn move_to(
        &self,
        in_use: &InUse,
        selection: &Selection,
        progress: &dyn Progress,
        update: &mut ModelUpdate,
    ) -> Result<(), Error> {
        let name = self.manifest_name(selection);
        let current = match in_use.pin.manifest == name && same_files(&in_use.selection, selection) {
            true => self.complete_manifest(&name).await?,
            false => None,
        };
        if let Some(manifest) = current {
            if !selection.revision.is_moving() {
                return Ok(());
            }
            let plan = self.plan(selection).await?;
            let is_current = plan.files.iter().all(|file| {
                let installed = manifest.files.get(file.path.as_str());
                installed.is_some_and(|entry| match file.digest {
                    Some(digest) => entry.content.digest == digest,
                    None => file.etag.is_some() && entry.etag == file.etag,
                })
            });
            if is_current {
                return Ok(());
            }
            let done = self.install_planned(selection, &plan, progress).await?;
            update.done(done);
            return Ok(());
        }
        let done = self.pull(selection, progress).await?;
        update.done(done);
        Ok(())
    }

    /// Closes the engines of a model that the settings forbid now, and opens those of one that they allow again.
    async fn refuse_forbidden(&self, usage: &str, update: &mut ModelUpdate) -> Result<(), Error> {
        let Some((pin, _)) = self.inner.store.pin(usage).await? else { return Ok(()) };
        let Some((manifest, _)) = self.inner.store.manifest(&pin.manifest).await? else { return Ok(()) };
        let checked = self.check_origins(&manifest).await;
        let why = checked.as_ref().err().map(Error::chain);
        for slot in self.live_slots(Some(usage)) {
            slot.refuse(why.clone());
        }
        if checked.is_err() {
            update.outcome = ModelOutcome::Refused;
        }
        checked
    }
}

impl ModelUpdate {
    fn of(pin: &Pin) -> Self {
        let current = format!("{}@{}", pin.manifest.model, pin.manifest.revision);
        Self {
            usage: pin.name.clone(),
            outcome: ModelOutcome::UpToDate,
            from: current.clone(),
            to: current,
            fetched: 0,
            evicted: Vec::new(),
            removed: Removed::default(),
            why: Vec::new(),
            error: None,
        }
    }

    fn withdrawn(&mut self, why: &Error) -> Result<(), Error> {
        self.outcome = ModelOutcome::Withdrawn;
        self.why = vec![why.chain()];
        Ok(())
    }

    fn done(&mut self, done: super::Installed) {
        self.outcome = ModelOutcome::Updated;
        self.to = format!("{}@{}", done.model, done.revision);
        self.fetched = done.fetched.unwrap_or(0);
        self.evicted = done.evicted;
        self.removed = done.removed;
    }
}
