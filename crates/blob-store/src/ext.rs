//! What programs use: everything that is written once, on top of any backend.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use content_id::{ContentId, Digest};

use crate::{
    BlobSource, BlobStore, Deleted, Error, Evicted, Expected, FetchRange, GcOptions, GcReport, Hold,
    Manifest, ManifestName, OnProgress, OpenModel, OpenOptions, PartHashes, Pin, Quarantined, Query,
    RepairReport, SpaceOptions, SpacePlan, StageKey, TOUCH_RESOLUTION, Turn, Usage, User, VerifyOptions,
    VerifyReport, Version, blobs, gc, hold, model, named, removal, repair, scrub, space, touch, turn, usage,
    uses,
};

/// Manifests, pins, garbage collection, accounting and scrubbing, the same on every backend.
#[async_trait]
pub trait BlobStoreExt: BlobStore {
    /// Stores `bytes`, unless they are there already.
    ///
    /// # Errors
    ///
    /// As for [`BlobStore::stage`] and [`Stage::publish`](crate::Stage::publish).
    async fn put_bytes(&self, bytes: Bytes) -> Result<ContentId, Error> {
        blobs::put_bytes(self, bytes).await
    }

    /// Returns the whole of `id`, hashed again on the way out.
    ///
    /// # Errors
    ///
    /// `TooLarge` if it has more than `max_bytes`, before anything is read; `NotFound`; `Damaged` if the bytes are
    /// not those that were stored; `Backend`.
    async fn read_all(&self, id: ContentId, max_bytes: u64) -> Result<Bytes, Error> {
        blobs::read_all(self, id, max_bytes).await
    }

    /// Opens a model: all files of the manifest of this name, ready to be read in place. Nothing if there is no such
    /// manifest.
    ///
    /// # Errors
    ///
    /// `NotFound` or `Damaged` if a blob is not there, or is not what it should be; `TooLarge` if more would have to be
    /// copied than allowed; for the manifest as for [`manifest`](Self::manifest); `Backend`.
    async fn open_model(
        &self,
        name: &ManifestName,
        options: &OpenOptions,
    ) -> Result<Option<OpenModel>, Error> {
        model::open(self, name, options).await
    }

    /// Begins or resumes a stage in parts as soon as nobody else has it, or finds that the blob has come meanwhile.
    ///
    /// So the bytes of a blob that two processes want at the same time are fetched once: the second waits for the
    /// first, for `patience` at most, takes up its parts if it dies, and finds the blob if it does not. The blob is
    /// looked for if both its digest and its size are expected.
    ///
    /// # Errors
    ///
    /// `Busy` if somebody still has it when `patience` is over; as for [`BlobStore::stage_parts`].
    async fn stage_or_wait(
        &self,
        key: &StageKey,
        expected: Expected,
        patience: Duration,
    ) -> Result<Turn, Error> {
        turn::stage_or_wait(self, key, expected, patience).await
    }

    /// Reads `id` and returns the digests of its parts, for [`FileEntry::parts`](crate::FileEntry::parts).
    ///
    /// # Errors
    ///
    /// `NotFound`; `Damaged` if the bytes are not those that were stored; `Invalid` if a part has no bytes; `Backend`.
    async fn part_hashes(&self, id: ContentId, part_bytes: u64) -> Result<PartHashes, Error> {
        repair::part_hashes(self, id, part_bytes).await
    }

    /// Makes a blob whole: takes what is sound of it from its place and from quarantine, and fetches the rest, part by
    /// part. Each part is checked against its digest when it arrives, and the whole before it is visible.
    ///
    /// What is damaged goes into quarantine first, and from there when the blob is whole. A repair that is interrupted
    /// goes on where it was when it is tried again.
    ///
    /// # Errors
    ///
    /// `Invalid` if `hashes` are not those of a blob of this size; `Mismatch` if what is fetched is not what it should
    /// be; `Busy` if another process repairs it; `NoSpace`; `Backend`; and any error of `fetch`.
    async fn repair(
        &self,
        id: ContentId,
        hashes: &PartHashes,
        fetch: &FetchRange<'_>,
    ) -> Result<RepairReport, Error> {
        repair::repair(self, id, hashes, fetch).await
    }

    /// Returns the manifest of this name, with its version for [`put_manifest`](Self::put_manifest).
    ///
    /// # Errors
    ///
    /// `Damaged`; `Unsupported`; `Backend`. That its blobs are all there was checked when it was written.
    async fn manifest(&self, name: &ManifestName) -> Result<Option<(Manifest, Version)>, Error> {
        named::get(self, &name.key(), || format!("manifest {name}")).await
    }

