//! Manifests in bundles whose lines are right: what is accepted has safe names and the bytes it names.
#![no_main]

use blob_store_fuzz::{bundle, manifest, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = read(&bundle(bytes), 64);
    // The bytes as the value of a field, as a file's name, and as part of the right text.
    let text = String::from_utf8_lossy(bytes);
    let mut named = manifest();
    let (_, file) = named.files.pop_first().expect("it has files");
    named.files.insert(text.clone().into_owned(), file);
    let accepted = read(&bundle(&serde_json::to_vec(&named).expect("a manifest is JSON")), 64);
    if accepted.is_ok() {
        blob_store::check_file_name(&text).expect("no other names are accepted");
    }
    let mut edited = serde_json::to_vec(&manifest()).expect("a manifest is JSON");
    for edit in bytes.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([edit[0], edit[1]])) % edited.len();
        edited[at] = edit[2];
    }
    let _ = read(&bundle(&edited), 64);
});
