//! Turns a collection into one that is known to be signed.

use std::{fmt, ops::Deref, sync::Arc, time::SystemTime};

use bytes::Bytes;
use p384::ecdsa::{Signature as P384Signature, signature::hazmat::PrehashVerifier};
use serde_json::Value;

use crate::{
    CertificateProblem, Changeset, Collection, CollectionName, Error, ErrorKind, Limits, Trust,
    chain::Leaf,
    clock,
    name::is_id,
    signature::{Signature, SignedDigest},
};

/// A value whose signature was checked.
///
/// There is no way to make one but by verification, so holding it is evidence of the check.
#[derive(Clone, Debug)]
pub struct Verified<T> {
    value: T,
    evidence: Arc<Evidence>,
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
        Ok(Verified { value: self.collection, evidence: Arc::new(evidence) })
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

/// Verifies a whole changeset with a chain that is at hand, in one call and without a network.
///
/// This is what a [`Client`](crate::Client) does with everything it gets, before it compares the result with what
/// it holds:
///
/// - `json` is the body of a changeset request that was made without `_since`. A changeset of differences verifies
///   only once it is [merged](Collection::merge) with what it is a difference to; see [`Verified::new`].
/// - `chain` is what the signature's `x5u` leads to: a PEM file, leaf first and root last.
/// - `trust` is the hashes of the roots that the chain may end in, and the name that its leaf must carry.
/// - `at` is the time at which every certificate has to be valid.
///
/// The collection is named as its metadata says, and `unnamed` where that says nothing. **Nobody signs that name:**
/// compare it with what was asked for.
///
/// # Errors
///
/// [`ErrorKind::Protocol`] where `json` is no changeset; [`ErrorKind::TooLarge`] where it, or the chain, is
/// larger than `limits` allow; [`ErrorKind::Certificate`] where the chain is not acceptable, with
/// [`certificate`](Error::certificate) saying why; [`ErrorKind::Untrusted`] where no signature matches.
///
/// ```
/// use rs_client::{ErrorKind, Limits, Trust, verify_changeset};
///
/// let json = r#"{"timestamp": 1, "metadata": {}, "changes": [{"id": "a"}]}"#;
/// let root = "C8:A8:0E:9A:FA:EF:4E:21:9B:6F:B5:D7:A7:1D:0F:10:12:23:BA:C5:00:1A:C2:8F:9B:0D:43:DC:59:A1:06:DB";
/// let trust = Trust::new(vec![root.parse()?], "remote-settings.content-signature.mozilla.org");
/// let result = verify_changeset(json, "", &trust, std::time::SystemTime::now(), &Limits::default());
/// assert_eq!(result.expect_err("it is not signed").kind(), ErrorKind::Untrusted);
/// # Ok::<(), rs_client::Error>(())
/// ```
pub fn verify_changeset(
    json: impl Into<Bytes>,
    chain: impl AsRef<[u8]>,
    trust: &Trust,
    at: SystemTime,
    limits: &Limits,
) -> Result<Verified<Collection>, Error> {
    let json = json.into();
    if json.len() as u64 > limits.changeset_bytes {
        let message = format!("the changeset has more than {} bytes", limits.changeset_bytes);
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    let changeset = Changeset::parse(json, limits)?;
    let named = |field| {
        let name = changeset.metadata.get(field).and_then(Value::as_str);
        name.filter(|name| is_id(name)).unwrap_or("unnamed").to_owned()
    };
    let name = CollectionName::new(named("bucket"), named("id"))?;
    let collection = Collection::merge(None, &name, changeset);
    let chain = std::str::from_utf8(chain.as_ref()).map_err(|error| {
        let message = "the certificate chain is not a PEM file";
        Error::in_chain(CertificateProblem::Malformed, message).with_source(error)
    })?;
    Verified::new(collection, chain, trust, at, limits)
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
