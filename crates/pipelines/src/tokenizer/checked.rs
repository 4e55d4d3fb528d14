//! `tokenizer.json`, checked: every part known, every number within bounds, everything else left out.

use serde_json::{Map, Value, json};

use super::{
    FILE, added,
    json::{bad, object, token_id},
    model, normalizer, pre_tokenizer, processor,
};
use crate::{Error, Limits, config::Side};

/// A file that the tokenizers crate can be given.
#[derive(Debug)]
pub(super) struct Checked {
    /// The file, rewritten.
    pub(super) json: Vec<u8>,
    /// What it said about lengths, which is not in the rewritten file.
    pub(super) declared: Declared,
    /// How many times longer a text can become before it is split into tokens, at most.
    pub(super) growth: usize,
}

/// What `tokenizer.json` says about lengths.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Declared {
    pub(crate) max_length: Option<usize>,
    pub(crate) cut: Option<Side>,
    pub(crate) pad: Option<Side>,
    pub(crate) pad_id: Option<u32>,
    pub(crate) pad_type: Option<u32>,
}

/// Most times that a text may grow. Real tokenizers are below 100.
const MAX_GROWTH: usize = 10_000;

/// Checks a file.
pub(super) fn checked(file: &[u8], limits: &Limits) -> Result<Checked, Error> {
    if file.len() > limits.tokenizer_bytes {
        let (is, allowed) = (file.len(), limits.tokenizer_bytes);
        return Err(Error::limit(format!("{FILE} has {is} bytes; {allowed} are allowed")));
    }
    // Commas and colons inside strings count too: this is a bound, not a measure.
    if file.iter().filter(|byte| matches!(byte, b',' | b':')).count() > limits.tokenizer_values {
        let allowed = limits.tokenizer_values;
        return Err(Error::limit(format!("{FILE} has more than {allowed} values")));
    }
    let value: Value = serde_json::from_slice(file)
        .map_err(|error| Error::invalid(format!("{FILE} is not JSON")).with_source(error))?;
    let file = object(&value, "the file")?;
    let part = |key: &str| file.get(key).filter(|value| !value.is_null());

    let mut growth = 1;
    let mut sections = Map::from_iter([("version".to_owned(), json!("1.0"))]);
    if let Some(version) = part("version")
        && version != "1.0"
    {
        return Err(bad(format!("version {version} is not known; 1.0 is")));
    }
    if let Some(value) = part("normalizer") {
        sections.insert("normalizer".to_owned(), normalizer::checked(value, &mut growth)?);
    }
    if let Some(value) = part("pre_tokenizer") {
        sections.insert("pre_tokenizer".to_owned(), pre_tokenizer::checked(value, &mut growth)?);
    }
    if growth > MAX_GROWTH {
        return Err(bad("normalizer and pre_tokenizer can make a text more than 10000 times longer"));
    }
    if let Some(value) = part("post_processor") {
        sections.insert("post_processor".to_owned(), processor::checked(value)?);
    }
    if let Some(value) = part("added_tokens") {
        sections.insert("added_tokens".to_owned(), added::checked(value)?);
    }
    let model = part("model").ok_or_else(|| bad("there is no model"))?;
    sections.insert("model".to_owned(), model::checked(model)?);

    let declared = declared(part("truncation"), part("padding"))?;
    let json = serde_json::to_vec(&sections).map_err(|error| bad("cannot be written").with_source(error))?;
    Ok(Checked { json, declared, growth })
}

fn declared(truncation: Option<&Value>, padding: Option<&Value>) -> Result<Declared, Error> {
    let mut declared = Declared::default();
    if let Some(truncation) = truncation {
        let truncation = object(truncation, "truncation")?;
        let length = truncation.get("max_length").and_then(Value::as_u64).filter(|length| *length > 0);
        let length = length.ok_or_else(|| bad("truncation has no max_length above 0"))?;
        declared.max_length = Some(usize::try_from(length).unwrap_or(usize::MAX));
        declared.cut = truncation.get("direction").map(side).transpose()?;
    }
    if let Some(padding) = padding {
        let padding = object(padding, "padding")?;
        declared.pad = padding.get("direction").map(side).transpose()?;
        let id = |key: &str| padding.get(key).map(|id| token_id(id, "padding")).transpose();
        declared.pad_id = id("pad_id")?;
        declared.pad_type = id("pad_type_id")?;
    }
    Ok(declared)
}

fn side(value: &Value) -> Result<Side, Error> {
    match value.as_str() {
        Some("Left") => Ok(Side::Left),
        Some("Right") => Ok(Side::Right),
        _ => Err(bad("a direction is neither Left nor Right")),
    }
}
