//! The tests of `blob-store`, in one binary.

mod backends;
mod calls;
mod damage;
mod disk_full;
mod faults;
mod flaky;
mod folder;
mod heals;
mod kill;
mod layered;
mod many;
mod model;
mod moving;
mod odd_objects;
mod opening;
mod parts;
mod parts_kill;
mod power_cuts;
mod races;
mod reports;
mod scrub;
mod stage_model;
mod steps;
mod tier;
mod uses;
mod versions;

use std::time::{Duration, SystemTime};

use blob_store::{BlobStore, BlobStoreExt, FileEntry, GcOptions, Manifest, ManifestName};
use content_id::ContentId;

/// Bytes that differ everywhere.
fn noise(length: usize, seed: u64) -> bytes::Bytes {
    let mut state = seed | 1;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect::<Vec<_>>().into()
}

fn manifest(model: &str, revision: &str, ids: &[ContentId]) -> Manifest {
    let mut manifest = Manifest::new(ManifestName::new("hub.example", model, revision), 1);
    manifest.files.extend(ids.iter().map(|id| (id.digest.to_string(), FileEntry::new(*id, 1))));
    manifest
}

/// Writes a manifest over whatever is there.
async fn overwrite(store: &dyn BlobStore, manifest: &Manifest) -> Result<(), blob_store::Error> {
    let version = store.manifest(&manifest.name).await?.map(|(_, version)| version);
    store.put_manifest(manifest, version).await.map(|_| ())
}

/// A temporary folder, in memory where the system has a place for that: for tests that make very many files.
fn memory_folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a temporary folder")
}

/// A collection for which everything written so far is old.
fn later() -> GcOptions {
    GcOptions::new(SystemTime::now() + Duration::from_secs(1 << 20))
}
