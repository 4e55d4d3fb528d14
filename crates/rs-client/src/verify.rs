//! Turns a collection into one that is known to be signed.

use std::{fmt, ops::Deref, sync::Arc, time::SystemTime};

use p384::ecdsa::{Signature as P384Signature, signature::hazmat::PrehashVerifier};

use crate::{
    Collection, Error, ErrorKind, Limits, Trust,
    chain::Leaf,
    clock,
    signature::{Signature, SignedDigest},
};

/// A value whose signature was checked.
///
/// There is no way to make one but by verification, so holding it is evidence of the check.
#[derive(Clone, Debug)]
pub struct Verified<T> {
    value: T,
    evidence: Evidence,
}

/// What the check was made with; enough to make it again without a network.
#[derive(Clone)]
pub(crate) struct Evidence {
    digest: SignedDigest,
    pub(crate) signature: Signature,
    pub(crate) chain: Arc<str>,
    pub(crate) at: SystemTime,
    not_after: SystemTime,
}

/// A collection on its way to being verified.
#[derive(Debug)]
pub(crate) struct Candidate {
    collection: Collection,
    digest: SignedDigest,
    signatures: Vec<Signature>,
}

impl Candidate {
    /// Hashes the collection and reads the signatures from its metadata.
    pub(crate) fn new(collection: Collection, limits: &Limits) -> Result<Self, Error> {
        let signatures = Signature::all(&collection.metadata, limits.signatures)?;
        Ok(Self { digest: SignedDigest::of(&collection)?, collection, signatures })
    }

    /// Hashes the collection and pairs it with a signature that was kept.
    pub(crate) fn with_signature(collection: Collection, signature: Signature) -> Result<Self, Error> {
        Ok(Self { digest: SignedDigest::of(&collection)?, collection, signatures: vec![signature] })
    }

    /// The signatures to try, in this order.
    pub(crate) fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Checks one of the signatures with the chain it names, at the time `at`.
    pub(crate) fn check(
        &self,
        signature: &Signature,
        chain: &Arc<str>,
        trust: &Trust,
        at: SystemTime,
        limits: &Limits,
    ) -> Result<Evidence, Error> {
        // To the second, as it is stored, so that the check can be repeated exactly.
        let at = clock::at(clock::seconds(at));
        let leaf = Leaf::check(chain, trust, at, limits)?;
        let refuse = || Error::new(ErrorKind::Untrusted, "the signature does not match the records");
        let parsed =
            P384Signature::from_slice(&signature.bytes).map_err(|error| refuse().with_source(error))?;
        leaf.key.verify_prehash(self.digest.bytes(), &parsed).map_err(|error| refuse().with_source(error))?;
        Ok(Evidence {
            digest: self.digest.clone(),
            signature: signature.clone(),
            chain: Arc::clone(chain),
            at,
            not_after: leaf.not_after,
        })
    }

    /// The one place where a collection becomes a verified one.
    pub(crate) fn seal(self, evidence: Evidence) -> Result<Verified<Collection>, Error> {
        if evidence.digest.bytes() != self.digest.bytes() {
            return Err(Error::new(ErrorKind::Untrusted, "the evidence is for other records"));
        }
        Ok(Verified { value: self.collection, evidence })
    }
}

impl Verified<Collection> {
    /// Verifies a collection with a chain that is at hand, at the time `at`.
    ///
    /// `chain` is a PEM file, leaf first and root last. Of the signatures in the metadata one has to match. This
    /// is what a client does with everything it gets; it needs no network.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Certificate`] where the chain is not acceptable, with
    /// [`certificate`](Error::certificate) saying why; [`ErrorKind::Untrusted`] where no signature matches.
    ///
    /// ```
    /// use rs_client::{Changeset, Collection, CollectionName, ErrorKind, Limits, Trust, Verified};
    ///
    /// let json = r#"{"timestamp": 1, "metadata": {}, "changes": [{"id": "a"}]}"#;
    /// let changeset = Changeset::parse(json, &Limits::default())?;
    /// let collection = Collection::merge(None, &CollectionName::new("main", "list")?, changeset);
    /// let trust = Trust::new(Vec::new(), "remote-settings.content-signature.mozilla.org");
    /// let error = Verified::new(collection, "", &trust, std::time::SystemTime::now(), &Limits::default());
    /// assert_eq!(error.expect_err("it is not signed").kind(), ErrorKind::Untrusted);
    /// # Ok::<(), rs_client::Error>(())
    /// ```
    pub fn new(
        collection: Collection,
        chain: &str,
        trust: &Trust,
        at: SystemTime,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let candidate = Candidate::new(collection, limits)?;
        let chain = Arc::from(chain);
        let mut result = Err(Error::new(ErrorKind::Untrusted, "the collection is not signed"));
        for signature in candidate.signatures() {
            result = candidate.check(signature, &chain, trust, at, limits);
            if result.is_ok() {
                break;
            }
        }
        candidate.seal(result?)
    }
}

impl<T> Verified<T> {
    /// Returns the time at which the signature and its chain were checked, to the second.
    pub fn verified_at(&self) -> SystemTime {
        self.evidence.at
    }

    /// Returns when the signing certificate expires.
    ///
    /// The value stays verified after that: it was signed while the certificate was valid. It is a sign that
    /// the copy is old.
    pub fn certificate_expires(&self) -> SystemTime {
        self.evidence.not_after
    }

    /// Returns the checked value alone.
    pub fn into_inner(self) -> T {
        self.value
    }

    pub(crate) fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// Whether the same records and timestamp were signed, by whatever signature.
    pub(crate) fn same_content<U>(&self, other: &Verified<U>) -> bool {
        self.evidence.digest.bytes() == other.evidence.digest.bytes()
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evidence")
            .field("signature", &self.signature.text())
            .field("x5u", &self.signature.x5u)
            .field("at", &clock::text(self.at))
            .finish_non_exhaustive()
    }
}
