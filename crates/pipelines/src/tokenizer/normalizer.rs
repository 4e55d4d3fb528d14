//! The `normalizer` of `tokenizer.json`, and how many times longer it can make a text.

use serde_json::{Map, Value};

use super::{
    charsmap,
    json::{Parts, bad, only, short, string},
};
use crate::Error;

/// Longest regular expression, in bytes. Real ones are below 500.
pub(super) const MAX_PATTERN: usize = 4096;

/// Checks the section, and multiplies `growth` by how many times longer a text can become.
pub(super) fn checked(value: &Value, growth: &mut usize) -> Result<Value, Error> {
    Parts::new("normalizer").part(value, "normalizers", &mut |kind, part| {
        let (fields, times): (&[&str], usize) = match kind {
            // Decomposition (3), lower case (1.5) and spaces around ideographs (5 bytes for 3).
            "BertNormalizer" => (&["clean_text", "handle_chinese_chars", "strip_accents", "lowercase"], 9),
            "Strip" => (&["strip_left", "strip_right"], 1),
            "StripAccents" | "Nmt" => (&[], 1),
            "Lowercase" => (&[], 2),
            // The largest growth of UTF-8 that the Unicode standard gives for these forms (annex 15).
            "NFC" | "NFD" => (&[], 3),
            "NFKC" | "NFKD" => (&[], 11),
            "ByteLevel" => (&[], 2),
            "Prepend" => (&["prepend"], string(part, "prepend", "Prepend")?.len().saturating_add(1)),
            "Replace" => (&["pattern", "content"], replace_growth(part)?),
            "Precompiled" => {
                let map = string(part, "precompiled_charsmap", "Precompiled")?;
                (&["precompiled_charsmap"], charsmap::check(map)?)
            }
            _ => return Err(bad(format!("the normalizer {kind} is not known"))),
        };
        *growth = growth.saturating_mul(times);
        Ok(only(part, fields))
    })
}

/// Checks the `pattern` of a part, `{"String": ...}` or `{"Regex": ...}`; returns the least bytes that match.
pub(super) fn pattern(part: &Map<String, Value>, what: &str) -> Result<usize, Error> {
    let pattern = part.get("pattern").and_then(Value::as_object);
    let pattern = pattern.ok_or_else(|| bad(format!("{what} has no pattern")))?;
    let text = short(pattern, "String", MAX_PATTERN, what)?;
    let regex = short(pattern, "Regex", MAX_PATTERN, what)?;
    match (text, regex) {
        (Some(text), None) => Ok(text.len()),
        // It may match nothing at all, between any two characters.
        (None, Some(_)) => Ok(0),
        _ => Err(bad(format!("the pattern of {what} is neither a string nor a regular expression"))),
    }
}

fn replace_growth(part: &Map<String, Value>) -> Result<usize, Error> {
    let matched = pattern(part, "Replace")?;
    let content = string(part, "content", "Replace")?.len();
    // What replaces nothing at all is added to what is there.
    Ok(if matched == 0 { content.saturating_add(1) } else { content.div_ceil(matched).max(1) })
}
