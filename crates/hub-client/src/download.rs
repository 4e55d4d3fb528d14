//! Downloads what a plan says.

use blob_store::{BlobStore, Manifest};
use content_id::ContentId;
use futures::{StreamExt, TryStreamExt};

use crate::{Error, Event, HubClient, Plan, PlannedFile, Progress, manifest};

impl HubClient {
    /// Brings every file of `plan` into `store`, a few at a time, and writes the manifest when all are there.
    ///
    /// Each file is checked while it arrives and becomes visible only if it is what it must be; the manifest becomes
    /// visible only when every file is. Other files of the manifest that was there before are kept if it is of the
    /// same state of the model. Several downloads of one model at the same time do no harm, and dropping the future
    /// ends the download: what was complete by then is not fetched again.
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
        let downloaded = self.try_download(store, plan, progress).await;
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
        let fetches = plan.files.iter().map(async |file| {
            let content =
                self.fetch(store, plan, file, progress).await.map_err(|error| error.at(&file.path))?;
            Ok::<_, Error>((file, content))
        });
        let fetched: Vec<(&PlannedFile, ContentId)> = futures::stream::iter(fetches)
            .buffer_unordered(self.limits.parallel.max(1))
            .try_collect()
            .await?;
        let manifest = manifest::write(store, plan, &fetched, self.now()).await?;
        progress.event(&Event::Finished);
        Ok(manifest)
    }
}
