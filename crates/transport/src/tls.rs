//! TLS with ring and the system's roots, without a process-wide default.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, pem::PemObject},
};
use rustls_platform_verifier::Verifier;

use crate::options::InvalidOptions;

/// Which roots to trust besides the system's.
pub(crate) struct Tls {
    extra_roots: Vec<CertificateDer<'static>>,
}

impl Tls {
    /// Reads the extra roots.
    pub(crate) fn new(pem: &[Vec<u8>]) -> Result<Self, InvalidOptions> {
        let mut extra_roots = Vec::new();
        for (index, pem) in pem.iter().enumerate() {
            let bad = |source: Box<dyn std::error::Error + Send + Sync>| InvalidOptions::ExtraRoot {
                index,
                source,
            };
            let before = extra_roots.len();
            for root in CertificateDer::pem_slice_iter(pem) {
                let root = root.map_err(|error| bad(error.into()))?;
                RootCertStore::empty().add(root.clone()).map_err(|error| bad(error.into()))?;
                extra_roots.push(root);
            }
            if extra_roots.len() == before {
                return Err(bad("there is no certificate in it".into()));
            }
        }
        Ok(Self { extra_roots })
    }

    /// Reads the system's roots; a system without any leaves plain HTTP usable, and says why TLS is not.
    pub(crate) fn config(&self) -> Result<(ClientConfig, Option<String>), rustls::Error> {
        let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let (mut config, no_roots) = match Verifier::new_with_extra_roots(self.extra_roots.clone(), provider)
        {
            Ok(verifier) => {
                let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
                (builder.with_no_client_auth(), None)
            }
            // With an empty store every certificate is refused.
            Err(error) => (
                builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth(),
                Some(format!("this system has no usable root certificates: {error}")),
            ),
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok((config, no_roots))
    }
}
