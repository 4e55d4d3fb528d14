//! Downloads what a plan says.

use blob_store::{BlobStore, Manifest};
use futures::{StreamExt, TryStreamExt, future::try_join};

use crate::{
    Error, ErrorKind, Event, HubClient, Plan, PlannedFile, Progress,
    answer::{Job, stage_key},
    error::Remedy,
    manifest,
    parts::Fetched,
    small, together,
    track::{Track, reason},
};

/// How often files may change on the hub while they are downloaded.
const RENEWALS: u32 = 2;

impl HubClient {
    /// Brings every file of `plan` into `store`, and writes the manifest when all are there.
    ///
    /// Large files are fetched in parts, as many at the same time as the [`Limits`](crate::Limits) say, and each part
    /// is recorded when it is complete: a download that breaks off, is dropped or is killed goes on from there when it
    /// is tried again, by whichever process. Files that another process is fetching are waited for.
    ///
    /// Each file is checked before it becomes visible, and becomes visible only if it is what it must be; the manifest
    /// becomes visible only when every file is. Other files of the manifest that was there before are kept if it is of
    /// the same state of the model.
    ///
    /// Where nothing but the hub's validators says what the files are, and one of them changes on the hub meanwhile,
    /// the hub is asked again, and the download begins anew ([`Event::Replanned`]): never are two states mixed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Mismatch`](crate::ErrorKind::Mismatch) if a file is not what it must be, also when fetched once
    /// more; `MissingFile` if the hub lost a file since the plan was made; `Unavailable`, `Offline`, `Denied`,
    /// `Protocol`, `TooLarge`, `NoSpace` and `Storage`. The first error ends the download, and the store's manifest
    /// is as before.
    pub async fn download(
        &self,
        store: &dyn BlobStore,
        plan: &Plan,
        progress: &dyn Progress,
    ) -> Result<Manifest, Error> {
        let download = self.try_download(store, plan, progress);
        let downloaded = match self.limits.deadline {
            None => download.await,
            Some(deadline) => tokio::time::timeout(deadline, download).await.unwrap_or_else(|_| {
                let detail =
                    format!("not done within {} s, the limit of this client", deadline.as_secs_f32());
                Err(Error::new(ErrorKind::Unavailable, detail))
            }),
        };
        downloaded.map_err(|error| error.about("download", &plan.model, &plan.revision, &plan.hub))
    }

    async fn try_download(
        &self,
        store: &dyn BlobStore,
        plan: &Plan,
        progress: &dyn Progress,
    ) -> Result<Manifest, Error> {
        progress.event(&Event::Planned {
            files: plan.files.len(),
            total: plan.total_bytes(),
            to_fetch: plan.bytes_to_fetch(),
        });
        let mut current = plan.clone();
        let mut renewals = 0;
        let manifest = loop {
            // Held until the manifest is written.
            let _turn = match current.files.iter().all(|file| file.present) {
                true => None,
                false => Some(self.turn_of_plan(store, &current, progress).await?),
            };
            together::learn(store, &mut current).await?;
            let error = match self.fetch_and_name(store, &current, progress).await {
                Ok(manifest) => break manifest,
                Err(error) => error,
            };
            if error.remedy() != Remedy::NewPlan || renewals >= RENEWALS {
                return Err(error);
            }
            renewals += 1;
            let renewed = self.renewed(store, &current).await?;
            if let Some(path) = error.path() {
                let (total, to_fetch) = (renewed.total_bytes(), renewed.bytes_to_fetch());
                progress.event(&Event::Replanned { path, reason: reason(&error), total, to_fetch });
            }
            current = renewed;
        };
        progress.event(&Event::Finished);
        Ok(manifest)
    }

    /// Makes sure that the store has all files, and then the manifest.
    async fn fetch_and_name(
        &self,
        store: &dyn BlobStore,
        plan: &Plan,
        progress: &dyn Progress,
    ) -> Result<Manifest, Error> {
        let fetched = self.fetch(store, plan, progress).await?;
        manifest::write(store, plan, &fetched, self.now()).await
    }

    /// Makes sure that the store has all files.
    async fn fetch<'a>(
        &'a self,
        store: &'a dyn BlobStore,
        plan: &'a Plan,
        progress: &'a dyn Progress,
    ) -> Result<Vec<(&'a PlannedFile, Fetched)>, Error> {
        let parallel = self.limits.parallel.max(1);
        let (mut all, mut small, mut large) = (Vec::new(), Vec::new(), Vec::new());
        for file in &plan.files {
            let job = Job { client: self, store, plan, file, track: Track::new(progress, file) };
            // Somebody else may have fetched it since the plan was made, or removed it.
            let content = file.content();
            let present = match content {
                Some(content) => store.contains(content).await.map_err(|e| Error::store(e).at(&file.path))?,
                None => false,
            };
            match (content, file.size) {
                (Some(content), _) if present => {
                    job.track.present(content);
                    all.push((file, Fetched::whole(content)));
                }
                (_, Some(size)) if size <= self.limits.small_bytes => small.push((job, size)),
                _ => large.push(job),
            }
        }
        let large = large.into_iter().map(async |job| {
            let fetched = fetch_large(&job).await.map_err(|error| error.at(&job.file.path))?;
            Ok::<_, Error>((job.file, fetched))
        });
        let large = futures::stream::iter(large).buffer_unordered(parallel).try_collect::<Vec<_>>();
        let (large, small) = try_join(large, small::fetch_all(small, parallel * 2)).await?;
        all.extend(large);
        all.extend(small);
        Ok(all)
    }
}

async fn fetch_large(job: &Job<'_>) -> Result<Fetched, Error> {
    job.track.started();
    let in_parts = match (stage_key(job.file, job.plan), job.file.size) {
        (Some(key), Some(size)) => job.fetch_in_parts(&key, size).await?,
        _ => None,
    };
    let fetched = match in_parts {
        Some(fetched) => fetched,
        None => job.fetch_stream().await?,
    };
    job.track.done(fetched.content);
    Ok(fetched)
}
