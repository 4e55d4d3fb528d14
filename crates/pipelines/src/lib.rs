//! Runs tasks: a tokenizer or processor around a runtime session.
//!
//! Layer 3. Knows nothing of hubs, stores, settings and networks: it is handed a model's files.
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use bytes::Bytes;
//! use pipelines::{Input, LoadOptions, Output, RunOptions};
//!
//! // A model of a few kilobytes, with random weights. A real one is used in the same way.
//! let files: BTreeMap<String, Bytes> =
//!     testkit::onnx::tiny_model().into_iter().map(|(path, content)| (path, content.into())).collect();
//! let pipeline = pipelines::load("feature-extraction", &files, &LoadOptions::default())?;
//!
//! let texts = Input::Texts(vec!["The cat sleeps.".to_owned(), "A dog runs to the river".to_owned()]);
//! let Output::Embeddings(embeddings) = pipeline.run(&texts, &RunOptions::sentence_embedding())? else {
//!     unreachable!("feature extraction gives embeddings")
//! };
//! assert_eq!(embeddings[0].shape, [16]);
//! # Ok::<(), pipelines::Error>(())
//! ```

mod batch;
mod config;
mod encoder;
mod error;
mod feature_extraction;
mod files;
mod limits;
mod pooling;
mod task;
mod tokenizer;

pub use self::{
    error::{Error, ErrorKind},
    files::ModelFiles,
    limits::Limits,
    task::{Embedding, Input, Output, Pipeline, Pooling, RunOptions, cosine_similarity},
};

/// The tasks that [`load`] knows, by their names on the Hugging Face hub.
pub const TASKS: &[&str] = &[feature_extraction::TASK];

/// How [`load`] reads a model.
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_structs, reason = "built with struct update syntax from its default")]
pub struct LoadOptions {
    /// The path of the graph in the model. Default `onnx/model.onnx`.
    pub onnx_file: String,
    /// The engine that computes. Default [`runtime::EngineKind::Native`].
    pub engine: runtime::EngineKind,
    /// Bounds on the model's other files and on inputs.
    pub limits: Limits,
    /// Bounds on the graph and on the memory of one run.
    pub runtime_limits: runtime::Limits,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            onnx_file: "onnx/model.onnx".to_owned(),
            engine: runtime::EngineKind::default(),
            limits: Limits::default(),
            runtime_limits: runtime::Limits::default(),
        }
    }
}

/// Makes a task ready to run with a model.
///
/// # Errors
///
/// [`ErrorKind::UnknownTask`] for a task that is not in [`TASKS`], [`ErrorKind::MissingFile`] naming a file that the
/// task needs, [`ErrorKind::InvalidModel`], [`ErrorKind::Unsupported`] (an operator of the graph, an engine that this
/// build lacks), [`ErrorKind::LimitExceeded`] and [`ErrorKind::Io`].
pub fn load(task: &str, files: &dyn ModelFiles, options: &LoadOptions) -> Result<Box<dyn Pipeline>, Error> {
    match task {
        feature_extraction::TASK => {
            Ok(Box::new(feature_extraction::FeatureExtraction::load(files, options)?))
        }
        _ => {
            let message =
                format!("there is no pipeline for the task {task:?}; supported: {}", TASKS.join(", "));
            Err(Error::new(ErrorKind::UnknownTask, message))
        }
    }
}
