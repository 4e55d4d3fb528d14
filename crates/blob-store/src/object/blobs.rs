//! Blobs of the object store backend: looking, reading, removing, and quarantine.

use std::{ops::Range, sync::Arc};

use content_id::{ContentId, Digest};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, path::Path};

use super::{About, about, blob, is_absent, relocate::relocate};
use crate::{BlobInfo, ByteStream, Error, ErrorKind, Quarantined, expect::check_range, layout};

/// Requests made at the same time.
pub(super) const CONCURRENT: usize = 16;

/// Bytes that one request asks for where not all are asked for in one.
pub(super) const PIECE: u64 = 8 << 20;

/// Where a blob is; two levels keep any one folder small where the object store is one.
pub(super) fn path(digest: Digest) -> Path {
    let text = digest.to_string();
    Path::from_iter([layout::BLOBS, layout::SHA256, &text[..2], &text[2..]])
}

pub(super) fn quarantine_path(name: &str) -> Path {
    Path::from_iter([layout::QUARANTINE, name])
}

pub(super) async fn contains(objects: &Arc<dyn ObjectStore>, id: ContentId) -> Result<bool, Error> {
    let found = head(objects, &path(id.digest), || blob("look up", id.digest)).await?;
    Ok(found.is_some_and(|meta| meta.size == id.size))
}

/// What is acknowledged to anybody is durable on an object store, so that it is enough to look.
pub(super) async fn confirm(
    objects: &Arc<dyn ObjectStore>,
    ids: &[ContentId],
) -> Result<Vec<ContentId>, Error> {
    let ids = ids.to_vec();
    let looks = stream::iter(ids).map(|id| async move { Ok((contains(objects, id).await?, id)) });
    let missing = looks.buffered(CONCURRENT).try_filter_map(async |(there, id)| Ok((!there).then_some(id)));
    missing.try_collect().await
}

