//! What the fuzz targets share: one signed changeset, and the chain of its signature.

use std::time::{Duration, SystemTime};

use rs_client::{Collection, Error, Limits, RootHash, Trust, Verified, verify_changeset};
use serde_json::json;
use testkit::{
    pki::forge::{Forge, Pki},
    settings::canonical::signed_message,
};

const SIGNER: &str = "remote-settings.content-signature.mozilla.org";

/// A signed changeset and its chain.
#[derive(Debug)]
pub struct Signed {
    /// What makes the chain.
    pub forge: Forge,
    /// Leaf, intermediate and root.
    pub certificates: [Vec<u8>; 3],
    body: String,
}

impl Signed {
    /// Signs a changeset of one record.
    pub fn new(pki: Pki) -> Self {
        let forge = Forge::new(pki, SIGNER);
        let record = json!({"id": "a", "last_modified": 5});
        let signature = forge.leaf_key.sign_content(&signed_message([&record], 5));
        let metadata = json!({"signature": {"mode": "p384ecdsa", "signature": signature, "x5u": ""}});
        let body = json!({"timestamp": 5, "changes": [record], "metadata": metadata}).to_string();
        Self { certificates: forge.certificates(), forge, body }
    }

    /// Verifies the changeset with a chain file; the good root is pinned.
    pub fn verify(&self, chain: impl AsRef<[u8]>) -> Result<Verified<Collection>, Error> {
        self.verify_under(chain, &self.certificates[2])
    }

    /// Verifies the changeset with a chain file under a root.
    pub fn verify_under(&self, chain: impl AsRef<[u8]>, root: &[u8]) -> Result<Verified<Collection>, Error> {
        let root: RootHash = testkit::pki::certificate::hash(root).parse()?;
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        verify_changeset(self.body.clone(), chain, &Trust::new(vec![root], SIGNER), at, &Limits::default())
    }
}
