//! Every way in which a chain can be bad, and what is said about it.

mod catalogue;
mod changesets;
mod files;
mod leaves;
mod signed;

use std::time::{Duration, SystemTime};

use content_id::ContentId;
use rs_client::{
    CertificateProblem as Problem, Changeset, Collection, CollectionName, Error, Limits, RootHash, Trust,
    Verified, verify_changeset,
};
use serde_json::json;
use testkit::{
    pki::{Chain, ChainOptions, LeafKey, Validity, forge::Forge},
    settings::canonical::signed_message,
};

use crate::support::DAY;

const SIGNER: &str = "remote-settings.content-signature.mozilla.org";

/// 2027-01-15T08:00:00Z, when what a forge makes is valid.
fn at() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// The hash of a certificate, as it is pinned.
fn pin(certificate: &[u8]) -> String {
    ContentId::of(certificate).digest.to_string()
}

fn trust(roots: &[&str], signer: &str) -> Trust {
    let roots = roots.iter().map(|root| root.parse().expect("the hash of a root is one")).collect();
    Trust::new(roots, signer)
}

/// Signs a collection of one record with the forge's leaf and verifies it with a chain file.
fn check(forge: &Forge, chain: impl AsRef<[u8]>, roots: &[&str]) -> Result<(), Error> {
    let record = json!({"id": "a", "last_modified": 5});
    let signature = forge.leaf_key.sign_content(&signed_message([&record], 5));
    let body = json!({
        "timestamp": 5, "changes": [record],
        "metadata": {"signature": {"mode": "p384ecdsa", "signature": signature, "x5u": "x"}},
    });
    verify_changeset(body.to_string(), chain, &trust(roots, SIGNER), at(), &Limits::default()).map(drop)
}

/// Signs a collection of one record with `chain` and verifies it as a client would.
fn verify(chain: &Chain, pem: &str, root: &str, signer: &str, at: SystemTime) -> Result<(), Error> {
    let record = json!({"id": "a", "last_modified": 5});
    let mut signature = chain.sign(&signed_message([&record], 5));
    if signature.len() != 128 {
        // A key of another curve signs in another length; the chain is refused before the signature is.
        signature = "A".repeat(128);
    }
    let body = json!({
        "timestamp": 5, "changes": [record],
        "metadata": {"signature": {"mode": "p384ecdsa", "signature": signature, "x5u": "x"}},
    });
    let changeset = Changeset::parse(body.to_string(), &Limits::default())?;
    let collection = Collection::merge(None, &CollectionName::new("main", "list")?, changeset);
    let trust = Trust::new(vec![root.parse::<RootHash>()?], signer);
    Verified::new(collection, pem, &trust, at, &Limits::default()).map(drop)
}

fn problem(options: &ChainOptions) -> Option<Problem> {
    let chain = Chain::new(options);
    let result = verify(&chain, chain.pem(), &chain.root_hash(), SIGNER, SystemTime::now());
    result.err().map(|error| error.certificate().unwrap_or_else(|| panic!("{error} is not about the chain")))
}

#[test]
fn a_good_chain_is_accepted() {
    assert_eq!(problem(&ChainOptions::default()), None);
    let mut options = ChainOptions::default();
    options.leaf_names.insert(0, "another.content-signature.mozilla.org".into());
    assert_eq!(problem(&options), None, "one of several names is enough");
}

#[test]
fn each_bad_chain_is_refused_for_what_is_bad() {
    type Change = fn(&mut ChainOptions);
    let table: [(&str, Change, Problem); 17] = [
        ("leaf expired", |o| o.leaf = Validity::days(-80, -1), Problem::Expired),
        ("intermediate expired", |o| o.intermediate = Validity::days(-80, -1), Problem::Expired),
        ("root expired", |o| o.root = Validity::days(-80, -1), Problem::Expired),
        ("leaf not yet valid", |o| o.leaf = Validity::days(1, 80), Problem::NotYetValid),
        ("intermediate not yet valid", |o| o.intermediate = Validity::days(1, 80), Problem::NotYetValid),
        ("root not yet valid", |o| o.root = Validity::days(1, 80), Problem::NotYetValid),
        (
            "other name",
            |o| o.leaf_names = vec!["normandy.content-signature.mozilla.org".into()],
            Problem::Name,
        ),
        ("no name", |o| o.leaf_names.clear(), Problem::Name),
        ("parent's name", |o| o.leaf_names = vec!["content-signature.mozilla.org".into()], Problem::Name),
        ("outside the constraints", |o| o.permitted = "example.org".into(), Problem::Name),
        ("leaf for anything", |o| o.omit_leaf_usage = true, Problem::Usage),
        ("leaf for servers", |o| o.leaf_signs_code = false, Problem::Usage),
        ("intermediate for servers", |o| o.intermediate_signs_code = false, Problem::Usage),
        ("intermediate is no authority", |o| o.intermediate_is_authority = false, Problem::Link),
        ("leaf signed by another", |o| o.forge_leaf = true, Problem::Link),
        ("intermediate signed by another", |o| o.forge_intermediate = true, Problem::Link),
        ("P-256 leaf", |o| o.leaf_key = LeafKey::P256, Problem::Key),
    ];
    for (name, change, expected) in table {
        let mut options = ChainOptions::default();
        change(&mut options);
        assert_eq!(problem(&options), Some(expected), "{name}");
    }
}