async fn head(
    objects: &Arc<dyn ObjectStore>,
    path: &Path,
    about: impl FnOnce() -> About,
) -> Result<Option<ObjectMeta>, Error> {
    match objects.head(path).await {
        Ok(meta) => Ok(Some(meta)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(about().backend(error)),
    }
}

pub(super) async fn read(
    objects: &Arc<dyn ObjectStore>,
    id: ContentId,
    range: Range<u64>,
) -> Result<ByteStream, Error> {
    check_range(id, &range)?;
    let about = move || blob("read", id.digest);
    let wrong_size = move |size: u64| {
        about().error(ErrorKind::Damaged).with_detail(format!("{size} bytes instead of {}", id.size))
    };
    let path = path(id.digest);
    // An empty range is nothing that can be asked for.
    if range.is_empty() {
        return match head(objects, &path, about).await? {
            None => Err(about().error(ErrorKind::NotFound)),
            Some(meta) if meta.size != id.size => Err(wrong_size(meta.size)),
            Some(_) => Ok(stream::empty().boxed()),
        };
    }
    let whole = range == (0..id.size);
    let options =
        GetOptions { range: (!whole).then_some(GetRange::Bounded(range.clone())), ..Default::default() };
    let found = match objects.get_opts(&path, options).await {
        Ok(found) => found,
        Err(error) if is_absent(&error) => return Err(about().error(ErrorKind::NotFound)),
        // Perhaps the range is outside of what is there.
        Err(error) => match head(objects, &path, about).await? {
            Some(meta) if meta.size != id.size => return Err(wrong_size(meta.size)),
            _ => return Err(about().backend(error)),
        },
    };
    if found.meta.size != id.size || found.range != range {
        return Err(wrong_size(found.meta.size));
    }
    Ok(found.into_stream().map_err(move |e| about().backend(e)).boxed())
}

/// Reads what is in quarantine; see [`BlobStore::read_quarantined`](crate::BlobStore::read_quarantined).
pub(super) async fn read_quarantined(
    objects: &Arc<dyn ObjectStore>,
    held: &Quarantined,
    range: Range<u64>,
) -> Result<ByteStream, Error> {
    check_range(ContentId::new(held.digest, held.size), &range)?;
    let digest = held.digest;
    // A name that did not come from a listing leads nowhere.
    if layout::parse_quarantine_name(&held.name) != Some((digest, held.reason)) {
        return Err(blob("read", digest).error(ErrorKind::NotFound));
    }
    // Request by request, so that who writes what it reads into the same store is never refused for reading.
    let (objects, path) = (Arc::clone(objects), quarantine_path(&held.name));
    let pieces = stream::try_unfold((objects, path, range), move |(objects, path, range)| async move {
        if range.is_empty() {
            return Ok(None);
        }
        let end = range.end.min(range.start.saturating_add(PIECE));
        match objects.get_range(&path, range.start..end).await {
            Ok(piece) if piece.len() as u64 == end - range.start => {
                Ok(Some((piece, (objects, path, end..range.end))))
            }
            Ok(_) => Err(blob("read", digest).error(ErrorKind::Damaged).with_detail("it was cut short")),
            Err(error) if is_absent(&error) => Err(blob("read", digest).error(ErrorKind::NotFound)),
            Err(error) => Err(blob("read", digest).backend(error)),
        }
    });
    Ok(pieces.boxed())
}

/// Deletes an object; returns whether it was there.
pub(super) async fn delete(
    objects: &Arc<dyn ObjectStore>,
    path: &Path,
    about: impl Fn() -> About,
) -> Result<bool, Error> {
    // Many object stores delete what is not there without a word.
    if head(objects, path, &about).await?.is_none() {
        return Ok(false);
    }
    match objects.delete(path).await {
        Ok(()) => Ok(true),
        Err(error) if is_absent(&error) => Ok(false),
        Err(error) => Err(about().backend(error)),
    }
}

/// Moves an object; returns whether it was there.
pub(super) async fn rename(
    objects: &Arc<dyn ObjectStore>,
    from: &Path,
    to: &Path,
    about: impl Fn() -> About,
) -> Result<bool, Error> {
    let Some(meta) = head(objects, from, &about).await? else { return Ok(false) };
    match relocate(objects, from, to, meta.size).await {
        Ok(()) => Ok(true),
        Err(error) if is_absent(&error) => Ok(false),
        Err(error) => Err(about().backend(error)),
    }
}

pub(super) async fn list(objects: &Arc<dyn ObjectStore>) -> Result<Vec<BlobInfo>, Error> {
    let prefix = Path::from_iter([layout::BLOBS, layout::SHA256]);
    let objects = objects.list(Some(&prefix)).map_err(|e| about("list", "blobs").backend(e));
    let blobs = objects.try_filter_map(async |meta| {
        let parts: Vec<_> = meta.location.parts().collect();
        let [_, _, folder, name] = parts.as_slice() else { return Ok(None) };
        let digest = format!("{}{}", folder.as_ref(), name.as_ref()).parse::<Digest>().ok();
        let digest = digest.filter(|_| folder.as_ref().len() == 2);
        Ok(digest.map(|digest| BlobInfo::new(ContentId::new(digest, meta.size), meta.last_modified.into())))
    });
    blobs.try_collect().await
}

pub(super) async fn quarantined(objects: &Arc<dyn ObjectStore>) -> Result<Vec<Quarantined>, Error> {
    let prefix = Path::from(layout::QUARANTINE);
    let objects = objects.list(Some(&prefix)).map_err(|e| about("list", "quarantine").backend(e));
    let held = objects.try_filter_map(async |meta| {
        let name = meta.location.filename().unwrap_or_default();
        let parsed = layout::parse_quarantine_name(name);
        Ok(parsed.map(|(digest, reason)| Quarantined::new(digest, meta.size, reason, name.to_owned())))
    });
    held.try_collect().await
}
