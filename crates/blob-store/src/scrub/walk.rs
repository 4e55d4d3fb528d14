//! The way of a scrub: through the blobs in the order of their digests, then through the documents.

use std::{
    collections::{BTreeSet, HashSet},
    error::Error as _,
    fmt::Write as _,
    ops::ControlFlow,
};

use content_id::{ContentId, Digest, Hasher};
use futures::TryStreamExt;

use super::{
    BlobSource, MissingFile, ModelHealth, NotRefetched, OnProgress, ScrubProgress, VerifyOptions,
    VerifyReport, Wanted, WantedFile, pace::Pace, source::refetch,
};
use crate::{
    BlobStore, DocumentKind, Error, ErrorKind, Manifest, Pin,
    manifest::{Content, decode},
    repair::put_away,
};

/// Blobs in a row that the storage fails to read before it is the storage that has failed.
const FAILURES: u32 = 8;

/// What came of reading one blob.
enum Found {
    Sound,
    Damaged,
    /// The storage failed.
    Unread(Error),
    /// Removed since the listing.
    Gone,
    /// The caller wants no more.
    Stopped,
}

struct Scrub<'a, S: ?Sized> {
    store: &'a S,
    options: &'a VerifyOptions,
    source: Option<&'a dyn BlobSource>,
    on_progress: &'a mut OnProgress<'a>,
    pace: Pace,
    progress: ScrubProgress,
    report: VerifyReport,
    sound: HashSet<ContentId>,
    /// What was damaged or could not be read.
    bad: BTreeSet<Digest>,
    refetched: BTreeSet<ContentId>,
    /// As they were when the first damage was found.
    manifests: Option<Vec<Manifest>>,
}

pub(crate) async fn scrub<'a, S: BlobStore + ?Sized>(
    store: &'a S,
    options: &'a VerifyOptions,
    source: Option<&'a dyn BlobSource>,
    on_progress: &'a mut OnProgress<'a>,
) -> Result<VerifyReport, Error> {
    let mut blobs = store.blobs().await?;
    blobs.retain(|blob| Some(blob.id.digest) > options.after);
    blobs.sort_unstable_by_key(|blob| blob.id.digest);
    let progress = ScrubProgress {
        blobs: 0,
        blobs_total: blobs.len() as u64,
        bytes: 0,
        bytes_total: blobs.iter().map(|blob| blob.id.size).sum(),
        next: options.after,
    };
    let mut scrub = Scrub {
        store,
        options,
        source: source.filter(|_| options.repair),
        on_progress,
        pace: Pace::new(options.bytes_per_second),
        progress,
        report: VerifyReport { next: options.after, ..VerifyReport::default() },
        sound: HashSet::new(),
        bad: BTreeSet::new(),
        refetched: BTreeSet::new(),
        manifests: None,
    };
    let ids: Vec<ContentId> = blobs.into_iter().map(|blob| blob.id).collect();
    scrub.report.complete = scrub.blobs(&ids).await?;
    if scrub.report.complete {
        scrub.report.next = None;
    }
    scrub.documents().await?;
    scrub.report.sort();
    Ok(scrub.report)
}

