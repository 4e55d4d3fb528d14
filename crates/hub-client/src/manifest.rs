//! Writes the manifest of a downloaded model.

use blob_store::{BlobStore, BlobStoreExt, ErrorKind as StoreErrorKind, FileEntry, Manifest};

use crate::{Error, ErrorKind, Plan, PlannedFile, parts::Fetched, planning};

/// How often a manifest that somebody else writes at the same time is tried again.
const ATTEMPTS: usize = 10;

/// Writes the manifest of `plan`, whose files are now in the store.
pub(crate) async fn write(
    store: &dyn BlobStore,
    plan: &Plan,
    fetched: &[(&PlannedFile, Fetched)],
    now: u64,
) -> Result<Manifest, Error> {
    let name = planning::name(plan);
    for _ in 0..ATTEMPTS {
        let (before, version) = match store.manifest(&name).await {
            Ok(found) => found.unzip(),
            // A damaged one is replaced.
            Err(error) if error.kind() == StoreErrorKind::Damaged && error.version().is_some() => {
                (None, error.version())
            }
            Err(error) => return Err(Error::store(error)),
        };
        let manifest = merge(before.as_ref(), plan, fetched, now);
        if before.as_ref() == Some(&manifest) {
            return Ok(manifest);
        }
        match store.put_manifest(&manifest, version).await {
            Ok(_) => return Ok(manifest),
            Err(error) if error.kind() == StoreErrorKind::Conflict => {}
            Err(error) => return Err(Error::store(error)),
        }
    }
    Err(Error::new(ErrorKind::Storage, "others keep writing the manifest at the same time"))
}

/// Puts together what was fetched and what was there before.
///
/// What was there is kept if it is of the same state of the model: of the same commit, of a revision that does not
/// move, or with the same content wherever the two have a file in common.
fn merge(before: Option<&Manifest>, plan: &Plan, fetched: &[(&PlannedFile, Fetched)], now: u64) -> Manifest {
    let mut manifest = Manifest::new(planning::name(plan), now);
    let agrees = |before: &Manifest| {
        let mut common = fetched
            .iter()
            .filter_map(|(file, fetched)| Some((before.files.get(file.path.as_str())?, fetched.content)));
        plan.commit.is_none() && common.all(|(entry, content)| entry.content == content)
    };
    if let Some(before) = before {
        if planning::is_same_state(before, plan) || agrees(before) {
            manifest = before.clone();
        }
        manifest.created = before.created;
        manifest.other = before.other.clone();
    }
    manifest.commit = plan.commit.as_ref().map(ToString::to_string);
    for (file, Fetched { content, parts }) in fetched {
        let path = file.path.to_string();
        let same =
            before.and_then(|before| before.files.get(&path)).filter(|entry| entry.content == *content);
        let mut entry = same.cloned().unwrap_or_else(|| FileEntry::new(*content, now));
        if parts.is_some() {
            entry.parts = parts.clone();
        }
        entry.etag = file.etag.clone();
        entry.origin = Some(file.url.to_string());
        manifest.files.insert(path, entry);
    }
    manifest
}
