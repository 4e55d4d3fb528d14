//! What a hub may make this client do.

use std::time::Duration;

/// What a hub may make this client do; what is above is refused with
/// [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge). And how files are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Pages of one listing. Default: 200.
    pub pages: usize,
    /// Bytes of one page, or of the description of a model. Default: 8 MiB.
    pub page_bytes: u64,
    /// Entries of one listing. Default: 200 000.
    pub entries: usize,
    /// Files of one plan. Default: 2000.
    pub files: usize,
    /// Bytes of one file. Default: 256 GiB.
    pub file_bytes: u64,
    /// Bytes of all files of a plan together, as far as their sizes are known. Default: 1 TiB.
    pub total_bytes: u64,
    /// Parts that are fetched at the same time at most, of all files and all downloads of a client and its clones. It
    /// begins with 4, and each connection that is slow adds one. A small file counts half: its request is mostly
    /// waited for. Default: 16.
    pub parallel: usize,
    /// Bytes of a part; a larger file is fetched in several. Files above 4 GiB have parts of twice the size.
    /// Default: 8 MiB.
    pub part_bytes: u64,
    /// The largest file that is kept in memory until it is complete, so that many get into the store together; 16 MiB
    /// of them at most wait for the store. Default: 256 KiB.
    pub small_bytes: u64,
    /// How often the same bytes are asked for, the first time included, if they break off on the way; what was
    /// received counts as a new beginning. What arrives whole but is not what was announced is asked for a second
    /// time at most. Default: 4.
    pub attempts: u32,
    /// The pause before something is asked for again; it grows with each time, and part of it is left to chance.
    /// Default: 1 s.
    pub pause: Duration,
    /// How long to wait for another process that fetches the same file and makes no progress; then the file is
    /// fetched here, too. Default: 60 s.
    pub patience: Duration,
    /// The longest that one download may take; what was recorded by then is resumed by the next one. Default: none.
    pub deadline: Option<Duration>,
}

impl Limits {
    /// Returns the bytes of a part of a file of `size` bytes.
    pub(crate) fn part_of(&self, size: u64) -> u64 {
        let factor = if size > 4 << 30 { 2 } else { 1 };
        self.part_bytes.max(1).saturating_mul(factor)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pages: 200,
            page_bytes: 8 << 20,
            entries: 200_000,
            files: 2000,
            file_bytes: 256 << 30,
            total_bytes: 1 << 40,
            parallel: 16,
            part_bytes: 8 << 20,
            small_bytes: 256 << 10,
            attempts: 4,
            pause: Duration::from_secs(1),
            patience: Duration::from_secs(60),
            deadline: None,
        }
    }
}
