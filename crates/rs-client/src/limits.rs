//! How much a server may send.

use std::time::Duration;

/// The most that is taken from a server; more is refused with [`ErrorKind::TooLarge`](crate::ErrorKind).
///
/// JSON may be nested 128 deep in any case.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one changeset; 16 MiB, several times the largest of production. Parsed records take up to ten
    /// times the memory of their text.
    pub changeset_bytes: u64,
    /// Records of one collection, live ones and tombstones; 200,000.
    pub records: usize,
    /// Bytes of the list of changed collections and of the server's description; 1 MiB each.
    pub info_bytes: u64,
    /// Bytes of one certificate chain; 64 KiB, ten times production's.
    pub chain_bytes: u64,
    /// Certificates of one chain; 8. Production has 3.
    pub chain_certificates: usize,
    /// Signatures of one changeset that are tried; 8.
    pub signatures: usize,
    /// Bytes of one attachment; 1 GiB.
    pub attachment_bytes: u64,
    /// The longest time that a server can make this client wait; one day.
    pub backoff: Duration,
    /// How far a timestamp may lie in the future of the local clock; one day. A signed timestamp beyond it
    /// would shut out every later change.
    pub future: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            changeset_bytes: 16 << 20,
            records: 200_000,
            info_bytes: 1 << 20,
            chain_bytes: 64 << 10,
            chain_certificates: 8,
            signatures: 8,
            attachment_bytes: 1 << 30,
            backoff: Duration::from_secs(86_400),
            future: Duration::from_secs(86_400),
        }
    }
}
