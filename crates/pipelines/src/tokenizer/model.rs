//! The `model` of `tokenizer.json`: how a word becomes tokens.

use serde_json::{Map, Value, json};

use super::json::{array, bad, object, only, short, token_id};
use crate::Error;

/// Longest prefix or suffix of word parts, in bytes; it is copied for every part that is tried.
const MAX_AFFIX: usize = 64;
/// Longest word that is looked up part by part, which takes quadratic time, in characters. Real ones have 100.
const MAX_WORD: u64 = 1000;
/// Longest piece of a Unigram vocabulary, in bytes: pieces become a tree of that depth, which is dropped recursively.
const MAX_PIECE: usize = 256;
/// Most nodes of that tree, which take some 200 bytes each.
const MAX_NODES: usize = 2_000_000;

/// Checks the section.
pub(super) fn checked(value: &Value) -> Result<Value, Error> {
    let model = object(value, "model")?;
    // Files from before 2021 lack the type; what else there is tells.
    let kind = match model.get("type").and_then(Value::as_str) {
        Some(kind) => kind,
        None if model.contains_key("merges") => "BPE",
        None if model.get("vocab").is_some_and(Value::is_array) => "Unigram",
        None if model.contains_key("continuing_subword_prefix") => "WordPiece",
        None => "WordLevel",
    };
    let mut kept = match kind {
        "WordPiece" => word_piece(model)?,
        "WordLevel" => {
            vocabulary(model)?;
            only(model, &["unk_token", "vocab"])
        }
        "BPE" => byte_pairs(model)?,
        "Unigram" => unigram(model)?,
        _ => return Err(bad(format!("the model {kind} is not known"))),
    };
    kept.insert("type".to_owned(), json!(kind));
    Ok(Value::Object(kept))
}

fn vocabulary(model: &Map<String, Value>) -> Result<&Map<String, Value>, Error> {
    let vocabulary = object(model.get("vocab").unwrap_or(&Value::Null), "vocab")?;
    for id in vocabulary.values() {
        token_id(id, "vocab")?;
    }
    Ok(vocabulary)
}

fn word_piece(model: &Map<String, Value>) -> Result<Map<String, Value>, Error> {
    vocabulary(model)?;
    short(model, "continuing_subword_prefix", MAX_AFFIX, "model")?;
    let longest = model.get("max_input_chars_per_word").and_then(Value::as_u64);
    if longest.is_none_or(|longest| longest > MAX_WORD) {
        return Err(bad(format!("max_input_chars_per_word is not a number up to {MAX_WORD}")));
    }
    Ok(only(model, &["unk_token", "continuing_subword_prefix", "max_input_chars_per_word", "vocab"]))
}

fn byte_pairs(model: &Map<String, Value>) -> Result<Map<String, Value>, Error> {
    let vocabulary = vocabulary(model)?;
    let prefix = short(model, "continuing_subword_prefix", MAX_AFFIX, "model")?.unwrap_or_default().len();
    short(model, "end_of_word_suffix", MAX_AFFIX, "model")?;
    let mut merged = String::new();
    for merge in array(model.get("merges").unwrap_or(&Value::Null), "merges")? {
        let parts = match merge {
            Value::String(merge) if merge.starts_with("#version") => continue,
            Value::String(merge) => merge.split_once(' '),
            Value::Array(parts) => match parts.as_slice() {
                [Value::String(a), Value::String(b)] => Some((a.as_str(), b.as_str())),
                _ => None,
            },
            _ => None,
        };
        let (a, b) = parts.ok_or_else(|| bad("a merge is not a pair of tokens"))?;
        // The tokenizers crate cuts the prefix off the second token, wherever that falls, and writes both into a
        // buffer as long as the longest token.
        let rest = b
            .get(prefix..)
            .ok_or_else(|| bad(format!("the second token of the merge of {a:?} lacks the prefix")))?;
        merged.clear();
        merged.push_str(a);
        merged.push_str(rest);
        if [a, b, &merged].iter().any(|token| !vocabulary.contains_key(*token)) {
            return Err(bad(format!("the merge of {a:?} and {b:?} is not in the vocabulary")));
        }
    }
    // Dropout is for training: it would give the same text other tokens each time.
    let fields = [
        "unk_token",
        "continuing_subword_prefix",
        "end_of_word_suffix",
        "fuse_unk",
        "byte_fallback",
        "ignore_merges",
        "vocab",
        "merges",
    ];
    Ok(only(model, &fields))
}

fn unigram(model: &Map<String, Value>) -> Result<Map<String, Value>, Error> {
    let pieces = array(model.get("vocab").unwrap_or(&Value::Null), "vocab")?;
    let mut texts = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match piece.as_array().map(Vec::as_slice) {
            Some([Value::String(text), Value::Number(_)]) if text.len() <= MAX_PIECE => {
                texts.push(text.as_bytes())
            }
            _ => {
                return Err(bad(format!(
                    "vocab has a piece that is not a text of up to {MAX_PIECE} bytes and a number"
                )));
            }
        }
    }
    texts.sort_unstable();
    let mut nodes = 0;
    let mut last: &[u8] = &[];
    for text in texts {
        nodes += text.len() - text.iter().zip(last).take_while(|(a, b)| a == b).count();
        last = text;
    }
    if nodes > MAX_NODES {
        return Err(Error::limit(format!("{}: the pieces of vocab have too little in common", super::FILE)));
    }
    Ok(only(model, &["unk_id", "byte_fallback", "vocab"]))
}
