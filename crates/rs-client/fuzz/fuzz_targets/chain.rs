//! Chain files: nothing is accepted but the three certificates as they were signed.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use rs_client_fuzz::Signed;
use testkit::pki::{certificate::pem, forge::Pki};

fuzz_target!(|bytes: &[u8]| {
    static SIGNED: OnceLock<Signed> = OnceLock::new();
    let signed = SIGNED.get_or_init(|| Signed::new(Pki::Elliptic));
    assert!(signed.verify(bytes).is_err(), "the file has none of the certificates");

    // Edits of the good certificates: where, and what is there instead.
    let mut certificates = signed.certificates.clone();
    for edit in bytes.chunks_exact(4) {
        let certificate = &mut certificates[usize::from(edit[0] % 3)];
        let at = usize::from(u16::from_be_bytes([edit[1], edit[2]])) % certificate.len();
        certificate[at] = edit[3];
    }
    let same = certificates == signed.certificates;
    assert_eq!(signed.verify(pem(&certificates)).is_ok(), same);

    // Edits of the file; a change between the certificates means nothing.
    let mut file = pem(&signed.certificates).into_bytes();
    for edit in bytes.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([edit[0], edit[1]])) % file.len();
        file[at] = edit[2];
    }
    let _ = signed.verify(file);
});
