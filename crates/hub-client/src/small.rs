//! Many small files: fetched side by side, and brought into the store together.

use std::sync::Arc;

use blob_store::BlobStoreExt;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, future::try_join};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::{Error, PlannedFile, answer::Job, parts::Fetched};

/// Bytes that wait for the store at most, in KiB; a file takes one at least.
const WAITING: u32 = 16 << 10;

/// Files that get into the store together at most.
const TOGETHER: usize = 4096;

/// A small file that has come, and its share of what may wait.
type Arrived<'a> = (Job<'a>, Bytes, Option<OwnedSemaphorePermit>);

/// Fetches `jobs`, whose files are small; their bytes go into the store as fast as it takes them, all that have come
/// meanwhile at once.
pub(crate) async fn fetch_all<'a>(
    jobs: Vec<(Job<'a>, u64)>,
    parallel: usize,
) -> Result<Vec<(&'a PlannedFile, Fetched)>, Error> {
    let (sender, mut receiver) = mpsc::unbounded_channel::<Arrived<'a>>();
    let room = Arc::new(Semaphore::new(WAITING as usize));
    let fetch = async move {
        let fetches = jobs.into_iter().map(async |(job, size)| {
            job.track.started();
            let bytes = job.fetch_small(size).await.map_err(|error| error.at(&job.file.path))?;
            let share = u32::try_from(size >> 10).map_or(WAITING, |size| (size + 1).min(WAITING));
            // It is never closed; and where nobody receives, that error is told.
            let share = Arc::clone(&room).acquire_many_owned(share).await.ok();
            let _ = sender.send((job, bytes, share));
            Ok(())
        });
        futures::stream::iter(fetches).buffer_unordered(parallel).try_collect::<()>().await
    };
    let keep = async move {
        let (mut fetched, mut batch) = (Vec::new(), Vec::new());
        while receiver.recv_many(&mut batch, TOGETHER).await > 0 {
            fetched.append(&mut put(std::mem::take(&mut batch)).await?);
        }
        Ok(fetched)
    };
    try_join(fetch, keep).await.map(|((), fetched)| fetched)
}

async fn put<'a>(batch: Vec<Arrived<'a>>) -> Result<Vec<(&'a PlannedFile, Fetched)>, Error> {
    let Some((first, ..)) = batch.first() else { return Ok(Vec::new()) };
    let contents = batch.iter().map(|(_, bytes, _)| bytes.clone()).collect();
    let ids = match first.store.put_many(contents).await {
        Ok(ids) => ids,
        Err(_) => {
            // One by one, so that the error names the file.
            let mut ids = Vec::new();
            for (job, bytes, _) in &batch {
                let id = job.store.put_bytes(bytes.clone()).await;
                ids.push(id.map_err(|error| Error::store(error).at(&job.file.path))?);
            }
            ids
        }
    };
    let done = batch.into_iter().zip(ids).map(|((job, ..), id)| {
        job.track.done(id);
        (job.file, Fetched::whole(id))
    });
    Ok(done.collect())
}
