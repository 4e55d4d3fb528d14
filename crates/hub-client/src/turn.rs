//! Waits for others who fetch the same file, and tells how they get on.

use std::time::Duration;

use blob_store::{BlobStoreExt, ErrorKind as StoreErrorKind, Expected, PartStage, StageKey};
use content_id::ContentId;
use tokio::time::Instant;

use crate::{Error, answer::Job};

/// How often it is told how the others get on.
pub(crate) const LOOK: Duration = Duration::from_millis(200);

/// What came of waiting.
pub(crate) enum Turn {
    /// Somebody else has fetched it.
    Published(ContentId),
    /// It is ours to fetch.
    Begun(Box<dyn PartStage>),
    /// Somebody holds it and does not get on, or the store has no stages in parts.
    Elsewhere,
}

impl Job<'_> {
    /// Begins or resumes the file's stage as soon as nobody else has it.
    pub(crate) async fn turn(&self, key: &StageKey, expected: Expected) -> Result<Turn, Error> {
        let name = key.stage_name(expected).to_string();
        let (mut seen, mut since) = (0, Instant::now());
        loop {
            let error = match self.store.stage_or_wait(key, expected, LOOK).await {
                Ok(blob_store::Turn::Published(content)) => return Ok(Turn::Published(content)),
                Ok(blob_store::Turn::Begun(stage)) => return Ok(Turn::Begun(stage)),
                Ok(_) => return Ok(Turn::Elsewhere),
                Err(error) => error,
            };
            match error.kind() {
                StoreErrorKind::Unsupported => return Ok(Turn::Elsewhere),
                StoreErrorKind::Busy => {}
                _ => return Err(Error::store(error)),
            }
            let stages = self.store.stages().await.map_err(Error::store)?;
            let bytes = stages.iter().find(|stage| stage.name == name).map_or(0, |stage| stage.bytes);
            if bytes > seen {
                (seen, since) = (bytes, Instant::now());
            } else if since.elapsed() >= self.client.limits.patience {
                return Ok(Turn::Elsewhere);
            }
            self.track.waiting(seen);
        }
    }
}
