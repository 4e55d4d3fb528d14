//! The records of the three collections, as far as this program uses them.

use std::{borrow::Borrow, collections::BTreeMap};

use content_id::{ContentId, Digest};
use hub_layout::{Dtype, ModelId, RepoPath, Revision, Task};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::Version;

/// The collection that says which model a task uses.
pub const INFERENCE_OPTIONS: &str = "ml-inference-options";
/// The collection of runtime files for programs that embed the WASM runtime.
pub const ONNX_RUNTIME: &str = "ml-onnx-runtime";
/// The collection that says which hub addresses may be used.
pub const ALLOW_DENY_LIST: &str = "ml-model-allow-deny-list";

/// A record of [`INFERENCE_OPTIONS`]: the model of a task or of one feature of an application.
///
/// Fields that are not named here are ignored; an empty text counts as absent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InferenceRecord {
    /// The record's id.
    pub id: String,
    /// `featureId`: the feature this record is for; one without serves the task in general.
    pub feature: Option<String>,
    /// `taskName`.
    pub task: Task,
    /// `modelId`.
    pub model: ModelId,
    /// `modelRevision`; `main` where the record has none.
    pub revision: Revision,
    /// `dtype`.
    pub dtype: Option<Dtype>,
    /// `modelFile`: the weights by path, instead of by dtype.
    pub model_file: Option<RepoPath>,
    /// `backend`: the engine the record is meant for.
    pub backend: Option<String>,
    /// `tokenizerId` and `tokenizerRevision`, where they are not the model's own.
    pub tokenizer: Option<String>,
    /// `processorId` and `processorRevision`, where they are not the model's own.
    pub processor: Option<String>,
    /// `files`: what files of the model must contain, by path. An extension of this project: signed digests,
    /// which count more than what a hub says.
    pub files: BTreeMap<String, ContentId>,
}

/// A record of [`ONNX_RUNTIME`]: one version of one runtime file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuntimeRecord {
    /// The record's id.
    pub id: String,
    /// `name`: the file name, the same for all versions.
    pub name: String,
    /// `version`.
    pub version: Version,
}

/// A record of [`ALLOW_DENY_LIST`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuleRecord {
    /// The record's id.
    pub id: String,
    /// Whether addresses under the prefix are allowed, or denied.
    pub allow: bool,
    /// `urlPrefix`.
    pub url_prefix: String,
}

/// A record that could not be used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Malformed {
    /// The record's id.
    pub id: String,
    /// What is wrong with it: a lower-case phrase.
    pub reason: String,
}

/// Records decoded one by one: a malformed one does not stop the others.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decoded<T> {
    /// The usable records, in the order of their ids.
    pub records: Vec<T>,
    /// The others.
    pub malformed: Vec<Malformed>,
}

impl<T> Default for Decoded<T> {
    fn default() -> Self {
        Self { records: Vec::new(), malformed: Vec::new() }
    }
}

/// A record type that can be read from a record's fields.
pub trait FromFields: Sized {
    /// The texts that every record of the collection has: a collection where none has them is another one.
    const IDENTIFYING: &'static [&'static str];

    /// Reads the record `id` from its `fields`.
    ///
    /// # Errors
    ///
    /// What is wrong with the record: a lower-case phrase that names the field.
    fn from_fields(id: &str, fields: &Map<String, Value>) -> Result<Self, String>;
}

impl<T: FromFields> Decoded<T> {
    /// Decodes the records that `fields` gives by id.
    pub fn new<'a, F: Borrow<Map<String, Value>>>(fields: impl IntoIterator<Item = (&'a str, F)>) -> Self {
        let mut decoded = Self::default();
        for (id, fields) in fields {
            match T::from_fields(id, fields.borrow()) {
                Ok(record) => decoded.records.push(record),
                Err(reason) => decoded.malformed.push(Malformed { id: id.to_owned(), reason }),
            }
        }
        decoded
    }
}

