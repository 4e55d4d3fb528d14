//! Accounting: how much space each model takes, what nothing names, what is out of sight, and what is unfinished.

use content_id::Digest;
use futures::future::try_join;
use serde::Serialize;

use crate::{
    BlobInfo, BlobStore, Error, ManifestName, Quarantined, StageInfo, blobs,
    outline::{self, Outline},
};

/// How much space a store takes, and for what.
///
/// As JSON it is an object with these names; each manifest is `{"name": {"hub", "model", "revision"}, "files",
/// "bytes", "own_bytes"}`, each orphan `{"id": {"digest", "size"}, "modified"}` and each blob in quarantine
/// `{"digest", "size", "reason", "name"}`, each stage `{"name", "resumable", "bytes", "modified", "owned"}`, with times in
/// Unix seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Usage {
    /// Each manifest, by name.
    pub manifests: Vec<ManifestUsage>,
    /// Bytes of blobs that no manifest names.
    pub unreferenced_bytes: u64,
    /// Bytes of all blobs, each counted once; those that a manifest names with the size that it says.
    pub total_bytes: u64,
    /// Number of all blobs.
    pub blobs: u64,
    /// Bytes in quarantine.
    pub quarantined_bytes: u64,
    /// The blobs that no manifest names, by digest: garbage, or part of a download that is still going on.
    pub orphans: Vec<BlobInfo>,
    /// What is in quarantine, by name.
    pub quarantined: Vec<Quarantined>,
    /// Bytes of stages; in no other sum.
    pub staged_bytes: u64,
    /// What is being written (`owned`, as far as that can be known), or was left behind, by name.
    pub stages: Vec<StageInfo>,
}

/// How much space one manifest takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ManifestUsage {
    /// The manifest.
    pub name: ManifestName,
    /// Its files.
    pub files: u64,
    /// Bytes of its blobs, each counted once.
    pub bytes: u64,
    /// Bytes of those blobs that no other manifest names: what its removal frees.
    pub own_bytes: u64,
}

/// One manifest's claim to a blob.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    digest: Digest,
    /// The manifest's place in the list.
    manifest: usize,
    size: u64,
}

pub(crate) async fn usage<S: BlobStore + ?Sized>(store: &S) -> Result<Usage, Error> {
    let (manifests, mut names) = try_join(outline::all(store), store.blob_names()).await?;
    let mut quarantined = store.quarantined().await?;
    let claims = claims(&manifests);
    let mut usage = Usage { manifests: claimed(manifests, &claims), ..Usage::default() };
    names.sort_unstable_by_key(|name| name.digest);
    usage.blobs = names.len() as u64;
    // Both are in order of digests. What a manifest names is as large as that says, unless it is damaged.
    let mut claims = claims.iter().peekable();
    names.retain(|name| {
        while claims.next_if(|claim| claim.digest < name.digest).is_some() {}
        let claim = claims.peek().filter(|claim| claim.digest == name.digest);
        let size = claim.map(|claim| name.info.map_or(claim.size, |info| info.id.size));
        usage.total_bytes = usage.total_bytes.saturating_add(size.unwrap_or(0));
        size.is_none()
    });
    usage.orphans = blobs::seen(store, names).await?;
    usage.orphans.sort_unstable_by_key(|blob| blob.id.digest);
    usage.unreferenced_bytes = usage.orphans.iter().map(|blob| blob.id.size).sum();
    quarantined.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    usage.total_bytes = usage.total_bytes.saturating_add(usage.unreferenced_bytes);
    usage.quarantined_bytes = quarantined.iter().map(|held| held.size).sum();
    usage.quarantined = quarantined;
    usage.stages = store.stages().await?;
    usage.stages.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    usage.staged_bytes = usage.stages.iter().map(|stage| stage.bytes).fold(0, u64::saturating_add);
    Ok(usage)
}

/// What the manifests name, each blob once for each of them, in order of digests.
fn claims(manifests: &[Outline]) -> Vec<Claim> {
    let of = |(manifest, outline): (usize, &Outline)| {
        let files = outline.files.iter();
        files.map(move |(_, id)| Claim { digest: id.digest, manifest, size: id.size }).collect::<Vec<_>>()
    };
    let mut claims: Vec<Claim> = manifests.iter().enumerate().flat_map(of).collect();
    claims.sort_unstable();
    claims.dedup_by_key(|claim| (claim.digest, claim.manifest));
    claims
}

fn claimed(manifests: Vec<Outline>, claims: &[Claim]) -> Vec<ManifestUsage> {
    let empty = |outline: Outline| {
        let (name, files) = (outline.name, outline.files.len() as u64);
        ManifestUsage { name, files, bytes: 0, own_bytes: 0 }
    };
    let mut usages: Vec<ManifestUsage> = manifests.into_iter().map(empty).collect();
    for of_one_blob in claims.chunk_by(|a, b| a.digest == b.digest) {
        for claim in of_one_blob {
            let usage = &mut usages[claim.manifest];
            usage.bytes = usage.bytes.saturating_add(claim.size);
            if of_one_blob.len() == 1 {
                usage.own_bytes = usage.own_bytes.saturating_add(claim.size);
            }
        }
    }
    usages
}