#[test]
fn a_chain_must_be_whole_and_end_in_a_pinned_root() {
    let chain = Chain::new(&ChainOptions::default());
    let other = Chain::new(&ChainOptions::default());
    let now = SystemTime::now();
    let parts: Vec<&str> = chain.pem().split_inclusive("-----END CERTIFICATE-----").collect();
    let (leaf, intermediate, root) = (parts[0], parts[1], parts[2]);
    let check = |pem: &str| {
        let result = verify(&chain, pem, &chain.root_hash(), SIGNER, now);
        result.err().and_then(|error| error.certificate())
    };
    assert_eq!(check(chain.pem()), None);
    assert_eq!(check(&format!("junk before\n{leaf}\njunk between{intermediate}{root}\njunk after")), None);
    assert_eq!(check(""), Some(Problem::Malformed));
    assert_eq!(check(leaf), Some(Problem::Malformed));
    assert_eq!(check("not a PEM file"), Some(Problem::Malformed));
    assert_eq!(check(&chain.pem().replacen("MII", "!!!", 1)), Some(Problem::Malformed));
    assert_eq!(check(&chain.pem()[..chain.pem().len() - 40]), Some(Problem::Malformed));
    assert_eq!(check(&format!("{leaf}{intermediate}")), Some(Problem::Root));
    assert_eq!(check(&format!("{root}{intermediate}{leaf}")), Some(Problem::Root));
    assert_eq!(check(&format!("{leaf}{root}")), Some(Problem::Link));
    assert_eq!(check(&format!("{intermediate}{root}")), Some(Problem::Link));
    assert_eq!(check(&format!("{leaf}{}{root}", intermediate.repeat(8))), Some(Problem::Malformed));
    let not_trusted = verify(&chain, chain.pem(), &other.root_hash(), SIGNER, now).expect_err("another root");
    assert_eq!(not_trusted.certificate(), Some(Problem::Root));
    assert!(not_trusted.to_string().contains(&chain.root_hash()), "{not_trusted}");
    let mixed = other.pem().split_inclusive("-----END CERTIFICATE-----").take(2).collect::<String>() + root;
    assert_eq!(check(&mixed), Some(Problem::Link), "a leaf of another root");
}

#[test]
fn a_good_chain_with_another_leafs_signature_is_untrusted() {
    let chain = Chain::new(&ChainOptions::default());
    let rotated = chain.rotated(&ChainOptions::default());
    let error = verify(&chain, rotated.pem(), &chain.root_hash(), SIGNER, SystemTime::now());
    assert_eq!(error.expect_err("the old key signed").kind(), rs_client::ErrorKind::Untrusted);
}

#[test]
fn security_state_has_its_own_signer() {
    let server = rs_client::Server::production();
    let mut options = ChainOptions::default();
    options.leaf_names = vec!["onecrl.content-signature.mozilla.org".into()];
    let chain = Chain::new(&options);
    let trust = |bucket: &str| {
        let name = CollectionName::new(bucket, "onecrl").expect("the name is one");
        format!("{:?}", server.trust(&name))
    };
    assert!(trust("security-state").contains("onecrl.content-signature.mozilla.org"));
    assert!(trust("security-state-preview").contains("onecrl.content-signature.mozilla.org"));
    assert!(trust("blocklists").contains(SIGNER) && trust("main-preview").contains(SIGNER));
    let signer = "onecrl.content-signature.mozilla.org";
    verify(&chain, chain.pem(), &chain.root_hash(), signer, SystemTime::now()).expect("the names agree");
}

/// Both ends of a certificate's time are part of it.
#[test]
fn dates_are_checked_to_the_second() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
    let mut options = ChainOptions::default();
    options.leaf = Validity::days(0, 0);
    (options.leaf.not_before, options.leaf.not_after) = (now - DAY, now + DAY);
    (options.root.not_after, options.intermediate.not_after) = (now + 9 * DAY, now + 9 * DAY);
    let chain = Chain::new(&options);
    let second = Duration::from_secs(1);
    for (at, expected) in [
        (now - DAY - second, Some(Problem::NotYetValid)),
        (now - DAY, None),
        (now + DAY, None),
        (now + DAY + second, Some(Problem::Expired)),
    ] {
        let result = verify(&chain, chain.pem(), &chain.root_hash(), SIGNER, at);
        assert_eq!(result.err().and_then(|error| error.certificate()), expected);
    }
}
