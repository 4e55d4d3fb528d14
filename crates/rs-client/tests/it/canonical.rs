//! Canonical JSON, compared with a second implementation and with known answers.

use proptest::prelude::*;
use rs_client::canonical;
use serde_json::{Value, json};

pub(crate) fn text(value: &Value) -> String {
    let mut text = Vec::new();
    canonical::write(value, |piece| text.extend_from_slice(piece));
    String::from_utf8(text).expect("canonical JSON is ASCII")
}

/// Any JSON, with the characters and numbers at which implementations differ.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let character = prop_oneof![
        any::<char>(),
        prop::char::range('\0', '\u{a0}'),
        Just('\u{7f}'),
        Just('\u{2028}'),
        Just('\u{e000}'),
        Just('\u{ffff}'),
        Just('\u{10000}'),
    ];
    let string = prop::collection::vec(character, 0..8).prop_map(|text| text.into_iter().collect::<String>());
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-9e18..9e18).prop_map(Value::from),
        string.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, move |inner| {
        let list = prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from);
        let object = prop::collection::btree_map(string.clone(), inner, 0..6)
            .prop_map(|fields| Value::Object(fields.into_iter().collect()));
        prop_oneof![list, object]
    })
}

#[test]
fn known_answers() {
    for (value, expected) in [
        (json!({"b": 1, "a": 2, "": 3, "é": 4, "Z": 5}), r#"{"":3,"Z":5,"a":2,"b":1,"\u00e9":4}"#),
        (json!({"\u{10000}": 1, "\u{ffff}": 2}), r#"{"\uffff":2,"\ud800\udc00":1}"#),
        (json!(["\u{7f}\u{0}\u{8}\t\n\u{c}\r\"\\/'"]), r#"["\u007f\u0000\b\t\n\f\r\"\\/'"]"#),
        (json!([1.0, 0.1, 1e21, -0.0, 100.0]), "[1E0,1E-1,1E21,-0E0,1E2]"),
        (
            json!([u64::MAX, i64::MIN, 0, true, false, null]),
            "[18446744073709551615,-9223372036854775808,0,true,false,null]",
        ),
        (json!([{}, []]), "[{},[]]"),
    ] {
        assert_eq!(text(&value), expected);
    }
}

/// Text longer than the pieces it is written in.
#[test]
fn long_values_are_written_in_pieces() {
    let value = json!(["é".repeat(10_000), "x".repeat(30_000)]);
    let mut pieces = 0;
    canonical::write(&value, |_| pieces += 1);
    assert!(pieces > 3);
    assert_eq!(text(&value), testkit::settings::canonical::canonical_json(&value));
}

proptest! {
    #[test]
    fn two_implementations_agree(value in any_json()) {
        prop_assert_eq!(text(&value), testkit::settings::canonical::canonical_json(&value));
    }

    #[test]
    fn canonical_json_reads_back_and_stays(value in any_json()) {
        let once = text(&value);
        let read: Value = serde_json::from_str(&once).expect("canonical JSON is JSON");
        prop_assert_eq!(&read, &value);
        prop_assert_eq!(text(&read), once);
    }
}