    /// Writes a manifest, if the one of its name is still in version `expected` (`None`: there is none).
    ///
    /// A manifest in the store means that the model is complete: the blobs are looked for before it is written,
    /// and once more after it, since a garbage collection may have taken one in between.
    ///
    /// # Errors
    ///
    /// `Incomplete` if blobs are missing, and the store is as before; `Conflict`; `Invalid` for an empty or endless
    /// name; `TooLarge`; `NoSpace`; `Backend`.
    async fn put_manifest(&self, manifest: &Manifest, expected: Option<Version>) -> Result<Version, Error> {
        named::put_manifest(self, manifest, expected).await
    }

    /// Removes the manifest of this name; returns whether there was one. Its blobs go with the next garbage
    /// collection, if nothing else names them.
    ///
    /// # Errors
    ///
    /// `Pinned` if a pin names it; `Conflict`; `Backend`.
    async fn remove_manifest(&self, name: &ManifestName) -> Result<bool, Error> {
        removal::remove_manifest(self, name).await
    }

    /// Returns all manifests, by name.
    ///
    /// # Errors
    ///
    /// `Damaged` or `Unsupported` if one of them cannot be read; `Backend`.
    async fn manifests(&self) -> Result<Vec<Manifest>, Error> {
        named::seen_manifests(self).await
    }

    /// Returns the pin of this name, with its version for [`set_pin`](Self::set_pin).
    ///
    /// # Errors
    ///
    /// `Damaged`; `Unsupported`; `Backend`.
    async fn pin(&self, name: &str) -> Result<Option<(Pin, Version)>, Error> {
        named::get(self, &Pin::key_of(name), || format!("pin {name}")).await
    }

    /// Sets a pin or moves it to another manifest, atomically, if it is still in version `expected` (`None`: there
    /// is none).
    ///
    /// # Errors
    ///
    /// `NotFound` if the manifest is not in the store, and `Incomplete` if blobs of it are not; the pin is as before
    /// then. `Damaged` or `Unsupported` if the manifest cannot be read; `Conflict`; `Invalid` for an empty or
    /// endless name; `NoSpace`; `Backend`.
    async fn set_pin(&self, pin: &Pin, expected: Option<Version>) -> Result<Version, Error> {
        named::set_pin(self, pin, expected).await
    }

    /// Removes the pin of this name; returns whether there was one.
    ///
    /// # Errors
    ///
    /// `Conflict`; `Backend`.
    async fn remove_pin(&self, name: &str) -> Result<bool, Error> {
        named::remove_pin(self, name).await
    }

    /// Returns all pins, by name.
    ///
    /// # Errors
    ///
    /// `Damaged` or `Unsupported` if one of them cannot be read; `Backend`.
    async fn pins(&self) -> Result<Vec<Pin>, Error> {
        named::seen_pins(self).await
    }

    /// Notes that `user` uses a manifest, since `now` Unix seconds; returns whether that is new. What is noted already
    /// is not written again.
    ///
    /// What is used is never removed, and all its files are there: a deletion or eviction that is under way either
    /// sees the use, or this fails.
    ///
    /// # Errors
    ///
    /// As for [`set_pin`](Self::set_pin); there is no `Conflict` with other uses.
    async fn add_use(&self, user: &User, manifest: &ManifestName, now: u64) -> Result<bool, Error> {
        uses::add(self, user, manifest, now).await
    }

    /// Returns the uses that match, by tasks and engines, in the order of their names.
    ///
    /// # Errors
    ///
    /// As for [`pins`](Self::pins).
    async fn uses(&self, query: &Query) -> Result<Vec<Pin>, Error> {
        uses::list(self, query).await
    }

    /// Removes the uses by tasks that match, the manifests that no task, no engine and no other pin uses any more,
    /// and the blobs that no other manifest names. Without a task in the query, manifests that match and that nobody
    /// uses go, too.
    ///
    /// It can be called again after whatever interruption; what it had begun and does not find any more is done by
    /// [`collect_garbage`](Self::collect_garbage).
    ///
    /// # Errors
    ///
    /// `Damaged` or `Unsupported` if a manifest or pin cannot be read, before anything is removed; `NoSpace`;
    /// `Backend`.
    async fn delete(&self, query: &Query) -> Result<Deleted, Error> {
        uses::delete(self, query).await
    }

    /// Removes all uses by an engine, as [`delete`](Self::delete) does for tasks.
    ///
    /// # Errors
    ///
    /// As for [`delete`](Self::delete).
    async fn release_engine(&self, id: &str) -> Result<Deleted, Error> {
        uses::release_engine(self, id).await
    }

    /// Notes that a manifest is used at `now` Unix seconds, unless this was noted within the hour before
    /// ([`TOUCH_RESOLUTION`]); returns whether something was written.
    ///
    /// A time in the future, from before a clock was set back, is replaced.
    ///
    /// # Errors
    ///
    /// `NotFound`; `NoSpace`; `Backend`, also where the store can only be read. A failure may well be ignored.
    async fn touch(&self, name: &ManifestName, now: u64) -> Result<bool, Error> {
        touch::touch(self, name, now, TOUCH_RESOLUTION).await
    }

