//! What is in staging of an object store: listed, and removed where it is old.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use content_id::Digest;
use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, path::Path};

use super::{about, is_absent, parts};
use crate::{Error, Part, StageInfo, layout};

/// The objects in staging that belong together: all parts of one stage, or a single one.
async fn all(objects: &Arc<dyn ObjectStore>) -> Result<BTreeMap<String, Vec<ObjectMeta>>, Error> {
    let fail = |e| about("list", "stages").backend(e);
    let mut listing = objects.list(Some(&Path::from(layout::STAGING)));
    let mut stages = BTreeMap::<String, Vec<ObjectMeta>>::new();
    while let Some(meta) = listing.try_next().await.map_err(fail)? {
        let name = meta.location.parts().nth(1).map_or(String::new(), |name| name.as_ref().to_owned());
        stages.entry(name).or_default().push(meta);
    }
    Ok(stages)
}

/// Lists the stages. Nobody knows who works on them.
pub(super) async fn list(objects: &Arc<dyn ObjectStore>) -> Result<Vec<StageInfo>, Error> {
    let stages = all(objects).await?.into_iter().map(|(name, objects)| {
        let resumable = objects.iter().any(|meta| parts::parse(&meta.location).is_some());
        let bytes = objects.iter().map(|meta| meta.size).sum();
        StageInfo::new(name, resumable, bytes, newest(&objects))
    });
    Ok(stages.collect())
}

/// When the last part came.
fn newest(objects: &[ObjectMeta]) -> SystemTime {
    let times = objects.iter().map(|meta| SystemTime::from(meta.last_modified));
    times.max().unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Lists the parts of the stage `name`; what does not have the size of its name is none.
pub(super) async fn parts(objects: &Arc<dyn ObjectStore>, name: Digest) -> Result<Vec<Part>, Error> {
    let prefix = Path::from_iter([layout::STAGING.to_owned(), name.to_string()]);
    let listing = objects.list(Some(&prefix)).map_err(|e| about("list", "parts of a stage").backend(e));
    let parts = listing.try_filter_map(async |meta| {
        let part = parts::parse(&meta.location).map(|(_, part)| part);
        Ok(part.filter(|part| part.size == meta.size))
    });
    parts.try_collect().await
}

/// Removes the stages to which nothing was added since `before`.
pub(super) async fn remove_stale(objects: &Arc<dyn ObjectStore>, before: SystemTime) -> Result<u64, Error> {
    let mut removed = 0;
    for stage in all(objects).await?.into_values() {
        if before <= newest(&stage) {
            continue;
        }
        let mut any = false;
        for meta in stage {
            match objects.delete(&meta.location).await {
                Ok(()) => any = true,
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(about("clean", "stages").backend(error)),
            }
        }
        removed += u64::from(any);
    }
    Ok(removed)
}