impl<S: BlobStore + ?Sized> Scrub<'_, S> {
    /// Looks at the blobs; returns whether it came to the end.
    async fn blobs(&mut self, ids: &[ContentId]) -> Result<bool, Error> {
        let mut failures = 0;
        for id in ids {
            let max = self.options.max_bytes.unwrap_or(u64::MAX);
            if self.progress.blobs > 0 && max <= self.progress.bytes {
                return Ok(false);
            }
            let found = loop {
                match self.read(*id).await? {
                    // Where a better copy stands behind a damaged one, it is taken.
                    Found::Damaged if self.store.mend(*id).await? => {}
                    found => break found,
                }
            };
            failures = if let Found::Unread(_) = found { failures + 1 } else { 0 };
            match found {
                Found::Stopped => return Ok(false),
                Found::Unread(error) if failures == FAILURES => return Err(error),
                Found::Gone => {}
                Found::Sound => {
                    self.sound.insert(*id);
                    self.report.checked += 1;
                    self.report.bytes += id.size;
                }
                Found::Damaged => {
                    self.report.checked += 1;
                    self.report.bytes += id.size;
                    self.report.damaged.push(*id);
                    self.bad.insert(id.digest);
                    if self.options.repair && put_away(self.store, *id).await? {
                        self.report.repaired += 1;
                    }
                    self.mend(id.digest).await?;
                }
                Found::Unread(_) => {
                    self.report.unread.push(*id);
                    self.bad.insert(id.digest);
                    self.mend(id.digest).await?;
                }
            }
            self.progress.blobs += 1;
            self.progress.next = Some(id.digest);
            self.report.next = Some(id.digest);
            if (self.on_progress)(&self.progress).is_break() {
                return Ok(ids.last() == Some(id));
            }
        }
        Ok(true)
    }

    /// Reads and hashes one blob, at the pace asked for.
    async fn read(&mut self, id: ContentId) -> Result<Found, Error> {
        let found = |error: Error| match error.kind() {
            ErrorKind::NotFound => Found::Gone,
            ErrorKind::Damaged => Found::Damaged,
            _ => Found::Unread(error),
        };
        let mut pieces = match self.store.read(id, 0..id.size).await {
            Ok(pieces) => pieces,
            Err(error) => return Ok(found(error)),
        };
        let mut hasher = Hasher::default();
        loop {
            match pieces.try_next().await {
                Ok(Some(piece)) => {
                    hasher.update(&piece);
                    self.progress.bytes += piece.len() as u64;
                    self.pace.keep(piece.len() as u64).await?;
                    // After the last piece the blob is told as done.
                    if hasher.size() < id.size && (self.on_progress)(&self.progress).is_break() {
                        return Ok(Found::Stopped);
                    }
                }
                Ok(None) => break,
                Err(error) => return Ok(found(error)),
            }
        }
        Ok(if hasher.finish() == id { Found::Sound } else { Found::Damaged })
    }

    /// Fetches a blob again at once, if a manifest names it and there is a source: who opens the model now would
    /// not find it.
    async fn mend(&mut self, digest: Digest) -> Result<(), Error> {
        if self.source.is_none() {
            return Ok(());
        }
        let manifests = match self.manifests.take() {
            Some(manifests) => manifests,
            None => {
                let nothing = VerifyOptions::default();
                readable(self.store, DocumentKind::Manifest, &nothing, &mut VerifyReport::default()).await?
            }
        };
        let wanted = |content: &ContentId| content.digest == digest;
        let contents: BTreeSet<ContentId> =
            manifests.iter().flat_map(|it| it.files.values()).map(|it| it.content).filter(wanted).collect();
        for content in contents {
            self.fetch(&manifests, content).await;
        }
        self.manifests = Some(manifests);
        Ok(())
    }

    /// Fetches a blob again and returns whether it is there now.
    async fn fetch(&mut self, manifests: &[Manifest], content: ContentId) -> bool {
        let Some(source) = self.source else { return false };
        let tried = self.report.not_refetched.iter().any(|failed| failed.content == content);
        if tried || self.refetched.contains(&content) {
            return !tried;
        }
        let mut files = Vec::new();
        for manifest in manifests {
            let named = manifest.files.iter().filter(|(_, entry)| entry.content == content);
            files.extend(named.map(|(path, entry)| WantedFile {
                manifest: manifest.name.clone(),
                path: path.clone(),
                entry: entry.clone(),
            }));
        }
        match refetch(self.store, source, &Wanted { content, files }).await {
            Ok(()) => {
                self.refetched.insert(content);
                self.report.refetched.push(content);
                true
            }
            Err(error) => {
                let (kind, why) = (error.kind(), in_words(&error));
                self.report.not_refetched.push(NotRefetched { content, kind, why });
                false
            }
        }
    }

    /// Whether a blob is one that this scrub has to look at.
    fn concerns(&self, digest: Digest) -> bool {
        self.options.after < Some(digest) && (self.report.complete || Some(digest) <= self.report.next)
    }

    /// Looks at manifests and pins, and for the blobs that the manifests name.
    async fn documents(&mut self) -> Result<(), Error> {
        let manifests: Vec<Manifest> =
            readable(self.store, DocumentKind::Manifest, self.options, &mut self.report).await?;
        let pins: Vec<Pin> = readable(self.store, DocumentKind::Pin, self.options, &mut self.report).await?;
        for manifest in &manifests {
            let health = self.model(manifest, &manifests).await?;
            self.report.models.push(health);
        }
        for pin in pins {
            match self.store.document(&pin.manifest.key()).await {
                Ok(None) => self.report.dangling_pins.push(pin.name),
                Err(error) if error.kind() != ErrorKind::Damaged => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    async fn model(&mut self, manifest: &Manifest, all: &[Manifest]) -> Result<ModelHealth, Error> {
        let mut health = ModelHealth::new(manifest.name.clone());
        for (path, file) in &manifest.files {
            let content = file.content;
            if !self.concerns(content.digest) {
                continue;
            }
            health.files += 1;
            health.bytes = health.bytes.saturating_add(content.size);
            let bad = self.bad.contains(&content.digest);
            health.damaged += u64::from(bad);
            // What was published since the listing is neither sound nor bad yet.
            let there = self.sound.contains(&content)
                || self.refetched.contains(&content)
                || (!bad && self.store.contains(content).await?)
                || self.fetch(all, content).await;
            health.refetched += u64::from(self.refetched.contains(&content));
            if !there {
                health.missing += 1;
                let (manifest, path) = (manifest.name.clone(), path.clone());
                self.report.missing.push(MissingFile { manifest, path, content });
            }
        }
        Ok(health)
    }
}

/// An error with all its causes.
fn in_words(error: &Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(words, ": {error}"); // Into a string nothing fails.
        cause = error.source();
    }
    words
}

pub(crate) async fn remove_damaged_documents<S: BlobStore + ?Sized>(store: &S) -> Result<u64, Error> {
    let (options, mut report) = (VerifyOptions::default().repair(true), VerifyReport::default());
    readable::<S, Manifest>(store, DocumentKind::Manifest, &options, &mut report).await?;
    readable::<S, Pin>(store, DocumentKind::Pin, &options, &mut report).await?;
    Ok(report.repaired)
}

/// The documents of a kind that can be read; the others go into the report.
async fn readable<S: BlobStore + ?Sized, C: Content>(
    store: &S,
    kind: DocumentKind,
    options: &VerifyOptions,
    report: &mut VerifyReport,
) -> Result<Vec<C>, Error> {
    let mut contents = Vec::new();
    for (key, document) in store.documents(kind).await? {
        let content = document.and_then(|document| {
            decode::<C>(&key, &document.bytes).map_err(|e| e.with_version(document.version))
        });
        match content {
            Ok(content) => contents.push(content),
            Err(error) => {
                report.unreadable.push((key, error.kind()));
                // A newer program's document is not damage.
                if let (true, ErrorKind::Damaged, Some(version)) =
                    (options.repair, error.kind(), error.version())
                {
                    store.remove_document(&key, version).await?;
                    report.repaired += 1;
                }
            }
        }
    }
    Ok(contents)
}

/// For scrubs that nobody watches.
pub(crate) fn unwatched(_: &ScrubProgress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}
