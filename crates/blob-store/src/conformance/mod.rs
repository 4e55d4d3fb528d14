//! What every backend must do, as a suite that a backend of your own can run, too: [`all`].
//!
//! Not covered by any stability promise. A failed case panics.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(async {
//! use std::sync::Arc;
//! use blob_store::{BlobStore, ObjectStoreBackend, conformance};
//! use object_store::memory::InMemory;
//!
//! let (name, case) = conformance::cases()[0];
//! let store: Arc<dyn BlobStore> = Arc::new(ObjectStoreBackend::new(Arc::new(InMemory::new())));
//! case(store).await;
//! assert_eq!(name, "put_then_read");
//! # });
//! ```

pub mod blobs;
pub mod documents;
pub mod gc;
pub mod manifests;
pub mod models;
pub mod moving;
pub mod repair;
pub mod scrub;
pub mod space;
pub mod stages;
pub mod uses;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use content_id::ContentId;
use futures::future::BoxFuture;

#[cfg(feature = "fs")]
pub use crate::fs::{Act, Call, Failure, Faults};
use crate::{BlobStore, BlobStoreExt, Expected, FileEntry, GcOptions, Manifest, ManifestName};

/// One thing that every backend must do, tried on an empty store.
pub type Case = fn(Arc<dyn BlobStore>) -> BoxFuture<'static, ()>;

/// Runs every case, each on an empty store of its own from `new_store`.
pub async fn all(mut new_store: impl FnMut() -> Arc<dyn BlobStore>) {
    for (name, case) in cases() {
        eprintln!("blob-store conformance: {name}");
        case(new_store()).await;
    }
}

macro_rules! cases {
    ($($module:ident: $($case:ident),+;)+) => {
        /// Returns every case with its name.
        pub fn cases() -> Vec<(&'static str, Case)> {
            vec![$($((stringify!($case), (|store| Box::pin($module::$case(store))) as Case)),+),+]
        }
    };
}

cases! {
    blobs: put_then_read, what_is_absent_is_not_found, unexpected_content_is_named, wrong_content_is_refused,
        endless_content_is_cut_off, abandoned_stages_leave_nothing, put_again_changes_nothing, many_small_writes,
        long_content_in_parts, writers_of_one_blob_all_succeed, ranges, local_path_leads_to_the_bytes,
        removed_is_gone, confirm_names_what_is_missing, listing_is_complete, quarantine_hides_and_restores,
        stages_being_written_survive_cleaning;
    documents: a_document_comes_and_goes, of_many_writers_one_wins, no_update_is_lost, readers_see_old_or_new,
        removed_versions_stay_dead, kinds_are_apart, empty_documents_are_refused;
    manifests: manifest_round_trip, incomplete_manifests_are_refused, stale_manifests_are_refused,
        unknown_fields_survive, newer_formats_are_refused, damaged_manifests_are_told, names_are_never_paths,
        pins_switch_atomically, pins_need_a_manifest, pinned_manifests_stay, usage_counts_shared_blobs_once;
    gc: garbage_goes_and_the_rest_stays, young_blobs_stay, dry_run_changes_nothing, unpinned_manifests_may_go,
        unreadable_manifests_stop_collection, interrupted_collections_heal, hidden_blobs_come_back,
        collecting_while_publishing, verify_tells_what_is_missing;
    models: models_open_whole, large_models_open, incomplete_models_do_not_open, many_at_once_are_as_one_by_one,
        names_are_listed;
    scrub: scrubs_are_taken_up, scrubs_stop_when_told, scrubs_keep_their_pace, scrubs_repair_from_a_source,
        scrubs_repair_from_another_store, usage_shows_orphans_and_quarantine;
    repair: part_hashes_are_those_of_the_parts, only_broken_parts_are_fetched, wrong_repairs_are_refused,
        scrubs_repair_part_by_part, turns_are_taken;
    stages: parts_in_any_order, parts_at_once, parts_of_unknown_size, dropped_stages_resume, short_parts_are_parts,
        unfinished_parts_leave_nothing, wrong_parts_are_refused, wrong_whole_is_refused, other_keys_are_other_stages,
        overlapping_parts_are_refused, missing_parts_stop_publishing, discarded_stages_are_gone,
        stages_are_listed_and_removed, owners_are_alone_or_share, an_empty_blob_has_no_parts;
    uses: bytes_go_with_the_last_user, queries_match_any_combination, what_nobody_used_goes_by_its_name_alone,
        uses_need_a_manifest, uses_are_never_lost_to_deletions, touching_writes_once_an_hour;
    space: the_least_lately_used_goes_first, what_is_pinned_used_or_wanted_stays, what_is_held_is_not_evicted,
        garbage_is_told_and_not_evicted, what_yields_goes_with_its_manifest, what_is_freed_first_counts;
    moving: a_bundle_carries_a_model, a_bad_bundle_leaves_no_manifest, a_bundle_replaces_only_what_it_may;
}

/// Writes `content` in pieces of `piece` bytes and publishes it.
async fn put_in_pieces(
    store: &dyn BlobStore,
    expected: Expected,
    content: &Bytes,
    piece: usize,
) -> ContentId {
    let mut stage = store.stage(expected).await.expect("a stage begins");
    for piece in content.chunks(piece) {
        stage.write(content.slice_ref(piece)).await.expect("a piece is accepted");
    }
    assert_eq!(stage.written(), content.len() as u64);
    stage.publish().await.expect("the right content is published")
}

async fn put(store: &dyn BlobStore, content: &'static str) -> ContentId {
    store.put_bytes(content.into()).await.expect("a blob is put")
}

/// A manifest of `org/name` in this revision.
fn manifest(revision: &str, files: &[(&str, ContentId)]) -> Manifest {
    let mut manifest = Manifest::new(ManifestName::new("hub.example", "org/name", revision), 1);
    manifest.files.extend(files.iter().map(|(path, id)| ((*path).to_owned(), FileEntry::new(*id, 1))));
    manifest
}

/// Bytes that differ everywhere.
fn noise(length: usize, seed: u64) -> Bytes {
    let mut state = seed | 1;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect::<Vec<_>>().into()
}

/// A collection for which everything written so far is old.
fn later() -> GcOptions {
    GcOptions::new(SystemTime::now() + Duration::from_secs(1 << 20))
}
