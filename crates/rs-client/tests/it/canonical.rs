//! Canonical JSON, compared with a second implementation and with known answers.

use proptest::prelude::*;
use rs_client::canonical;
use serde_json::{Value, json};

pub(crate) fn canonical(json: &str) -> String {
    let mut text = Vec::new();
    canonical::write(json, |piece| text.extend_from_slice(piece)).expect("it is JSON");
    String::from_utf8(text).expect("canonical JSON is ASCII")
}

fn text(value: &Value) -> String {
    canonical(&value.to_string())
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
    canonical::write(&value.to_string(), |_| pieces += 1).expect("it is JSON");
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

/// Text that is nearly JSON, or JSON written in an unusual way.
fn nearly_json() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("{".to_owned()),
        Just("}".to_owned()),
        Just("[".to_owned()),
        Just("]".to_owned()),
        Just(",".to_owned()),
        Just(":".to_owned()),
        Just(" \n".to_owned()),
        Just("\"a\"".to_owned()),
        Just("\"a\":1".to_owned()),
        Just("\"\\u0061\"".to_owned()),
        Just("\\ud83d\\ude00".to_owned()),
        Just("1.50E+2".to_owned()),
        Just("-0".to_owned()),
        Just("true".to_owned()),
        Just("null".to_owned()),
        "-?[0-9]{1,20}",
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    /// One reading: what has a canonical form, serde_json reads as the same value.
    #[test]
    fn what_is_accepted_is_read_the_same_by_serde_json(json in nearly_json()) {
        let mut text = Vec::new();
        if canonical::write(&json, |piece| text.extend_from_slice(piece)).is_ok() {
            let read: Value = serde_json::from_str(&json).expect("it has a canonical form");
            let again: Value = serde_json::from_slice(&text).expect("canonical JSON is JSON");
            prop_assert_eq!(read, again);
        }
    }

    #[test]
    fn any_layout_of_json_is_accepted(value in any_json()) {
        let spaced = serde_json::to_string_pretty(&value).expect("it is JSON");
        prop_assert_eq!(canonical(&spaced), text(&value));
    }
}

/// Keys that differ late, or only in their length, or in how they are written.
#[test]
fn long_and_escaped_keys_are_in_order() {
    let ordered = [
        "",
        "\0",
        "\0\0",
        "a",
        "a\0",
        "a\0\0\0\0\0\0\0\0",
        "a\0a",
        "aa",
        "abcdefg",
        "abcdefg\0",
        "abcdefgh",
        "abcdefgh\0",
        "abcdefgha",
        "abcdefghb",
        "abcdefgé",
        "abcdefg\u{10000}",
        "b",
        "\u{7f}",
        "é",
        "éééé",
        "ééééa",
        "\u{ffff}",
        "\u{10000}",
    ];
    let plain = |key: &&str| Value::from(*key).to_string();
    let escaped = |key: &&str| {
        let units = key.encode_utf16().map(|unit| format!("\\u{unit:04X}"));
        format!("\"{}\"", units.collect::<String>())
    };
    let expected: Vec<String> =
        ordered.iter().enumerate().map(|(at, key)| format!("{}:{at}", text(&json!(key)))).collect();
    let expected = format!("{{{}}}", expected.join(","));
    // All of them escaped, every other one, and only the first.
    for step in [1, 2, ordered.len()] {
        let write = |at: usize, key| if at.is_multiple_of(step) { escaped(key) } else { plain(key) };
        let fields: Vec<String> =
            ordered.iter().enumerate().rev().map(|(at, key)| format!("{}:{at}", write(at, key))).collect();
        assert_eq!(canonical(&format!("{{{}}}", fields.join(","))), expected);
    }
}

#[test]
fn a_key_twice_has_no_canonical_form() {
    for json in [
        r#"{"a":1,"a":1}"#,
        r#"[{"b":{"a":1,"\u0061":2}}]"#,
        r#"{"a long name":1,"a long":2,"a\u0020long name":1}"#,
    ] {
        let error = canonical::write(json, |_| {}).expect_err(json);
        assert_eq!(error.kind(), rs_client::ErrorKind::Protocol);
    }
}
