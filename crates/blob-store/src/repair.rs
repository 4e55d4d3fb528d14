//! Repair: of a damaged blob only the parts are fetched that are not what they were.

use std::ops::Range;

use content_id::{ContentId, Digest, Hasher};
use futures::{TryStreamExt, future::BoxFuture};
use serde::Serialize;

use crate::{
    BlobStore, ByteStream, Error, ErrorKind, Part, PartHashes, PartStage, Quarantined, Reason, StageKey,
    blobs::content_of,
};

/// Fetches a range of the blob that is repaired. What arrives is checked.
pub type FetchRange<'a> = dyn Fn(Range<u64>) -> BoxFuture<'a, Result<ByteStream, Error>> + Send + Sync + 'a;

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RepairReport {
    /// Bytes that were found sound.
    pub kept_bytes: u64,
    /// Bytes that were fetched.
    pub fetched_bytes: u64,
    /// The parts that were fetched, by their ranges, in order.
    pub fetched: Vec<Range<u64>>,
}

pub(crate) async fn repair<S: BlobStore + ?Sized>(
    store: &S,
    id: ContentId,
    hashes: &PartHashes,
    fetch: &FetchRange<'_>,
) -> Result<RepairReport, Error> {
    const OPERATION: &str = "repair";
    let Some(parts) = hashes.parts(id.size) else {
        let detail = format!("{} digests of {} bytes", hashes.digests.len(), hashes.part_bytes);
        return Err(Error::blob(ErrorKind::Invalid, OPERATION, id).with_detail(detail));
    };
    let mut report = RepairReport::default();
    if in_place(store, id).await? {
        report.kept_bytes = id.size;
        return Ok(report);
    }
    let key = StageKey::new(&format!("repair of {id}"), &format!("parts of {} bytes", hashes.part_bytes));
    let stage = store.stage_parts(&key, id.into()).await?;
    let mut held = store.quarantined().await?;
    held.retain(|held| held.digest == id.digest);
    let recorded = stage.parts();
    for part in parts {
        if recorded.contains(&part) || salvage(store, &*stage, &held, &part).await? {
            report.kept_bytes += part.size;
            continue;
        }
        let pieces = fetch(part.range()).await?;
        write(&*stage, &part, pieces).await?;
        report.fetched_bytes += part.size;
        report.fetched.push(part.range());
    }
    stage.publish().await?;
    for held in held.into_iter().filter(|held| held.reason == Reason::Damaged) {
        store.purge(&held).await?;
    }
    Ok(report)
}

/// Whether the blob is there and sound; what is not sound goes into quarantine.
async fn in_place<S: BlobStore + ?Sized>(store: &S, id: ContentId) -> Result<bool, Error> {
    let digest = async { digest_of(store.read(id, 0..id.size).await?).await };
    match digest.await {
        Ok(digest) if digest == id.digest => return Ok(true),
        Ok(_) => {}
        Err(error) if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NotFound) => {}
        Err(error) => return Err(error),
    }
    put_away(store, id).await?;
    Ok(false)
}

/// Puts a blob that was found damaged into quarantine; returns whether one went there to stay. What went there is read
/// once more, and comes back if it is sound: somebody may have published the blob anew since it was found.
pub(crate) async fn put_away<S: BlobStore + ?Sized>(store: &S, id: ContentId) -> Result<bool, Error> {
    if !store.quarantine(id.digest, Reason::Damaged).await? {
        return Ok(false);
    }
    let mut back = false;
    for held in store.quarantined().await?.iter().filter(|held| held.digest == id.digest) {
        let looks_sound = held.reason == Reason::Damaged && held.size == id.size;
        // What cannot be read stays where it is.
        if looks_sound
            && let Ok(pieces) = store.read_quarantined(held, 0..held.size).await
            && digest_of(pieces).await.is_ok_and(|digest| digest == id.digest)
        {
            back |= store.restore(held).await?;
        }
    }
    Ok(!back)
}

/// Takes a part from what is in quarantine, if it is sound there.
async fn salvage<S: BlobStore + ?Sized>(
    store: &S,
    stage: &dyn PartStage,
    held: &[Quarantined],
    part: &Part,
) -> Result<bool, Error> {
    for held in held.iter().filter(|held| part.range().end <= held.size) {
        // What cannot be read is as good as damaged.
        let Ok(pieces) = store.read_quarantined(held, part.range()).await else { continue };
        if !digest_of(pieces).await.is_ok_and(|digest| digest == part.digest) {
            continue;
        }
        let Ok(pieces) = store.read_quarantined(held, part.range()).await else { continue };
        match write(stage, part, pieces).await {
            Ok(()) => return Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::Mismatch | ErrorKind::Damaged) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

async fn digest_of(pieces: ByteStream) -> Result<Digest, Error> {
    Ok(content_of(pieces).await?.digest)
}

async fn write(stage: &dyn PartStage, part: &Part, mut pieces: ByteStream) -> Result<(), Error> {
    let mut writer = stage.part(part.range()).await?;
    while let Some(piece) = pieces.try_next().await? {
        writer.write(piece).await?;
    }
    writer.finish(Some(part.digest)).await.map(|_| ())
}

pub(crate) async fn part_hashes<S: BlobStore + ?Sized>(
    store: &S,
    id: ContentId,
    part_bytes: u64,
) -> Result<PartHashes, Error> {
    if part_bytes == 0 {
        let error = Error::blob(ErrorKind::Invalid, "hash", id);
        return Err(error.with_detail("a part has at least one byte"));
    }
    let mut pieces = store.read(id, 0..id.size).await?;
    let (mut whole, mut own, mut digests) = (Hasher::default(), Hasher::default(), Vec::new());
    while let Some(mut piece) = pieces.try_next().await? {
        whole.update(&piece);
        while !piece.is_empty() {
            let room = usize::try_from(part_bytes - own.size()).unwrap_or(usize::MAX);
            own.update(&piece.split_to(room.min(piece.len())));
            if own.size() == part_bytes {
                digests.push(std::mem::take(&mut own).finish().digest);
            }
        }
    }
    if own.size() != 0 {
        digests.push(own.finish().digest);
    }
    if whole.finish() != id {
        return Err(Error::blob(ErrorKind::Damaged, "hash", id));
    }
    Ok(PartHashes::new(part_bytes, digests))
}
