//! Room for what is downloaded: decided before the first byte of it, at the expense of what was used least lately.

use blob_store::{BlobStoreExt, Eviction, GcOptions, ManifestName, SpaceOptions, SpacePlan};
use content_id::ContentId;
use hub_client::{Event, Plan, Progress};
use serde::Serialize;

use super::Manager;
use crate::{Error, ErrorKind, Selection};

/// How often room is made again where others come to use what was to go.
const ATTEMPTS: usize = 3;

/// A model that was removed to make room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct EvictedModel {
    /// The hub it came from.
    pub hub: String,
    /// The model.
    pub model: String,
    /// Its revision.
    pub revision: String,
    /// What used it, and does not any more.
    pub used_by: Vec<String>,
    /// When it was used last, in Unix seconds.
    pub used: u64,
    /// Bytes that went with it.
    pub bytes: u64,
}

/// What needs room.
pub(super) struct Wanted {
    /// What an error message calls it.
    pub(super) subject: String,
    /// The files, as far as it is known what they are.
    pub(super) files: Vec<ContentId>,
    /// Bytes of the others.
    pub(super) more: u64,
    /// What stays in use until all of this is there.
    pub(super) keep: Vec<ManifestName>,
}

impl Manager {
    /// Says whether what `plan` fetches for `selection` fits, and which models would be evicted for it: see
    /// [`ManagerBuilder::quota`](crate::ManagerBuilder::quota). Changes nothing, and makes no request.
    ///
    /// Files whose size the hub does not say count as nothing. That it does not fit is no error here:
    /// [`SpacePlan::fits`] says so, and [`check_space`](Self::check_space) makes an error of it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Storage`]; [`ErrorKind::Unsupported`] if a newer program wrote into the store.
    pub async fn plan_space(&self, selection: &Selection, plan: &Plan) -> Result<SpacePlan, Error> {
        self.after_collection(&self.wanted(selection, plan).await?).await
    }

    /// Refuses what does not fit, with the numbers and the way out, as [`pull`](Self::pull) does.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NoSpace`].
    pub fn check_space(&self, selection: &Selection, space: &SpacePlan) -> Result<(), Error> {
        self.check(space, &selection.usage)
    }

    /// Plans room for what is wanted as it will be when garbage was collected, if that is needed.
    async fn after_collection(&self, wanted: &Wanted) -> Result<SpacePlan, Error> {
        let store = &self.inner.store;
        let options = self.space_options(wanted);
        let space = store.plan_space(&wanted.files, &options).await?;
        if space.fits() && space.evict.is_empty() {
            return Ok(space);
        }
        let garbage = store.collect_garbage(&GcOptions::new(self.now()).dry_run(true)).await?.bytes_freed;
        Ok(store.plan_space(&wanted.files, &options.freed_first(garbage)).await?)
    }

    /// Makes room for what is wanted; returns what was evicted. Changes nothing if that does not suffice.
    pub(super) async fn make_room(
        &self,
        wanted: &Wanted,
        progress: &dyn Progress,
    ) -> Result<Vec<EvictedModel>, Error> {
        let store = &self.inner.store;
        let options = self.space_options(wanted);
        let mut evicted = Vec::new();
        for attempt in 1..=ATTEMPTS {
            let mut space = store.plan_space(&wanted.files, &options).await?;
            if space.to_fetch() == 0 || (space.fits() && space.evict.is_empty()) {
                break;
            }
            if attempt == 1 {
                self.check(&self.after_collection(wanted).await?, &wanted.subject)?;
                // No model goes where garbage would do.
                store.collect_garbage(&GcOptions::new(self.now())).await?;
                space = store.plan_space(&wanted.files, &options).await?;
            }
            self.check(&space, &wanted.subject)?;
            let done = store.make_room(&space).await?;
            for eviction in space.evict.iter().filter(|one| done.manifests.contains(&one.manifest)) {
                let model = evicted_model(eviction);
                progress.event(&Event::evicted(&format!("{}@{}", model.model, model.revision), model.bytes));
                evicted.push(model);
            }
            if done.kept.is_empty() {
                break;
            }
            if attempt == ATTEMPTS {
                let message =
                    format!("there is no room for {}: what was to go is used again", wanted.subject);
                return Err(Error::new(ErrorKind::NoSpace, message).with_hint("try again later"));
            }
        }
        Ok(evicted)
    }

    /// What a plan needs room for.
    pub(super) async fn wanted(&self, selection: &Selection, plan: &Plan) -> Result<Wanted, Error> {
        // A revision that moves has its name already; what it replaces runs until it is complete.
        let mut keep = vec![self.manifest_name(selection)];
        keep.extend(self.inner.store.pin(&selection.usage).await?.map(|(pin, _)| pin.manifest));
        let unnamed = plan.files.iter().filter(|file| file.content().is_none());
        Ok(Wanted {
            subject: selection.usage.clone(),
            files: plan.files.iter().filter_map(|file| file.content()).collect(),
            more: unnamed.filter_map(|file| file.size).fold(0, u64::saturating_add),
            keep,
        })
    }

    fn space_options(&self, wanted: &Wanted) -> SpaceOptions {
        let mut options = self.inner.space.clone().more(wanted.more);
        options.keep.clone_from(&wanted.keep);
        options
    }

    fn check(&self, space: &SpacePlan, subject: &str) -> Result<(), Error> {
        space.check().map_err(|error| {
            let quota = if space.quota.is_some() { ", or raise --quota" } else { "" };
            let pinned = if space.quota.is_some() || space.keep_free != 0 {
                "; what is pinned can be let go of: mlmgr unpin"
            } else {
                ""
            };
            let hint = format!("see what takes space with mlmgr du, remove it with mlmgr rm{quota}{pinned}");
            let message = format!("there is no room for {subject}");
            Error::new(ErrorKind::NoSpace, message).with_hint(hint).with_source(error)
        })
    }
}

fn evicted_model(eviction: &Eviction) -> EvictedModel {
    let Eviction { manifest, pins, used, bytes, .. } = eviction;
    let ManifestName { hub, model, revision, .. } = manifest.clone();
    EvictedModel { hub, model, revision, used_by: pins.clone(), used: *used, bytes: *bytes }
}
