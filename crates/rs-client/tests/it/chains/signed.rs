//! Signatures of content that are bad, or odd and good all the same, with a chain that is good.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use rs_client::{Error, ErrorKind, Limits, verify_changeset};
use serde_json::{Value, json};
use testkit::{
    pki::{
        certificate::pem,
        forge::{Forge, Pki},
    },
    settings::canonical::signed_message,
};

use super::{SIGNER, at, pin, trust};

/// How many points the curve has.
const ORDER: &str =
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973";

fn hex(digits: &str) -> Vec<u8> {
    (0..digits.len() / 2)
        .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).expect("these are digits"))
        .collect()
}

/// `from - number`, of 48 bytes each.
fn minus(from: &[u8], number: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let mut out = vec![0; 48];
    for at in (0..48).rev() {
        let difference = i16::from(from[at]) - i16::from(number[at]) - borrow;
        borrow = i16::from(difference < 0);
        out[at] = difference.rem_euclid(256) as u8;
    }
    out
}

struct Signed {
    forge: Forge,
    chain: String,
    root: String,
    records: Vec<Value>,
}

impl Signed {
    fn new() -> Self {
        let forge = Forge::new(Pki::Elliptic, SIGNER);
        let certificates = forge.certificates();
        let records = vec![json!({"id": "a", "n": 1}), json!({"id": "b", "n": "é"})];
        Self { forge, chain: pem(&certificates), root: pin(&certificates[2]), records }
    }

    fn signature(&self) -> String {
        self.forge.leaf_key.sign_content(&signed_message(&self.records, 5))
    }

    fn verify(&self, metadata: &Value) -> Result<(), Error> {
        let body = json!({"timestamp": 5, "changes": self.records, "metadata": metadata});
        let trust = trust(&[&self.root], SIGNER);
        verify_changeset(body.to_string(), &self.chain, &trust, at(), &Limits::default()).map(drop)
    }

    fn one(&self, signature: &Value) -> Result<(), Error> {
        self.verify(&json!({"signature": {"mode": "p384ecdsa", "signature": signature, "x5u": "x"}}))
    }
}

#[test]
fn how_a_signature_is_written() {
    let signed = Signed::new();
    let good = signed.signature();
    let bytes = URL_SAFE_NO_PAD.decode(&good).expect("it was written here");
    let (r, s) = bytes.split_at(48);
    let write = |parts: &[&[u8]]| json!(URL_SAFE_NO_PAD.encode(parts.concat()));
    let (order, zero) = (hex(ORDER), [0; 48]);
    signed.one(&json!(good)).expect("it is good");
    signed.one(&write(&[r, &minus(&order, s)])).expect("R and -S sign the same");
    for (name, signature) in [
        ("nothing", json!("")),
        ("null", json!(null)),
        ("a number", json!(7)),
        ("a list", json!([good])),
        ("95 bytes", write(&[&bytes[..95]])),
        ("97 bytes", write(&[&bytes, &[0]])),
        ("a zero before", write(&[&[0], &bytes[..95]])),
        ("twice", write(&[&bytes, &bytes])),
        ("half", write(&[r])),
        ("padding", json!(format!("{good}="))),
        ("much padding", json!(format!("{good}===="))),
        ("a space before", json!(format!(" {good}"))),
        ("a line break after", json!(format!("{good}\n"))),
        ("a character less", json!(good[..127])),
        ("a character more", json!(format!("{good}A"))),
        ("the other alphabet", json!("+/".repeat(64))),
        ("hexadecimal digits", json!(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())),
        ("as certificates have it", write(&[&[0x30, 0x66, 0x02, 0x31, 0x00], r, &[0x02, 0x31, 0x00], s])),
        ("S before R", write(&[s, r])),
        ("R is 0", write(&[&zero, s])),
        ("S is 0", write(&[r, &zero])),
        ("both are 0", write(&[&zero, &zero])),
        ("R is the order", write(&[&order, s])),
        ("S is the order", write(&[r, &order])),
        ("both are the order", write(&[&order, &order])),
        ("R is all ones", write(&[&[0xff; 48], s])),
        ("S is all ones", write(&[r, &[0xff; 48]])),
        ("-R", write(&[&minus(&order, r), s])),
        ("another bit", write(&[&bytes[..95], &[bytes[95] ^ 1]])),
    ] {
        let error = signed.one(&signature).expect_err(name);
        assert_eq!(error.kind(), ErrorKind::Untrusted, "{name}: {error}");
    }
    // With the letters that differ in it the standard alphabet is refused even where the bytes are right.
    let standard = STANDARD_NO_PAD.encode(&bytes);
    assert_eq!(signed.one(&json!(standard)).is_ok(), standard == good);
}

