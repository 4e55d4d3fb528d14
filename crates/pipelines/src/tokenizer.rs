//! A text to token ids, with a model's `tokenizer.json`.
//!
//! The file is foreign, and the tokenizers crate panics or asks for gigabytes on some that are a few hundred bytes
//! long. So [`checked`](checked::checked) reads it first, refuses what would do harm, and writes a plain file of only
//! the parts it knows. Truncation is set from [`Lengths`]; padding is done where batches are made.

mod added;
mod charsmap;
mod checked;
mod json;
mod model;
mod normalizer;
mod pre_tokenizer;
mod processor;

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;
use tokenizers::{PostProcessor, TruncationDirection, TruncationParams};

pub(crate) use self::checked::Declared;
use crate::{
    Error, Limits,
    config::{Lengths, Side},
};

/// The path of the tokenizer in a model.
pub(crate) const FILE: &str = "tokenizer.json";

/// The tokens of one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tokens {
    pub(crate) ids: Vec<u32>,
    pub(crate) types: Vec<u32>,
    /// Whether a part of the text was left out.
    pub(crate) truncated: bool,
}

/// A tokenizer that is safe to use on any text.
#[derive(Debug)]
pub(crate) struct Tokenizer {
    inner: tokenizers::Tokenizer,
    lengths: Lengths,
    /// Most bytes of a text that are looked at.
    window: usize,
    max_text_bytes: usize,
    /// Whether special tokens are put around a text.
    adds_tokens: bool,
}

impl Tokenizer {
    /// Reads `tokenizer.json`, with what the two configuration files say about lengths.
    pub(crate) fn load(
        file: &[u8],
        tokenizer_config: Option<&Value>,
        config: Option<&Value>,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let checked = checked::checked(file, limits)?;
        let mut inner = guarded(|| tokenizers::Tokenizer::from_bytes(&checked.json))?
            .map_err(|error| Error::invalid(format!("{FILE} is not a tokenizer")).with_source(error))?;
        let token_id = |token: &str| inner.token_to_id(token);
        let lengths = Lengths::new(&checked.declared, tokenizer_config, config, token_id, limits)?;

        let added = inner.get_post_processor().map_or(0, |processor| processor.added_tokens(false));
        if added >= lengths.max_tokens {
            return Err(Error::invalid(format!(
                "{FILE} adds {added} special tokens to a text, and the model takes {} tokens in all",
                lengths.max_tokens
            )));
        }
        // Without special tokens the tokenizer stops early at the limit, and nobody could tell whether it cut
        // anything; one token more shows it.
        let max_length = lengths.max_tokens + usize::from(added == 0);
        let direction = match lengths.cut {
            Side::Left => TruncationDirection::Left,
            Side::Right => TruncationDirection::Right,
        };
        let truncation = TruncationParams { max_length, direction, ..TruncationParams::default() };
        guarded(|| inner.with_truncation(Some(truncation)).map(|_| ()))?
            .map_err(|error| Error::invalid(format!("{FILE} cannot truncate")).with_source(error))?;
        let window = (limits.normalized_bytes / checked.growth).max(1);
        Ok(Self { inner, lengths, window, max_text_bytes: limits.text_bytes, adds_tokens: added > 0 })
    }

    /// Returns the lengths that texts and batches are brought to.
    pub(crate) fn lengths(&self) -> &Lengths {
        &self.lengths
    }

    /// Lowers the most tokens of a text to what the graph takes.
    pub(crate) fn limit_tokens(&mut self, max_tokens: usize) -> Result<(), Error> {
        if max_tokens >= self.lengths.max_tokens {
            return Ok(());
        }
        let added = self.inner.get_post_processor().map_or(0, |processor| processor.added_tokens(false));
        if added >= max_tokens {
            return Err(Error::invalid(format!(
                "{FILE} adds {added} special tokens to a text, and the graph takes {max_tokens} tokens in all"
            )));
        }
        self.lengths.max_tokens = max_tokens;
        if let Some(truncation) = self.inner.get_truncation_mut() {
            truncation.max_length = max_tokens + usize::from(added == 0);
        }
        Ok(())
    }

    /// Tokenizes a text, with special tokens, cut to the most tokens allowed.
    pub(crate) fn encode(&self, text: &str) -> Result<Tokens, Error> {
        if text.len() > self.max_text_bytes {
            return Err(Error::limit(format!(
                "a text has {} bytes; {} are allowed",
                text.len(),
                self.max_text_bytes
            )));
        }
        let seen = self.window_of(text);
        let encoding = guarded(|| self.inner.encode_fast(seen, true))?
            .map_err(|error| Error::invalid(format!("{FILE} fails on a text")).with_source(error))?;
        let mut tokens = Tokens {
            ids: encoding.get_ids().to_vec(),
            types: encoding.get_type_ids().to_vec(),
            truncated: !encoding.get_overflowing().is_empty(),
        };
        let max = self.lengths.max_tokens;
        if !self.adds_tokens && tokens.ids.len() > max {
            tokens.truncated = true;
            let surplus = tokens.ids.len() - max;
            let kept = match self.lengths.cut {
                Side::Left => surplus..surplus + max,
                Side::Right => 0..max,
            };
            tokens.ids = tokens.ids[kept.clone()].to_vec();
            tokens.types = tokens.types[kept].to_vec();
        }
        if tokens.ids.len() > max || tokens.types.len() != tokens.ids.len() {
            return Err(Error::invalid(format!("{FILE} gives more tokens than it was asked for")));
        }
        if seen.len() < text.len() && !tokens.truncated {
            return Err(Error::limit(format!(
                "the {} bytes of a text that may be looked at with this tokenizer give only {} tokens",
                self.window,
                tokens.ids.len()
            )));
        }
        Ok(tokens)
    }

    /// Returns the part of a text that is looked at: all of it, or the end that truncation keeps.
    fn window_of<'a>(&self, text: &'a str) -> &'a str {
        if text.len() <= self.window {
            return text;
        }
        match self.lengths.cut {
            Side::Right => &text[..text.floor_char_boundary(self.window)],
            Side::Left => &text[text.ceil_char_boundary(text.len() - self.window)..],
        }
    }
}

/// Calls into the tokenizers crate, and turns a panic that the checks did not foresee into an error.
fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(call))
        .map_err(|_| Error::invalid(format!("{FILE} makes the tokenizer panic")))
}
