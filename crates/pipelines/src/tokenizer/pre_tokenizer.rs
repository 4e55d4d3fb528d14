//! The `pre_tokenizer` of `tokenizer.json`: how a text is split into words.

use serde_json::Value;

use super::{
    json::{Parts, bad, only, string},
    normalizer::pattern,
};
use crate::Error;

/// Checks the section, and multiplies `growth` by how many times longer a text can become.
pub(super) fn checked(value: &Value, growth: &mut usize) -> Result<Value, Error> {
    Parts::new("pre_tokenizer").part(value, "pretokenizers", &mut |kind, part| {
        let (fields, times): (&[&str], usize) = match kind {
            "BertPreTokenizer" | "Whitespace" | "WhitespaceSplit" | "UnicodeScripts" => (&[], 1),
            "Punctuation" => (&["behavior"], 1),
            "Digits" => (&["individual_digits"], 1),
            "CharDelimiterSplit" => (&["delimiter"], 1),
            "Split" => {
                pattern(part, "Split")?;
                (&["pattern", "behavior", "invert"], 1)
            }
            "FixedLength" => {
                if part.get("length").is_some_and(|length| length.as_u64().is_none_or(|length| length == 0)) {
                    return Err(bad("FixedLength has no length above 0"));
                }
                (&["length"], 1)
            }
            // Every byte becomes a character of up to two bytes, and a space may come before.
            "ByteLevel" => (&["add_prefix_space", "trim_offsets", "use_regex"], 4),
            // A space becomes the replacement, and one more may come before.
            "Metaspace" => {
                let replacement = string(part, "replacement", "Metaspace")?.len();
                let fields = &["replacement", "add_prefix_space", "prepend_scheme", "split"];
                (fields, replacement.saturating_mul(2).max(1))
            }
            _ => return Err(bad(format!("the pre_tokenizer {kind} is not known"))),
        };
        *growth = growth.saturating_mul(times);
        Ok(only(part, fields))
    })
}
