//! Many small files: fetched side by side, and brought into the store together.

use blob_store::BlobStoreExt;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, future::try_join};
use tokio::sync::mpsc;

use crate::{Error, PlannedFile, answer::Job, parts::Fetched};

/// Small files that wait for the store at most.
const WAITING: usize = 64;

/// Fetches `jobs`, whose files are small; their bytes go into the store as fast as it takes them, all that have come
/// meanwhile at once.
pub(crate) async fn fetch_all<'a>(
    jobs: Vec<(Job<'a>, u64)>,
    parallel: usize,
) -> Result<Vec<(&'a PlannedFile, Fetched)>, Error> {
    let (sender, mut receiver) = mpsc::channel::<(Job<'a>, Bytes)>(WAITING);
    let fetch = async move {
        let fetches = jobs.into_iter().map(async |(job, size)| {
            job.track.started();
            let bytes = job.fetch_small(size).await.map_err(|error| error.at(&job.file.path))?;
            // Where nobody receives, that error is told.
            let _ = sender.send((job, bytes)).await;
            Ok(())
        });
        futures::stream::iter(fetches).buffer_unordered(parallel).try_collect::<()>().await
    };
    let keep = async move {
        let (mut fetched, mut batch) = (Vec::new(), Vec::new());
        while receiver.recv_many(&mut batch, WAITING).await > 0 {
            fetched.append(&mut put(std::mem::take(&mut batch)).await?);
        }
        Ok(fetched)
    };
    try_join(fetch, keep).await.map(|((), fetched)| fetched)
}

async fn put<'a>(batch: Vec<(Job<'a>, Bytes)>) -> Result<Vec<(&'a PlannedFile, Fetched)>, Error> {
    let Some((first, _)) = batch.first() else { return Ok(Vec::new()) };
    let contents = batch.iter().map(|(_, bytes)| bytes.clone()).collect();
    let ids = match first.store.put_many(contents).await {
        Ok(ids) => ids,
        Err(_) => {
            // One by one, so that the error names the file.
            let mut ids = Vec::new();
            for (job, bytes) in &batch {
                let id = job.store.put_bytes(bytes.clone()).await;
                ids.push(id.map_err(|error| Error::store(error).at(&job.file.path))?);
            }
            ids
        }
    };
    let done = batch.into_iter().zip(ids).map(|((job, _), id)| {
        job.track.done(id);
        (job.file, Fetched::whole(id))
    });
    Ok(done.collect())
}
