//! The seam between a session and what computes it: two engines, chosen by name.

use std::{fmt, str::FromStr};

use crate::{Error, Model, RunOptions, SessionOptions, Tensor};

/// Which engine computes a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EngineKind {
    /// This crate's own engine, `native`.
    #[default]
    Native,
    /// The reference engine, `candle-onnx`; only in builds with the feature `candle-onnx`.
    CandleOnnx,
}

impl EngineKind {
    /// All engines, whether this build has them or not.
    pub const ALL: [Self; 2] = [Self::Native, Self::CandleOnnx];

    /// Returns whether this build has the engine.
    pub const fn is_available(self) -> bool {
        match self {
            Self::Native => true,
            Self::CandleOnnx => cfg!(feature = "candle-onnx"),
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Native => "native",
            Self::CandleOnnx => "candle-onnx",
        })
    }
}

/// The text names no engine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no engine is called {found:?}; there are native and candle-onnx")]
#[non_exhaustive]
pub struct ParseEngineError {
    /// The rejected text, cut to its first 80 characters.
    pub found: String,
}

impl FromStr for EngineKind {
    type Err = ParseEngineError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.into_iter().find(|kind| kind.to_string() == text);
        named.ok_or_else(|| ParseEngineError { found: text.chars().take(80).collect() })
    }
}

/// Turns models into something that runs.
pub(crate) trait Engine: fmt::Debug {
    /// Does all that can be done before the inputs are known, and refuses what cannot be run.
    fn prepare(&self, model: &Model, options: &SessionOptions) -> Result<Box<dyn Prepared>, Error>;
}

/// A model that is ready to run, from any number of threads at once.
pub(crate) trait Prepared: fmt::Debug + Send + Sync {
    /// Computes the outputs, in the order of `Model::outputs`.
    ///
    /// The inputs come in the order of `Model::inputs`; their number, types and shapes have been checked against
    /// what the model states.
    fn run(&self, inputs: Vec<Tensor>, options: &RunOptions) -> Result<Vec<Tensor>, Error>;
}

/// Returns the engine of a kind, or an error if this build does not have it.
pub(crate) fn engine(kind: EngineKind) -> Result<Box<dyn Engine>, Error> {
    match kind {
        EngineKind::Native => Ok(Box::new(crate::native::Native)),
        #[cfg(feature = "candle-onnx")]
        EngineKind::CandleOnnx => Ok(Box::new(crate::reference::CandleOnnx)),
        #[cfg(not(feature = "candle-onnx"))]
        EngineKind::CandleOnnx => Err(Error::new(
            crate::ErrorKind::Unsupported,
            "this build has no candle-onnx engine; build with --features candle-onnx",
        )),
    }
}
