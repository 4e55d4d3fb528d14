//! Removing manifests: announced, looked at again, and only then done, so that no acknowledged pin loses its manifest.
//!
//! A remover writes the manifest once more with a mark that it is leaving, then looks at pins (and, for an eviction,
//! at holds), and removes exactly what it wrote. Who pins writes the pin, then looks at the manifest, and takes the
//! mark away by writing the manifest without it. Whichever comes first, either the remover sees the pin, or the
//! manifest is not any more what the remover wrote. Nothing is ever out of sight in between, so that it does not
//! matter who is killed when; a removal that was announced is finished by the next collection, or taken back there
//! if somebody came to use the manifest.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use content_id::{ContentId, Digest};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    BlobStore, Document, DocumentKey, DocumentKind, Error, ErrorKind, Manifest, ManifestName, Pin, Version,
    manifest::decode, named, outline::Outline,
};

/// The field of a manifest that somebody is about to remove.
pub(crate) const LEAVING: &str = "leaving";

/// How often something that somebody else changes at the same time is tried again.
pub(crate) const ATTEMPTS: usize = 16;

/// A manifest whose removal is announced.
pub(crate) struct Announced {
    manifest: Outline,
    /// With the mark.
    document: Document,
}

/// What came of announced removals.
#[derive(Default)]
pub(crate) struct Settled {
    pub(crate) removed: Vec<Outline>,
    /// Those that somebody uses, and who.
    pub(crate) used: BTreeMap<ManifestName, Vec<String>>,
    /// Those that somebody wrote, or removed, at the same time.
    pub(crate) changed: Vec<ManifestName>,
}

/// Whether open handles keep a manifest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    Heed,
    Ignore,
}

impl Settled {
    /// The blobs of what was removed, which are perhaps named by nothing any more.
    pub(crate) fn blobs(&self) -> BTreeMap<Digest, u64> {
        let files = self.removed.iter().flat_map(|manifest| &manifest.files);
        files.map(|(_, id)| (id.digest, id.size)).collect()
    }
}

/// Whether the manifest stored so is marked.
pub(crate) fn is_leaving(bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Mark {
        #[serde(default)]
        leaving: bool,
    }
    // Most are not, and need not be read a second time.
    std::str::from_utf8(bytes).is_ok_and(|text| text.contains("\"leaving\""))
        && serde_json::from_slice::<Mark>(bytes).is_ok_and(|mark| mark.leaving)
}

/// The same manifest with or without the mark, and with all that only a later program knows.
fn marked(key: &DocumentKey, bytes: &[u8], leaving: bool) -> Result<Bytes, Error> {
    let fail = |e| Error::new(ErrorKind::Damaged, "mark", key).with_source(e);
    let mut content: Map<String, Value> = serde_json::from_slice(bytes).map_err(fail)?;
    match leaving {
        true => drop(content.insert(LEAVING.to_owned(), Value::Bool(true))),
        false => drop(content.remove(LEAVING)),
    }
    let mut text = serde_json::to_vec_pretty(&content).map_err(fail)?;
    text.push(b'\n');
    Ok(text.into())
}

/// Announces the removal of a manifest; nothing if it is not in this version any more.
pub(crate) async fn announce<S: BlobStore + ?Sized>(
    store: &S,
    manifest: Outline,
    mut document: Document,
) -> Result<Option<Announced>, Error> {
    if is_leaving(&document.bytes) {
        return Ok(Some(Announced { manifest, document }));
    }
    let key = manifest.name.key();
    document.bytes = marked(&key, &document.bytes, true)?;
    match store.put_document(&key, document.bytes.clone(), Some(document.version)).await {
        Ok(version) => document.version = version,
        Err(error) if error.kind() == ErrorKind::Conflict => return Ok(None),
        Err(error) => return Err(error),
    }
    Ok(Some(Announced { manifest, document }))
}

/// Removes those of the announced that nobody uses, and takes back the announcement of the others.
pub(crate) async fn settle<S: BlobStore + ?Sized>(
    store: &S,
    announced: Vec<Announced>,
    holds: Holds,
) -> Result<Settled, Error> {
    settle_but(store, announced, holds, &BTreeMap::new()).await
}

/// As [`settle`], but pins that are still in a version given here keep nothing.
pub(crate) async fn settle_but<S: BlobStore + ?Sized>(
    store: &S,
    announced: Vec<Announced>,
    holds: Holds,
    yielding: &BTreeMap<String, Version>,
) -> Result<Settled, Error> {
    let mut settled = Settled::default();
    if announced.is_empty() {
        return Ok(settled);
    }
    let mut users: BTreeMap<ManifestName, Vec<String>> = BTreeMap::new();
    let mut pins: Vec<(Pin, Document)> = named::all(store, DocumentKind::Pin).await?;
    pins.retain(|(pin, document)| yielding.get(&pin.name) != Some(&document.version));
    pins.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
    for (pin, _) in pins {
        users.entry(pin.manifest.clone()).or_default().push(pin.holder());
    }
    for Announced { manifest, document } in announced {
        let key = manifest.name.key();
        let mut by = users.remove(&manifest.name).unwrap_or_default();
        if by.is_empty() && holds == Holds::Heed && store.is_locked(&key).await? {
            by.push("an open handle".to_owned());
        }
        if !by.is_empty() {
            unmark(store, &key, &document).await;
            settled.used.insert(manifest.name, by);
            continue;
        }
        match store.remove_document(&key, document.version).await {
            Ok(()) => settled.removed.push(manifest),
            Err(error) if error.kind() == ErrorKind::Conflict => settled.changed.push(manifest.name),
            Err(error) => return Err(error),
        }
    }
    Ok(settled)
}

