//! What runs a model, which decides in which form its weights are wanted.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Says what is to run a model.
///
/// The names are those of Firefox's records and options, and one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// ONNX graphs in WebAssembly: `onnx`.
    Onnx,
    /// ONNX graphs in machine code: `onnx-native`.
    OnnxNative,
    /// Whichever of the two there is: `best-onnx`.
    BestOnnx,
    /// GGUF files: `llama.cpp`, formerly also `wllama` and `best-llama`.
    LlamaCpp,
    /// Tables of vectors: `static-embeddings`.
    StaticEmbeddings,
    /// A server elsewhere, so no files at all: `openai`.
    OpenAi,
    /// safetensors and a program that knows the architecture: `candle`. Firefox has no such backend.
    Candle,
}

/// The text names no backend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown backend {found:?} (allowed: onnx, onnx-native, best-onnx, llama.cpp, static-embeddings, openai, candle)"
)]
#[non_exhaustive]
pub struct ParseBackendError {
    /// The rejected text, cut to its first 80 characters.
    pub found: String,
}

impl Backend {
    /// Returns the name used in records and options, such as `onnx-native`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Onnx => "onnx",
            Self::OnnxNative => "onnx-native",
            Self::BestOnnx => "best-onnx",
            Self::LlamaCpp => "llama.cpp",
            Self::StaticEmbeddings => "static-embeddings",
            Self::OpenAi => "openai",
            Self::Candle => "candle",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Backend {
    type Err = ParseBackendError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "onnx" => Self::Onnx,
            "onnx-native" => Self::OnnxNative,
            "best-onnx" => Self::BestOnnx,
            "llama.cpp" | "wllama" | "best-llama" => Self::LlamaCpp,
            "static-embeddings" => Self::StaticEmbeddings,
            "openai" => Self::OpenAi,
            "candle" => Self::Candle,
            _ => return Err(ParseBackendError { found: crate::names::excerpt(text) }),
        })
    }
}

impl Serialize for Backend {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Backend {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <std::borrow::Cow<'de, str>>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
