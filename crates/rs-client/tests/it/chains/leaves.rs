//! Leaves of other names and with other keys, under authorities of each kind.

use rs_client::CertificateProblem as Problem;
use testkit::pki::{
    certificate::{Extension, Key},
    der::{bits, element, oid, sequence},
    forge::{ALTERNATIVE_NAMES, Forge, NAME_CONSTRAINTS, alternative_names, curve_key, name_constraints},
    rsa,
};

use super::{
    SIGNER,
    catalogue::{GOOD, check_all},
};

const NAME: Option<Problem> = Some(Problem::Name);
const KEY: Option<Problem> = Some(Problem::Key);

#[test]
fn names() {
    check_all(&[
        (
            "one of many",
            |f| f.leaf.set(alternative_names(&["a.content-signature.mozilla.org", SIGNER])),
            GOOD,
        ),
        ("in capitals", |f| f.leaf.set(alternative_names(&[&SIGNER.to_uppercase()])), GOOD),
        (
            "every name of the domain",
            |f| f.leaf.set(alternative_names(&["*.content-signature.mozilla.org"])),
            GOOD,
        ),
        (
            "a star inside of a label",
            |f| f.leaf.set(alternative_names(&["remote-*.content-signature.mozilla.org"])),
            NAME,
        ),
        ("another name", |f| f.leaf.set(alternative_names(&["onecrl.content-signature.mozilla.org"])), NAME),
        ("the parent's name", |f| f.leaf.set(alternative_names(&["content-signature.mozilla.org"])), NAME),
        ("a name below", |f| f.leaf.set(alternative_names(&[&format!("a.{SIGNER}")])), NAME),
        ("a name that ends alike", |f| f.leaf.set(alternative_names(&[&format!("a{SIGNER}")])), NAME),
        ("a name that goes on", |f| f.leaf.set(alternative_names(&[&format!("{SIGNER}.evil.org")])), NAME),
        ("a name cut by NUL", |f| f.leaf.set(alternative_names(&[&format!("{SIGNER}\0.evil.org")])), NAME),
        ("a name with a final dot", |f| f.leaf.set(alternative_names(&[&format!("{SIGNER}.")])), NAME),
        (
            "a name that is an address",
            |f| f.leaf.set(Extension::new(ALTERNATIVE_NAMES, sequence(&[element(0x86, SIGNER.as_bytes())]))),
            NAME,
        ),
        ("no names", |f| f.leaf.remove(ALTERNATIVE_NAMES), NAME),
        ("an empty list of names", |f| f.leaf.set(Extension::new(ALTERNATIVE_NAMES, sequence(&[]))), NAME),
        (
            "the common name does not count",
            |f| {
                f.leaf.subject = SIGNER.into();
                f.leaf.remove(ALTERNATIVE_NAMES);
            },
            NAME,
        ),
        (
            "nor with another name beside it",
            |f| {
                f.leaf.subject = SIGNER.into();
                f.leaf.set(alternative_names(&["onecrl.content-signature.mozilla.org"]));
            },
            NAME,
        ),
        (
            "a domain that may not be signed for",
            |f| f.intermediate.set(name_constraints(&["example.org"], &[])),
            NAME,
        ),
        (
            "a domain that must not be signed for",
            |f| f.intermediate.set(name_constraints(&[], &["mozilla.org"])),
            NAME,
        ),
        ("the root does not let it", |f| f.root.set(name_constraints(&["example.org"], &[])), NAME),
        (
            "another domain must not be signed for",
            |f| f.intermediate.set(name_constraints(&[], &["example.org"])),
            GOOD,
        ),
        (
            "only what is below a dot",
            |f| f.intermediate.set(name_constraints(&[".content-signature.mozilla.org"], &[])),
            GOOD,
        ),
        (
            "one of the leaf's names is outside",
            |f| f.leaf.set(alternative_names(&[SIGNER, "example.org"])),
            NAME,
        ),
        ("no constraints", |f| f.intermediate.remove(NAME_CONSTRAINTS), GOOD),
        ("empty constraints", |f| f.intermediate.set(Extension::new(NAME_CONSTRAINTS, sequence(&[]))), GOOD),
    ]);
}

/// The leaf's key signs content, so it has to be a point of P-384, written out in full.
#[test]
fn keys_of_the_leaf() {
    check_all(&[
        ("P-256", |f| f.leaf.key = Key::p256().public(), KEY),
        ("Ed25519", |f| f.leaf.key = Key::ed25519().public(), KEY),
        ("RSA", |f| f.leaf.key = Key::Rsa(rsa::STRANGER).public(), KEY),
        ("P-521", |f| f.leaf.key = curve_key("1.3.132.0.35", &[&[4][..], &[1; 132]].concat()), KEY),
        ("secp256k1", |f| f.leaf.key = curve_key("1.3.132.0.10", &[&[4][..], &[1; 64]].concat()), KEY),
        (
            "compressed",
            |f| {
                let point = point(f);
                f.leaf.key = curve_key(P384, &[&[2 + (point[96] & 1)], &point[1..49]].concat());
            },
            KEY,
        ),
        (
            "compressed, and as long as the other form",
            |f| f.leaf.key = curve_key(P384, &[&[2][..], &[1; 96]].concat()),
            KEY,
        ),
        (
            "not on the curve",
            |f| {
                let mut point = point(f);
                point[96] ^= 1;
                f.leaf.key = curve_key(P384, &point);
            },
            KEY,
        ),
        ("zero", |f| f.leaf.key = curve_key(P384, &[&[4][..], &[0; 96]].concat()), KEY),
        ("beyond the field", |f| f.leaf.key = curve_key(P384, &[&[4][..], &[0xff; 96]].concat()), KEY),
        ("the point at infinity", |f| f.leaf.key = curve_key(P384, &[0]), KEY),
        (
            "too short",
            |f| {
                let point = point(f);
                f.leaf.key = curve_key(P384, &point[..96]);
            },
            KEY,
        ),
        (
            "too long",
            |f| {
                let point = point(f);
                f.leaf.key = curve_key(P384, &[&point[..], &[0]].concat());
            },
            KEY,
        ),
        (
            "named as another curve",
            |f| {
                let point = point(f);
                f.leaf.key = curve_key("1.2.840.10045.3.1.7", &point);
            },
            KEY,
        ),
        (
            "no key",
            |f| f.leaf.key = sequence(&[sequence(&[oid("1.2.840.10045.2.1"), oid(P384)]), bits(&[])]),
            KEY,
        ),
    ]);
}

const P384: &str = "1.3.132.0.34";

/// The leaf's public key as it ends its description: 97 bytes.
fn point(forge: &Forge) -> Vec<u8> {
    forge.leaf.key[forge.leaf.key.len() - 97..].to_vec()
}
