//! Stores made of stores: a local cache before a shared one, and read-only ones below one that is written to.

mod copying;
mod layered;
mod tier;
mod tier_copies;
mod tier_documents;
mod tier_stage;

pub use layered::LayeredStore;
pub use tier::TieredStore;
