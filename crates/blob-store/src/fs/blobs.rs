//! Blobs of the file system backend: looking, reading, removing, and quarantine.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Seek, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use content_id::{ContentId, Digest};
use futures::stream;

use super::{
    calls::{gone, is_absent},
    layout::Layout,
};
use crate::{
    BlobInfo, BlobName, ByteStream, Error, ErrorKind, Quarantined, Reason,
    blocking::{each, run},
    expect::check_range,
    layout,
};

/// Blobs that one thread looks at, at least.
const LOOKS: usize = 256;

/// Folders that one thread lists at least.
const FOLDERS: usize = 16;

/// Bytes read in one go.
const PIECE: u64 = 512 << 10;

/// The folder of a blob, as parts, and its name.
pub(super) fn folder_and_name(digest: Digest) -> (String, String) {
    let mut folder = digest.to_string();
    let name = folder.split_off(2);
    (folder, name)
}

/// The path of a blob, if its folder is there.
fn path(layout: &Layout, digest: Digest) -> Result<Option<PathBuf>, Error> {
    let (folder, name) = folder_and_name(digest);
    Ok(layout.existing(&[layout::BLOBS, layout::SHA256, &folder])?.map(|folder| folder.join(name)))
}

/// The path of a blob, if it is a plain file of its size.
pub(super) fn find(layout: &Layout, id: ContentId) -> Result<Option<PathBuf>, Error> {
    let Some(path) = path(layout, id.digest)? else { return Ok(None) };
    match layout.calls().look(&path) {
        Ok(metadata) => Ok((metadata.is_file() && metadata.len() == id.size).then_some(path)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(fail("look up", id.digest, error)),
    }
}

/// Syncs the folders of the blobs: their content was synced before they became visible.
pub(super) fn confirm(layout: &Layout, ids: Vec<ContentId>) -> Result<Vec<ContentId>, Error> {
    let mut folders = BTreeSet::new();
    let mut missing = Vec::new();
    for id in ids {
        match find(layout, id)? {
            Some(path) => drop(path.parent().map(|folder| folders.insert(folder.to_owned()))),
            None => missing.push(id),
        }
    }
    for folder in &folders {
        layout.sync_folder(folder).map_err(|e| layout.fail("sync", e))?;
    }
    if !folders.is_empty() {
        // Their own entries, in case the process that made them did not get that far.
        layout.folder(&[layout::BLOBS, layout::SHA256])?;
        let parents: BTreeSet<_> = folders.iter().filter_map(|folder| folder.parent()).collect();
        for parent in parents {
            layout.sync_folder(parent).map_err(|e| layout.fail("sync", e))?;
        }
    }
    Ok(missing)
}

pub(super) async fn read(layout: Arc<Layout>, id: ContentId, range: Range<u64>) -> Result<ByteStream, Error> {
    check_range(id, &range)?;
    let start = range.start;
    let (file, layout) = run(move || open(&layout, id, start).map(|file| (file, layout))).await?;
    Ok(pieces(layout, file, range, id.digest))
}

/// Reads what is in quarantine; see [`BlobStore::read_quarantined`](crate::BlobStore::read_quarantined).
pub(super) async fn read_quarantined(
    layout: Arc<Layout>,
    held: Quarantined,
    range: Range<u64>,
) -> Result<ByteStream, Error> {
    check_range(ContentId::new(held.digest, held.size), &range)?;
    let (digest, start) = (held.digest, range.start);
    let (file, layout) = run(move || {
        let absent = || Error::digest(ErrorKind::NotFound, "read", digest);
        let path = held_path(&layout, &held)?.ok_or_else(absent)?;
        let (mut file, _) =
            layout.calls().open(&path).map_err(|e| fail("read", digest, e))?.ok_or_else(absent)?;
        file.seek(SeekFrom::Start(start)).map_err(|e| fail("read", digest, e))?;
        Ok((file, layout))
    })
    .await?;
    Ok(pieces(layout, file, range, digest))
}

/// The bytes of a file that stands at the start of the range.
fn pieces(layout: Arc<Layout>, file: File, range: Range<u64>, digest: Digest) -> ByteStream {
    let pieces = stream::try_unfold((file, range), move |(mut file, range)| {
        let layout = Arc::clone(&layout);
        async move {
            if range.is_empty() {
                return Ok(None);
            }
            let (file, piece) = run(move || {
                let wanted = (range.end - range.start).min(PIECE);
                let mut piece = Vec::with_capacity(usize::try_from(wanted).unwrap_or(0));
                layout.calls().read(&mut file, wanted, &mut piece).map_err(|e| fail("read", digest, e))?;
                if piece.is_empty() {
                    let error = Error::digest(ErrorKind::Damaged, "read", digest);
                    return Err(error.with_detail("it was cut short"));
                }
                Ok((file, Bytes::from(piece)))
            })
            .await?;
            let rest = range.start + piece.len() as u64..range.end;
            Ok(Some((piece, (file, rest))))
        }
    });
    Box::pin(pieces)
}

/// Opens a blob at an offset.
fn open(layout: &Layout, id: ContentId, start: u64) -> Result<File, Error> {
    let absent = || Error::blob(ErrorKind::NotFound, "read", id);
    let path = path(layout, id.digest)?.ok_or_else(absent)?;
    let (mut file, metadata) =
        layout.calls().open(&path).map_err(|e| fail("read", id.digest, e))?.ok_or_else(absent)?;
    if metadata.len() != id.size {
        let detail = format!("{} bytes instead of {}", metadata.len(), id.size);
        return Err(Error::blob(ErrorKind::Damaged, "read", id).with_detail(detail));
    }
    if start != 0 {
        file.seek(SeekFrom::Start(start)).map_err(|e| fail("read", id.digest, e))?;
    }
    Ok(file)
}

pub(super) fn remove(layout: &Layout, digest: Digest) -> Result<bool, Error> {
    let Some(path) = path(layout, digest)? else { return Ok(false) };
    layout.calls().remove(&path).map_err(|e| fail("remove", digest, e))
}

pub(super) async fn list(layout: Arc<Layout>) -> Result<Vec<BlobInfo>, Error> {
    let names = names(Arc::clone(&layout)).await?;
    look_at(layout, names.into_iter().map(|name| name.digest).collect()).await
}

/// The blobs by name alone: a look at each takes longer than all the rest.
pub(super) async fn names(layout: Arc<Layout>) -> Result<Vec<BlobName>, Error> {
    let above = Arc::clone(&layout);
    let folders = run(move || match above.existing(&[layout::BLOBS, layout::SHA256])? {
        Some(all) => above.names(&all),
        None => Ok(Vec::new()),
    })
    .await?;
    Ok(each(folders, FOLDERS, move |folder| names_in(&layout, &folder)).await?.concat())
}

fn names_in(layout: &Layout, folder: &str) -> Result<Vec<BlobName>, Error> {
    let parts = [layout::BLOBS, layout::SHA256, folder];
    let Some(path) = layout.listed(&parts)?.filter(|_| folder.len() == 2) else { return Ok(Vec::new()) };
    let digests = layout.files(&path)?.into_iter().filter_map(|name| format!("{folder}{name}").parse().ok());
    Ok(digests.map(BlobName::unseen).collect())
}

pub(super) async fn look_at(layout: Arc<Layout>, digests: Vec<Digest>) -> Result<Vec<BlobInfo>, Error> {
    let above = Arc::clone(&layout);
    let Some(all) = run(move || above.existing(&[layout::BLOBS, layout::SHA256])).await? else {
        return Ok(Vec::new());
    };
    let look = move |digest: Digest| {
        let (folder, name) = folder_and_name(digest);
        match layout.calls().look(&all.join(folder).join(name)) {
            Ok(metadata) if metadata.is_file() => {
                let modified = metadata.modified().map_err(|e| fail("list", digest, e))?;
                Ok(Some(BlobInfo::new(ContentId::new(digest, metadata.len()), modified)))
            }
            Ok(_) => Ok(None),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(fail("list", digest, error)),
        }
    };
    Ok(each(digests, LOOKS, look).await?.into_iter().flatten().collect())
}

/// Takes a folder out of a blob's place, which no file could replace.
pub(super) fn clear(layout: &Layout, path: &Path, digest: Digest) -> Result<(), Error> {
    match layout.calls().look(path) {
        Ok(found) if found.is_dir() => {
            let held = layout.folder(&[layout::QUARANTINE])?;
            let to = held.join(layout::quarantine_name(digest, Reason::Damaged));
            gone(layout.calls().rename(path, &to)).map(|_| ()).map_err(|e| fail("publish", digest, e))
        }
        // Whatever else is wrong, the renaming tells.
        _ => Ok(()),
    }
}

pub(super) fn quarantine(layout: &Layout, digest: Digest, reason: Reason) -> Result<bool, Error> {
    let Some(from) = path(layout, digest)? else { return Ok(false) };
    let to = layout.folder(&[layout::QUARANTINE])?.join(layout::quarantine_name(digest, reason));
    gone(layout.calls().rename(&from, &to)).map_err(|e| fail("quarantine", digest, e))
}

pub(super) fn restore(layout: &Layout, held: &Quarantined) -> Result<bool, Error> {
    let Some(from) = held_path(layout, held)? else { return Ok(false) };
    let (folder, name) = folder_and_name(held.digest);
    let folder = layout.folder(&[layout::BLOBS, layout::SHA256, &folder])?;
    let path = folder.join(name);
    clear(layout, &path, held.digest)?;
    let restored = gone(layout.calls().rename(&from, &path)).map_err(|e| fail("restore", held.digest, e))?;
    if restored {
        layout.sync_folder(&folder).map_err(|e| fail("restore", held.digest, e))?;
    }
    Ok(restored)
}

pub(super) fn quarantined(layout: &Layout) -> Result<Vec<Quarantined>, Error> {
    let Some(folder) = layout.existing(&[layout::QUARANTINE])? else { return Ok(Vec::new()) };
    let mut held = Vec::new();
    for name in layout.names(&folder)? {
        let Some((digest, reason)) = layout::parse_quarantine_name(&name) else { continue };
        match layout.calls().look(&folder.join(&name)) {
            Ok(metadata) => held.push(Quarantined::new(digest, metadata.len(), reason, name)),
            // Gone since the listing is as good as never there.
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(fail("list", digest, error)),
        }
    }
    Ok(held)
}

pub(super) fn purge(layout: &Layout, held: &Quarantined) -> Result<bool, Error> {
    let Some(path) = held_path(layout, held)? else { return Ok(false) };
    let purged = match layout.calls().look(&path) {
        // It stood in a blob's place.
        Ok(found) if found.is_dir() => layout.calls().remove_tree(&path),
        _ => layout.calls().remove(&path),
    };
    purged.map_err(|e| fail("purge", held.digest, e))
}

/// The path of what is in quarantine. A name that did not come from a listing leads nowhere.
fn held_path(layout: &Layout, held: &Quarantined) -> Result<Option<PathBuf>, Error> {
    let Some(folder) = layout.existing(&[layout::QUARANTINE])? else { return Ok(None) };
    let known = layout::parse_quarantine_name(&held.name) == Some((held.digest, held.reason));
    Ok(known.then(|| folder.join(&held.name)))
}

fn fail(operation: &'static str, digest: Digest, error: io::Error) -> Error {
    // Both ways to find something else than a plain file: seen before opening it, and while.
    let foreign = error.kind() == io::ErrorKind::InvalidData || error.raw_os_error() == Some(libc::ELOOP);
    match foreign {
        true => Error::digest(ErrorKind::Damaged, operation, digest).with_source(error),
        false => Error::io(operation, format_args!("blob {digest}"), error),
    }
}
