//! How much a server may send.

use std::time::Duration;

/// The most that is taken from a server; more is refused with [`ErrorKind::TooLarge`](crate::ErrorKind).
///
/// ```
/// let mut limits = rs_client::Limits::default();
/// limits.attachment_bytes = 64 << 20;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one changeset, and of all records of a collection together; 64 MiB, several times the largest of
    /// production. A sync takes up to three times that in memory.
    pub changeset_bytes: u64,
    /// Bytes of the metadata of one collection; 1 MiB. Production's, schema included, stays below 100 KiB; read, it
    /// takes up to ten times the memory.
    pub metadata_bytes: u64,
    /// Bytes of one record; 8 MiB, many times the largest of production. To be brought into canonical form, a record
    /// takes up to sixteen times that in memory.
    pub record_bytes: usize,
    /// How deep values may be nested in what a server sends; 64, several times production's. Values above 127 count
    /// as 127, which is what can be decoded.
    pub json_depth: usize,
    /// Bytes of local copies that are kept in memory once they are read, so that they need not be read and verified
    /// again; 64 MiB. 0 keeps none.
    pub memory_bytes: u64,
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
    /// Requests for the rest of one attachment whose download keeps breaking off, the first one included; 5.
    pub attachment_requests: u32,
    /// Bytes of one bundle, of attachments or of collections, as it is sent; 32 MiB. Servers bundle at most 20 MB of
    /// attachments.
    pub bundle_bytes: u64,
    /// Bytes that one bundle of collections, or one file in a bundle of attachments, may unpack to; 64 MiB. They
    /// are held in memory.
    pub unpacked_bytes: u64,
    /// Redirects of one request; 5, what the transport follows by itself. Production's servers need one.
    pub redirects: usize,
    /// The longest time that a server can make this client wait; one day. Chance adds a tenth at most, so that
    /// many clients do not return at once.
    pub backoff: Duration,
    /// How far a timestamp may lie in the future of the local clock; one day. A signed timestamp beyond it
    /// would shut out every later change.
    pub future: Duration,
    /// Bytes of one record's filter expression; 4 KiB, room for some dozens of comparisons.
    pub filter_bytes: usize,
    /// How deep brackets, conditionals and the right sides of operators of a filter expression may nest; 32.
    /// Each level takes a few KiB of the stack.
    pub filter_depth: usize,
    /// Steps of evaluating one filter expression, about the operations and the list items they look at; 100,000,
    /// some milliseconds. An honest one takes some dozens; filters inside of filters could take any number.
    pub filter_steps: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            changeset_bytes: 64 << 20,
            metadata_bytes: 1 << 20,
            record_bytes: 8 << 20,
            json_depth: 64,
            memory_bytes: 64 << 20,
            records: 200_000,
            info_bytes: 1 << 20,
            chain_bytes: 64 << 10,
            chain_certificates: 8,
            signatures: 8,
            attachment_bytes: 1 << 30,
            attachment_requests: 5,
            bundle_bytes: 32 << 20,
            unpacked_bytes: 64 << 20,
            redirects: 5,
            backoff: Duration::from_secs(86_400),
            future: Duration::from_secs(86_400),
            filter_bytes: 4 << 10,
            filter_depth: 32,
            filter_steps: 100_000,
        }
    }
}
