//! The names of a store's folders and files, the same on every backend.

use std::{collections::hash_map::RandomState, hash::BuildHasher};

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

/// Files that are locked while something is in use; nothing is written to them.
pub(crate) const LOCKS: &str = "locks";

/// Every folder that a store has at its top.
#[cfg(feature = "fs")]
pub(crate) const FOLDERS: [&str; 6] = [
    BLOBS,
    STAGING,
    QUARANTINE,
    crate::DocumentKind::Manifest.folder(),
    crate::DocumentKind::Pin.folder(),
    LOCKS,
];

/// A name that nobody else chooses.
pub(crate) fn unique_name() -> String {
    let random = || RandomState::new().hash_one(std::process::id());
    format!("{:016x}{:016x}", random(), random())
}

/// A name for a blob in quarantine. It is a new one each time: a collector destroys only what it saw hidden before
/// it looked at the manifests, and never what another one hid since.
pub(crate) fn quarantine_name(digest: Digest, reason: Reason) -> String {
    let reason = match reason {
        Reason::Garbage => "garbage",
        Reason::Damaged => "damaged",
    };
    format!("{digest}.{}.{reason}", unique_name())
}

/// What a name in quarantine stands for, if it is one of ours.
pub(crate) fn parse_quarantine_name(name: &str) -> Option<(Digest, Reason)> {
    let (digest, rest) = name.split_once('.')?;
    let (unique, reason) = rest.split_once('.')?;
    if unique.is_empty() || !unique.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let reason = match reason {
        "garbage" => Reason::Garbage,
        "damaged" => Reason::Damaged,
        _ => return None,
    };
    Some((digest.parse().ok()?, reason))
}
