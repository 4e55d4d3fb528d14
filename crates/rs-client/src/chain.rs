//! Certificate chains: from the key that signs content to a pinned root.

use std::time::{Duration, SystemTime};

use p384::ecdsa::VerifyingKey;
use rustls_pki_types::{
    CertificateDer, ServerName, SignatureVerificationAlgorithm, UnixTime, pem::PemObject,
};
use webpki::{EndEntityCert, KeyUsage};

use crate::{
    CertificateProblem as Problem, Error, ErrorKind, Limits, RootHash, Trust, clock,
    x509::{self, Authority},
};

/// What certificates may be signed with; production's root has an RSA key, everything else P-384.
const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    webpki::ring::ECDSA_P384_SHA384,
    webpki::ring::ECDSA_P384_SHA256,
    webpki::ring::RSA_PKCS1_2048_8192_SHA256,
    webpki::ring::RSA_PKCS1_2048_8192_SHA384,
    webpki::ring::RSA_PKCS1_2048_8192_SHA512,
];

/// The end of an acceptable chain.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    pub(crate) key: VerifyingKey,
    pub(crate) not_after: SystemTime,
}

impl Leaf {
    /// Checks a chain as an `x5u` file holds it, leaf first and root last, at the time `at`.
    ///
    /// In this order: the file, the root against the pins, the dates of every certificate (the root's too), the
    /// signatures and what each certificate may be used for, the leaf's name, and its key.
    pub(crate) fn check(pem: &str, trust: &Trust, at: SystemTime, limits: &Limits) -> Result<Self, Error> {
        let certificates = parse(pem, limits)?;
        let [leaf_der, between @ .., root] = certificates.as_slice() else {
            let message = format!("the certificate chain has {} certificates", certificates.len());
            return Err(Error::in_chain(Problem::Malformed, message));
        };
        let hash = RootHash::of(root);
        if !trust.roots.contains(&hash) {
            let message = format!("the certificate chain ends in a root that is not trusted ({hash})");
            return Err(Error::in_chain(Problem::Root, message));
        }
        for (index, certificate) in certificates.iter().enumerate() {
            check_dates(certificate, position(index, certificates.len()), at)?;
        }
        let leaf = EndEntityCert::try_from(leaf_der).map_err(|error| refuse(error, at))?;
        let anchor = webpki::anchor_from_trusted_cert(root).map_err(|error| refuse(error, at))?;
        let anchors = [anchor];
        let path = leaf
            .verify_for_usage(
                ALGORITHMS,
                &anchors,
                between,
                UnixTime::since_unix_epoch(Duration::from_secs(clock::seconds(at))),
                KeyUsage::required(x509::CODE_SIGNING),
                None,
                None,
            )
            .map_err(|error| refuse(error, at))?;
        let mut below = 0;
        for intermediate in path.intermediate_certificates() {
            check_authority(&intermediate.der(), "intermediate certificate", below)?;
            below += 1;
        }
        check_authority(root, "root certificate", below)?;
        let name = ServerName::try_from(trust.signer.as_str()).map_err(|error| {
            let message = format!("{:?} is not a name that a certificate can have", trust.signer);
            Error::in_chain(Problem::Name, message).with_source(error)
        })?;
        leaf.verify_is_valid_for_subject_name(&name).map_err(|error| {
            let names: Vec<&str> = leaf.valid_dns_names().take(4).collect();
            let message =
                format!("the signing certificate is for {}, not for {}", names.join(", "), trust.signer);
            Error::in_chain(Problem::Name, message).with_source(error)
        })?;
        let Some(key) = x509::p384_key(leaf.subject_public_key_info().as_ref()) else {
            return Err(Error::in_chain(Problem::Key, "the signing certificate's key is not a P-384 key"));
        };
        let not_after = x509::Dates::of(leaf_der).map_or(at, |dates| dates.not_after);
        Ok(Self { key, not_after })
    }
}

