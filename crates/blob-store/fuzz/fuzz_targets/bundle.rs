//! Bundles, any bytes and a right one with edits: only the right one is accepted, and what is visible is whole.
#![no_main]

use blob_store_fuzz::{bundle, manifest, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = read(bytes, 7);
    let right = bundle(&serde_json::to_vec(&manifest()).expect("a manifest is JSON"));
    let mut edited = right.clone();
    let (piece, edits) = bytes.split_first().unwrap_or((&9, &[]));
    for edit in edits.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([edit[0], edit[1]])) % edited.len();
        edited[at] = edit[2];
    }
    let outcome = read(&edited, usize::from(*piece));
    assert_eq!(outcome.is_ok(), edited == right);
});
