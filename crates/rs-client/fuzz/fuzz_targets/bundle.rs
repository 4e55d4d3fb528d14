//! Bundles of attachments: a file comes out as its record describes it, or not at all.
#![no_main]

use std::{
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use libfuzzer_sys::fuzz_target;
use rs_client::{AttachmentBundle, Collection, Limits, Trust, Verified, verify_changeset};
use serde_json::{Value, json};
use testkit::{
    pki::{
        certificate::{hash, pem},
        forge::{Forge, Pki},
    },
    settings::canonical::signed_message,
    zip::{ZipEntry, archive},
};

const SIGNER: &str = "remote-settings.content-signature.mozilla.org";
const FILES: [(&str, &[u8]); 2] = [("a", b"one file"), ("b", &[7; 3000])];

struct Signed {
    collection: Verified<Collection>,
    archive: Vec<u8>,
}

fn signed() -> Signed {
    let record = |(id, file): &(&str, &[u8])| {
        let attachment = json!({"location": id, "hash": hash(file), "size": file.len(), "filename": id});
        json!({"id": id, "attachment": attachment})
    };
    let records: Vec<Value> = FILES.iter().map(record).collect();
    let forge = Forge::new(Pki::Elliptic, SIGNER);
    let certificates = forge.certificates();
    let signature = forge.leaf_key.sign_content(&signed_message(&records, 5));
    let metadata = json!({"signature": {"mode": "p384ecdsa", "signature": signature, "x5u": ""}});
    let body = json!({"timestamp": 5, "changes": records, "metadata": metadata}).to_string();
    let trust = Trust::new(vec![hash(&certificates[2]).parse().expect("it is a hash")], SIGNER);
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let collection = verify_changeset(body, pem(&certificates), &trust, at, &Limits::default());
    let entries = [ZipEntry::stored("a", FILES[0].1), ZipEntry::deflated("b", FILES[1].1)];
    Signed { collection: collection.expect("it is signed"), archive: archive(&entries) }
}

fn read(signed: &Signed, archive: Vec<u8>) {
    let Ok(bundle) = AttachmentBundle::read(archive, &signed.collection, &Limits::default()) else { return };
    for (id, file) in FILES {
        if let Ok(Some(found)) = bundle.file(id) {
            assert_eq!(found, file);
        }
    }
    assert!(!matches!(bundle.file("c"), Ok(Some(_))), "no record has this id");
}

fuzz_target!(|bytes: &[u8]| {
    static SIGNED: OnceLock<Signed> = OnceLock::new();
    let signed = SIGNED.get_or_init(signed);
    read(signed, bytes.to_vec());
    let mut archive = signed.archive.clone();
    for edit in bytes.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([edit[0], edit[1]])) % archive.len();
        archive[at] = edit[2];
    }
    read(signed, archive);
});
