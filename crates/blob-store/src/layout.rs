//! The names of a store's folders and files, the same on every backend.

use content_id::Digest;

use crate::Reason;

/// Blobs, below a folder named after the digest's algorithm.
pub(crate) const BLOBS: &str = "blobs";
/// The algorithm of all digests so far.
pub(crate) const SHA256: &str = "sha256";
/// Blobs that are being written.
pub(crate) const STAGING: &str = "staging";
/// Blobs out of sight.
pub(crate) const QUARANTINE: &str = "quarantine";

/// The name of a blob in quarantine.
pub(crate) fn quarantine_name(digest: Digest, reason: Reason) -> String {
    let reason = match reason {
        Reason::Garbage => "garbage",
        Reason::Damaged => "damaged",
    };
    format!("{digest}.{reason}")
}

/// What a name in quarantine stands for, if it is one of ours.
pub(crate) fn parse_quarantine_name(name: &str) -> Option<(Digest, Reason)> {
    let (digest, reason) = name.split_once('.')?;
    let reason = match reason {
        "garbage" => Reason::Garbage,
        "damaged" => Reason::Damaged,
        _ => return None,
    };
    Some((digest.parse().ok()?, reason))
}
