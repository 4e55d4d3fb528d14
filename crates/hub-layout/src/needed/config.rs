//! What a model's own `config.json` says of its files.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Dtype, ModelClass, RepoPath, names::excerpt};

/// The longest `config.json`, in bytes.
const MAX_BYTES: usize = 16 << 20;

/// The most chunks of external data that a graph may have, as in transformers.js.
pub(super) const MAX_CHUNKS: u32 = 100;

/// What `config.json` says of the files of a model.
///
/// Read from foreign bytes: what is not understood is as if it were not there, since it may be right for somebody
/// else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelConfig {
    /// The first entry of `architectures`, such as `BertForMaskedLM`.
    pub architecture: Option<String>,
    /// `model_type`, such as `bert`.
    pub model_type: Option<String>,
    /// `is_encoder_decoder`.
    pub is_encoder_decoder: bool,
    /// `transformers.js_config.use_external_data_format`.
    pub external_data: Option<ExternalData>,
}

/// Says in how many chunks a model's ONNX graphs keep weights outside their own files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum ExternalData {
    /// So many for each graph.
    Each(u32),
    /// So many by the name of a file (`model_q4.onnx`) or of a graph (`model`); none for those without an entry.
    PerGraph(BTreeMap<String, u32>),
}

/// A file that says which files there are, and that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{file} cannot be used: {reason}")]
pub struct ReadFileError {
    file: String,
    reason: String,
    #[source]
    source: Option<serde_json::Error>,
}

impl ReadFileError {
    pub(super) fn new(file: impl ToString, reason: impl Into<String>) -> Self {
        Self { file: file.to_string(), reason: reason.into(), source: None }
    }

    pub(super) fn json(file: impl ToString, source: serde_json::Error) -> Self {
        Self { source: Some(source), ..Self::new(file, "it is not the JSON that is expected") }
    }
}

impl ModelConfig {
    /// Reads `config.json`.
    ///
    /// # Errors
    ///
    /// [`ReadFileError`] if the bytes are more than 16 MiB or no JSON object, or if more than 100 chunks of external
    /// data are announced.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ReadFileError> {
        const FILE: &str = "config.json";
        if bytes.len() > MAX_BYTES {
            return Err(ReadFileError::new(FILE, format!("it is longer than {MAX_BYTES} bytes")));
        }
        let config: BTreeMap<String, Value> =
            serde_json::from_slice(bytes).map_err(|error| ReadFileError::json(FILE, error))?;
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(excerpt);
        let external_data =
            config.get("transformers.js_config").and_then(|own| own.get("use_external_data_format"));
        Ok(Self {
            architecture: text(config.get("architectures").and_then(|all| all.get(0))),
            model_type: text(config.get("model_type")),
            is_encoder_decoder: config.get("is_encoder_decoder").and_then(Value::as_bool).unwrap_or(false),
            external_data: match external_data {
                Some(value) => ExternalData::read(value)?,
                None => None,
            },
        })
    }

    /// Tells of which graphs the model is made, where that is clear.
    ///
    /// A guess by names, which transformers.js makes with a table of all architectures that it knows.
    pub fn class(&self) -> Option<ModelClass> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        ModelClass::of(&text(&self.model_type), &text(&self.architecture), self.is_encoder_decoder)
    }
}

impl ExternalData {
    /// `true` stands for one, as a number or a number in a text stand for themselves.
    fn read(value: &Value) -> Result<Option<Self>, ReadFileError> {
        Ok(match value {
            Value::Object(entries) => {
                let mut counts = BTreeMap::new();
                for (name, value) in entries {
                    if let Some(count) = count(value)? {
                        counts.insert(name.clone(), count);
                    }
                }
                Some(Self::PerGraph(counts))
            }
            value => count(value)?.map(Self::Each),
        })
    }

    /// Returns how many chunks the graph in this file has.
    pub fn chunks(&self, graph: &RepoPath) -> u32 {
        let count = match self {
            Self::Each(count) => *count,
            Self::PerGraph(counts) => {
                let file = graph.file_name();
                let stem = file.strip_suffix(".onnx").unwrap_or(file);
                let by_base = || {
                    let suffixes = Dtype::ALL.iter().filter_map(|dtype| dtype.onnx_suffix());
                    suffixes.filter_map(|suffix| counts.get(stem.strip_suffix(suffix)?)).next()
                };
                counts.get(file).or_else(by_base).copied().unwrap_or(0)
            }
        };
        count.min(MAX_CHUNKS)
    }
}

fn count(value: &Value) -> Result<Option<u32>, ReadFileError> {
    let count = match value {
        Value::Null | Value::Bool(false) => Some(0),
        Value::Bool(true) => Some(1),
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    match count.map(u32::try_from) {
        Some(Ok(count)) if count <= MAX_CHUNKS => Ok(Some(count)),
        Some(_) => Err(ReadFileError::new(
            "config.json",
            format!("it announces more than {MAX_CHUNKS} chunks of external data"),
        )),
        None => Ok(None),
    }
}
