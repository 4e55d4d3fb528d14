//! The `post_processor` of `tokenizer.json`: which special tokens are put around a text.

use serde_json::{Map, Value, json};

use super::json::{Parts, array, bad, object, only, string, token_id};
use crate::Error;

/// Most pieces of a template, and most tokens of one special token.
const MAX_PIECES: usize = 32;

/// Checks the section.
pub(super) fn checked(value: &Value) -> Result<Value, Error> {
    Parts::new("post_processor").part(value, "processors", &mut |kind, part| match kind {
        "TemplateProcessing" => template(part),
        "BertProcessing" => {
            token_pair(part, "cls")?;
            token_pair(part, "sep")?;
            Ok(only(part, &["sep", "cls"]))
        }
        "RobertaProcessing" => {
            token_pair(part, "cls")?;
            token_pair(part, "sep")?;
            Ok(only(part, &["sep", "cls", "trim_offsets", "add_prefix_space"]))
        }
        "ByteLevel" => Ok(only(part, &["add_prefix_space", "trim_offsets", "use_regex"])),
        _ => Err(bad(format!("the post_processor {kind} is not known"))),
    })
}

/// Checks a token and its id.
fn token_pair(part: &Map<String, Value>, key: &str) -> Result<(), Error> {
    match part.get(key).and_then(Value::as_array).map(Vec::as_slice) {
        Some([Value::String(_), id]) => token_id(id, key).map(|_| ()),
        _ => Err(bad(format!("{key} is not a token with its id"))),
    }
}

fn template(part: &Map<String, Value>) -> Result<Map<String, Value>, Error> {
    let tokens = object(part.get("special_tokens").unwrap_or(&Value::Null), "special_tokens")?;
    for token in tokens.values() {
        let token = object(token, "a special token")?;
        let list = |key: &str| array(token.get(key).unwrap_or(&Value::Null), key);
        let (ids, names) = (list("ids")?, list("tokens")?);
        if ids.len() != names.len() || ids.len() > MAX_PIECES {
            return Err(bad("a special token has too many ids, or not one for each of its tokens"));
        }
        for id in ids {
            token_id(id, "a special token")?;
        }
    }
    let single = part.get("single").unwrap_or(&Value::Null);
    check_pieces(single, tokens, &["A"])?;
    let pair = part.get("pair").unwrap_or(&Value::Null);
    check_pieces(pair, tokens, &["A", "B"])?;
    Ok(only(part, &["single", "pair", "special_tokens"]))
}

/// Checks that a template uses only what there is: known special tokens, and each text at most once.
fn check_pieces(template: &Value, tokens: &Map<String, Value>, texts: &[&str]) -> Result<(), Error> {
    let pieces = array(template, "a template")?;
    if pieces.len() > MAX_PIECES {
        return Err(bad(format!("a template has more than {MAX_PIECES} pieces")));
    }
    let mut used = Vec::new();
    for piece in pieces {
        let piece = object(piece, "a piece of a template")?;
        let (kind, content) = match piece.iter().next() {
            Some((kind, content)) if piece.len() == 1 => (kind.as_str(), object(content, kind)?),
            _ => return Err(bad("a piece of a template is not one thing")),
        };
        let id = string(content, "id", kind)?;
        token_id(content.get("type_id").unwrap_or(&json!(null)), kind)?;
        match kind {
            "Sequence" if texts.contains(&id) && !used.contains(&id) => used.push(id),
            "Sequence" => {
                return Err(bad(format!("a template uses the text {id} twice, or where there is none")));
            }
            "SpecialToken" if tokens.contains_key(id) => {}
            "SpecialToken" => {
                return Err(bad(format!("a template uses the special token {id}, which is not given")));
            }
            _ => return Err(bad(format!("a template has a piece of unknown kind {kind}"))),
        }
    }
    Ok(())
}
