//! Waiting for one's turn at a stage, so that what two processes want is fetched once.

use std::time::{Duration, Instant};

use content_id::ContentId;

use crate::{BlobStore, Error, ErrorKind, Expected, PartStage, StageKey, blocking};

/// How long to wait before the next look: nobody tells when a lock of another process is free.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// What came of waiting for a stage.
#[derive(Debug)]
#[non_exhaustive]
pub enum Turn {
    /// The blob is there, and durable.
    Published(ContentId),
    /// Nobody else has the stage; what its last owner recorded is in it.
    Begun(Box<dyn PartStage>),
}

pub(crate) async fn stage_or_wait<S: BlobStore + ?Sized>(
    store: &S,
    key: &StageKey,
    expected: Expected,
    patience: Duration,
) -> Result<Turn, Error> {
    let start = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        if let Some(id) = published(store, expected).await? {
            return Ok(Turn::Published(id));
        }
        match store.stage_parts(key, expected).await {
            Ok(stage) => {
                // The last owner may have published it since the look above.
                return Ok(match published(store, expected).await? {
                    Some(id) => Turn::Published(id),
                    None => Turn::Begun(stage),
                });
            }
            Err(error) if error.kind() == ErrorKind::Busy => {
                let left = patience.saturating_sub(start.elapsed());
                if left.is_zero() {
                    return Err(error);
                }
                blocking::pause(pause.min(left)).await?;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(error) => return Err(error),
        }
    }
}

async fn published<S: BlobStore + ?Sized>(store: &S, expected: Expected) -> Result<Option<ContentId>, Error> {
    let Expected { digest: Some(digest), size: Some(size) } = expected else { return Ok(None) };
    let id = ContentId::new(digest, size);
    Ok(store.confirm(&[id]).await?.is_empty().then_some(id))
}
