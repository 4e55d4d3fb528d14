//! A plan for what the hub has now, where it changed since the plan was made.

use blob_store::BlobStore;
use futures::{StreamExt, TryStreamExt};

use crate::{
    Error, ErrorKind, HubClient, Plan, PlannedFile, Trust,
    probe::{Head, is_strong},
};

impl HubClient {
    /// Asks again for the head of every file that only its validator ties to the plan, so that all are of one state.
    pub(crate) async fn renewed(&self, store: &dyn BlobStore, plan: &Plan) -> Result<Plan, Error> {
        let files = plan.files.iter().map(async |file| {
            let renewed = self.renewed_file(store, plan, file).await;
            renewed.map_err(|error| error.at(&file.path))
        });
        let files = futures::stream::iter(files).buffered(self.limits.parallel.max(1)).try_collect().await?;
        let renewed = Plan { files, ..plan.clone() };
        if renewed.total_bytes() > self.limits.total_bytes {
            let detail = format!("the files have {} bytes together", renewed.total_bytes());
            return Err(Error::new(ErrorKind::TooLarge, detail));
        }
        Ok(renewed)
    }

    async fn renewed_file(
        &self,
        store: &dyn BlobStore,
        plan: &Plan,
        file: &PlannedFile,
    ) -> Result<PlannedFile, Error> {
        let may_change = match file.trust {
            Trust::FirstUse => true,
            // What was recorded for a revision that moves is as good as its validator.
            Trust::Recorded => plan.commit.is_none() && plan.revision.is_moving(),
            _ => false,
        };
        if !may_change {
            return Ok(file.clone());
        }
        let Some(Head { size, etag, sha256 }) = self.head(file.url.clone(), true).await? else {
            return Err(Error::new(ErrorKind::MissingFile, "it was there when the plan was made"));
        };
        if size.is_some_and(|size| size > self.limits.file_bytes) {
            let detail = format!("the limit for a file is {} bytes", self.limits.file_bytes);
            return Err(Error::new(ErrorKind::TooLarge, detail));
        }
        let is_same = etag == file.etag && etag.as_deref().is_some_and(is_strong);
        let mut renewed = file.clone();
        if !is_same {
            let trust = if sha256.is_some() { Trust::Hub } else { Trust::FirstUse };
            (renewed.size, renewed.etag, renewed.digest, renewed.trust) = (size, etag, sha256, trust);
        }
        renewed.present = match renewed.content() {
            Some(content) => store.contains(content).await.map_err(Error::store)?,
            None => false,
        };
        Ok(renewed)
    }
}