/// A field's text; `None` where it is missing, null or empty.
fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, String> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{name} is not a text")),
    }
}

fn required<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a str, String> {
    text(fields, name)?.ok_or_else(|| format!("{name} is missing"))
}

fn parse<T>(name: &str, text: &str) -> Result<T, String>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    text.parse().map_err(|error| format!("{name}: {error}"))
}

impl FromFields for InferenceRecord {
    const IDENTIFYING: &'static [&'static str] = &["taskName", "modelId"];

    fn from_fields(id: &str, fields: &Map<String, Value>) -> Result<Self, String> {
        let task = parse("taskName", required(fields, "taskName")?)?;
        let model: ModelId = parse("modelId", required(fields, "modelId")?)?;
        let revision: Revision = parse("modelRevision", text(fields, "modelRevision")?.unwrap_or("main"))?;
        let dtype = text(fields, "dtype")?.map(|text| parse("dtype", text)).transpose()?;
        let model_file = text(fields, "modelFile")?.map(|text| parse("modelFile", text)).transpose()?;
        // The name of a part that comes from another model or revision than the weights do.
        let foreign = |part: &str| -> Result<Option<String>, String> {
            let (id, rev) = (format!("{part}Id"), format!("{part}Revision"));
            let own = (model.to_string(), revision.to_string());
            let id = text(fields, &id)?.unwrap_or(&own.0);
            let rev = text(fields, &rev)?.unwrap_or(if id == own.0 { &own.1 } else { "main" });
            Ok(((id, rev) != (&own.0, &own.1)).then(|| format!("{id}@{rev}")))
        };
        Ok(Self {
            id: id.to_owned(),
            feature: text(fields, "featureId")?.map(str::to_owned),
            task,
            dtype,
            model_file,
            backend: text(fields, "backend")?.map(str::to_owned),
            tokenizer: foreign("tokenizer")?,
            processor: foreign("processor")?,
            files: files(fields)?,
            model,
            revision,
        })
    }
}

/// Reads the extension `files`: `{"path": {"hash": "<sha256>", "size": 1}}`, `sha256` for `hash` also.
fn files(fields: &Map<String, Value>) -> Result<BTreeMap<String, ContentId>, String> {
    #[derive(Deserialize)]
    struct Entry {
        #[serde(alias = "sha256")]
        hash: Digest,
        size: u64,
    }
    let value = match fields.get("files") {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(value) => value,
    };
    let entries: BTreeMap<String, Entry> = decode(value).map_err(|error| format!("files: {error}"))?;
    for path in entries.keys() {
        parse::<RepoPath>("files", path)?;
    }
    Ok(entries.into_iter().map(|(path, entry)| (path, ContentId::new(entry.hash, entry.size))).collect())
}

fn decode<T: DeserializeOwned>(value: &Value) -> Result<T, serde_json::Error> {
    T::deserialize(value)
}

impl FromFields for RuntimeRecord {
    const IDENTIFYING: &'static [&'static str] = &["name", "version"];

    fn from_fields(id: &str, fields: &Map<String, Value>) -> Result<Self, String> {
        let name = required(fields, "name")?.to_owned();
        let version = Version::new(required(fields, "version")?);
        Ok(Self { id: id.to_owned(), name, version })
    }
}

impl FromFields for RuleRecord {
    const IDENTIFYING: &'static [&'static str] = &["filter", "urlPrefix"];

    fn from_fields(id: &str, fields: &Map<String, Value>) -> Result<Self, String> {
        let allow = match required(fields, "filter")? {
            "ALLOW" => true,
            "DENY" => false,
            other => return Err(format!("filter is {other:?}, neither \"ALLOW\" nor \"DENY\"")),
        };
        let url_prefix = required(fields, "urlPrefix")?.to_owned();
        Ok(Self { id: id.to_owned(), allow, url_prefix })
    }
}