fn parse(pem: &str, limits: &Limits) -> Result<Vec<CertificateDer<'static>>, Error> {
    if pem.len() as u64 > limits.chain_bytes {
        let message = format!("the certificate chain has more than {} bytes", limits.chain_bytes);
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    let mut certificates = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| {
            Error::in_chain(Problem::Malformed, "the certificate chain is not a PEM file")
                .with_source(format!("{error:?}"))
        })?;
        if certificates.len() == limits.chain_certificates {
            let message = format!("the certificate chain has more than {} certificates", certificates.len());
            return Err(Error::in_chain(Problem::Malformed, message));
        }
        certificates.push(certificate);
    }
    Ok(certificates)
}

fn position(index: usize, count: usize) -> &'static str {
    match index {
        0 => "signing certificate",
        _ if index + 1 == count => "root certificate",
        _ => "intermediate certificate",
    }
}

fn check_dates(certificate: &[u8], which: &str, at: SystemTime) -> Result<(), Error> {
    let Some(dates) = x509::Dates::of(certificate) else {
        return Err(Error::in_chain(
            Problem::Malformed,
            format!("the {which} has no dates that can be read"),
        ));
    };
    let now = clock::text(at);
    if at < dates.not_before {
        let since = clock::text(dates.not_before);
        let message = format!("the {which} is not valid before {since}, and it is {now}; check the clock");
        return Err(Error::in_chain(Problem::NotYetValid, message));
    }
    if at > dates.not_after {
        let until = clock::text(dates.not_after);
        let message = format!("the {which} expired at {until}, and it is {now}; check the clock");
        return Err(Error::in_chain(Problem::Expired, message));
    }
    Ok(())
}

/// Checks what the chain library leaves out: the use of an authority's key, and what a root says of itself.
///
/// `below` is how many authorities stand between this one and the leaf.
fn check_authority(certificate: &[u8], which: &str, below: usize) -> Result<(), Error> {
    let Some(authority) = Authority::of(certificate) else {
        return Err(Error::in_chain(Problem::Malformed, format!("the {which} cannot be read")));
    };
    let (problem, what) = if !authority.is_authority || !authority.signs_certificates {
        (Problem::Link, "is for a key that may not sign certificates")
    } else if authority.path_length.is_some_and(|length| length < below) {
        (Problem::Link, "allows fewer certificates between it and the signing certificate")
    } else if !authority.signs_code {
        (Problem::Usage, "is not meant for signing code")
    } else {
        return Ok(());
    };
    Err(Error::in_chain(problem, format!("the {which} {what}")))
}

/// Says what the chain library found.
fn refuse(error: webpki::Error, at: SystemTime) -> Error {
    use webpki::Error as E;
    let (problem, message) = match &error {
        E::CertExpired { .. } => {
            (Problem::Expired, format!("a certificate has expired, and it is {}", clock::text(at)))
        }
        E::CertNotValidYet { .. } => {
            (Problem::NotYetValid, format!("a certificate is not valid yet, and it is {}", clock::text(at)))
        }
        E::CertNotValidForName(_) | E::NameConstraintViolation | E::MalformedDnsIdentifier => {
            (Problem::Name, "the signing certificate is for a name that its issuer may not sign for".into())
        }
        E::RequiredEkuNotFoundContext(_) | E::EmptyEkuExtension => {
            (Problem::Usage, "a certificate is not meant for signing code".into())
        }
        E::UnknownIssuer
        | E::InvalidSignatureForPublicKey
        | E::EndEntityUsedAsCa
        | E::CaUsedAsEndEntity
        | E::PathLenConstraintViolated
        | E::MaximumPathDepthExceeded
        | E::MaximumPathBuildCallsExceeded
        | E::MaximumSignatureChecksExceeded
        | E::SignatureAlgorithmMismatch
        | E::UnsupportedSignatureAlgorithmContext(_)
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            (Problem::Link, "the certificates do not form a chain up to the root".into())
        }
        _ => (Problem::Malformed, "the certificate chain cannot be read".into()),
    };
    let refused = Error::in_chain(problem, message);
    // The library's own words are the names of its variants: they help only where ours say less.
    if matches!(problem, Problem::Link | Problem::Malformed) { refused.with_source(error) } else { refused }
}
