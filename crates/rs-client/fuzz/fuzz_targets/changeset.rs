//! Changesets: whatever verifies has the records that were signed.
#![no_main]

use std::{sync::OnceLock, time::SystemTime};

use libfuzzer_sys::fuzz_target;
use rs_client::{Changeset, Collection, CollectionName, Limits, Records, Trust, verify_changeset};
use serde_json::{Value, json};
use testkit::{
    pki::{Chain, ChainOptions},
    settings::canonical::signed_message,
};

struct Signed {
    chain: Chain,
    trust: Trust,
    metadata: Value,
    base: Collection,
    records: Records,
}

fn signed() -> &'static Signed {
    static SIGNED: OnceLock<Signed> = OnceLock::new();
    SIGNED.get_or_init(|| {
        let options = ChainOptions::default();
        let chain = Chain::new(&options);
        let records = json!([{"id": "a", "n": 1}, {"id": "b", "s": "é", "l": [null, {}]}]);
        let message = signed_message(records.as_array().expect("it is a list"), 5);
        let metadata =
            json!({"signature": {"mode": "p384ecdsa", "signature": chain.sign(&message), "x5u": ""}});
        let trust =
            Trust::new(vec![chain.root_hash().parse().expect("it is a hash")], options.leaf_names[0].clone());
        let body = json!({"timestamp": 5, "changes": records, "metadata": metadata}).to_string();
        let good = verify_changeset(body, chain.pem(), &trust, SystemTime::now(), &Limits::default());
        let good = good.expect("it is signed").into_inner();
        Signed { chain, trust, metadata, records: good.records.clone(), base: good }
    })
}

fuzz_target!(|bytes: &[u8]| {
    let signed = signed();
    let name = CollectionName::new("main", "list").expect("it is a name");
    let limits = Limits::default();
    if let Ok(changeset) = Changeset::parse(bytes.to_vec(), &limits) {
        let alone = Collection::merge(None, &name, changeset.clone());
        let merged = Collection::merge(Some(&signed.base), &name, changeset);
        assert!(alone.records.iter().all(|record| merged.records.get(record.id()) == Some(record)));
        assert!(
            merged.records.iter().zip(merged.records.iter().skip(1)).all(|(one, next)| one.id() < next.id())
        );
        for record in &alone.records {
            let fields = record.fields();
            assert_eq!(fields.get("id").and_then(Value::as_str), Some(record.id()));
            let _ = record.attachment();
        }
    }
    // The signed metadata, and changes as they come.
    let mut body = format!(r#"{{"timestamp":5,"metadata":{},"changes":"#, signed.metadata).into_bytes();
    body.extend_from_slice(bytes);
    body.push(b'}');
    let at = SystemTime::now();
    if let Ok(verified) = verify_changeset(body, signed.chain.pem(), &signed.trust, at, &limits) {
        assert_eq!(verified.records, signed.records);
    }
});
