//! Many small blobs at once: the disk is waited for once for all of them, and not twice for each.
//!
//! The order is that of one blob: the bytes of all are on the disk before any of them has its name, and all names are
//! on the disk before any of them is acknowledged.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use content_id::ContentId;
use tempfile::TempPath;

use super::{
    Durability,
    barrier::Barrier,
    blobs::{clear, confirm, folder_and_name},
    layout::Layout,
};
use crate::{
    Error, ErrorKind,
    blocking::{each, run},
    layout,
};

/// Blobs that one thread hashes, writes or names at least.
const SHARE: usize = 32;

/// From this many on it is faster to wait for everything in the file system than for each file.
pub(super) const MANY: usize = 8;

pub(super) async fn put(layout: Arc<Layout>, contents: Vec<Bytes>) -> Result<Vec<ContentId>, Error> {
    let limit = layout.options().limits.blob_bytes;
    let named = each(contents, SHARE, move |bytes| {
        let id = ContentId::of(&bytes);
        if limit < id.size {
            let detail = format!("more than {limit} bytes");
            return Err(Error::blob(ErrorKind::TooLarge, "write", id).with_detail(detail));
        }
        Ok((id, bytes))
    })
    .await?;
    let ids: Vec<ContentId> = named.iter().map(|(id, _)| *id).collect();
    let mut wanted: BTreeMap<ContentId, Bytes> = named.into_iter().collect();
    let (look, distinct) = (Arc::clone(&layout), wanted.keys().copied().collect());
    let missing = run(move || confirm(&look, distinct)).await?;
    let missing: Vec<(ContentId, Bytes)> =
        missing.into_iter().filter_map(|id| wanted.remove_entry(&id)).collect();
    if !missing.is_empty() {
        let needed = missing.iter().map(|(id, _)| id.size).sum();
        let taken = Arc::new(AtomicU64::new(0));
        let outcome = write(Arc::clone(&layout), missing, Arc::clone(&taken)).await;
        outcome.map_err(|e| layout.with_numbers(e, Some(needed), taken.load(Ordering::Relaxed)))?;
    }
    Ok(ids)
}

/// Counts in `taken` the bytes that are written.
async fn write(
    layout: Arc<Layout>,
    blobs: Vec<(ContentId, Bytes)>,
    taken: Arc<AtomicU64>,
) -> Result<(), Error> {
    let (begin, count) = (Arc::clone(&layout), blobs.len());
    let (staging, barrier) = run(move || {
        let staging = begin.folder(&[layout::STAGING])?;
        let many = begin.options().durability == Durability::Full && count >= MANY;
        // Before anything is written: a barrier reports what failed since it is there.
        let barrier =
            if many { begin.calls().barrier(&staging).map_err(|e| begin.fail("open", e))? } else { None };
        Ok((staging, barrier.map(Arc::new)))
    })
    .await?;

    let (stage, each_file) = (Arc::clone(&layout), barrier.is_none());
    let staged = each(blobs, SHARE, move |(id, bytes)| {
        let fail = |e| Error::io("write", format_args!("blob {}", id.digest), e);
        let mut file = stage.calls().create(&staging, "").map_err(fail)?;
        stage.calls().write(file.as_file_mut(), &bytes).map_err(fail)?;
        if each_file {
            stage.sync_file(file.as_file()).map_err(fail)?;
        }
        taken.fetch_add(id.size, Ordering::Relaxed);
        Ok((id, file.into_temp_path()))
    })
    .await?;
    let (settle, until) = (Arc::clone(&layout), barrier.clone());
    let folders: BTreeSet<String> = staged.iter().map(|(id, _)| folder_and_name(id.digest).0).collect();
    let names: Vec<String> = folders.iter().cloned().collect();
    let all = run(move || {
        wait(&settle, until.as_deref(), true)?;
        settle.folders(&[layout::BLOBS, layout::SHA256], &names)
    })
    .await?;

    let (publish, place) = (Arc::clone(&layout), all.clone());
    each(staged, SHARE, move |(id, file): (ContentId, TempPath)| {
        let (folder, name) = folder_and_name(id.digest);
        let fail = |e| Error::io("publish", format_args!("blob {}", id.digest), e);
        let path = place.join(folder).join(name);
        clear(&publish, &path, id.digest)?;
        publish.calls().persist_path(file, &path).map_err(fail)
    })
    .await?;
    run(move || match &barrier {
        Some(_) => wait(&layout, barrier.as_deref(), false),
        None => {
            let sync = |folder: String| layout.sync_folder(&all.join(folder));
            folders.into_iter().try_for_each(sync).map_err(|e| layout.fail("sync", e))
        }
    })
    .await
}

fn wait(layout: &Layout, barrier: Option<&Barrier>, files: bool) -> Result<(), Error> {
    let Some(barrier) = barrier else { return Ok(()) };
    layout.calls().sync_barrier(barrier, files).map_err(|e| layout.fail("sync", e))
}
