//! Certificates with any content in one field, signed all the same.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use rs_client_fuzz::Signed;
use testkit::pki::{
    certificate::{Extension, pem},
    forge::{ALTERNATIVE_NAMES, BASIC_CONSTRAINTS, EXTENDED_KEY_USAGE, KEY_USAGE, NAME_CONSTRAINTS, Pki},
};

fuzz_target!(|bytes: &[u8]| {
    static SIGNED: OnceLock<Signed> = OnceLock::new();
    let signed = SIGNED.get_or_init(|| Signed::new(Pki::Elliptic));
    let [choice, content @ ..] = bytes else { return };
    let mut forge = signed.forge.clone();
    let certificate = match choice % 3 {
        0 => &mut forge.leaf,
        1 => &mut forge.intermediate,
        _ => &mut forge.root,
    };
    let content = content.to_vec();
    match choice / 3 % 11 {
        0 => certificate.not_before = content,
        1 => certificate.not_after = content,
        2 => certificate.key = content,
        3 => certificate.serial = content,
        4 => certificate.claimed_algorithm = Some(content),
        5 => certificate.subject = String::from_utf8_lossy(&content).into_owned(),
        6 => certificate.set(Extension::new(BASIC_CONSTRAINTS, content)),
        7 => certificate.set(Extension::new(KEY_USAGE, content)),
        8 => certificate.set(Extension::new(EXTENDED_KEY_USAGE, content)),
        9 => certificate.set(Extension::new(ALTERNATIVE_NAMES, content)),
        _ => certificate.set(Extension::new(NAME_CONSTRAINTS, content)),
    }
    let certificates = forge.certificates();
    let _ = signed.verify_under(pem(&certificates), &certificates[2]);
});
