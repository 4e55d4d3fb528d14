//! What a hub may make this client do.

use std::time::Duration;

/// What a hub may make this client do; what is above is refused with
/// [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge).
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
    /// Files that are asked for at the same time. Default: 4.
    pub parallel: usize,
    /// How often a file is begun, the first time included, if it breaks off on the way. One that arrives whole but
    /// is not what was announced is begun a second time at most. Default: 4.
    pub attempts: u32,
    /// The pause before a file is begun again; it grows with each time. Default: 1 s.
    pub pause: Duration,
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
            parallel: 4,
            attempts: 4,
            pause: Duration::from_secs(1),
        }
    }
}
