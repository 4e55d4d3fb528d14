//! Manifests and pins over the documents of a backend.

use std::time::SystemTime;

use content_id::ContentId;

use crate::{
    BlobStore, Document, DocumentEntry, DocumentKey, DocumentKind, Error, ErrorKind, Manifest, Pin, Version,
    blocking, gc,
    manifest::{Content, Readable, decode},
    outline::Outline,
    removal::{self, Holds},
};

/// Documents that one thread decodes at least; fewer are not worth another one.
const SHARE: usize = 16;

pub(crate) async fn get<S: BlobStore + ?Sized, C: Readable>(
    store: &S,
    key: &DocumentKey,
    subject: impl Fn() -> String + Send,
) -> Result<Option<(C, Version)>, Error> {
    // The backend knows only the key; a person wants the name.
    let named = |error: Error| match error.version() {
        Some(version) => Error::new(error.kind(), "read", subject()).with_version(version).with_source(error),
        None => Error::new(error.kind(), "read", subject()).with_source(error),
    };
    let Some(document) = store.document_as_seen(key).await.map_err(&named)? else { return Ok(None) };
    let content: C = decode(key, &document.bytes).map_err(|e| named(e.with_version(document.version)))?;
    Ok(Some((content, document.version)))
}

/// All documents of a kind, as they are now; the first that cannot be read is the error. What may go is decided over
/// these, and never over what was only seen.
pub(crate) async fn all<S: BlobStore + ?Sized, C: Content + Send + 'static>(
    store: &S,
    kind: DocumentKind,
) -> Result<Vec<(C, crate::Document)>, Error> {
    decoded(store.documents(kind).await?).await
}

async fn decoded<C: Content + Send + 'static>(
    entries: Vec<DocumentEntry>,
) -> Result<Vec<(C, crate::Document)>, Error> {
    let read = |(key, document): DocumentEntry| {
        let document = document?;
        let content = decode(&key, &document.bytes).map_err(|e| e.with_version(document.version))?;
        Ok((content, document))
    };
    blocking::each(entries, SHARE, read).await
}

