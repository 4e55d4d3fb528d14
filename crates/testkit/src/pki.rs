//! Throw-away certificate chains and content signatures.
//!
//! A [`Chain`] has the shape that Remote Settings uses: a root, an intermediate with the code-signing use and
//! name constraints, and a leaf whose P-384 key signs content. [`ChainOptions`] makes the common bad ones too;
//! a [`forge`] makes every other.

pub mod certificate;
pub mod der;
pub mod forge;
pub mod rsa;

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use content_id::ContentId;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, GeneralSubtree,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
};
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    },
};
use time::OffsetDateTime;

const DAY: Duration = Duration::from_secs(86_400);

/// When a certificate is valid, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Validity {
    /// The first moment.
    pub not_before: SystemTime,
    /// The last moment.
    pub not_after: SystemTime,
}

/// The curve of the leaf's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeafKey {
    /// What content signatures require.
    P384,
    /// A key that a client must refuse.
    P256,
}

/// What a chain looks like; the default is a good one, valid from a day ago for 80 days.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ChainOptions {
    /// The names in the leaf's subject alternative names.
    pub leaf_names: Vec<String>,
    /// When the leaf is valid.
    pub leaf: Validity,
    /// When the intermediate is valid.
    pub intermediate: Validity,
    /// When the root is valid.
    pub root: Validity,
    /// Whether the leaf has the code-signing use; otherwise it has server authentication.
    pub leaf_signs_code: bool,
    /// Leaves the leaf without any stated use.
    pub omit_leaf_usage: bool,
    /// Whether the intermediate has the code-signing use; otherwise it has server authentication.
    pub intermediate_signs_code: bool,
    /// Whether the intermediate is marked as an authority.
    pub intermediate_is_authority: bool,
    /// The domain that the intermediate may sign for.
    pub permitted: String,
    /// The curve of the leaf's key.
    pub leaf_key: LeafKey,
    /// Signs the leaf with a key that is not the intermediate's.
    pub forge_leaf: bool,
    /// Signs the intermediate with a key that is not the root's.
    pub forge_intermediate: bool,
    /// Leaves the root out of the PEM file.
    pub omit_root: bool,
}

/// A chain and the key of its leaf.
pub struct Chain {
    root: Authority,
    intermediate: Authority,
    leaf_key: KeyPair,
    curve: LeafKey,
    pem: String,
}

struct Authority {
    params: CertificateParams,
    key: KeyPair,
    pem: String,
    der: Vec<u8>,
}

impl Validity {
    /// Spans the days from `first` to `last`, counted from now; negative ones lie in the past.
    pub fn days(first: i64, last: i64) -> Self {
        let now = SystemTime::now();
        let at = |days: i64| {
            let distance = DAY * u32::try_from(days.unsigned_abs()).unwrap_or(u32::MAX);
            if days < 0 { now - distance } else { now + distance }
        };
        Self { not_before: at(first), not_after: at(last) }
    }
}

impl Default for ChainOptions {
    fn default() -> Self {
        Self {
            leaf_names: vec!["remote-settings.content-signature.mozilla.org".into()],
            leaf: Validity::days(-1, 80),
            intermediate: Validity::days(-30, 3650),
            root: Validity::days(-60, 7300),
            leaf_signs_code: true,
            omit_leaf_usage: false,
            intermediate_signs_code: true,
            intermediate_is_authority: true,
            permitted: "content-signature.mozilla.org".into(),
            leaf_key: LeafKey::P384,
            forge_leaf: false,
            forge_intermediate: false,
            omit_root: false,
        }
    }
}

impl Chain {
    /// Makes a new root, intermediate and leaf.
    ///
    /// # Panics
    ///
    /// Panics if `options` hold a name that no certificate can carry.
    pub fn new(options: &ChainOptions) -> Self {
        let root = Authority::root(options);
        let intermediate = Authority::intermediate(&root, options);
        Self::issue(root, intermediate, options)
    }

    /// Makes another leaf under the same root and intermediate.
    ///
    /// # Panics
    ///
    /// As [`Chain::new`].
    #[must_use]
    pub fn rotated(&self, options: &ChainOptions) -> Self {
        Self::issue(self.root.again(), self.intermediate.again(), options)
    }

