//! Documents of the file system backend: a folder each, a file for each generation.

use std::{collections::BTreeSet, io, path::Path, sync::Arc, time::SystemTime};

use bytes::Bytes;
use content_id::{ContentId, Digest};
use tempfile::NamedTempFile;

use super::{
    calls::{Calls, is_absent},
    layout::Layout,
};
use crate::{
    Document, DocumentEntry, DocumentKey, DocumentKind, Error, ErrorKind, Version,
    blocking::{each, run},
    generation::{
        FRAME, Generation, READ_ATTEMPTS, check_content, frame, generation_name, is_settled,
        parse_generation, superseded,
    },
    layout,
};

/// Documents that one thread reads at least.
const DOCUMENTS: usize = 16;

/// How often a document is staged before its absence counts as an error.
const WRITE_ATTEMPTS: u32 = 16;

pub(super) fn read(layout: &Layout, key: &DocumentKey) -> Result<Option<Document>, Error> {
    match highest(layout, key)? {
        Some(generation) => generation.document(key),
        None => Ok(None),
    }
}

pub(super) async fn list(layout: Arc<Layout>, kind: DocumentKind) -> Result<Vec<DocumentEntry>, Error> {
    let above = Arc::clone(&layout);
    let names = run(move || match above.existing(&[kind.folder()])? {
        Some(folder) => above.names(&folder),
        None => Ok(Vec::new()),
    })
    .await?;
    let entry = move |name: String| {
        let Ok(digest) = name.parse::<Digest>() else { return Ok(None) };
        if layout.listed(&[kind.folder(), &name])?.is_none() {
            return Ok(None);
        }
        let key = DocumentKey::from_digest(kind, digest);
        Ok(read(&layout, &key).transpose().map(|document| (key, document)))
    };
    Ok(each(names, DOCUMENTS, entry).await?.into_iter().flatten().collect())
}

pub(super) fn put(
    layout: &Layout,
    key: &DocumentKey,
    content: &Bytes,
    expected: Option<Version>,
) -> Result<Version, Error> {
    check_content(key, content, layout.options().limits)?;
    write(layout, key, content, expected)
}

pub(super) fn remove(layout: &Layout, key: &DocumentKey, expected: Version) -> Result<(), Error> {
    write(layout, key, &[], Some(expected)).map(|_| ())
}

/// Writes the next generation, if the one that is there is the one expected.
fn write(
    layout: &Layout,
    key: &DocumentKey,
    content: &[u8],
    expected: Option<Version>,
) -> Result<Version, Error> {
    let conflict = || Error::new(ErrorKind::Conflict, "write", key);
    let fail = |e| Error::io("write", key, e);
    let next = Generation::next(highest(layout, key)?.as_ref(), expected).ok_or_else(conflict)?;
    let framed = frame(content);
    let fail = |e| layout.with_numbers(fail(e), Some(framed.len() as u64), 0);
    let folder = layout.folder(&[key.kind().folder(), &key.digest().to_string()])?;
    let path = folder.join(generation_name(next));
    let mut attempts = WRITE_ATTEMPTS;
    let placed = loop {
        attempts -= 1;
        let staging = layout.folder(&[layout::STAGING])?;
        match stage(layout, &staging, &framed).and_then(|file| layout.calls().persist_new(file, &path)) {
            // A collection without grace took the file away before it had its name.
            Err(error) if is_absent(&error) && 0 < attempts => {}
            other => break other.map_err(fail)?,
        }
    };
    if !placed {
        return Err(conflict());
    }
    layout.sync_folder(&folder).map_err(fail)?;
    let seen = generations(layout, &folder)?;
    if !is_settled(next, seen.last().copied().unwrap_or(next)) {
        return Err(conflict());
    }
    for number in superseded(&seen) {
        // Only tidying: whoever comes next does it again.
        let _ = layout.calls().remove(&folder.join(generation_name(number)));
    }
    Ok(Version::new(next, ContentId::of(content).digest))
}

/// Writes a file that has no name yet, durably.
fn stage(layout: &Layout, staging: &Path, framed: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = layout.calls().create(staging, "")?;
    layout.calls().write(file.as_file_mut(), framed)?;
    layout.sync_file(file.as_file())?;
    Ok(file)
}

fn generations(layout: &Layout, folder: &Path) -> Result<BTreeSet<u64>, Error> {
    Ok(layout.names(folder)?.iter().filter_map(|name| parse_generation(name)).collect())
}

/// Reads the highest generation, if there is any.
fn highest(layout: &Layout, key: &DocumentKey) -> Result<Option<Generation>, Error> {
    let Some(folder) = layout.existing(&[key.kind().folder(), &key.digest().to_string()])? else {
        return Ok(None);
    };
    for _ in 0..READ_ATTEMPTS {
        let Some(number) = generations(layout, &folder)?.last().copied() else { return Ok(None) };
        let limit = layout.options().limits.document_bytes + FRAME;
        match read_file(layout.calls(), &folder.join(generation_name(number)), limit) {
            Ok((framed, modified)) => return Ok(Some(Generation::new(number, &framed, modified))),
            // Superseded and cleaned away since the listing.
            Err(error) if is_absent(&error) => {}
            // Something else, or too much: as damaged as can be, but replaceable.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Ok(Some(Generation::new(number, &Bytes::new(), SystemTime::UNIX_EPOCH)));
            }
            Err(error) => return Err(Error::io("read", key, error)),
        }
    }
    Err(Error::new(ErrorKind::Conflict, "read", key).with_detail("it changed too often"))
}

fn read_file(calls: &Calls, path: &Path, limit: u64) -> io::Result<(Bytes, SystemTime)> {
    let (mut file, metadata) = calls.open(path)?.ok_or(io::ErrorKind::NotFound)?;
    let mut framed = Vec::new();
    calls.read(&mut file, limit + 1, &mut framed)?;
    if limit < framed.len() as u64 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "larger than allowed"));
    }
    Ok((framed.into(), metadata.modified()?))
}