/// All manifests that can be seen, by name; for showing.
pub(crate) async fn seen_manifests<S: BlobStore + ?Sized>(store: &S) -> Result<Vec<Manifest>, Error> {
    let mut all: Vec<Manifest> = seen(store, DocumentKind::Manifest).await?;
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// All pins that can be seen, by name; for showing.
pub(crate) async fn seen_pins<S: BlobStore + ?Sized>(store: &S) -> Result<Vec<Pin>, Error> {
    let mut all: Vec<Pin> = seen(store, DocumentKind::Pin).await?;
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

async fn seen<S: BlobStore + ?Sized, C: Content + Send + 'static>(
    store: &S,
    kind: DocumentKind,
) -> Result<Vec<C>, Error> {
    let entries = store.documents_as_seen(kind).await?;
    Ok(decoded(entries).await?.into_iter().map(|(content, _)| content).collect())
}

/// All pins as they are now, by name; for deciding.
pub(crate) async fn pins<S: BlobStore + ?Sized>(store: &S) -> Result<Vec<Pin>, Error> {
    let mut all: Vec<Pin> = contents(store, DocumentKind::Pin).await?;
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

async fn contents<S: BlobStore + ?Sized, C: Content + Send + 'static>(
    store: &S,
    kind: DocumentKind,
) -> Result<Vec<C>, Error> {
    Ok(all(store, kind).await?.into_iter().map(|(content, _)| content).collect())
}

pub(crate) async fn put_manifest<S: BlobStore + ?Sized>(
    store: &S,
    manifest: &Manifest,
    expected: Option<Version>,
) -> Result<Version, Error> {
    const OPERATION: &str = "write";
    let bytes = manifest.encode(OPERATION)?;
    let key = manifest.name.key();
    let fail = |e: Error| Error::new(e.kind(), OPERATION, manifest.subject()).with_source(e);
    let blobs: Vec<ContentId> =
        manifest.blobs().into_iter().map(|(digest, size)| ContentId::new(digest, size)).collect();
    check_sizes(manifest)?;
    incomplete(OPERATION, manifest, &confirm(store, &blobs).await.map_err(fail)?)?;
    // What a failure below has to put back.
    let before = in_version(store, &key, expected).await.map_err(fail)?;
    let version = store.put_document(&key, bytes.clone(), expected).await.map_err(fail)?;
    // From here on a collector sees the manifest. One that looked earlier has hidden its victims before it looks
    // again, so either they are missing now, or it brings them back.
    let checked = match confirm(store, &blobs).await {
        Ok(missing) => incomplete(OPERATION, manifest, &missing),
        Err(error) => Err(fail(error)),
    };
    if let Err(error) = checked {
        let undone = match before {
            Some(before) => store.put_document(&key, before.bytes, Some(version)).await.map(|_| ()),
            None => withdraw(store, &key, Document::new(bytes, version, SystemTime::UNIX_EPOCH)).await,
        };
        return match undone {
            // Who changed it since has checked it, too.
            Err(undo) if undo.kind() != ErrorKind::Conflict => {
                Err(error.with_detail("and the manifest could not be withdrawn"))
            }
            _ => Err(error),
        };
    }
    Ok(version)
}

/// The document, if it is in this version. A damaged one is nothing that anybody would put back.
async fn in_version<S: BlobStore + ?Sized>(
    store: &S,
    key: &DocumentKey,
    version: Option<Version>,
) -> Result<Option<Document>, Error> {
    if version.is_none() {
        return Ok(None);
    }
    match store.document(key).await {
        Ok(found) => Ok(found.filter(|found| Some(found.version) == version)),
        Err(error) if error.version() == version => Ok(None),
        Err(error) => Err(error),
    }
}

/// Looks for blobs and makes them durable, as [`BlobStore::confirm`] does, and brings back what an interrupted
/// collection hid.
pub(crate) async fn confirm<S: BlobStore + ?Sized>(
    store: &S,
    ids: &[ContentId],
) -> Result<Vec<ContentId>, Error> {
    let missing = store.confirm(ids).await?;
    match gc::bring_back(store, &missing).await {
        true => store.confirm(ids).await,
        false => Ok(missing),
    }
}

/// Takes back a manifest that nothing should see, unless somebody saw it complete and pinned it.
async fn withdraw<S: BlobStore + ?Sized>(
    store: &S,
    key: &DocumentKey,
    document: Document,
) -> Result<(), Error> {
    let manifest = Outline::decode(key, &document.bytes)?;
    match removal::announce(store, manifest, document).await? {
        Some(announced) => removal::settle(store, vec![announced], Holds::Ignore).await.map(|_| ()),
        None => Ok(()),
    }
}

/// One digest with two sizes is nonsense that no blob can satisfy.
fn check_sizes(manifest: &Manifest) -> Result<(), Error> {
    let sizes = manifest.blobs();
    match manifest.files.values().find(|file| sizes.get(&file.content.digest) != Some(&file.content.size)) {
        None => Ok(()),
        Some(file) => Err(Error::new(ErrorKind::Invalid, "write", manifest.subject())
            .with_detail(format!("two sizes are given for blob {}", file.content.digest))),
    }
}

/// Names the first file whose blob is missing.
pub(crate) fn incomplete(
    operation: &'static str,
    manifest: &Manifest,
    missing: &[ContentId],
) -> Result<(), Error> {
    let Some(first) = missing.first() else { return Ok(()) };
    let path = manifest.files.iter().find(|(_, file)| file.content == *first).map_or("?", |(path, _)| path);
    let detail = match missing.len() - 1 {
        0 => format!("{path}, {first}"),
        more => format!("{path}, {first}, and {more} more"),
    };
    Err(Error::new(ErrorKind::Incomplete, operation, manifest.subject()).with_detail(detail))
}

pub(crate) async fn remove_pin<S: BlobStore + ?Sized>(store: &S, name: &str) -> Result<bool, Error> {
    let fail = |e: Error| Error::new(e.kind(), "remove", format!("pin {name}")).with_source(e);
    remove(store, &Pin::key_of(name)).await.map_err(fail)
}

/// Removes a document in whatever state it is, also a damaged one.
async fn remove<S: BlobStore + ?Sized>(store: &S, key: &DocumentKey) -> Result<bool, Error> {
    let version = match store.document(key).await {
        Ok(None) => return Ok(false),
        Ok(Some(document)) => document.version,
        Err(error) => error.version().ok_or(error)?,
    };
    match store.remove_document(key, version).await {
        Ok(()) => Ok(true),
        // It is in a read-only store, below the one that is written to.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

pub(crate) async fn set_pin<S: BlobStore + ?Sized>(
    store: &S,
    pin: &Pin,
    expected: Option<Version>,
) -> Result<Version, Error> {
    const OPERATION: &str = "set";
    let fail = |e: Error| Error::new(e.kind(), OPERATION, pin.subject()).with_source(e);
    let absent = || {
        Error::new(ErrorKind::NotFound, OPERATION, pin.subject())
            .with_detail(format!("no manifest {}", pin.manifest))
    };
    let bytes = pin.encode(OPERATION)?;
    let key = Pin::key_of(&pin.name);
    let manifest_there = async || store.document(&pin.manifest.key()).await.map(|found| found.is_some());
    if !manifest_there().await.map_err(fail)? {
        return Err(absent());
    }
    let before = in_version(store, &key, expected).await.map_err(fail)?;
    let version = store.put_document(&key, bytes, expected).await.map_err(fail)?;
    // From here on a remover sees the pin. One that looked earlier has announced the removal before it looked, so
    // either the manifest is gone now, or the announcement is taken away and the remover gives up.
    let error = match removal::keep_complete(store, &pin.manifest).await {
        Ok(Some(())) => return Ok(version),
        Ok(None) => absent(),
        Err(error) => fail(error),
    };
    let undone = match before {
        Some(before) => store.put_document(&key, before.bytes, Some(version)).await.map(|_| ()),
        None => store.remove_document(&key, version).await,
    };
    match undone {
        Err(undo) if undo.kind() != ErrorKind::Conflict => {
            Err(error.with_detail("and the pin could not be withdrawn"))
        }
        _ => Err(error),
    }
}
