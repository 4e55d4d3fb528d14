//! Startup bundles: whatever is unpacked, each part is a changeset or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rs_client::{Limits, StartupBundle};

fn read(file: &[u8]) {
    let limits = Limits::default();
    let Ok(bundle) = StartupBundle::read(file, &limits) else { return };
    for name in bundle.names() {
        let _ = bundle.changeset(name, &limits);
    }
}

/// The text as one run of literals, which is what LZ4 makes of text that never repeats.
fn packed(text: &[u8]) -> Vec<u8> {
    let mut out = b"mozLz40\0".to_vec();
    out.extend((text.len() as u32).to_le_bytes());
    if text.len() < 15 {
        out.push((text.len() as u8) << 4);
    } else {
        out.push(0xf0);
        let mut rest = text.len() - 15;
        while rest >= 255 {
            out.push(255);
            rest -= 255;
        }
        out.push(rest as u8);
    }
    out.extend_from_slice(text);
    out
}

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    read(&packed(bytes));
    // A length of its own choice, and a block.
    read(&[&b"mozLz40\0"[..], bytes].concat());
});
