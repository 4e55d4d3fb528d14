//! Certificates that are bad, or odd and good all the same, one field at a time, under authorities of each kind.

use std::sync::Arc;

use rs_client::CertificateProblem as Problem;
use testkit::pki::{
    certificate::{Extension, Hash, Key, pem},
    der::{element, generalized_time, integer, oid, sequence, utc_time},
    forge::{
        BASIC_CONSTRAINTS, CODE_SIGNING, EXTENDED_KEY_USAGE, Forge, KEY_USAGE, Pki, SERVER, SIGNS_LISTS,
        alternative_names, authority, key_usage, no_authority, purposes,
    },
    rsa,
};

use super::{SIGNER, check, pin};

pub(super) type Edit = fn(&mut Forge);
pub(super) type Row = (&'static str, Edit, Option<Problem>);

pub(super) const MALFORMED: Option<Problem> = Some(Problem::Malformed);
const LINK: Option<Problem> = Some(Problem::Link);
const USAGE: Option<Problem> = Some(Problem::Usage);
const EXPIRED: Option<Problem> = Some(Problem::Expired);
const NOT_YET: Option<Problem> = Some(Problem::NotYetValid);
pub(super) const GOOD: Option<Problem> = None;

/// Checks each row with authorities of P-384 and of RSA.
pub(super) fn check_all(rows: &[Row]) {
    let mut others = Vec::new();
    for pki in [Pki::Elliptic, Pki::Rsa] {
        for (name, edit, expected) in rows {
            let mut forge = Forge::new(pki, SIGNER);
            edit(&mut forge);
            let certificates = forge.certificates();
            let result = check(&forge, pem(&certificates), &[&pin(&certificates[2])]);
            let found = result.map_err(|error| {
                error
                    .certificate()
                    .unwrap_or_else(|| panic!("{name}, {pki:?}: {error} is not about the chain"))
            });
            let found = found.err();
            if found != *expected {
                others.push((name, pki, found));
            }
        }
    }
    assert!(others.is_empty(), "{others:#?}");
}

/// What the current and the last root of production look like, and everything below them.
#[test]
fn a_chain_like_productions_is_good() {
    let forge = Forge::new(Pki::Production, SIGNER);
    let certificates = forge.certificates();
    check(&forge, pem(&certificates), &[&pin(&certificates[2])]).expect("it is as production's");
}

#[test]
fn dates() {
    check_all(&[
        ("good", |_| {}, GOOD),
        ("leaf expired", |f| f.leaf.not_after = utc_time("270115075959Z"), EXPIRED),
        ("leaf's last second", |f| f.leaf.not_after = utc_time("270115080000Z"), GOOD),
        ("leaf's first second", |f| f.leaf.not_before = utc_time("270115080000Z"), GOOD),
        ("leaf not yet valid", |f| f.leaf.not_before = utc_time("270115080001Z"), NOT_YET),
        ("intermediate expired", |f| f.intermediate.not_after = utc_time("270101000000Z"), EXPIRED),
        ("intermediate not yet valid", |f| f.intermediate.not_before = utc_time("280101000000Z"), NOT_YET),
        ("root expired", |f| f.root.not_after = utc_time("270101000000Z"), EXPIRED),
        ("root not yet valid", |f| f.root.not_before = utc_time("280101000000Z"), NOT_YET),
        ("ends before it begins", |f| f.leaf.not_before = utc_time("300101000000Z"), NOT_YET),
        ("four digits before 2050", |f| f.leaf.not_after = generalized_time("20280101000000Z"), GOOD),
        ("two digits mean 1950", |f| f.root.not_before = utc_time("500101000000Z"), GOOD),
        ("before 1970", |f| f.root.not_before = generalized_time("18000101000000Z"), GOOD),
        ("the end of time", |f| f.root.not_after = generalized_time("99991231235959Z"), GOOD),
        ("no seconds", |f| f.leaf.not_before = utc_time("2612010000Z"), MALFORMED),
        ("with an offset", |f| f.leaf.not_before = utc_time("261201000000+0000"), MALFORMED),
        ("no zone", |f| f.leaf.not_before = generalized_time("20261201000000"), MALFORMED),
        ("a fraction", |f| f.leaf.not_before = generalized_time("20261201000000.5Z"), MALFORMED),
        ("a sign", |f| f.leaf.not_before = utc_time("+61201000000Z"), MALFORMED),
        ("month 13", |f| f.intermediate.not_before = utc_time("201301000000Z"), MALFORMED),
        ("day 0", |f| f.intermediate.not_before = utc_time("201200000000Z"), MALFORMED),
        ("30 February", |f| f.root.not_before = utc_time("200230000000Z"), MALFORMED),
        ("29 February of no leap year", |f| f.root.not_before = utc_time("210229000000Z"), MALFORMED),
        ("29 February of a leap year", |f| f.root.not_before = utc_time("200229000000Z"), GOOD),
        ("31 April", |f| f.root.not_before = utc_time("200431000000Z"), MALFORMED),
        ("hour 24", |f| f.root.not_before = utc_time("200401240000Z"), MALFORMED),
        ("a leap second", |f| f.root.not_before = utc_time("161231235960Z"), MALFORMED),
        ("a number for a date", |f| f.root.not_before = integer(&[5]), MALFORMED),
        ("no date", |f| f.root.not_before.clear(), MALFORMED),
        ("three dates", |f| f.root.not_before.extend(utc_time("200101000000Z")), MALFORMED),
    ]);
}

#[test]
fn who_signed_whom() {
    check_all(&[
        ("leaf signed by another key", |f| f.leaf.signer = Arc::clone(&f.stranger), LINK),
        ("intermediate signed by another key", |f| f.intermediate.signer = Arc::clone(&f.stranger), LINK),
        ("leaf signed by itself", |f| f.leaf.signer = Arc::clone(&f.leaf_key), LINK),
        ("intermediate signed by itself", |f| f.intermediate.signer = Arc::clone(&f.intermediate_key), LINK),
        ("leaf signed by the root's key", |f| f.leaf.signer = Arc::clone(&f.root_key), LINK),
        (
            "the pinned root's own signature is nobody's business",
            |f| f.root.signer = Arc::clone(&f.stranger),
            GOOD,
        ),
        ("leaf names another issuer", |f| f.leaf.issuer = "Somebody".into(), LINK),
        ("leaf names the root", |f| f.leaf.issuer = "Throw-away Root".into(), LINK),
        ("intermediate names another issuer", |f| f.intermediate.issuer = "Somebody".into(), LINK),
        ("intermediate names itself", |f| f.intermediate.issuer = "Throw-away Intermediate".into(), LINK),
        ("an intermediate of P-256", |f| sign_leaf_with(f, Key::p256()), LINK),
        ("an intermediate of Ed25519", |f| sign_leaf_with(f, Key::ed25519()), LINK),
        ("an intermediate of RSA with 1024 bits", |f| sign_leaf_with(f, Key::Rsa(rsa::SHORT)), LINK),
        (
            "an intermediate of RSA with exponent 3",
            |f| sign_leaf_with(f, Key::Rsa(rsa::PRODUCTION_LIKE)),
            GOOD,
        ),
        ("a root of RSA with 1024 bits", |f| sign_intermediate_with(f, Key::Rsa(rsa::SHORT)), LINK),
        ("a root of P-256", |f| sign_intermediate_with(f, Key::p256()), LINK),
        (
            "SHA-1, leaf",
            |f| {
                sign_leaf_with(f, Key::Rsa(rsa::STRONG_TOO));
                f.leaf.hash = Hash::Sha1;
            },
            LINK,
        ),
        (
            "SHA-1, intermediate",
            |f| {
                sign_intermediate_with(f, Key::Rsa(rsa::STRONG));
                f.intermediate.hash = Hash::Sha1;
            },
            LINK,
        ),
        (
            "SHA-256",
            |f| {
                sign_leaf_with(f, Key::Rsa(rsa::STRONG_TOO));
                f.leaf.hash = Hash::Sha256;
            },
            GOOD,
        ),
        ("claims MD5", |f| f.leaf.claimed_algorithm = Some(algorithm("1.2.840.113549.1.1.4")), LINK),
        (
            "claims ECDSA with SHA-1",
            |f| f.leaf.claimed_algorithm = Some(algorithm("1.2.840.10045.4.1")),
            LINK,
        ),
        (
            "claims ECDSA with SHA-512",
            |f| f.leaf.claimed_algorithm = Some(algorithm("1.2.840.10045.4.3.4")),
            LINK,
        ),
        (
            "claims an unknown algorithm",
            |f| f.intermediate.claimed_algorithm = Some(algorithm("1.2.3.4")),
            LINK,
        ),
    ]);
}

#[test]
fn authorities() {
    check_all(&[
        ("intermediate is no authority", |f| f.intermediate.set(no_authority()), LINK),
        ("intermediate does not say what it is", |f| f.intermediate.remove(BASIC_CONSTRAINTS), LINK),
        (
            "intermediate is something else",
            |f| f.intermediate.set(Extension::new(BASIC_CONSTRAINTS, oid("1.2.3"))),
            MALFORMED,
        ),
        ("root is no authority", |f| f.root.set(no_authority()), LINK),
        ("root does not say what it is", |f| f.root.remove(BASIC_CONSTRAINTS), LINK),
        ("root says nothing at all", |f| f.root.extensions.clear(), LINK),
        ("leaf is an authority", |f| f.leaf.set(authority(None)), LINK),
        ("leaf says that it is none", |f| f.leaf.set(no_authority()), GOOD),
        ("root allows no intermediate", |f| f.root.set(authority(Some(0))), LINK),
        ("root allows one intermediate", |f| f.root.set(authority(Some(1))), GOOD),
        ("intermediate allows no other", |f| f.intermediate.set(authority(Some(0))), GOOD),
        ("root's key signs lists only", |f| f.root.set(key_usage(SIGNS_LISTS)), LINK),
        ("intermediate's key signs lists only", |f| f.intermediate.set(key_usage(SIGNS_LISTS)), LINK),
        ("intermediate's key is for nothing", |f| f.intermediate.set(key_usage(0)), LINK),
        (
            "intermediate's key is for some use of no bits",
            |f| f.intermediate.set(Extension::new(KEY_USAGE, element(0x03, &[0]))),
            LINK,
        ),
        (
            "no key says for what it is",
            |f| {
                [&mut f.root, &mut f.intermediate, &mut f.leaf]
                    .map(|it| it.remove(KEY_USAGE))
                    .into_iter()
                    .collect()
            },
            GOOD,
        ),
    ]);
}

#[test]
fn purposes_of_certificates() {
    check_all(&[
        ("leaf for anything", |f| f.leaf.remove(EXTENDED_KEY_USAGE), USAGE),
        ("leaf for servers", |f| f.leaf.set(purposes(&[SERVER])), USAGE),
        ("leaf for any purpose by name", |f| f.leaf.set(purposes(&["2.5.29.37.0"])), USAGE),
        ("leaf for nothing", |f| f.leaf.set(purposes(&[])), USAGE),
        ("leaf for servers and code", |f| f.leaf.set(purposes(&[SERVER, CODE_SIGNING])), GOOD),
        ("leaf insists", |f| f.leaf.set(purposes(&[CODE_SIGNING]).critical()), GOOD),
        ("a purpose longer by a part", |f| f.leaf.set(purposes(&["1.3.6.1.5.5.7.3.3.1"])), USAGE),
        ("intermediate for anything", |f| f.intermediate.remove(EXTENDED_KEY_USAGE), USAGE),
        ("intermediate for servers", |f| f.intermediate.set(purposes(&[SERVER])), USAGE),
        ("intermediate does not insist", |f| f.intermediate.set(purposes(&[CODE_SIGNING])), GOOD),
        ("root for code", |f| f.root.set(purposes(&[CODE_SIGNING]).critical()), GOOD),
        ("root for servers", |f| f.root.set(purposes(&[SERVER])), USAGE),
        (
            "purposes that are no list",
            |f| f.leaf.set(Extension::new(EXTENDED_KEY_USAGE, oid(CODE_SIGNING))),
            MALFORMED,
        ),
    ]);
}

#[test]
fn fields_of_certificates() {
    check_all(&[
        ("a serial number of no bytes", |f| f.leaf.serial = Vec::new(), GOOD),
        ("a negative serial number", |f| f.leaf.serial = vec![0x80], GOOD),
        ("the serial number 0", |f| f.intermediate.serial = vec![0], GOOD),
        ("a serial number of 21 bytes", |f| f.leaf.serial = vec![0x11; 21], GOOD),
        ("a serial number of 2000 bytes", |f| f.leaf.serial = vec![0x11; 2000], GOOD),
        (
            "leaf of version 1",
            |f| {
                f.leaf.version = 0;
                f.leaf.extensions.clear();
            },
            MALFORMED,
        ),
        ("leaf of version 2", |f| f.leaf.version = 1, MALFORMED),
        ("leaf of version 4", |f| f.leaf.version = 3, MALFORMED),
        (
            "intermediate of version 1",
            |f| {
                f.intermediate.version = 0;
                f.intermediate.extensions.clear();
            },
            MALFORMED,
        ),
        (
            "root of version 1",
            |f| {
                f.root.version = 0;
                f.root.extensions.clear();
            },
            MALFORMED,
        ),
        ("leaf insists on what nobody knows", |f| f.leaf.set(unknown().critical()), MALFORMED),
        (
            "intermediate insists on what nobody knows",
            |f| f.intermediate.set(unknown().critical()),
            MALFORMED,
        ),
        ("a pinned root may insist on what nobody knows", |f| f.root.set(unknown().critical()), GOOD),
        (
            "extensions that nobody knows",
            |f| {
                f.leaf.set(unknown());
                f.intermediate.set(unknown());
                f.root.set(unknown());
            },
            GOOD,
        ),
        (
            "an extension twice",
            |f| {
                let name = alternative_names(&[SIGNER]);
                f.leaf.extensions.push(name);
            },
            MALFORMED,
        ),
        (
            "a purpose twice, the good one last",
            |f| {
                f.root.extensions.extend([purposes(&[SERVER]), purposes(&[CODE_SIGNING])]);
            },
            MALFORMED,
        ),
        ("a root of no key", |f| f.root.key = sequence(&[]), MALFORMED),
        (
            "an empty name",
            |f| {
                f.root.subject.clear();
                f.root.issuer.clear();
                f.intermediate.issuer.clear();
            },
            GOOD,
        ),
    ]);
}

fn unknown() -> Extension {
    Extension::new("1.3.6.1.4.1.99999.1", oid("1.2.3"))
}

fn algorithm(id: &str) -> Vec<u8> {
    sequence(&[oid(id)])
}

fn sign_leaf_with(forge: &mut Forge, key: Key) {
    forge.intermediate.key = key.public();
    forge.leaf.signer = Arc::new(key);
}

fn sign_intermediate_with(forge: &mut Forge, key: Key) {
    forge.root.key = key.public();
    let key = Arc::new(key);
    (forge.root.signer, forge.intermediate.signer) = (Arc::clone(&key), key);
}
