//! Views of a collection: typed records, and records by the values of their fields.

use proptest::prelude::*;
use rs_client::{Changeset, Collection, CollectionName, Decoded, ErrorKind, Filters, Limits, Record};
use serde::Deserialize;
use serde_json::{Value, json};

/// A collection of these records, unsigned: views need no signature.
pub(crate) fn collection(records: &[Value]) -> Collection {
    let changeset = json!({"timestamp": 1, "changes": records, "metadata": {}}).to_string().into_bytes();
    let changeset = Changeset::parse(changeset, &Limits::default()).expect("the changeset is well formed");
    let name = CollectionName::new("main", "list").expect("the name is one");
    Collection::merge(None, &name, changeset)
}

fn ids(records: &[&Record]) -> String {
    records.iter().map(|record| record.id()).collect::<Vec<_>>().join(" ")
}

fn engines() -> Collection {
    collection(&[
        json!({"id": "a", "label": "Yahoo", "enabled": true, "weight": 10, "tags": ["x"]}),
        json!({"id": "b", "label": "Google", "enabled": true, "weight": 20, "attachment": {"mimetype": "text/plain"}}),
        json!({"id": "c", "label": "Ecosia", "enabled": false, "weight": 5.0, "attachment": {"mimetype": "text/html"}}),
        json!({"id": "d", "label": null, "weight": 5, "attachment": "none", "where": {"x": 1, "y": [2]}}),
        json!({"id": "e", "weight": 18_446_744_073_709_551_615_u64}),
    ])
}

#[test]
fn records_match_where_every_field_has_one_of_its_values() {
    let cases = [
        (Filters::new(), "a b c d e"),
        (Filters::new().equals("label", "Google"), "b"),
        (Filters::new().equals("label", "google"), ""),
        (Filters::new().equals("enabled", true), "a b"),
        (Filters::new().equals("enabled", "true"), ""),
        (Filters::new().equals("enabled", true).equals("weight", 20), "b"),
        (Filters::new().equals("enabled", true).equals("enabled", false), ""),
        (Filters::new().one_of("label", ["Yahoo", "Ecosia", "Bing"]), "a c"),
        (Filters::new().one_of("label", Vec::<String>::new()), ""),
        (Filters::new().one_of("label", [json!("Yahoo"), json!(null)]), "a d"),
        // The same number, however it is written.
        (Filters::new().equals("weight", 5), "c d"),
        (Filters::new().equals("weight", 10.0), "a"),
        (Filters::new().equals("weight", u64::MAX), "e"),
        (Filters::new().equals("weight", u64::MAX - 1), ""),
        // A field that is not there is not null.
        (Filters::new().equals("label", json!(null)), "d"),
        (Filters::new().equals("missing", json!(null)), ""),
        // Lists and objects as a whole, and fields of fields.
        (Filters::new().equals("tags", json!(["x"])), "a"),
        (Filters::new().equals("tags", json!(["x", "y"])), ""),
        (Filters::new().equals("where", json!({"y": [2.0], "x": 1})), "d"),
        (Filters::new().equals("where", json!({"x": 1})), ""),
        (Filters::new().equals("where.x", 1), "d"),
        (Filters::new().equals("attachment.mimetype", "text/html"), "c"),
        (Filters::new().one_of("attachment.mimetype", ["text/html", "text/plain"]), "b c"),
        (Filters::new().equals("", 1), ""),
        (Filters::new().equals("where..x", 1), ""),
    ];
    let engines = engines();
    for (filters, expected) in cases {
        assert_eq!(ids(&engines.matching(&filters)), expected, "{filters:?}");
    }
}

#[test]
fn records_come_in_the_order_asked_for() {
    let engines = engines();
    let ordered = |order: &str| ids(&engines.matching(&Filters::new().order(order)));
    assert_eq!(ordered("weight"), "c d a b e");
    assert_eq!(ordered("-weight"), "e b a c d");
    assert_eq!(ordered("label"), "d e c b a");
    assert_eq!(ordered("-label"), "a b c d e");
    assert_eq!(ordered("enabled"), "d e c a b");
    assert_eq!(ordered("attachment.mimetype"), "a d e c b");
    assert_eq!(ordered("missing"), "a b c d e");
    assert_eq!(ordered("-missing"), "a b c d e");
    assert_eq!(ids(&engines.matching(&Filters::new().equals("enabled", true).order("-weight"))), "b a");
}

#[test]
fn numbers_are_compared_exactly() {
    let large = 9_007_199_254_740_992_u64;
    let weights = [
        json!(large + 1),
        json!(0),
        json!(9_007_199_254_740_992.0),
        json!(-0.0),
        json!(large),
        json!(0.5),
        json!(-1),
    ];
    let records: Vec<Value> = weights
        .iter()
        .enumerate()
        .map(|(id, weight)| json!({"id": format!("r{id}"), "weight": weight}))
        .collect();
    let collection = collection(&records);
    assert_eq!(ids(&collection.matching(&Filters::new().order("weight"))), "r6 r1 r3 r5 r2 r4 r0");
    assert_eq!(ids(&collection.matching(&Filters::new().equals("weight", large))), "r2 r4");
    assert_eq!(ids(&collection.matching(&Filters::new().equals("weight", 0))), "r1 r3");
}

fn any_weight() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<Option<bool>>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-2_i8..2).prop_map(Value::from),
        (-1e19..1e19).prop_map(Value::from),
        (-1.5..1.5).prop_map(Value::from),
        "[ab]{0,2}".prop_map(Value::from),
        Just(json!([1])),
    ]
}

proptest! {
    #[test]
    fn every_mixture_of_values_has_an_order(weights in prop::collection::vec(any_weight(), 0..12)) {
        let records = weights.iter().enumerate();
        let records: Vec<_> = records.map(|(id, weight)| json!({"id": format!("r{id:02}"), "weight": weight})).collect();
        let collection = collection(&records);
        let upwards = collection.matching(&Filters::new().order("weight"));
        let downwards = collection.matching(&Filters::new().order("-weight"));
        prop_assert_eq!(downwards.len(), records.len());
        let place = |id: &str| downwards.iter().position(|record| record.id() == id);
        for (index, first) in upwards.iter().enumerate() {
            for second in &upwards[index + 1..] {
                // The other way round, but for equal ones: these are in order of ids in both.
                prop_assert!(place(first.id()) > place(second.id()) || first.id() < second.id());
            }
        }
    }
}

#[test]
fn one_record_that_does_not_fit_takes_nothing_from_the_others() {
    #[derive(Debug, Deserialize, PartialEq)]
    struct Engine {
        label: String,
        #[serde(default)]
        enabled: bool,
    }
    let engines = engines();
    let decoded = engines.decode_all::<Engine>();
    assert_eq!(decoded.good.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(decoded.good["a"], Engine { label: "Yahoo".to_owned(), enabled: true });
    assert_eq!(decoded.errors.keys().collect::<Vec<_>>(), ["d", "e"]);
    assert_eq!(decoded.errors["d"].to_string(), "record d has unexpected fields");
    let error = decoded.all().expect_err("two records have no label");
    assert_eq!(error.kind(), ErrorKind::Protocol);

    let enabled = engines.matching(&Filters::new().equals("enabled", true));
    let enabled = Decoded::<Engine>::of(enabled).all().expect("these are engines");
    assert_eq!(enabled.into_keys().collect::<Vec<_>>(), ["a", "b"]);
}
