//! Bytes on their way from one store to another, or from the first of several that has them.

use std::{collections::VecDeque, ops::Range, sync::Arc};

use content_id::ContentId;
use futures::{StreamExt, TryStreamExt, stream};

use crate::{BlobStore, ByteStream, Error, ErrorKind, Stage};

/// In which of its two stores a copy failed.
pub(super) enum Failed {
    From(Error),
    To(Error),
}

/// Copies a blob, checked on the way.
///
/// `Mismatch` says that `from` has other bytes than the name says, whichever store found it.
pub(super) async fn copy(from: &dyn BlobStore, to: &dyn BlobStore, id: ContentId) -> Result<(), Failed> {
    let mut bytes = from.read(id, 0..id.size).await.map_err(Failed::From)?;
    let mut stage = to.stage(id.into()).await.map_err(Failed::To)?;
    while let Some(piece) = bytes.try_next().await.map_err(Failed::From)? {
        stage.write(piece).await.map_err(Failed::To)?;
    }
    stage.publish().await.map(|_| ()).map_err(Failed::To)
}

/// Streams the whole of a blob, and keeps it in `cache` once all of it has come and is what its name says. That the
/// cache cannot take it is no reason to fail.
pub(super) async fn read_and_keep(
    from: &dyn BlobStore,
    cache: &dyn BlobStore,
    id: ContentId,
) -> Result<ByteStream, Error> {
    let bytes = from.read(id, 0..id.size).await?;
    let Ok(stage) = cache.stage(id.into()).await else { return Ok(bytes) };
    let keeping = stream::try_unfold(Some((bytes, Some(stage))), move |state| keep(state, id));
    Ok(keeping.boxed())
}

/// What is read, and where it is kept, as long as that goes well.
type Keeping = Option<(ByteStream, Option<Box<dyn Stage>>)>;

/// Hands one piece on, and keeps it.
async fn keep(state: Keeping, id: ContentId) -> Result<Option<(bytes::Bytes, Keeping)>, Error> {
    let Some((mut bytes, mut stage)) = state else { return Ok(None) };
    let Some(piece) = bytes.try_next().await? else {
        return match stage {
            Some(stage) => match stage.publish().await {
                Err(error) if error.kind() == ErrorKind::Mismatch => {
                    Err(Error::blob(ErrorKind::Damaged, "read", id).with_source(error))
                }
                _ => Ok(None),
            },
            None => Ok(None),
        };
    };
    if let Some(open) = &mut stage {
        match open.write(piece.clone()).await {
            Ok(()) => {}
            // More than there should be.
            Err(error) if error.kind() == ErrorKind::Mismatch => {
                return Err(Error::blob(ErrorKind::Damaged, "read", id).with_source(error));
            }
            Err(_) => stage = None,
        }
    }
    Ok(Some((piece, Some((bytes, stage)))))
}

/// Goes on with the next of `others` where `bytes`, which begin at the start of `range`, fail on the way.
pub(super) fn or_else_from(
    bytes: ByteStream,
    others: impl IntoIterator<Item = Arc<dyn BlobStore>>,
    id: ContentId,
    range: Range<u64>,
) -> ByteStream {
    let others: VecDeque<_> = others.into_iter().collect();
    let pieces =
        stream::try_unfold((bytes, others, range), move |(mut bytes, mut others, range)| async move {
            loop {
                let error = match bytes.try_next().await {
                    Ok(Some(piece)) => {
                        let rest = range.start.saturating_add(piece.len() as u64)..range.end;
                        return Ok(Some((piece, (bytes, others, rest))));
                    }
                    Ok(None) => return Ok(None),
                    Err(error) => error,
                };
                bytes = loop {
                    let Some(other) = others.pop_front() else { return Err(error) };
                    // What came too much is for the reader to find: it hashes, or it does not care.
                    if let Ok(rest) = other.read(id, range.start.min(range.end)..range.end).await {
                        break rest;
                    }
                };
            }
        });
    pieces.boxed()
}
