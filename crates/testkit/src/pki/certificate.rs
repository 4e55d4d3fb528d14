//! Certificates written field by field, so that every wrong one can be made.

use std::{fmt, sync::Arc};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use content_id::ContentId;
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
        EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    },
};

use super::{
    der::{bits, element, oid, sequence},
    rsa::RsaKey,
};

/// What the signer hashes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hash {
    /// Broken for this purpose; only RSA keys sign with it here.
    Sha1,
    /// Only RSA and P-256 keys sign with it here.
    Sha256,
    /// Only RSA and P-384 keys sign with it here.
    Sha384,
}

/// A key that signs certificates, or content.
#[non_exhaustive]
pub enum Key {
    /// On the curve P-384, with SHA-384.
    P384(Vec<u8>),
    /// On the curve P-256, with SHA-256.
    P256(Vec<u8>),
    /// On the curve Ed25519.
    Ed25519(Vec<u8>),
    /// With a hash of the certificate's choice.
    Rsa(RsaKey),
}

/// A certificate before it is signed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Certificate {
    /// One less than the version; 2 is the usual.
    pub version: u8,
    /// The serial number's bytes as they are, a sign included.
    pub serial: Vec<u8>,
    /// The issuer's common name.
    pub issuer: String,
    /// The subject's common name.
    pub subject: String,
    /// The first moment of validity, a whole element.
    pub not_before: Vec<u8>,
    /// The last moment of validity, a whole element.
    pub not_after: Vec<u8>,
    /// The description of the public key, a whole element.
    pub key: Vec<u8>,
    /// The extensions, in order.
    pub extensions: Vec<Extension>,
    /// Who signs.
    pub signer: Arc<Key>,
    /// With which hash.
    pub hash: Hash,
    /// What the certificate says it is signed with, where that is not what it is: a whole element.
    pub claimed_algorithm: Option<Vec<u8>>,
}

/// One extension of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extension {
    /// Which one, as numbers with dots between.
    pub id: &'static str,
    /// Whether those who do not know it must refuse the certificate.
    pub critical: bool,
    /// A whole element.
    pub value: Vec<u8>,
}

impl Key {
    /// Makes a key on the curve P-384.
    pub fn p384() -> Self {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, &SystemRandom::new());
        Self::P384(document.expect("the system has randomness").as_ref().to_vec())
    }

    /// Makes a key on the curve P-256.
    pub fn p256() -> Self {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
        Self::P256(document.expect("the system has randomness").as_ref().to_vec())
    }

    /// Makes a key on the curve Ed25519.
    pub fn ed25519() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
        Self::Ed25519(document.expect("the system has randomness").as_ref().to_vec())
    }

    /// Returns the description of the public key.
    pub fn public(&self) -> Vec<u8> {
        let ecdsa = |curve: &str, key: &[u8]| {
            sequence(&[sequence(&[oid("1.2.840.10045.2.1"), oid(curve)]), bits(key)])
        };
        match self {
            Self::P384(key) => ecdsa("1.3.132.0.34", p384(key).public_key().as_ref()),
            Self::P256(key) => ecdsa("1.2.840.10045.3.1.7", p256(key).public_key().as_ref()),
            Self::Ed25519(key) => {
                sequence(&[sequence(&[oid("1.3.101.112")]), bits(ed25519(key).public_key().as_ref())])
            }
            Self::Rsa(key) => key.public(),
        }
    }

    /// Returns the name of the way this key signs with a hash.
    pub fn algorithm(&self, hash: Hash) -> Vec<u8> {
        let rsa = |id: &str| sequence(&[oid(id), element(0x05, &[])]);
        match (self, hash) {
            (Self::P384(_), _) => sequence(&[oid("1.2.840.10045.4.3.3")]),
            (Self::P256(_), _) => sequence(&[oid("1.2.840.10045.4.3.2")]),
            (Self::Ed25519(_), _) => sequence(&[oid("1.3.101.112")]),
            (Self::Rsa(_), Hash::Sha1) => rsa("1.2.840.113549.1.1.5"),
            (Self::Rsa(_), Hash::Sha256) => rsa("1.2.840.113549.1.1.11"),
            (Self::Rsa(_), Hash::Sha384) => rsa("1.2.840.113549.1.1.12"),
        }
    }

    fn sign(&self, message: &[u8], hash: Hash) -> Vec<u8> {
        let random = SystemRandom::new();
        let signature = match self {
            Self::P384(key) => p384(key).sign(&random, message),
            Self::P256(key) => p256(key).sign(&random, message),
            Self::Ed25519(key) => return ed25519(key).sign(message).as_ref().to_vec(),
            Self::Rsa(key) => return key.sign(message, hash),
        };
        signature.expect("the system has randomness").as_ref().to_vec()
    }

    /// Signs content: R and S side by side, as URL-safe base64.
    ///
    /// # Panics
    ///
    /// Panics if this is no P-384 key.
    pub fn sign_content(&self, message: &[u8]) -> String {
        let Self::P384(key) = self else { panic!("content is signed with P-384 keys") };
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, key, &random);
        let signature = key.expect("the key was made here").sign(&random, message);
        URL_SAFE_NO_PAD.encode(signature.expect("the system has randomness"))
    }
}

