//! Number formats of weights, and the ONNX file names that carry them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Says in which number format weights are kept, which decides the ONNX file that is taken.
///
/// The names and file suffixes are those of transformers.js. `Default` is [`Dtype::Q8`], as in Firefox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Dtype {
    /// 32-bit floating point; no suffix.
    Fp32,
    /// 16-bit floating point; `_fp16`.
    Fp16,
    /// 8-bit quantisation of the exporter's choice; `_quantized`.
    #[default]
    Q8,
    /// Signed 8-bit integers; `_int8`.
    Int8,
    /// Unsigned 8-bit integers; `_uint8`.
    Uint8,
    /// 8-bit floating point with 4 bits of exponent; only in static embeddings.
    Fp8E4m3,
    /// 8-bit floating point with 5 bits of exponent; only in static embeddings.
    Fp8E5m2,
    /// 4-bit blocks; `_q4`.
    Q4,
    /// 4-bit blocks, the rest in 16-bit floating point; `_q4f16`.
    Q4f16,
    /// 4-bit blocks as bitsandbytes makes them; `_bnb4`.
    Bnb4,
    /// 2-bit blocks; `_q2`.
    Q2,
    /// 2-bit blocks, the rest in 16-bit floating point; `_q2f16`.
    Q2f16,
    /// 1-bit blocks; `_q1`.
    Q1,
    /// 1-bit blocks, the rest in 16-bit floating point; `_q1f16`.
    Q1f16,
}

/// The text names no number format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown dtype {found:?} (allowed: {})", allowed())]
#[non_exhaustive]
pub struct ParseDtypeError {
    /// The rejected text, cut to its first 80 characters.
    pub found: String,
}

impl Dtype {
    /// Every format, widest first.
    pub const ALL: &[Self] = &[
        Self::Fp32,
        Self::Fp16,
        Self::Q8,
        Self::Int8,
        Self::Uint8,
        Self::Fp8E4m3,
        Self::Fp8E5m2,
        Self::Q4,
        Self::Q4f16,
        Self::Bnb4,
        Self::Q2,
        Self::Q2f16,
        Self::Q1,
        Self::Q1f16,
    ];

    /// Returns the name used in records and options, such as `q8`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Fp16 => "fp16",
            Self::Q8 => "q8",
            Self::Int8 => "int8",
            Self::Uint8 => "uint8",
            Self::Fp8E4m3 => "fp8_e4m3",
            Self::Fp8E5m2 => "fp8_e5m2",
            Self::Q4 => "q4",
            Self::Q4f16 => "q4f16",
            Self::Bnb4 => "bnb4",
            Self::Q2 => "q2",
            Self::Q2f16 => "q2f16",
            Self::Q1 => "q1",
            Self::Q1f16 => "q1f16",
        }
    }

    /// Returns what stands between the base name and `.onnx`, or `None` for a format without ONNX files.
    pub const fn onnx_suffix(self) -> Option<&'static str> {
        Some(match self {
            Self::Fp32 => "",
            Self::Fp16 => "_fp16",
            Self::Q8 => "_quantized",
            Self::Int8 => "_int8",
            Self::Uint8 => "_uint8",
            Self::Fp8E4m3 | Self::Fp8E5m2 => return None,
            Self::Q4 => "_q4",
            Self::Q4f16 => "_q4f16",
            Self::Bnb4 => "_bnb4",
            Self::Q2 => "_q2",
            Self::Q2f16 => "_q2f16",
            Self::Q1 => "_q1",
            Self::Q1f16 => "_q1f16",
        })
    }

    /// Returns the formats to try when a model lacks this one, best first.
    ///
    /// First those of the same width, because they cost the same; then wider ones, the nearest first, because
    /// they lose no accuracy; then narrower ones, the nearest first. For `q8`: `int8`, `uint8`, (`fp8_*`),
    /// `fp16`, `fp32`, `q4`, `q4f16`, `bnb4`, and so on.
    pub fn fallbacks(self) -> impl Iterator<Item = Self> {
        let bits = self.bits();
        let rank = move |other: Self| match other.bits() {
            same if same == bits => (0, 0),
            wider if wider > bits => (1, wider),
            narrower => (2, bits - narrower),
        };
        let mut others: Vec<Self> = Self::ALL.iter().copied().filter(|&other| other != self).collect();
        others.sort_by_key(|&other| rank(other));
        others.into_iter()
    }

    const fn bits(self) -> u8 {
        match self {
            Self::Fp32 => 32,
            Self::Fp16 => 16,
            Self::Q8 | Self::Int8 | Self::Uint8 | Self::Fp8E4m3 | Self::Fp8E5m2 => 8,
            Self::Q4 | Self::Q4f16 | Self::Bnb4 => 4,
            Self::Q2 | Self::Q2f16 => 2,
            Self::Q1 | Self::Q1f16 => 1,
        }
    }
}

fn allowed() -> String {
    Dtype::ALL.iter().map(|dtype| dtype.as_str()).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Dtype {
    type Err = ParseDtypeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.iter().copied().find(|dtype| dtype.as_str() == text);
        known.ok_or_else(|| ParseDtypeError { found: crate::names::excerpt(text) })
    }
}

impl Serialize for Dtype {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Dtype {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <std::borrow::Cow<'de, str>>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