    /// As [`touch`](Self::touch), with another resolution, in seconds.
    ///
    /// # Errors
    ///
    /// As for [`touch`](Self::touch).
    async fn touch_within(&self, name: &ManifestName, now: u64, resolution: u64) -> Result<bool, Error> {
        touch::touch(self, name, now, resolution).await
    }

    /// Keeps a manifest from being evicted until the hold is dropped, or the process ends.
    ///
    /// This is for as long as a model is open, and costs no write; where the backend has no locks it does nothing. To
    /// keep a model, use [`add_use`](Self::add_use) or [`set_pin`](Self::set_pin).
    ///
    /// # Errors
    ///
    /// `NotFound`; `Damaged`; `Backend`.
    async fn hold(&self, name: &ManifestName) -> Result<Hold, Error> {
        hold::hold(self, name).await
    }

    /// Plans how to store the blobs `wanted`: whether they fit into the quota and on the disk, and which manifests would
    /// have to go; writes nothing.
    ///
    /// Manifests that are pinned, used or held stay; with [`SpaceOptions::yielding`], pins that yield go instead. What is shared counts once, and frees nothing as long as others
    /// name it. Nothing is reserved: others write and remove at the same time, so that a plan is no promise. What
    /// nothing names is only told; [`collect_garbage`](Self::collect_garbage) first, and no model goes for it.
    ///
    /// # Errors
    ///
    /// `Damaged` or `Unsupported` if a manifest or pin cannot be read; `Backend`. That it does not fit is no error
    /// but in the plan; see [`SpacePlan::check`].
    async fn plan_space(&self, wanted: &[ContentId], options: &SpaceOptions) -> Result<SpacePlan, Error> {
        space::plan(self, wanted, options).await
    }

    /// Evicts what a plan names, but what somebody has come to use since.
    ///
    /// # Errors
    ///
    /// `Damaged` or `Unsupported` if a manifest or pin cannot be read; `NoSpace`; `Backend`. What was evicted before
    /// stays so.
    async fn make_room(&self, plan: &SpacePlan) -> Result<Evicted, Error> {
        space::make_room(self, plan).await
    }

    /// Removes what nothing names any more, and what interrupted writers left behind.
    ///
    /// # Errors
    ///
    /// `Damaged` or `Unsupported` if a manifest or pin cannot be read, before anything is removed: what it names
    /// is not known. [`verify`](Self::verify) can remove damaged ones. `Backend`.
    async fn collect_garbage(&self, options: &GcOptions) -> Result<GcReport, Error> {
        gc::collect(self, options).await
    }

    /// Removes those of `blobs` that no manifest names, whatever their age; returns what was destroyed.
    ///
    /// What a manifest comes to name meanwhile is kept, as by [`collect_garbage`](Self::collect_garbage).
    ///
    /// # Errors
    ///
    /// `Damaged` or `Unsupported` if a manifest cannot be read; `Backend`.
    async fn remove_unnamed(&self, blobs: &BTreeMap<Digest, u64>) -> Result<Vec<Quarantined>, Error> {
        gc::remove_unnamed(self, blobs).await
    }

    /// Returns how much space each manifest and the whole store take, what nothing names, what is in quarantine, and
    /// what is unfinished; blobs that are shared count once in the total.
    ///
    /// # Errors
    ///
    /// As for [`manifests`](Self::manifests).
    async fn usage(&self) -> Result<Usage, Error> {
        usage::usage(self).await
    }

    /// Reads and hashes every blob, and looks for the blobs of every manifest, as far as `options` go.
    ///
    /// # Errors
    ///
    /// `Backend` if the store cannot be listed, or fails to deliver many blobs in a row. What is damaged, missing or
    /// unreadable is no error: it is in the report.
    async fn verify(&self, options: &VerifyOptions) -> Result<VerifyReport, Error> {
        scrub::scrub(self, options, None, &mut scrub::unwatched).await
    }

    /// Does what [`verify`](Self::verify) does, tells how far it is, and with [`repair`](VerifyOptions::repair)
    /// fetches what is damaged or missing from `source`, each blob as soon as it is found to be bad.
    ///
    /// # Errors
    ///
    /// As for [`verify`](Self::verify). What the source does not deliver is in the report.
    async fn scrub(
        &self,
        options: &VerifyOptions,
        source: Option<&dyn BlobSource>,
        on_progress: &mut OnProgress<'_>,
    ) -> Result<VerifyReport, Error> {
        scrub::scrub(self, options, source, on_progress).await
    }

    /// Removes the manifests and pins that are damaged, and returns how many: what they named is not known any more,
    /// and without them the rest can be used. No blob is read.
    ///
    /// # Errors
    ///
    /// `Conflict` if somebody writes one at the same time; `NoSpace`; `Backend`.
    async fn remove_damaged_documents(&self) -> Result<u64, Error> {
        scrub::remove_damaged_documents(self).await
    }
}

impl<S: BlobStore + ?Sized> BlobStoreExt for S {}
