//! Files of records on disk: a folder that keeps them, how one becomes part of it, and how it leaves.

mod folder;
mod packaged;
mod part;
mod prune;

pub use folder::AttachmentFolder;
pub(crate) use folder::Begun;
pub(crate) use packaged::PackagedFile;
pub(crate) use part::Part;
pub use prune::{PruneOptions, Pruned};
