//! How many tokens a model takes, and how a batch is padded: read from the model's own files by one documented rule.

use serde_json::Value;

use crate::{Error, Limits, tokenizer::Declared};

/// The side of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// What the tokenizer adds or takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lengths {
    /// Most tokens of a text, special tokens included.
    pub(crate) max_tokens: usize,
    /// Where a text that is too long is cut.
    pub(crate) cut: Side,
    /// Where padding goes.
    pub(crate) pad: Side,
    /// The token that stands for padding.
    pub(crate) pad_id: u32,
    /// The token type of padding.
    pub(crate) pad_type: u32,
}

impl Lengths {
    /// Applies the rule.
    ///
    /// A text is cut at the first of these that is there: `truncation.max_length` of `tokenizer.json`, `max_length` of
    /// `tokenizer_config.json`, `model_max_length` of `tokenizer_config.json`. (The first is what
    /// sentence-transformers cuts at, and may be less than what the graph could take.) It is never longer than the
    /// positions that `config.json` gives the model, nor than [`Limits::tokens`].
    ///
    /// A batch is padded to its longest text, whatever length `padding` of `tokenizer.json` asks for: the attention
    /// mask hides padding, so that it only costs time. Its side and token are those of `padding`, else those of
    /// `tokenizer_config.json` and `config.json`.
    pub(crate) fn new(
        declared: &Declared,
        tokenizer_config: Option<&Value>,
        config: Option<&Value>,
        token_id: impl Fn(&str) -> Option<u32>,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let said = |key: &str| tokenizer_config.and_then(|config| config.get(key));
        let pad_id = config.and_then(|config| config.get("pad_token_id")).and_then(Value::as_u64);
        let pad_id = pad_id.and_then(|id| u32::try_from(id).ok());

        let max_tokens = declared.max_length.or_else(|| length(said("max_length")));
        let max_tokens = max_tokens.or_else(|| length(said("model_max_length"))).unwrap_or(usize::MAX);
        let max_tokens = max_tokens.min(positions(config, pad_id)).min(limits.tokens);
        if max_tokens == 0 {
            return Err(Error::invalid("the model's files allow no token at all in a text"));
        }
        let side = |key: &str| match said(key).and_then(Value::as_str) {
            Some("left") => Some(Side::Left),
            Some("right") => Some(Side::Right),
            _ => None,
        };
        let pad_token = match said("pad_token") {
            Some(Value::String(token)) => Some(token.as_str()),
            Some(Value::Object(token)) => token.get("content").and_then(Value::as_str),
            _ => None,
        };
        Ok(Self {
            max_tokens,
            cut: declared.cut.or_else(|| side("truncation_side")).unwrap_or(Side::Right),
            pad: declared.pad.or_else(|| side("padding_side")).unwrap_or(Side::Right),
            pad_id: declared.pad_id.or_else(|| token_id(pad_token?)).or(pad_id).unwrap_or(0),
            pad_type: declared.pad_type.unwrap_or(0),
        })
    }
}

/// Reads a length; exporters write 10^30 for "no limit", as an integer that fits no machine word.
fn length(value: Option<&Value>) -> Option<usize> {
    value.and_then(Value::as_u64).and_then(|length| usize::try_from(length).ok()).filter(|length| *length > 0)
}

/// Returns how many tokens the model has positions for.
fn positions(config: Option<&Value>, pad_id: Option<u32>) -> usize {
    let Some(config) = config else { return usize::MAX };
    let Some(positions) = length(config.get("max_position_embeddings")) else { return usize::MAX };
    let kind = config.get("model_type").and_then(Value::as_str).unwrap_or_default();
    // This family counts positions from the one after the padding token's id.
    let counted_from_padding = ["roberta", "xlm-roberta", "camembert", "mpnet"].contains(&kind);
    let unused = if counted_from_padding { pad_id.unwrap_or(1) as usize + 1 } else { 0 };
    positions.saturating_sub(unused)
}
