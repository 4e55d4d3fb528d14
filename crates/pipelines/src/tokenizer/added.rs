//! The `added_tokens` of `tokenizer.json`: tokens found in the text before anything else.

use serde_json::{Value, json};

use super::json::{array, bad, object, string, token_id};
use crate::Error;

const MAX_BYTES: usize = 1024;
const FLAGS: [&str; 5] = ["special", "single_word", "lstrip", "rstrip", "normalized"];

/// Checks the list.
pub(super) fn checked(value: &Value) -> Result<Value, Error> {
    let (mut takes_spaces, mut is_spaces) = (false, false);
    let mut tokens = Vec::new();
    for token in array(value, "added_tokens")? {
        let token = object(token, "an added token")?;
        let content = string(token, "content", "an added token")?;
        if content.is_empty() || content.len() > MAX_BYTES {
            return Err(bad(format!("an added token is empty or longer than {MAX_BYTES} bytes")));
        }
        let id = token_id(token.get("id").unwrap_or(&Value::Null), "an added token")?;
        let mut kept = json!({"id": id, "content": content});
        for flag in FLAGS {
            let set = token.get(flag).and_then(Value::as_bool);
            kept[flag] = json!(
                set.ok_or_else(|| bad(format!("an added token has no {flag}, or not as a truth value")))?
            );
        }
        takes_spaces |= kept["rstrip"] == true;
        is_spaces |= kept["lstrip"] == true && content.starts_with(char::is_whitespace);
        tokens.push(kept);
    }
    // A token that takes the spaces after it, followed by one that is itself spaces and takes those before it: the
    // second would end before it starts.
    if takes_spaces && is_spaces {
        return Err(bad(
            "added tokens with rstrip and added tokens of spaces with lstrip exclude each other",
        ));
    }
    Ok(Value::from(tokens))
}
