//! Garbage collection: mark and sweep over manifests and pins, safe while others publish.
//!
//! A victim is first hidden, then the manifests are read a second time, and only what still nobody names is
//! destroyed. A writer writes its manifest first and looks for the blobs afterwards. Whichever comes first, either
//! the collector sees the manifest and brings the blob back, or the writer sees that the blob is gone.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::{Duration, SystemTime},
};

use content_id::{ContentId, Digest};
use serde::Serialize;

use crate::{
    BlobName, BlobStore, Document, DocumentKind, Error, ManifestName, Pin, Quarantined, Reason, StageInfo,
    blobs, named,
    outline::{self, Outline},
    removal::{self, Holds},
};

/// What a garbage collection does.
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// let options = blob_store::GcOptions::new(SystemTime::now()).grace(Duration::from_secs(60)).dry_run(true);
/// assert!(options.keep_unpinned_manifests);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GcOptions {
    /// The time now.
    pub now: SystemTime,
    /// What was written within this time is kept: it may belong to a download that is still going on. One hour.
    pub grace: Duration,
    /// How long stages are kept that nobody has, if that is longer than `grace`: an interrupted download can be resumed
    /// for so long. Zero.
    pub stage_grace: Duration,
    /// Only tells what would be done. Off.
    pub dry_run: bool,
    /// Whether a manifest that no pin names keeps its blobs; otherwise it is removed with them. On.
    pub keep_unpinned_manifests: bool,
}

/// What a garbage collection did, or would do.
///
/// As JSON it is an object with these names; blobs are `{"digest", "size"}`, manifests `{"hub", "model",
/// "revision"}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GcReport {
    /// The blobs removed.
    pub removed: Vec<ContentId>,
    /// The blobs that a manifest names.
    pub kept: u64,
    /// The blobs that nothing names, but that are too young to go.
    pub too_young: u64,
    /// The blobs that came back into use while they were being removed.
    pub restored: Vec<Digest>,
    /// The manifests removed because no pin names them.
    pub manifests_removed: Vec<ManifestName>,
    /// Bytes freed, quarantine included.
    pub bytes_freed: u64,
    /// Stages of interrupted writers removed.
    pub stages_removed: u64,
    /// Bytes that those stages had recorded; not in `bytes_freed`.
    pub stage_bytes: u64,
}

impl GcOptions {
    /// Collects at `now`, with the defaults.
    pub const fn new(now: SystemTime) -> Self {
        let (grace, stage_grace) = (Duration::from_secs(3600), Duration::ZERO);
        Self { now, grace, stage_grace, dry_run: false, keep_unpinned_manifests: true }
    }

    /// Sets the grace period. With zero, downloads that are under way lose what they have written and fail; what a
    /// manifest names is safe all the same.
    #[must_use]
    pub const fn grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// Sets how long stages are kept at least that nobody has.
    #[must_use]
    pub const fn stage_grace(self, grace: Duration) -> Self {
        Self { stage_grace: grace, ..self }
    }

    /// Sets whether to change nothing.
    #[must_use]
    pub const fn dry_run(self, dry_run: bool) -> Self {
        Self { dry_run, ..self }
    }

    /// Sets whether manifests that no pin names are kept.
    #[must_use]
    pub const fn keep_unpinned_manifests(self, keep: bool) -> Self {
        Self { keep_unpinned_manifests: keep, ..self }
    }

