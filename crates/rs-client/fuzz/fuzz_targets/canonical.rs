//! The reader and the canonical form, against serde_json and the test servers' own writer.
#![no_main]

use std::error::Error as _;

use libfuzzer_sys::fuzz_target;
use rs_client::canonical;
use serde_json::Value;
use testkit::settings::canonical::canonical_json;

fn write(text: &str) -> Result<String, rs_client::Error> {
    let mut out = Vec::new();
    canonical::write(text, |piece| out.extend_from_slice(piece))?;
    Ok(String::from_utf8(out).expect("canonical JSON is ASCII"))
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let other = serde_json::from_str::<Value>(text);
    match (write(text), other) {
        (Ok(ours), Ok(other)) => {
            assert_eq!(ours, canonical_json(&other));
            assert_eq!(write(&ours).expect("the canonical form is JSON"), ours);
        }
        (Ok(ours), Err(error)) => panic!("only ours reads {text:?}, as {ours}: {error}"),
        (Err(error), Ok(_)) => {
            let why = error.source().map(ToString::to_string).unwrap_or_default();
            let stricter = ["there twice", "too large", "too deep"];
            assert!(stricter.iter().any(|it| why.contains(it)), "{text:?}: {why}");
        }
        (Err(_), Err(_)) => {}
    }
});
