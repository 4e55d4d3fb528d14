//! Keeps verified bytes under their content id, with named manifests, on a file system or an object store.
//!
//! Layer 1. Knows nothing of networks, hubs' protocols or what is in the files.
//!
//! [`BlobStore`] is the small trait that a backend implements; [`BlobStoreExt`] is what programs use, written once on
//! top of it. The backends are `FsStore` (feature `fs`, the default) and `ObjectStoreBackend` (feature
//! `object-store`), and the suite every backend passes is public (feature `conformance`). [`TieredStore`] keeps a local
//! cache in front of a shared store, [`LayeredStore`] reads through to stores that it never writes to.
//!
//! ```
//! # #[cfg(feature = "fs")]
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! use blob_store::{BlobStoreExt, ErrorKind, FileEntry, FsStore, Manifest, ManifestName};
//!
//! let dir = tempfile::tempdir()?;
//! let store = FsStore::open(dir.path())?;
//! let id = store.put_bytes("hello".into()).await?;
//! let mut manifest = Manifest::new(ManifestName::new("hub.example", "org/name", "main"), 1_700_000_000);
//! manifest.files.insert("greeting.txt".into(), FileEntry::new(id, 1_700_000_000));
//! store.put_manifest(&manifest, None).await?;
//! assert_eq!(store.read_all(id, 1 << 20).await?, "hello");
//!
//! // A manifest in the store means that the model is complete.
//! manifest.files.insert("absent.txt".into(), FileEntry::new(content_id::ContentId::of(b"absent"), 1_700_000_000));
//! let refused = store.put_manifest(&manifest, None).await.expect_err("a blob is missing");
//! assert_eq!(refused.kind(), ErrorKind::Incomplete);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # On the disk and in the bucket
//!
//! ```text
//! format.json                                   the layout's version (file system only)
//! blobs/sha256/ab/cdef...                       a blob, read-only, under the digest abcdef...
//! staging/...                                   what is being written, or fetched in parts
//! manifests/<digest of name>/<generation>.json  what a revision of a model is made of
//! pins/<digest of name>/<generation>.json       which manifests are in use
//! quarantine/<digest>.<unique>.garbage          hidden by a collection that is not yet sure
//! quarantine/<digest>.<unique>.damaged          taken out of the way by `verify`
//! locks/<digest of name>                        empty; locked while a model is open (file system only)
//! ```
//!
//! No name that comes from outside becomes a path: blobs are called by their digest, and documents by the digest of
//! their name. `docs/on-disk-format.md` in the repository has the format, its rules for readers and writers, and why a
//! process may be killed at any moment.
//!
//! # Who uses what, and how much room there is
//!
//! [`add_use`](BlobStoreExt::add_use) notes that a task or an engine uses a model; [`delete`](BlobStoreExt::delete) and
//! [`release_engine`](BlobStoreExt::release_engine) remove what nobody uses any more, with its bytes. Before a download,
//! [`plan_space`](BlobStoreExt::plan_space) tells whether it fits into a quota and on the disk, and which models would
//! make room, least lately used first.
//!
//! # Large and interrupted
//!
//! [`stage_or_wait`](BlobStoreExt::stage_or_wait) fetches a blob in parts, in any order, once for all processes that
//! want it; what is recorded outlives whoever fetched it. [`repair`](BlobStoreExt::repair) fetches only the parts that
//! are damaged, [`scrub`](BlobStoreExt::scrub) finds them at a pace of your choice.
//!
//! # In and out
//!
//! `export_model` writes a model into a plain folder, `import_folder` and `import_hugging_face_cache` take one in
//! (feature `fs`), and [`bundle_stream`] and [`read_bundle_stream`] carry one between machines as one file. File names
//! in manifests are foreign data there; [`check_file_name`] says which become a path.
//!
//! # Async
//!
//! File work runs on the blocking threads of the tokio runtime the caller is in, and directly on the caller's thread
//! where there is none. The crate starts no runtime and no thread of its own.

mod blobs;
mod blocking;
#[cfg(feature = "conformance")]
pub mod conformance;
mod document;
mod error;
#[cfg(any(feature = "fs", feature = "object-store"))]
mod expect;
mod ext;
#[cfg(feature = "fs")]
mod fs;
mod gc;
#[cfg(any(feature = "fs", feature = "object-store"))]
mod generation;
mod hold;
mod layers;
#[cfg(any(feature = "fs", feature = "object-store"))]
mod layout;
mod limits;
mod listing;
mod manifest;
mod model;
mod moving;
mod named;
#[cfg(feature = "object-store")]
mod object;
mod outline;
mod parts;
mod removal;
mod repair;
mod scrub;
mod space;
mod stage;
mod store;
mod touch;
mod turn;
mod usage;
mod user;
mod uses;

pub use document::{Document, DocumentKey, DocumentKind, Version};
pub use error::{Error, ErrorKind};
pub use ext::BlobStoreExt;
#[cfg(feature = "fs")]
pub use fs::{Durability, FsOptions, FsStore};
pub use gc::{GcOptions, GcReport};
pub use hold::{Hold, LockGuard};
pub use layers::{LayeredStore, TieredStore};
pub use limits::Limits;
pub use listing::{BlobInfo, BlobName, Quarantined, Reason};
pub use manifest::{FORMAT_VERSION, FileEntry, Manifest, ManifestName, Pin};
pub use model::{OpenFile, OpenModel, OpenOptions};
pub use moving::{
    BUNDLE_VERSION, BundleOptions, Bundled, Imported, Observer, Progress, bundle_stream, check_file_name,
    read_bundle_stream,
};
#[cfg(feature = "fs")]
pub use moving::{
    CacheOptions, CachedModel, ExportMode, ExportOptions, Exported, ImportOptions, export_model,
    hugging_face_cache, import_folder, import_hugging_face_cache,
};
#[cfg(any(feature = "fs", feature = "object-store"))]
pub use moving::{read_bundle, write_bundle};
#[cfg(feature = "object-store")]
pub use object::ObjectStoreBackend;
pub use parts::{Part, PartHashes, PartStage, PartWriter, Published, StageInfo, StageKey};
pub use repair::{FetchRange, RepairReport};
pub use scrub::{
    BlobSource, MissingFile, ModelHealth, NotRefetched, OnProgress, ScrubProgress, VerifyOptions,
    VerifyReport, Wanted, WantedFile,
};
pub use space::{Evicted, Eviction, SpaceOptions, SpacePlan};
pub use stage::{Expected, Stage};
pub use store::{BlobStore, ByteStream, DocumentEntry};
pub use touch::TOUCH_RESOLUTION;
pub use turn::Turn;
pub use usage::{ManifestUsage, Usage};
pub use user::User;
pub use uses::{Deleted, Kept, Query};