/// What was signed has to be the records and the timestamp, as canonical JSON, after the prefix.
#[test]
fn what_is_signed() {
    let signed = Signed::new();
    let message = signed_message(&signed.records, 5);
    let text = String::from_utf8(message.clone()).expect("canonical JSON is ASCII");
    let prefix = "Content-Signature:\0";
    let of = |message: &[u8]| signed.one(&json!(signed.forge.leaf_key.sign_content(message)));
    of(&message).expect("it is what has to be signed");
    for (name, message) in [
        ("no prefix", text.trim_start_matches(prefix).to_owned()),
        ("no NUL", text.replacen('\0', "", 1)),
        ("another prefix", text.replacen("Content", "content", 1)),
        ("a line break after", format!("{text}\n")),
        ("a number for the timestamp", text.replace("\"5\"", "5")),
        (
            "the timestamp first",
            format!(
                "{prefix}{{\"last_modified\":\"5\",\"data\":[{{\"id\":\"a\",\"n\":1}},{{\"id\":\"b\",\"n\":\"\\u00e9\"}}]}}"
            ),
        ),
        ("no escapes", text.replace("\\u00e9", "é")),
        ("upper case escapes", text.replace("\\u00e9", "\\u00E9")),
        ("a space", text.replacen(',', ", ", 1)),
        ("nothing", String::new()),
        ("the prefix alone", prefix.to_owned()),
    ] {
        let error = of(message.as_bytes()).expect_err(name);
        assert_eq!(error.kind(), ErrorKind::Untrusted, "{name}: {error}");
    }
    let stranger = Forge::new(Pki::Elliptic, SIGNER).leaf_key.sign_content(&message);
    assert_eq!(signed.one(&json!(stranger)).expect_err("another key").kind(), ErrorKind::Untrusted);
    // A certificate's key is a P-384 key as well, but not the one that signs content.
    let authority = signed.forge.intermediate_key.sign_content(&message);
    assert_eq!(signed.one(&json!(authority)).expect_err("another key").kind(), ErrorKind::Untrusted);
}

/// Which entries of the metadata count.
#[test]
fn which_signature_counts() {
    let signed = Signed::new();
    let entry = |mode: &Value, signature: &Value| json!({"mode": mode, "signature": signature, "x5u": "x"});
    let (mode, text) = (json!("p384ecdsa"), json!(signed.signature()));
    let good = entry(&mode, &text);
    let junk = entry(&mode, &json!("A".repeat(128)));
    let unknown = entry(&json!("p521ecdsa"), &text);
    let many = |entry: &Value, count: usize| vec![entry.clone(); count];
    for (name, metadata) in [
        ("the single one", json!({"signature": good})),
        ("the list", json!({"signatures": [good]})),
        ("both", json!({"signatures": [good], "signature": good})),
        ("the list, beside one that is wrong", json!({"signatures": [good], "signature": junk})),
        ("the single one, beside a list that is wrong", json!({"signatures": [junk], "signature": good})),
        ("beside an empty list", json!({"signatures": [], "signature": good})),
        ("beside no list", json!({"signatures": null, "signature": good})),
        ("beside something else", json!({"signatures": {"0": junk}, "signature": good})),
        ("the last of the list", json!({"signatures": [null, 1, "x", [], {}, unknown, junk, good]})),
        ("without x5u", json!({"signature": {"mode": mode, "signature": text}})),
        (
            "with fields more",
            json!({"signature": {"mode": mode, "signature": text, "type": "other", "x": 1}}),
        ),
        ("of other metadata", json!({"id": "b", "bucket": "a", "signature": good, "schema": {"x": [1.5]}})),
    ] {
        signed.verify(&metadata).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    for (name, metadata) in [
        ("none", json!({})),
        ("null", json!({"signature": null, "signatures": null})),
        ("empty", json!({"signatures": [], "signature": {}})),
        ("text", json!({"signature": text})),
        ("in a list where one belongs", json!({"signature": [good]})),
        ("alone where a list belongs", json!({"signatures": good})),
        ("no mode", json!({"signature": {"signature": text, "x5u": "x"}})),
        ("an unknown mode", json!({"signature": unknown})),
        ("the mode in capitals", json!({"signature": entry(&json!("P384ECDSA"), &text)})),
        ("a mode with a space", json!({"signature": entry(&json!("p384ecdsa "), &text)})),
        ("a mode that is no text", json!({"signature": entry(&json!(["p384ecdsa"]), &text)})),
        ("no signature", json!({"signature": {"mode": mode, "x5u": "x"}})),
        ("after too many others", json!({"signatures": many(&junk, 8), "signature": good})),
        ("after too many of other modes", json!({"signatures": many(&unknown, 8), "signature": good})),
    ] {
        let error = signed.verify(&metadata).expect_err(name);
        assert_eq!(error.kind(), ErrorKind::Untrusted, "{name}: {error}");
    }
}
