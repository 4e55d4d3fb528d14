//! Documents of the object store backend: a prefix each, an object for each generation.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use content_id::{ContentId, Digest};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectStore, ObjectStoreExt, PutMode, path::Path};

use super::{about, blobs::CONCURRENT, conditional::ConditionalPut, is_absent};
use crate::{
    Document, DocumentEntry, DocumentKey, DocumentKind, Error, ErrorKind, Limits, Version, blocking,
    generation::{
        FRAME, Generation, READ_ATTEMPTS, check_content, frame, generation_name, is_settled,
        parse_generation, superseded,
    },
};

/// How often a listing is asked for what was just written, all in all for about five seconds.
const LISTINGS: u32 = 18;
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LAST_PAUSE: Duration = Duration::from_millis(600);

pub(super) async fn read(
    objects: &Arc<dyn ObjectStore>,
    limits: Limits,
    key: &DocumentKey,
) -> Result<Option<Document>, Error> {
    match highest(objects, limits, key).await? {
        Some(generation) => generation.document(key),
        None => Ok(None),
    }
}

pub(super) async fn list(
    objects: &Arc<dyn ObjectStore>,
    limits: Limits,
    kind: DocumentKind,
) -> Result<Vec<DocumentEntry>, Error> {
    let fail = |e| about("list", format_args!("{kind}s")).backend(e);
    let mut found = objects.list(Some(&Path::from(kind.folder())));
    let mut highest: BTreeMap<Digest, u64> = BTreeMap::new();
    while let Some(meta) = found.try_next().await.map_err(fail)? {
        let parts: Vec<_> = meta.location.parts().collect();
        let [_, folder, name] = parts.as_slice() else { continue };
        let (Ok(digest), Some(number)) = (folder.as_ref().parse(), parse_generation(name.as_ref())) else {
            continue;
        };
        let known = highest.entry(digest).or_default();
        *known = number.max(*known);
    }
    let reads = stream::iter(highest).map(|(digest, number)| async move {
        let key = DocumentKey::from_digest(kind, digest);
        let document = match generation(objects, limits, &key, number).await {
            Ok(Some(generation)) => generation.document(&key),
            // Superseded since the listing.
            Ok(None) => read(objects, limits, &key).await,
            Err(error) => Err(error),
        };
        document.transpose().map(|document| (key, document))
    });
    let entries: Vec<_> = reads.buffered(CONCURRENT).collect().await;
    Ok(entries.into_iter().flatten().collect())
}

pub(super) async fn put(
    objects: &Arc<dyn ObjectStore>,
    conditional: &ConditionalPut,
    limits: Limits,
    key: &DocumentKey,
    content: &Bytes,
    expected: Option<Version>,
) -> Result<Version, Error> {
    check_content(key, content, limits)?;
    conditional.check(objects, key).await?;
    write(objects, limits, key, content, expected).await
}

pub(super) async fn remove(
    objects: &Arc<dyn ObjectStore>,
    conditional: &ConditionalPut,
    limits: Limits,
    key: &DocumentKey,
    expected: Version,
) -> Result<(), Error> {
    conditional.check(objects, key).await?;
    write(objects, limits, key, &[], Some(expected)).await.map(|_| ())
}

/// Writes the next generation, if the one that is there is the one expected.
async fn write(
    objects: &Arc<dyn ObjectStore>,
    limits: Limits,
    key: &DocumentKey,
    content: &[u8],
    expected: Option<Version>,
) -> Result<Version, Error> {
    let conflict = || Error::new(ErrorKind::Conflict, "write", key);
    let found = highest(objects, limits, key).await?;
    let next = Generation::next(found.as_ref(), expected).ok_or_else(conflict)?;
    let framed = frame(content);
    match objects.put_opts(&path(key, next), framed.clone().into(), PutMode::Create.into()).await {
        Ok(_) => {}
        Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
            return Err(conflict());
        }
        Err(error) => return Err(about("write", key).backend(error)),
    }
    let seen = listed(objects, key, next).await?;
    if !is_settled(next, seen.last().copied().unwrap_or(next)) {
        return Err(conflict());
    }
    for number in superseded(&seen) {
        // Only tidying: whoever comes next does it again.
        let _ = objects.delete(&path(key, number)).await;
    }
    Ok(Version::new(next, ContentId::of(content).digest))
}

/// Lists a document's generations until `created` is among them, or has been passed.
///
/// A collector finds documents by listing. One whose listing is behind might not see a manifest that was acknowledged,
/// and take its blobs; so nothing is acknowledged before a listing has it.
async fn listed(
    objects: &Arc<dyn ObjectStore>,
    key: &DocumentKey,
    created: u64,
) -> Result<BTreeSet<u64>, Error> {
    let mut pause = FIRST_PAUSE;
    for _ in 0..LISTINGS {
        let seen = generations(objects, key, "write").await?;
        if seen.range(created..).next().is_some() {
            return Ok(seen);
        }
        blocking::pause(pause).await?;
        pause = (pause * 2).min(LAST_PAUSE);
    }
    Err(Error::new(ErrorKind::Backend, "write", key)
        .with_detail("it was written, but no listing of the object store shows it"))
}

/// The folder of a document.
fn folder(key: &DocumentKey) -> Path {
    Path::from_iter([key.kind().folder().to_owned(), key.digest().to_string()])
}

fn path(key: &DocumentKey, number: u64) -> Path {
    folder(key).join(generation_name(number))
}

async fn generations(
    objects: &Arc<dyn ObjectStore>,
    key: &DocumentKey,
    operation: &'static str,
) -> Result<BTreeSet<u64>, Error> {
    let found = objects.list(Some(&folder(key)));
    let numbers = found.try_filter_map(async |meta| Ok(meta.location.filename().and_then(parse_generation)));
    numbers.try_collect().await.map_err(|e| about(operation, key).backend(e))
}

/// Reads the highest generation, if there is any.
async fn highest(
    objects: &Arc<dyn ObjectStore>,
    limits: Limits,
    key: &DocumentKey,
) -> Result<Option<Generation>, Error> {
    for _ in 0..READ_ATTEMPTS {
        let Some(number) = generations(objects, key, "read").await?.last().copied() else { return Ok(None) };
        if let Some(generation) = generation(objects, limits, key, number).await? {
            return Ok(Some(generation));
        }
        // Superseded and cleaned away since the listing.
    }
    Err(Error::new(ErrorKind::Conflict, "read", key).with_detail("it changed too often"))
}

/// Reads one generation; nothing if it is not there any more.
async fn generation(
    objects: &Arc<dyn ObjectStore>,
    limits: Limits,
    key: &DocumentKey,
    number: u64,
) -> Result<Option<Generation>, Error> {
    let fail = |e| about("read", key).backend(e);
    let found = match objects.get(&path(key, number)).await {
        Ok(found) => found,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(fail(error)),
    };
    let modified = found.meta.last_modified.into();
    if limits.document_bytes + FRAME < found.meta.size {
        // As damaged as can be, but replaceable.
        return Ok(Some(Generation::new(number, &Bytes::new(), SystemTime::UNIX_EPOCH)));
    }
    Ok(Some(Generation::new(number, &found.bytes().await.map_err(fail)?, modified)))
}
