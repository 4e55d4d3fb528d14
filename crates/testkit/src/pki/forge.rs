//! A chain as production has it, open to every change before it is signed.

use std::sync::Arc;

use super::{
    certificate::{Certificate, Extension, Hash, Key},
    der::{bits, element, generalized_time, oid, sequence, utc_time},
    rsa,
};

/// The use of a certificate: signing code.
pub const CODE_SIGNING: &str = "1.3.6.1.5.5.7.3.3";
/// The use of a certificate: being a server.
pub const SERVER: &str = "1.3.6.1.5.5.7.3.1";

/// The extension that says for what the key may be used.
pub const KEY_USAGE: &str = "2.5.29.15";
/// The extension with the names of the subject.
pub const ALTERNATIVE_NAMES: &str = "2.5.29.17";
/// The extension that says whether the subject may issue certificates.
pub const BASIC_CONSTRAINTS: &str = "2.5.29.19";
/// The extension that says for which names the subject may issue certificates.
pub const NAME_CONSTRAINTS: &str = "2.5.29.30";
/// The extension with the purposes of the certificate.
pub const EXTENDED_KEY_USAGE: &str = "2.5.29.37";

/// The bit "digital signature" of the key's use.
pub const DIGITAL_SIGNATURE: u8 = 0x80;
/// The bit "signs certificates" of the key's use.
pub const SIGNS_CERTIFICATES: u8 = 0x04;
/// The bit "signs revocation lists" of the key's use.
pub const SIGNS_LISTS: u8 = 0x02;

/// What kind of keys the authorities have. The leaf's key is always of P-384.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pki {
    /// P-384.
    Elliptic,
    /// RSA of 2048 bits.
    Rsa,
    /// As production: a root of RSA with 4096 bits and exponent 3, and an intermediate of P-384.
    Production,
}

/// A root, an intermediate and a leaf, not signed yet, and their keys.
///
/// The root is valid from 2020 to 2060, the intermediate from 2021 to 2055, and the leaf from 2026-12-01 to
/// 2027-02-20.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Forge {
    /// The root, which signs itself.
    pub root: Certificate,
    /// The intermediate.
    pub intermediate: Certificate,
    /// The leaf.
    pub leaf: Certificate,
    /// The root's key.
    pub root_key: Arc<Key>,
    /// The intermediate's key.
    pub intermediate_key: Arc<Key>,
    /// The leaf's key.
    pub leaf_key: Arc<Key>,
    /// A key, of the kind that the authorities have, which belongs to none of them.
    pub stranger: Arc<Key>,
}

impl Forge {
    /// Makes new keys, where they are not of RSA, and a good chain.
    pub fn new(pki: Pki, leaf_name: &str) -> Self {
        let (root_key, intermediate_key, stranger) = match pki {
            Pki::Elliptic => (Key::p384(), Key::p384(), Key::p384()),
            Pki::Rsa => (Key::Rsa(rsa::STRONG), Key::Rsa(rsa::STRONG_TOO), Key::Rsa(rsa::STRANGER)),
            Pki::Production => (Key::Rsa(rsa::PRODUCTION_LIKE), Key::p384(), Key::p384()),
        };
        let (root_key, intermediate_key, leaf_key) =
            (Arc::new(root_key), Arc::new(intermediate_key), Arc::new(Key::p384()));
        let certificate =
            |subject: &str, key: &Key, issuer: &str, signer: &Arc<Key>, from: &str| Certificate {
                version: 2,
                serial: vec![0x11, 0x22, 0x33],
                issuer: format!("Throw-away {issuer}"),
                subject: format!("Throw-away {subject}"),
                not_before: utc_time(from),
                not_after: generalized_time("20600101000000Z"),
                key: key.public(),
                extensions: Vec::new(),
                signer: Arc::clone(signer),
                hash: Hash::Sha384,
                claimed_algorithm: None,
            };
        let mut root = certificate("Root", &root_key, "Root", &root_key, "200101000000Z");
        root.extensions = vec![authority(None), key_usage(SIGNS_CERTIFICATES | SIGNS_LISTS)];
        let mut intermediate =
            certificate("Intermediate", &intermediate_key, "Root", &root_key, "210101000000Z");
        intermediate.not_after = generalized_time("20550101000000Z");
        intermediate.extensions = vec![
            authority(None),
            key_usage(SIGNS_CERTIFICATES | SIGNS_LISTS),
            purposes(&[CODE_SIGNING]).critical(),
            name_constraints(&[".content-signature.mozilla.org", "content-signature.mozilla.org"], &[]),
        ];
        let mut leaf = certificate("Leaf", &leaf_key, "Intermediate", &intermediate_key, "261201000000Z");
        leaf.not_after = utc_time("270220000000Z");
        leaf.extensions =
            vec![key_usage(DIGITAL_SIGNATURE), purposes(&[CODE_SIGNING]), alternative_names(&[leaf_name])];
        Self { root, intermediate, leaf, root_key, intermediate_key, leaf_key, stranger: Arc::new(stranger) }
    }

    /// Signs the three, the leaf first.
    pub fn certificates(&self) -> [Vec<u8>; 3] {
        [self.leaf.der(), self.intermediate.der(), self.root.der()]
    }
}

/// Says that the subject is an authority, with at most so many others below it.
pub fn authority(path_length: Option<u8>) -> Extension {
    let mut parts = vec![element(0x01, &[0xff])];
    parts.extend(path_length.map(|length| element(0x02, &[length])));
    Extension::new(BASIC_CONSTRAINTS, sequence(&parts))
}

/// Says that the subject is no authority.
pub fn no_authority() -> Extension {
    Extension::new(BASIC_CONSTRAINTS, sequence(&[]))
}

/// Says for what the key may be used, by the bits of the first byte.
pub fn key_usage(bits: u8) -> Extension {
    let unused = bits.trailing_zeros().min(7) as u8;
    Extension::new(KEY_USAGE, element(0x03, &[unused, bits])).critical()
}

/// Says for which purposes the certificate is.
pub fn purposes(ids: &[&str]) -> Extension {
    let ids: Vec<Vec<u8>> = ids.iter().map(|id| oid(id)).collect();
    Extension::new(EXTENDED_KEY_USAGE, sequence(&ids))
}

/// Names the subject by its domains.
pub fn alternative_names(domains: &[&str]) -> Extension {
    let names: Vec<Vec<u8>> = domains.iter().map(|domain| domain_name(domain)).collect();
    Extension::new(ALTERNATIVE_NAMES, sequence(&names))
}

/// Says for which domains the subject may and may not issue certificates.
pub fn name_constraints(permitted: &[&str], excluded: &[&str]) -> Extension {
    let subtrees = |tag: u8, domains: &[&str]| {
        let each = domains.iter().map(|domain| sequence(&[domain_name(domain)]));
        (!domains.is_empty()).then(|| element(tag, &each.collect::<Vec<_>>().concat()))
    };
    let parts: Vec<Vec<u8>> = subtrees(0xa0, permitted).into_iter().chain(subtrees(0xa1, excluded)).collect();
    Extension::new(NAME_CONSTRAINTS, sequence(&parts))
}

/// Describes a key of a curve by its point, whatever that is.
pub fn curve_key(curve: &str, point: &[u8]) -> Vec<u8> {
    sequence(&[sequence(&[oid("1.2.840.10045.2.1"), oid(curve)]), bits(point)])
}

fn domain_name(domain: &str) -> Vec<u8> {
    element(0x82, domain.as_bytes())
}
