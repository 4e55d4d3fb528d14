//! Models out of a store and into one: to and from plain folders, from another program's cache, as one file.

mod bundle;
#[cfg(feature = "fs")]
mod cache;
#[cfg(feature = "fs")]
mod export;
#[cfg(feature = "fs")]
mod folder;
#[cfg(feature = "fs")]
mod git;
#[cfg(feature = "fs")]
mod import;
#[cfg(feature = "fs")]
mod intake;
mod names;
mod progress;
mod settle;

pub use bundle::{BUNDLE_VERSION, BundleOptions, Bundled, bundle_stream, read_bundle_stream};
#[cfg(any(feature = "fs", feature = "object-store"))]
pub use bundle::{read_bundle, write_bundle};
#[cfg(feature = "fs")]
pub use cache::{CacheOptions, CachedModel, hugging_face_cache, import_hugging_face_cache};
#[cfg(feature = "fs")]
pub use export::{ExportMode, ExportOptions, Exported, export_model};
#[cfg(feature = "fs")]
pub use import::{ImportOptions, import_folder};
pub use names::check_file_name;
pub use progress::{Observer, Progress};
pub use settle::Imported;
