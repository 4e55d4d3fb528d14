//! What a store accepts at most.

/// What a store accepts at most; everything above is refused with [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes in one blob; 1 TiB by default.
    pub blob_bytes: u64,
    /// Bytes in one document (manifest or pin); 16 MiB by default.
    pub document_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { blob_bytes: 1 << 40, document_bytes: 16 << 20 }
    }
}
