//! Copies between the two stores of a tier.

use content_id::{ContentId, Digest};

use super::{
    TieredStore,
    copying::{Failed, copy},
};
use crate::{Error, ErrorKind, Reason, blobs::hashes_to_its_name};

impl TieredStore {
    /// Sends a blob that the local store has to the shared one.
    pub(super) async fn send(&self, id: ContentId) -> Result<(), Error> {
        let error = match copy(&*self.local, &*self.shared, id).await {
            Ok(()) => {
                self.note(None);
                return Ok(());
            }
            // That says nothing of the shared store.
            Err(Failed::From(error)) => error,
            Err(Failed::To(error)) => {
                self.note(Some(&error));
                error
            }
        };
        if matches!(error.kind(), ErrorKind::Mismatch | ErrorKind::Damaged) {
            let _ = self.local.quarantine(id.digest, Reason::Damaged).await;
        }
        Err(Error::blob(error.kind(), "publish", id).with_detail("it was not shared").with_source(error))
    }

    /// Copies a blob into the local store.
    pub(super) async fn fill(&self, id: ContentId) -> Result<(), Error> {
        if self.local.contains(id).await? {
            return Ok(());
        }
        match copy(&*self.shared, &*self.local, id).await {
            Ok(()) => {
                self.note(None);
                Ok(())
            }
            Err(Failed::From(error)) => {
                self.note(Some(&error));
                Err(error)
            }
            Err(Failed::To(error)) if error.kind() == ErrorKind::Mismatch => {
                Err(Error::blob(ErrorKind::Damaged, "read", id).with_source(error))
            }
            // The shared store did its part.
            Err(Failed::To(error)) => Err(error),
        }
    }

    /// Takes a local copy away whose bytes are not those of its name; returns whether there was one.
    pub(super) async fn drop_damaged_copy(&self, digest: Digest) -> bool {
        let copies = self.local.look_at(vec![digest]).await.unwrap_or_default();
        let Some(copy) = copies.first() else { return false };
        let damaged = match hashes_to_its_name(&*self.local, copy.id).await {
            Ok(sound) => !sound,
            Err(error) => error.kind() == ErrorKind::Damaged,
        };
        damaged && self.local.quarantine(digest, Reason::Damaged).await.unwrap_or(false)
    }
}
