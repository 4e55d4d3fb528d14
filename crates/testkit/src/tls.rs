//! A throw-away identity for a TLS server on loopback.

use std::fmt;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

/// A server's certificate and key, and the root that a client has to trust.
#[non_exhaustive]
pub struct Identity {
    /// The root certificate in PEM.
    pub root_pem: String,
    /// The server's certificate in DER.
    pub certificate: Vec<u8>,
    /// The server's key in DER (PKCS #8).
    pub key: Vec<u8>,
}

impl Identity {
    /// Makes an identity for a server of these names: host names and IP addresses.
    ///
    /// # Panics
    ///
    /// If a name is neither.
    pub fn new(names: &[&str]) -> Self {
        let key = || KeyPair::generate().expect("ring makes keys");
        let mut root = CertificateParams::default();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root_key = key();
        let root_pem = root.self_signed(&root_key).expect("the root's fields can be encoded").pem();
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut leaf = CertificateParams::new(names).expect("the names are host names or addresses");
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let leaf_key = key();
        let issuer = Issuer::new(root, root_key);
        let leaf = leaf.signed_by(&leaf_key, &issuer).expect("the leaf's fields can be encoded");
        Self { root_pem, certificate: leaf.der().to_vec(), key: leaf_key.serialize_der() }
    }
}

/// Shows nothing of the key.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("root_pem", &self.root_pem).finish_non_exhaustive()
    }
}
