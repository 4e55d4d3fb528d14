//! Laws of merging, and that nothing but what was signed verifies.

use std::{sync::OnceLock, time::SystemTime};

use proptest::{prelude::*, sample::Index};
use rs_client::{Changeset, Collection, CollectionName, Error, Limits, Trust, Verified};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use serde_json::{Value, json};
use testkit::{
    pki::{Chain, ChainOptions},
    settings::canonical::signed_message,
};

use crate::canonical::any_json;

const SIGNER: &str = "remote-settings.content-signature.mozilla.org";

fn name() -> CollectionName {
    CollectionName::new("main", "list").expect("the name is one")
}

fn chain() -> &'static Chain {
    static CHAIN: OnceLock<Chain> = OnceLock::new();
    CHAIN.get_or_init(|| Chain::new(&ChainOptions::default()))
}

fn signed(records: &[Value], timestamp: u64) -> Value {
    let signature = chain().sign(&signed_message(records, timestamp));
    json!({
        "timestamp": timestamp, "changes": records,
        "metadata": {"signature": {"mode": "p384ecdsa", "signature": signature, "x5u": "x"}},
    })
}

fn verify(body: &[u8], pem: &str) -> Result<Verified<Collection>, Error> {
    let changeset = Changeset::parse(body.to_vec(), &Limits::default())?;
    let collection = Collection::merge(None, &name(), changeset);
    let root = chain().root_hash().parse().expect("the root hash is one");
    Verified::new(collection, pem, &Trust::new(vec![root], SIGNER), SystemTime::now(), &Limits::default())
}

fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).map(|der| der.expect("the chain was accepted")).collect()
}

fn parse(body: &Value) -> Changeset {
    Changeset::parse(body.to_string(), &Limits::default()).expect("the changeset is well formed")
}

/// Records with ids from a small set, so that changes meet.
fn any_changes() -> impl Strategy<Value = Vec<Value>> {
    prop::collection::btree_map(0..6_u8, prop::option::of(0..3_u8), 0..6).prop_map(|changes| {
        let change = |(id, value): (u8, Option<u8>)| match value {
            Some(value) => json!({"id": format!("r{id}"), "value": value}),
            None => json!({"id": format!("r{id}"), "deleted": true}),
        };
        changes.into_iter().map(change).collect()
    })
}

fn changeset(timestamp: u64, changes: &[Value]) -> Changeset {
    parse(&json!({"timestamp": timestamp, "changes": changes}))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever the records hold, what was signed verifies.
    #[test]
    fn what_was_signed_verifies(
        values in prop::collection::btree_map("[a-zA-Z0-9][a-zA-Z0-9_-]{0,8}", any_json(), 0..6),
        timestamp in 0..1_700_000_000_000_u64,
    ) {
        let records: Vec<Value> =
            values.into_iter().map(|(id, value)| json!({"id": id, "value": value})).collect();
        let body = signed(&records, timestamp).to_string();
        let verified = verify(body.as_bytes(), chain().pem()).expect("it was signed");
        prop_assert_eq!(verified.records.len(), records.len());
    }

    /// A changed byte anywhere in an answer is refused, or changes nothing that was signed.
    #[test]
    fn a_changed_byte_is_refused_or_means_nothing(at: Index, byte: u8) {
        let records = [json!({"id": "a", "n": 12, "s": "text"}), json!({"id": "b", "l": [true, null]})];
        let mut body = signed(&records, 1_700_000_000_000).to_string().into_bytes();
        let good = verify(&body, chain().pem()).expect("it was signed");
        let at = at.index(body.len());
        body[at] = byte;
        if let Ok(accepted) = verify(&body, chain().pem()) {
            prop_assert_eq!(&accepted.records, &good.records);
            prop_assert_eq!(accepted.timestamp, good.timestamp);
        }
    }

    /// A changed byte anywhere in a chain is refused, or leaves the certificates what they were: it is between
    /// them, or among the bits that base64 ignores.
    #[test]
    fn a_changed_byte_of_the_chain_is_refused_or_means_nothing(at: Index, byte in prop::char::range(' ', '~')) {
        let body = signed(&[json!({"id": "a"})], 5).to_string();
        let mut pem = chain().pem().as_bytes().to_vec();
        let at = at.index(pem.len());
        pem[at] = byte as u8;
        let pem = String::from_utf8(pem).expect("ASCII stays ASCII");
        if verify(body.as_bytes(), &pem).is_ok() {
            prop_assert_eq!(certificates(&pem), certificates(chain().pem()), "{:?} at {}", byte, at);
        }
    }

    /// Applying the same changes again changes nothing.
    #[test]
    fn merging_twice_is_merging_once(first in any_changes(), second in any_changes()) {
        let base = Collection::merge(None, &name(), changeset(1, &first));
        let once = Collection::merge(Some(&base), &name(), changeset(2, &second));
        let twice = Collection::merge(Some(&once), &name(), changeset(2, &second));
        prop_assert_eq!(once, twice);
    }

    /// After a merge each record is as the last change that names it says.
    #[test]
    fn the_last_change_of_a_record_counts(first in any_changes(), second in any_changes()) {
        let base = Collection::merge(None, &name(), changeset(1, &first));
        let merged = Collection::merge(Some(&base), &name(), changeset(2, &second));
        prop_assert_eq!(merged.timestamp, 2);
        for id in (0..6).map(|id| format!("r{id}")) {
            let last = second.iter().chain(&first).find(|change| change["id"] == *id);
            let expected = last.filter(|change| change.get("deleted").is_none());
            let found = merged.records.get(&id).map(|record| Value::Object(record.fields()));
            prop_assert_eq!(found.as_ref(), expected);
        }
    }

    /// The order in which a server lists changes means nothing.
    #[test]
    fn the_order_of_changes_means_nothing(changes in any_changes()) {
        let mut turned = changes.clone();
        turned.reverse();
        let [one, other] =
            [&changes, &turned].map(|changes| Collection::merge(None, &name(), changeset(1, changes)));
        prop_assert_eq!(one, other);
    }
}