    /// What is older than this may go.
    fn cutoff(&self) -> SystemTime {
        self.now.checked_sub(self.grace).unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// Stages that are older than this may go.
    fn stage_cutoff(&self) -> SystemTime {
        self.now.checked_sub(self.grace.max(self.stage_grace)).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

/// What names blobs at one moment.
struct Marks {
    manifests: Vec<(Outline, Document)>,
    pinned: BTreeSet<ManifestName>,
    /// What read-only stores below name.
    below: Vec<Outline>,
}

impl Marks {
    async fn read<S: BlobStore + ?Sized>(store: &S) -> Result<Self, Error> {
        // Pins first: a manifest is written before its pin, so no pinned manifest is overlooked.
        let pins: Vec<(Pin, _)> = named::all(store, DocumentKind::Pin).await?;
        let manifests = outline::with_documents(store).await?;
        let pinned = pins.into_iter().map(|(pin, _)| pin.manifest).collect();
        Ok(Self { manifests, pinned, below: outline::below(store).await? })
    }

    /// Splits off the manifests that may go: those of removals that were announced and never finished, and the
    /// unpinned ones where that is asked for.
    fn unpinned(&mut self, options: &GcOptions) -> Vec<(Outline, Document)> {
        let cutoff = options.cutoff();
        let goes = |(manifest, document): &mut (Outline, Document)| {
            let asked_for = !options.keep_unpinned_manifests && document.modified < cutoff;
            !self.pinned.contains(&manifest.name) && (asked_for || removal::is_leaving(&document.bytes))
        };
        self.manifests.extract_if(.., goes).collect()
    }

    fn live(&self) -> HashSet<Digest> {
        named_by(self.manifests.iter().map(|(manifest, _)| manifest).chain(&self.below))
    }
}

pub(crate) async fn collect<S: BlobStore + ?Sized>(
    store: &S,
    options: &GcOptions,
) -> Result<GcReport, Error> {
    let mut report = GcReport::default();
    // The list of blobs comes before the marks: what is published after it is not looked at.
    let names = store.blob_names().await?;
    let stages = stale_stages(store, options).await?;
    report.stage_bytes = stages.iter().map(|stage| stage.bytes).sum();
    let mut marks = Marks::read(store).await?;
    let unpinned = marks.unpinned(options);
    let mut live = marks.live();
    if options.dry_run {
        report.manifests_removed = unpinned.into_iter().map(|(manifest, _)| manifest.name).collect();
    } else {
        removal::tidy(store, &marks.manifests, &marks.pinned).await;
        if !unpinned.is_empty() {
            report.manifests_removed = remove_manifests(store, unpinned).await?;
            // Some of them stay, because somebody came to use them: nothing of theirs is hidden for a moment.
            live = self::live(store).await?;
        }
    }
    let mut victims = Vec::new();
    let listed = names.len() as u64;
    let unnamed: Vec<BlobName> = names.into_iter().filter(|name| !live.contains(&name.digest)).collect();
    report.kept = listed - unnamed.len() as u64;
    // Their age is that of now: one that was published again since the list is young.
    for blob in blobs::seen(store, unnamed).await? {
        if options.cutoff() <= blob.modified {
            report.too_young += 1;
        } else {
            victims.push(blob.id);
        }
    }
    if options.dry_run {
        report.bytes_freed = victims.iter().map(|id| id.size).sum();
        for held in store.quarantined().await? {
            let back = held.reason == Reason::Garbage && live.contains(&held.digest);
            report.bytes_freed += if back { 0 } else { held.size };
        }
        report.removed = victims;
        report.stages_removed = stages.len() as u64;
        return Ok(report);
    }
    store.quarantine_many(victims.iter().map(|victim| victim.digest).collect(), Reason::Garbage).await?;
    // Everything in quarantine, that of interrupted collections included.
    let settled = settle(store, |_| true).await?;
    report.bytes_freed = settled.destroyed.iter().map(|held| held.size).sum();
    report.restored = settled.restored;
    report.removed = victims.into_iter().filter(|id| !settled.live.contains(&id.digest)).collect();
    report.stages_removed = store.remove_stages(options.stage_cutoff()).await?;
    Ok(report)
}

/// Returns the stages that are old and that no living process is known to have.
async fn stale_stages<S: BlobStore + ?Sized>(
    store: &S,
    options: &GcOptions,
) -> Result<Vec<StageInfo>, Error> {
    let mut stages = store.stages().await?;
    stages.retain(|stage| !stage.owned && stage.modified < options.stage_cutoff());
    Ok(stages)
}

/// Removes manifests, but those that somebody came to use, or has open.
async fn remove_manifests<S: BlobStore + ?Sized>(
    store: &S,
    unpinned: Vec<(Outline, Document)>,
) -> Result<Vec<ManifestName>, Error> {
    let mut announced = Vec::new();
    for (manifest, document) in unpinned {
        // What is open may stay announced, for the collection after it is closed.
        if store.is_locked(&manifest.name.key()).await? {
            continue;
        }
        // A manifest in another version is in use.
        announced.extend(removal::announce(store, manifest, document).await?);
    }
    let settled = removal::settle(store, announced, Holds::Heed).await?;
    Ok(settled.removed.into_iter().map(|manifest| manifest.name).collect())
}

/// Removes those of `blobs` that no manifest names; returns what was destroyed.
pub(crate) async fn remove_unnamed<S: BlobStore + ?Sized>(
    store: &S,
    blobs: &BTreeMap<Digest, u64>,
) -> Result<Vec<Quarantined>, Error> {
    let live = live(store).await?;
    let victims: BTreeSet<Digest> = blobs.keys().filter(|digest| !live.contains(digest)).copied().collect();
    store.quarantine_many(victims.iter().copied().collect(), Reason::Garbage).await?;
    let settled =
        settle(store, |held| held.reason == Reason::Garbage && victims.contains(&held.digest)).await?;
    Ok(settled.destroyed)
}

/// What came of blobs in quarantine.
#[derive(Default)]
struct Settled {
    destroyed: Vec<Quarantined>,
    restored: Vec<Digest>,
    /// What is in use, whether or not it was still to be restored.
    live: BTreeSet<Digest>,
}

/// Decides over what is in quarantine, as far as it `concerns` the caller.
async fn settle<S: BlobStore + ?Sized>(
    store: &S,
    concerns: impl Fn(&Quarantined) -> bool,
) -> Result<Settled, Error> {
    // The order matters: what is purged was hidden before the manifests are read.
    let held = store.quarantined().await?;
    let live = live(store).await?;
    let mut settled = Settled::default();
    let mut doomed = Vec::new();
    for held in held.into_iter().filter(concerns) {
        if held.reason == Reason::Garbage && live.contains(&held.digest) {
            if store.restore(&held).await? {
                settled.restored.push(held.digest);
            }
            settled.live.insert(held.digest);
        } else {
            doomed.push(held);
        }
    }
    settled.destroyed = store.purge_many(doomed).await?;
    Ok(settled)
}

/// Brings back those of the blobs that a collection hid and did not come to decide over, because it was killed in
/// between or is about to: a manifest names them. Returns whether there were any.
pub(crate) async fn bring_back<S: BlobStore + ?Sized>(store: &S, missing: &[ContentId]) -> bool {
    if missing.is_empty() {
        return false;
    }
    let missing: BTreeSet<Digest> = missing.iter().map(|id| id.digest).collect();
    // What cannot be brought back is missing.
    let Ok(held) = store.quarantined().await else { return false };
    let mut restored = false;
    for held in held.iter().filter(|held| held.reason == Reason::Garbage && missing.contains(&held.digest)) {
        restored |= store.restore(held).await.unwrap_or(false);
    }
    restored
}

/// Returns what the manifests name at this moment.
async fn live<S: BlobStore + ?Sized>(store: &S) -> Result<HashSet<Digest>, Error> {
    let (own, below) = (outline::all(store).await?, outline::below(store).await?);
    Ok(named_by(own.iter().chain(&below)))
}

fn named_by<'a>(manifests: impl IntoIterator<Item = &'a Outline>) -> HashSet<Digest> {
    let files = manifests.into_iter().flat_map(|manifest| &manifest.files);
    files.map(|(_, id)| id.digest).collect()
}
