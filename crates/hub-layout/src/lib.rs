//! Maps model names, revisions and files to hub URLs and back, and says which files a task needs.
//!
//! Layer 0. Does no I/O, starts nothing and reads no clock; it knows nothing of HTTP, stores or settings.
//! Everything that comes from outside is parsed once into a type with private fields ([`ModelId`],
//! [`Revision`], [`RepoPath`], [`Task`]) that is safe in a URL and as a file name on every platform.
//!
//! | question | answer |
//! |---|---|
//! | where is a file, and which file is there? | [`Hub::file_url`], [`Hub::parse_file_url`] |
//! | which files does a task need? | [`needed_files`] with a listing, [`choose_files`] also without |
//! | what is a file? | [`FileKind::of`] |
//! | may a URL be fetched? | [`UrlRules::verdict`] |
//! | can these files lie beside each other everywhere? | [`find_clashes`] |
//! | would Firefox accept this name? | [`Grammar`] |
//!
//! ```
//! use hub_layout::{FileRequest, Hub, needed_files};
//!
//! let hub = Hub::hugging_face();
//! let model = "Xenova/all-MiniLM-L6-v2".parse()?;
//! let revision = "refs/pr/1".parse()?;
//!
//! let wanted = FileRequest::new("feature-extraction".parse()?);
//! let files = needed_files(&wanted, None)?;
//! let weights = files.iter().find(|file| file.path.as_str().ends_with(".onnx")).ok_or("no weights")?;
//! assert_eq!(weights.path.as_str(), "onnx/model_quantized.onnx");
//!
//! let url = hub.file_url(&model, &revision, &weights.path);
//! assert_eq!(
//!     url.as_str(),
//!     "https://huggingface.co/Xenova/all-MiniLM-L6-v2/resolve/refs%2Fpr%2F1/onnx/model_quantized.onnx"
//! );
//! assert_eq!(hub.parse_file_url(&url)?.model, model);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod dtype;
mod file_kind;
mod grammar;
mod hub;
mod names;
mod needed;
mod url_rules;

pub use dtype::{Dtype, ParseDtypeError};
pub use file_kind::{FileKind, WeightsFormat};
pub use grammar::{Grammar, GrammarError, GrammarField};
pub use hub::{FileRef, Hub, HubKind, InvalidHubError, ParseHubKindError, ParseUrlError, UrlProblem};
pub use names::{
    Clash, ClashKind, ModelId, NameKind, NameProblem, ParseNameError, RepoPath, Revision, Task, find_clashes,
};
pub use needed::{
    Backend, ExternalData, FileChoice, FileRequest, Inventory, MissingFileError, ModelClass, ModelConfig,
    NeededFile, ParseBackendError, ReadFileError, choose_files, default_model, needed_files,
    static_embeddings_file,
};
pub use url_rules::{ParsePrefixError, Rejection, UrlPrefix, UrlRules, Verdict};
