//! One file that carries a whole model between machines; `docs/on-disk-format.md` has its bytes.

mod head;
mod input;
mod read;
mod write;

use content_id::Digest;

use super::progress::Observer;
use crate::ManifestName;

#[cfg(any(feature = "fs", feature = "object-store"))]
pub use read::read_bundle;
pub use read::read_bundle_stream;
#[cfg(any(feature = "fs", feature = "object-store"))]
pub use write::write_bundle;
pub use write::{Bundled, bundle_stream};

/// The version of the format of a bundle that this crate writes, and the highest it reads.
pub const BUNDLE_VERSION: u32 = 1;

/// What errors call a bundle.
const SUBJECT: &str = "the bundle";

/// How a bundle is read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BundleOptions {
    /// Another name for the manifest than the one in the bundle.
    pub name: Option<ManifestName>,
    /// The digest that the manifest in the bundle has to have, and so all that is in the bundle; any, by default.
    pub expected: Option<Digest>,
    /// Whether a manifest of this name with other files is replaced; otherwise it is an error.
    pub replace: bool,
    /// Bytes of the manifest at most, which is held in memory; 16 MiB by default.
    pub max_manifest_bytes: u64,
    /// Files at most; 100,000 by default.
    pub max_files: usize,
    /// Bytes of all blobs together at most, checked before the first of them is read; no limit by default.
    pub max_bytes: u64,
    /// Is told how far it is.
    pub observer: Observer,
}

impl Default for BundleOptions {
    fn default() -> Self {
        Self {
            name: None,
            expected: None,
            replace: false,
            max_manifest_bytes: 16 << 20,
            max_files: 100_000,
            max_bytes: u64::MAX,
            observer: Observer::default(),
        }
    }
}

impl BundleOptions {
    /// Writes the manifest under another name.
    #[must_use]
    pub fn name(self, name: ManifestName) -> Self {
        Self { name: Some(name), ..self }
    }

    /// Accepts only a bundle whose manifest has this digest ([`Bundled::manifest`]).
    #[must_use]
    pub fn expected(self, manifest: Digest) -> Self {
        Self { expected: Some(manifest), ..self }
    }

    /// Sets whether a manifest of this name with other files is replaced.
    #[must_use]
    pub fn replace(self, replace: bool) -> Self {
        Self { replace, ..self }
    }

    /// Sets how many bytes all blobs may have together.
    #[must_use]
    pub fn max_bytes(self, max_bytes: u64) -> Self {
        Self { max_bytes, ..self }
    }

    /// Sets how many bytes the manifest may have.
    #[must_use]
    pub fn max_manifest_bytes(self, max_manifest_bytes: u64) -> Self {
        Self { max_manifest_bytes, ..self }
    }

    /// Sets how many files there may be.
    #[must_use]
    pub fn max_files(self, max_files: usize) -> Self {
        Self { max_files, ..self }
    }

    /// Sets who is told how far it is.
    #[must_use]
    pub fn observer(self, observer: Observer) -> Self {
        Self { observer, ..self }
    }
}
