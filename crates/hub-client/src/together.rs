//! Several processes that download the same plan: one does, and the others find what it leaves.

use std::collections::BTreeMap;

use blob_store::{BlobStore, BlobStoreExt, ErrorKind as StoreErrorKind, Expected, PartStage, StageKey, Turn};
use content_id::Hasher;
use tokio::time::Instant;

use crate::{
    Error, HubClient, Plan, Progress, Trust,
    answer::stage_key,
    planning::{is_same_file, is_same_state, recorded},
    track::Track,
    turn::LOOK,
};

/// As long as it is held, nobody else downloads the same: a stage that nothing is written to.
#[derive(Debug)]
pub(crate) struct Held {
    _stage: Option<Box<dyn PartStage>>,
}

impl HubClient {
    /// Waits until nobody else downloads `plan`, as far as the store can tell.
    pub(crate) async fn turn_of_plan(
        &self,
        store: &dyn BlobStore,
        plan: &Plan,
        progress: &dyn Progress,
    ) -> Result<Held, Error> {
        let key = StageKey::new(&format!("download of {} from {}", plan.model, plan.hub), &version(plan));
        let mut seen = BTreeMap::new();
        let mut since = Instant::now();
        loop {
            let error = match store.stage_or_wait(&key, Expected::default(), LOOK).await {
                Ok(Turn::Begun(stage)) => return Ok(Held { _stage: Some(stage) }),
                Ok(_) => return Ok(Held { _stage: None }),
                Err(error) => error,
            };
            match error.kind() {
                StoreErrorKind::Unsupported => return Ok(Held { _stage: None }),
                StoreErrorKind::Busy => {}
                _ => return Err(Error::store(error)),
            }
            let stages = store.stages().await.map_err(Error::store)?;
            for file in &plan.files {
                let Some(key) = stage_key(file, plan) else { continue };
                let name = key.stage_name(Expected::new(file.digest, file.size)).to_string();
                let Some(stage) = stages.iter().find(|stage| stage.name == name) else { continue };
                if seen.insert(name, stage.bytes) != Some(stage.bytes) {
                    since = Instant::now();
                    Track::new(progress, file).waiting(stage.bytes);
                }
            }
            // Whoever holds it and does not get on is not waited for.
            if since.elapsed() >= self.limits.patience {
                return Ok(Held { _stage: None });
            }
        }
    }
}

/// Takes from the manifest what others have found out since the plan was made.
pub(crate) async fn learn(store: &dyn BlobStore, plan: &mut Plan) -> Result<(), Error> {
    if plan.files.iter().all(|file| file.digest.is_some()) {
        return Ok(());
    }
    let Some(manifest) = recorded(store, plan).await? else { return Ok(()) };
    let same = is_same_state(&manifest, plan);
    for file in plan.files.iter_mut().filter(|file| file.digest.is_none()) {
        let Some(entry) = manifest.files.get(file.path.as_str()) else { continue };
        let agrees = file.size.is_none_or(|size| size == entry.content.size);
        if agrees && (same || is_same_file(entry, file.etag.as_deref(), file.size)) {
            (file.digest, file.size) = (Some(entry.content.digest), Some(entry.content.size));
            file.trust = Trust::Recorded;
        }
    }
    Ok(())
}

/// A digest of everything that makes two plans the same.
fn version(plan: &Plan) -> String {
    let mut hasher = Hasher::default();
    for file in &plan.files {
        let what = (&file.url, file.size, file.digest.map(|digest| digest.to_string()), &file.etag);
        hasher.update(format!("{what:?}\n").as_bytes());
    }
    hasher.finish().digest.to_string()
}
