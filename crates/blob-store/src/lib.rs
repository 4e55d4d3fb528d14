//! Keeps verified bytes under their content id, with named manifests, on a file system or an object store.
//!
//! Layer 1. Knows nothing of networks, hubs' protocols or what is in the files.

mod blobs;
#[cfg(any(feature = "fs", feature = "object-store"))]
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
mod layout;
mod limits;
mod manifest;
mod named;
#[cfg(feature = "object-store")]
mod object;
mod scrub;
mod store;

pub use document::{Document, DocumentKey, DocumentKind, Version};
pub use error::{Error, ErrorKind};
pub use ext::BlobStoreExt;
#[cfg(feature = "fs")]
pub use fs::{Durability, FsOptions, FsStore};
pub use gc::{GcOptions, GcReport};
pub use limits::Limits;
pub use manifest::{FORMAT_VERSION, FileEntry, Manifest, ManifestName, Pin};
#[cfg(feature = "object-store")]
pub use object::ObjectStoreBackend;
pub use scrub::{ManifestUsage, MissingFile, Usage, VerifyOptions, VerifyReport};
pub use store::{BlobInfo, BlobStore, ByteStream, DocumentEntry, Expected, Quarantined, Reason, Stage};
