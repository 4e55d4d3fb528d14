//! Scrubbing: whether every byte is still the one stored, a piece of the store at a time, and repair.

mod pace;
mod report;
mod source;
mod walk;

use std::ops::ControlFlow;

use content_id::Digest;

pub use report::{MissingFile, ModelHealth, NotRefetched, VerifyReport};
pub use source::{BlobSource, Wanted, WantedFile};
pub(crate) use walk::{remove_damaged_documents, scrub, unwatched};

/// What a scrub does; nothing but look at everything as fast as it can, by default.
///
/// A scrub goes through the blobs in the order of their digests. One that stops early, because of `max_bytes` or
/// because it was told to, is taken up with [`after`](Self::after); the program keeps the digest wherever it keeps
/// such things, as the 64 digits it is written as.
///
/// ```
/// use blob_store::VerifyOptions;
///
/// // A gigabyte a night, at 20 MB/s.
/// let last_night = None;
/// let options = VerifyOptions::default().after(last_night).max_bytes(1 << 30).bytes_per_second(20_000_000);
/// assert!(!options.repair);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyOptions {
    /// Quarantines damaged blobs, so that they are fetched again, and removes damaged documents. Off.
    pub repair: bool,
    /// Goes on behind this digest: the [`next`](VerifyReport::next) of the report before. From the start.
    pub after: Option<Digest>,
    /// Stops after the blob with which this many bytes were read; at least one blob is. No end.
    pub max_bytes: Option<u64>,
    /// Reads no more than this in a second, on average. No limit.
    pub bytes_per_second: Option<u64>,
}

/// How far a scrub is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScrubProgress {
    /// Blobs read to their end in this scrub.
    pub blobs: u64,
    /// Blobs that it has to read, if nothing stops it.
    pub blobs_total: u64,
    /// Bytes read in this scrub, those of the blob at hand included.
    pub bytes: u64,
    /// Bytes that it has to read, if nothing stops it.
    pub bytes_total: u64,
    /// Where to go on if the program ends now.
    pub next: Option<Digest>,
}

/// Is told how far a scrub is, after each piece that is read; `Break` stops the scrub, and the report is about what
/// it came to.
pub type OnProgress<'a> = dyn FnMut(&ScrubProgress) -> ControlFlow<()> + Send + 'a;

impl VerifyOptions {
    /// Sets whether damage is taken out of the way.
    #[must_use]
    pub const fn repair(self, repair: bool) -> Self {
        Self { repair, ..self }
    }

    /// Sets behind which digest to go on.
    #[must_use]
    pub const fn after(self, after: Option<Digest>) -> Self {
        Self { after, ..self }
    }

    /// Sets after how many bytes to stop.
    #[must_use]
    pub const fn max_bytes(self, bytes: u64) -> Self {
        Self { max_bytes: Some(bytes), ..self }
    }

    /// Sets how many bytes are read in a second; 1 at least.
    #[must_use]
    pub const fn bytes_per_second(self, bytes: u64) -> Self {
        Self { bytes_per_second: Some(if bytes == 0 { 1 } else { bytes }), ..self }
    }
}