    fn issue(root: Authority, intermediate: Authority, options: &ChainOptions) -> Self {
        let curve = match options.leaf_key {
            LeafKey::P384 => &PKCS_ECDSA_P384_SHA384,
            LeafKey::P256 => &PKCS_ECDSA_P256_SHA256,
        };
        let leaf_key = KeyPair::generate_for(curve).expect("ring makes keys of both curves");
        let mut params =
            CertificateParams::new(options.leaf_names.clone()).expect("the leaf's names are host names");
        params.distinguished_name = name("Throw-away Leaf");
        set_dates(&mut params, options.leaf);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        if !options.omit_leaf_usage {
            params.extended_key_usages = vec![usage(options.leaf_signs_code)];
        }
        params.use_authority_key_identifier_extension = true;
        let leaf = if options.forge_leaf {
            params.signed_by(&leaf_key, &Issuer::from_params(&intermediate.params, &new_key()))
        } else {
            params.signed_by(&leaf_key, &Issuer::from_params(&intermediate.params, &intermediate.key))
        };
        let leaf = leaf.expect("the leaf's fields can be encoded");
        let mut pem = leaf.pem() + &intermediate.pem;
        if !options.omit_root {
            pem += &root.pem;
        }
        Self { root, intermediate, leaf_key, curve: options.leaf_key, pem }
    }

    /// Returns the certificates as an `x5u` file holds them: leaf, intermediate, root.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Returns the SHA-256 of the root certificate, as lower-case hexadecimal digits.
    pub fn root_hash(&self) -> String {
        ContentId::of(&self.root.der).digest.to_string()
    }

    /// Returns the leaf's key, in PEM, for a signer that is another program.
    pub fn key_pem(&self) -> String {
        self.leaf_key.serialize_pem()
    }

    /// Signs `message` with the leaf's key: R and S side by side, as URL-safe base64.
    pub fn sign(&self, message: &[u8]) -> String {
        let algorithm: &'static EcdsaSigningAlgorithm = match self.curve {
            LeafKey::P384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
            LeafKey::P256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
        };
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(algorithm, self.leaf_key.serialized_der(), &random)
            .expect("rcgen's keys are PKCS #8");
        let signature = key.sign(&random, message).expect("the system has randomness");
        URL_SAFE_NO_PAD.encode(signature)
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("root_hash", &self.root_hash()).finish_non_exhaustive()
    }
}

impl Authority {
    fn root(options: &ChainOptions) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = name("Throw-away Root");
        set_dates(&mut params, options.root);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        let key = new_key();
        let certificate = params.self_signed(&key).expect("the root's fields can be encoded");
        Self { pem: certificate.pem(), der: certificate.der().to_vec(), params, key }
    }

    fn intermediate(root: &Self, options: &ChainOptions) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = name("Throw-away Intermediate");
        set_dates(&mut params, options.intermediate);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.extended_key_usages = vec![usage(options.intermediate_signs_code)];
        params.use_authority_key_identifier_extension = true;
        if options.intermediate_is_authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.name_constraints = Some(NameConstraints {
                permitted_subtrees: vec![GeneralSubtree::DnsName(options.permitted.clone())],
                excluded_subtrees: Vec::new(),
            });
        } else {
            params.is_ca = IsCa::ExplicitNoCa;
        }
        let key = new_key();
        let certificate = if options.forge_intermediate {
            params.signed_by(&key, &Issuer::from_params(&root.params, &new_key()))
        } else {
            params.signed_by(&key, &Issuer::from_params(&root.params, &root.key))
        };
        let certificate = certificate.expect("the intermediate's fields can be encoded");
        Self { pem: certificate.pem(), der: certificate.der().to_vec(), params, key }
    }

    fn again(&self) -> Self {
        let key = KeyPair::try_from(self.key.serialized_der()).expect("a key reads back as it was written");
        Self { params: self.params.clone(), key, pem: self.pem.clone(), der: self.der.clone() }
    }
}

fn new_key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).expect("ring makes P-384 keys")
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

fn usage(signs_code: bool) -> ExtendedKeyUsagePurpose {
    if signs_code { ExtendedKeyUsagePurpose::CodeSigning } else { ExtendedKeyUsagePurpose::ServerAuth }
}

fn set_dates(params: &mut CertificateParams, validity: Validity) {
    params.not_before = OffsetDateTime::from(validity.not_before);
    params.not_after = OffsetDateTime::from(validity.not_after);
}