/// Takes the announcement back, as far as this can be done: what is pinned does not go because of a mark, and the
/// next collection tries again.
pub(crate) async fn unmark<S: BlobStore + ?Sized>(store: &S, key: &DocumentKey, document: &Document) {
    if let Ok(bytes) = marked(key, &document.bytes, false) {
        let _ = store.put_document(key, bytes, Some(document.version)).await;
    }
}

/// Looks for a manifest that somebody has come to use, and makes sure that nobody who has not seen the use removes
/// it; nothing if it is not there.
pub(crate) async fn keep<S: BlobStore + ?Sized>(
    store: &S,
    name: &ManifestName,
) -> Result<Option<Document>, Error> {
    let key = name.key();
    for _ in 0..ATTEMPTS {
        let Some(mut document) = store.document(&key).await? else { return Ok(None) };
        if !is_leaving(&document.bytes) {
            return Ok(Some(document));
        }
        document.bytes = marked(&key, &document.bytes, false)?;
        match store.put_document(&key, document.bytes.clone(), Some(document.version)).await {
            Ok(version) => {
                document.version = version;
                return Ok(Some(document));
            }
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::new(ErrorKind::Conflict, "keep", format_args!("manifest {name}")))
}

/// As [`keep`], and its blobs are there and durable; the error says what is missing.
pub(crate) async fn keep_complete<S: BlobStore + ?Sized>(
    store: &S,
    name: &ManifestName,
) -> Result<Option<()>, Error> {
    let Some(document) = keep(store, name).await? else { return Ok(None) };
    let manifest: Manifest = decode(&name.key(), &document.bytes)?;
    let ids: Vec<ContentId> = manifest.blobs().into_iter().map(|(d, size)| ContentId::new(d, size)).collect();
    named::incomplete("use", &manifest, &named::confirm(store, &ids).await?)?;
    Ok(Some(()))
}

/// Removes a manifest that nobody pins, in whatever state it is, also a damaged one; returns whether there was one.
pub(crate) async fn remove_manifest<S: BlobStore + ?Sized>(
    store: &S,
    name: &ManifestName,
) -> Result<bool, Error> {
    let subject = || format!("manifest {name}");
    let fail = |e: Error| Error::new(e.kind(), "remove", subject()).with_source(e);
    let pinned =
        |by: &str| Err(Error::new(ErrorKind::Pinned, "remove", subject()).with_detail(format!("by {by}")));
    // Most that are pinned are so from the start, and then nothing is written.
    if let Some(pin) = named::pins(store).await.map_err(fail)?.iter().find(|pin| pin.manifest == *name) {
        return pinned(&pin.holder());
    }
    let mut seen = false;
    for _ in 0..ATTEMPTS {
        let document = match store.own_document(&name.key()).await {
            Ok(None) => return Ok(seen),
            Ok(Some(document)) => document,
            Err(error) => match error.version() {
                // Nothing of it can be used or lost.
                Some(version) => return removed(store, name, version).await.map_err(fail),
                None => return Err(fail(error)),
            },
        };
        seen = true;
        let manifest = match Outline::decode(&name.key(), &document.bytes) {
            Ok(manifest) => manifest,
            Err(error) if error.kind() == ErrorKind::Damaged => {
                return removed(store, name, document.version).await.map_err(fail);
            }
            // A newer program knows what it is for.
            Err(error) => return Err(fail(error)),
        };
        let Some(announced) = announce(store, manifest, document).await.map_err(fail)? else { continue };
        let settled = settle(store, vec![announced], Holds::Ignore).await.map_err(fail)?;
        if let Some(by) = settled.used.values().next().and_then(|by| by.first()) {
            return pinned(by);
        }
        if settled.changed.is_empty() {
            return Ok(true);
        }
    }
    Err(Error::new(ErrorKind::Conflict, "remove", subject()))
}

async fn removed<S: BlobStore + ?Sized>(
    store: &S,
    name: &ManifestName,
    version: Version,
) -> Result<bool, Error> {
    store.remove_document(&name.key(), version).await.map(|()| true)
}

/// What a collection finds of removals that others announced.
pub(crate) async fn tidy<S: BlobStore + ?Sized>(
    store: &S,
    manifests: &[(Outline, Document)],
    pinned: &BTreeSet<ManifestName>,
) {
    for (manifest, document) in manifests {
        if pinned.contains(&manifest.name) && is_leaving(&document.bytes) {
            unmark(store, &manifest.name.key(), document).await;
        }
    }
}