fn p384(key: &[u8]) -> EcdsaKeyPair {
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, key, &SystemRandom::new());
    key.expect("the key was made here")
}

fn p256(key: &[u8]) -> EcdsaKeyPair {
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key, &SystemRandom::new());
    key.expect("the key was made here")
}

fn ed25519(key: &[u8]) -> Ed25519KeyPair {
    Ed25519KeyPair::from_pkcs8(key).expect("the key was made here")
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::P384(_) => "P384",
            Self::P256(_) => "P256",
            Self::Ed25519(_) => "Ed25519",
            Self::Rsa(_) => "Rsa",
        })
    }
}

impl Extension {
    /// Makes an extension that may be ignored.
    pub fn new(id: &'static str, value: Vec<u8>) -> Self {
        Self { id, critical: false, value }
    }

    /// Makes it one that must not be ignored.
    #[must_use]
    pub fn critical(mut self) -> Self {
        self.critical = true;
        self
    }

    fn der(&self) -> Vec<u8> {
        let mut parts = vec![oid(self.id)];
        parts.extend(self.critical.then(|| element(0x01, &[0xff])));
        parts.push(element(0x04, &self.value));
        sequence(&parts)
    }
}

impl Certificate {
    /// Replaces an extension, or adds it.
    pub fn set(&mut self, extension: Extension) {
        match self.extensions.iter_mut().find(|other| other.id == extension.id) {
            Some(other) => *other = extension,
            None => self.extensions.push(extension),
        }
    }

    /// Leaves an extension out.
    pub fn remove(&mut self, id: &str) {
        self.extensions.retain(|extension| extension.id != id);
    }

    /// Signs it, and writes the whole as DER.
    pub fn der(&self) -> Vec<u8> {
        let algorithm = self.claimed_algorithm.clone().unwrap_or_else(|| self.signer.algorithm(self.hash));
        let mut fields = Vec::new();
        if self.version > 0 {
            fields.push(element(0xa0, &element(0x02, &[self.version])));
        }
        fields.extend([
            element(0x02, &self.serial),
            algorithm.clone(),
            common_name(&self.issuer),
            sequence(&[self.not_before.clone(), self.not_after.clone()]),
            common_name(&self.subject),
            self.key.clone(),
        ]);
        if !self.extensions.is_empty() {
            let extensions: Vec<Vec<u8>> = self.extensions.iter().map(Extension::der).collect();
            fields.push(element(0xa3, &sequence(&extensions)));
        }
        let signed = sequence(&fields);
        let signature = self.signer.sign(&signed, self.hash);
        sequence(&[signed, algorithm, bits(&signature)])
    }
}

fn common_name(name: &str) -> Vec<u8> {
    let attribute = sequence(&[oid("2.5.4.3"), element(0x0c, name.as_bytes())]);
    sequence(&[element(0x31, &attribute)])
}

/// Writes certificates as a PEM file, lines of 64 characters each.
pub fn pem<C: AsRef<[u8]>>(certificates: impl IntoIterator<Item = C>) -> String {
    certificates.into_iter().map(|certificate| pem_block("CERTIFICATE", certificate.as_ref())).collect()
}

/// Writes one block of a PEM file.
pub fn pem_block(label: &str, content: &[u8]) -> String {
    let text = STANDARD.encode(content);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// Returns the SHA-256 of a certificate, as it is pinned: lower-case hexadecimal digits.
pub fn hash(certificate: &[u8]) -> String {
    ContentId::of(certificate).digest.to_string()
}
