//! The text that is signed, written here a second time so that a mistake of the client's shows.

use std::fmt::Write as _;

use serde_json::Value;

/// Returns the bytes that a content signature of these records covers.
///
/// `records` are sorted by id here, and each is written with its keys in order of code points, without white
/// space, and in ASCII only.
pub fn signed_message<'a>(records: impl IntoIterator<Item = &'a Value>, timestamp: u64) -> Vec<u8> {
    let mut records: Vec<&Value> = records.into_iter().collect();
    records.sort_by_key(|record| record["id"].as_str().unwrap_or_default());
    let records: Vec<String> = records.into_iter().map(canonical_json).collect();
    let text =
        format!("Content-Signature:\0{{\"data\":[{}],\"last_modified\":\"{timestamp}\"}}", records.join(","));
    text.into_bytes()
}

/// Writes JSON as the signer of Remote Settings does.
pub fn canonical_json(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(_) => value.to_string(),
        Value::Number(number) if number.is_f64() => {
            format!("{:E}", number.as_f64().expect("the number is a float"))
        }
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(canonical_json).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(fields) => {
            let mut fields: Vec<(Vec<char>, String)> = fields
                .iter()
                .map(|(key, value)| {
                    (key.chars().collect(), format!("{}:{}", quoted(key), canonical_json(value)))
                })
                .collect();
            fields.sort();
            let fields: Vec<String> = fields.into_iter().map(|(_, text)| text).collect();
            format!("{{{}}}", fields.join(","))
        }
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for unit in text.encode_utf16() {
        match unit {
            0x08 => out += "\\b",
            0x09 => out += "\\t",
            0x0a => out += "\\n",
            0x0c => out += "\\f",
            0x0d => out += "\\r",
            0x22 => out += "\\\"",
            0x5c => out += "\\\\",
            0x20..=0x7e => out.push(char::from_u32(u32::from(unit)).expect("ASCII is a character")),
            _ => write!(out, "\\u{unit:04x}").expect("a string takes all text"),
        }
    }
    out + "\""
}
