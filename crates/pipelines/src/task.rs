//! What goes into a pipeline and what comes out of it.

use std::{fmt, str::FromStr, time::Instant};

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind};

/// A task made ready to run with one model.
///
/// It can be shared across threads; running does not change it.
pub trait Pipeline: fmt::Debug + Send + Sync {
    /// Returns the task, by the name under which it was loaded.
    fn task(&self) -> &str;

    /// Runs the task on one input.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for an input that the task does not take or an empty one,
    /// [`ErrorKind::LimitExceeded`] for one that is too large, [`ErrorKind::InvalidModel`], [`ErrorKind::Unsupported`]
    /// and [`ErrorKind::Run`] where the model fails on it.
    fn run(&self, input: &Input, options: &RunOptions) -> Result<Output, Error>;
}

/// What a pipeline is run on.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Input {
    /// Texts, each of which gets its own answer. An empty list is an error; an empty text is not.
    Texts(Vec<String>),
}

/// How token vectors become one vector for a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Pooling {
    /// They do not: every token keeps its vector.
    #[default]
    None,
    /// The mean of the vectors of all tokens, special tokens included and padding excluded.
    Mean,
    /// The vector of the first token.
    Cls,
}

impl FromStr for Pooling {
    type Err = Error;

    /// Reads `none`, `mean` or `cls`.
    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "none" => Ok(Self::None),
            "mean" => Ok(Self::Mean),
            "cls" => Ok(Self::Cls),
            _ => Err(Error::new(
                ErrorKind::InvalidInput,
                format!("unknown pooling {text:?}; there are none, mean and cls"),
            )),
        }
    }
}

impl fmt::Display for Pooling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Mean => "mean",
            Self::Cls => "cls",
        })
    }
}

/// How a task is to be run; the defaults are those of transformers.js.
///
/// As JSON: `{"pooling": "mean", "normalize": true}`, each part optional.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(clippy::exhaustive_structs, reason = "built with struct update syntax from its default")]
pub struct RunOptions {
    /// How token vectors become one vector for a text. Default: not at all.
    pub pooling: Pooling,
    /// Whether every vector is scaled to length 1 (L2 norm). Default: no.
    pub normalize: bool,
    /// When to give up, with [`ErrorKind::LimitExceeded`]. Default: never. Not part of the JSON.
    #[serde(skip)]
    pub deadline: Option<Instant>,
}

impl RunOptions {
    /// Returns the options under which sentence-embedding models are compared: mean pooling and length 1.
    pub fn sentence_embedding() -> Self {
        Self { pooling: Pooling::Mean, normalize: true, deadline: None }
    }
}

/// The answer of a pipeline.
///
/// As JSON: `{"embeddings": [{"shape": [384], "values": [...], "tokens": 7, "truncated": false}, ...]}`, in the order
/// of the input.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Output {
    /// One embedding for each text, in the order of the texts.
    Embeddings(Vec<Embedding>),
}

/// The vector of a text, or the vectors of its tokens.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Embedding {
    /// `[width]` with pooling, `[tokens, width]` without.
    pub shape: Vec<usize>,
    /// The numbers, row by row; all of them finite.
    pub values: Vec<f32>,
    /// How many tokens of the text the model read, special tokens included.
    pub tokens: usize,
    /// Whether the text was longer than the model takes, and its end (or its start, where the model's tokenizer says
    /// so) was left out.
    pub truncated: bool,
}

/// Returns the cosine of the angle between two vectors: 1 for the same direction, 0 for unrelated ones.
///
/// `None` if their lengths differ or one of them is all zeros.
pub fn cosine_similarity(a: &[f32], b: &[f32]) -> Option<f32> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let lengths = dot(a, a).sqrt() * dot(b, b).sqrt();
    (a.len() == b.len() && lengths > 0.0).then(|| (dot(a, b) / lengths) as f32)
}
