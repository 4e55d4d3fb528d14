//! Which files of a model a task needs, and why.

mod backend;
mod choose;
mod class;
mod config;
mod error;
mod graphs;
mod inventory;
mod shards;
mod tables;
mod tasks;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Dtype, FileKind, ParseNameError, RepoPath, Task};

pub use backend::{Backend, ParseBackendError};
pub use class::ModelClass;
pub use config::{ExternalData, ModelConfig, ReadFileError};
pub use error::MissingFileError;
pub use inventory::Inventory;
pub use tasks::default_model;

/// Says what a model's files are wanted for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FileRequest {
    /// What is to be done.
    pub task: Task,
    /// The number format; without one, [`Dtype::default`].
    #[serde(default)]
    pub dtype: Option<Dtype>,
    /// Number formats of single graphs, by their base name (`decoder_model_merged`); the others have `dtype`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub graph_dtypes: BTreeMap<String, Dtype>,
    /// The file with the weights, instead of the one that task and number format lead to.
    #[serde(default)]
    pub model_file: Option<RepoPath>,
    /// What is to run the model; without one, what usually does for the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<Backend>,
    /// Of which graphs the model is made; without a class, whichever of the task's are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<ModelClass>,
    /// In how many chunks its graphs keep weights outside, where that is known without looking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_data: Option<ExternalData>,
}

/// A file that is to be fetched, and the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NeededFile {
    /// The file.
    pub path: RepoPath,
    /// What it is.
    pub kind: FileKind,
    /// Whether the task fails without it. One that is not required is fetched where the hub has it.
    pub required: bool,
    /// What it is for, in plain words, and why it stands in for another where it does.
    pub reason: String,
}

/// What [`choose_files`] has to say with what is known so far.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileChoice {
    /// All is known: these are the files.
    Ready(Vec<NeededFile>),
    /// Ask the hub whether it has these, [note](Inventory::note) each answer, and choose again.
    Ask(Vec<NeededFile>),
    /// Read these indexes of shards, [note](Inventory::note_index) what they say, and choose again.
    Read(Vec<NeededFile>),
}

impl FileRequest {
    /// Asks for what `task` needs, with the default number format.
    pub fn new(task: Task) -> Self {
        Self {
            task,
            dtype: None,
            graph_dtypes: BTreeMap::new(),
            model_file: None,
            backend: None,
            class: None,
            external_data: None,
        }
    }

    /// Asks for a number format.
    #[must_use]
    pub fn with_dtype(mut self, dtype: Dtype) -> Self {
        self.dtype = Some(dtype);
        self
    }

    /// Asks for a number format of one graph, such as `decoder_model_merged`.
    #[must_use]
    pub fn with_graph_dtype(mut self, base: impl Into<String>, dtype: Dtype) -> Self {
        self.graph_dtypes.insert(base.into(), dtype);
        self
    }

    /// Names the file with the weights.
    #[must_use]
    pub fn with_model_file(mut self, path: RepoPath) -> Self {
        self.model_file = Some(path);
        self
    }

    /// Says what is to run the model.
    #[must_use]
    pub fn with_backend(mut self, backend: Backend) -> Self {
        self.backend = Some(backend);
        self
    }

    /// Says of which graphs the model is made.
    #[must_use]
    pub fn with_class(mut self, class: ModelClass) -> Self {
        self.class = Some(class);
        self
    }

    /// Takes from a model's `config.json` what the request does not say itself: the class and the external data.
    #[must_use]
    pub fn with_config(mut self, config: &ModelConfig) -> Self {
        self.class = self.class.or_else(|| config.class());
        self.external_data = self.external_data.or_else(|| config.external_data.clone());
        self
    }
}

/// Returns the files that `request` needs, or what must be found out first.
///
/// With a [complete inventory](Inventory::listed) the answer is [`FileChoice::Ready`] at once. Else ask the hub,
/// note the answers and call again, until it is: the first questions are for the files that are most probably
/// needed, all at once; later ones for what depends on the answers. The end is the same as with a listing, and comes
/// after a bounded number of rounds, each of which asks for files that were not asked for before:
///
/// - optional files are taken where they are there;
/// - graphs are looked for in `onnx/`, then at the top; where the wanted number format is missing, another is taken
///   in the order of [`Dtype::fallbacks`], and the reason says so;
/// - a task or [class](FileRequest::class) may have more than one set of graphs; the first set that is whole is
///   taken;
/// - chunks of external data are taken in order as long as there are more, at most 100; where
///   [`FileRequest::external_data`] says how many, exactly those are needed;
/// - shards come with their index, and all shards of which one was named; with a listing, those whose names show that
///   they belong to it.
///
/// A task that is not known gets what a model with one graph has: `config.json`, `onnx/model*.onnx`, and the
/// tokenizer's and processor's files where they exist. Nothing is returned twice.
///
/// ```
/// use hub_layout::{FileChoice, FileRequest, Inventory, choose_files};
///
/// let hub_has = ["config.json", "tokenizer.json", "onnx/model.onnx", "onnx/model.onnx_data", "onnx/model.onnx_data_1"];
/// let request = FileRequest::new("fill-mask".parse()?);
/// let mut known = Inventory::default();
/// let files = loop {
///     match choose_files(&request, &known)? {
///         FileChoice::Ready(files) => break files,
///         FileChoice::Ask(files) => {
///             for file in files {
///                 let is_there = hub_has.contains(&file.path.as_str()); // a HEAD request
///                 known.note(file.path, is_there);
///             }
///         }
///         _ => unreachable!("this model has no index of shards"),
///     }
/// };
/// assert!(files.iter().map(|file| file.path.as_str()).eq(hub_has));
/// assert!(files[2].reason.ends_with("q8 is the default, which the hub lacks; fp32 is the nearest it has"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`MissingFileError`] if the hub lacks a required file, or if the task leaves the choice of the file to
/// [`FileRequest::model_file`] and there is none, or more than one to choose from.
pub fn choose_files(request: &FileRequest, known: &Inventory) -> Result<FileChoice, MissingFileError> {
    choose::choose(request, known)
}

/// Returns the files that `request` needs, with a listing; without one, a proposal.
///
/// With a `listing` of what the hub has, the answer is that of [`choose_files`]. Without, it is the first question
/// of [`choose_files`]: the required files under their usual names, and the optional ones for the caller to try.
///
/// # Errors
///
/// As [`choose_files`].
pub fn needed_files(
    request: &FileRequest,
    listing: Option<&[RepoPath]>,
) -> Result<Vec<NeededFile>, MissingFileError> {
    let known = listing.map_or_else(Inventory::default, |listing| Inventory::listed(listing.iter().cloned()));
    match choose_files(request, &known)? {
        FileChoice::Ready(files) | FileChoice::Ask(files) | FileChoice::Read(files) => Ok(files),
    }
}

/// Returns the name of a table of static embeddings, for [`FileRequest::with_model_file`].
///
/// `<folder>/<dtype>.d<dims>.npy`, with `.zst` behind it if it is compressed; as Firefox's options
/// (`subfolder`, `dtype`, `dimensions`, `compression`) name it.
///
/// # Errors
///
/// [`ParseNameError`] if the folder is not safe.
pub fn static_embeddings_file(
    folder: Option<&str>,
    dtype: Dtype,
    dims: u32,
    is_compressed: bool,
) -> Result<RepoPath, ParseNameError> {
    let folder = folder.map(|folder| format!("{folder}/")).unwrap_or_default();
    format!("{folder}{dtype}.d{dims}.npy{}", if is_compressed { ".zst" } else { "" }).parse()
}
