//! Finds, fetches, verifies, keeps, updates and runs on-device models.
//!
//! Layer 4. Policy and wiring over the lower crates; knows nothing of protocols, file layouts or operators.
//!
//! Signed records on a settings server say which model a task uses, a hub supplies the files, a store keeps them,
//! and a runtime runs them. A [`Manager`] puts the four together:
//!
//! ```
//! use mlmgr::{Hub, HubKind, Input, Manager, NoProgress, RunOptions, Server};
//!
//! # use testkit::{hub::{HubOptions, HubServer}, settings::{SettingsOptions, SettingsServer}};
//! # let (settings, models) = (SettingsServer::start(SettingsOptions::default()), HubServer::start(HubOptions::hugging_face()));
//! # models.add_model("org/tiny", "v1", testkit::onnx::tiny_model());
//! # let record = serde_json::json!({"id": "embed", "taskName": "feature-extraction", "modelId": "org/tiny", "modelRevision": "v1"});
//! # settings.set_record("ml-inference-options", record);
//! # let folder = tempfile::tempdir()?;
//! # let (server_url, root, hub_url) = (settings.url(), settings.root_hash(), models.url());
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! // `Manager::open(folder)` is the same with Mozilla's servers.
//! let manager = Manager::builder()
//!     .settings(Server::custom(server_url.parse()?, vec![root.parse()?]))
//!     .hub(Hub::new(HubKind::HuggingFace, hub_url.parse()?)?)
//!     .folder(folder.path())
//!     .build()?;
//! manager.update(&NoProgress).await?; // the settings, and every model in use
//! let engine = manager.ready("feature-extraction", &NoProgress).await?; // no request once installed
//! let texts = Input::Texts(vec!["the cat sleeps".to_owned()]);
//! let output = engine.run(&texts, &RunOptions::sentence_embedding())?;
//! # let mlmgr::Output::Embeddings(embeddings) = output else { panic!("embeddings") };
//! # assert_eq!(embeddings[0].shape, [16]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What chooses a model is pure, and can be used alone: [`resolve()`], [`newest_runtimes`], [`Version`].
//!
//! ```
//! use mlmgr::Version;
//!
//! assert!(Version::new("5.0a1") < Version::new("5.0"));
//! assert!(Version::new("5.0a1").is_of_majors(5, 5));
//! ```
//!
//! Types of the lower crates that appear in this interface are exported here, so that a program needs no other
//! dependency.

mod engine;
mod error;
mod error_from;
mod manager;
mod model_files;
mod query;
pub mod records;
mod resolve;
mod rules;
mod runtimes;

pub use engine::{Engine, EngineInfo};
pub use error::{Error, ErrorKind};
pub use manager::{
    CollectionOutcome, CollectionSync, EvictedModel, ExportedModel, ImportSource, ImportedModel, Installed,
    InstalledFile, InstalledModel, Manager, ManagerBuilder, ModelOutcome, ModelUpdate, Removed, RuntimeFile,
    StoreUsage, SyncSummary, Update,
};
pub use query::{IntoQuery, Query, Target};
pub use resolve::{Selection, resolve};
pub use runtimes::{DEFAULT_RUNTIME, SUPPORTED_MAJORS, newest_runtimes};

pub use blob_store::{
    BlobStore, Eviction, ExportMode, FsStore, ManifestName, Observer, Progress as MoveProgress, SpacePlan,
    StageInfo,
};
pub use content_id::{ContentId, Digest, ParseDigestError};
pub use hub_client::{Event, Limits as HubLimits, NoProgress, Plan, PlannedFile, Progress, Trust};
pub use hub_layout::{Dtype, Hub, HubKind, ModelId, RepoPath, Revision, Task};
pub use pipelines::{Embedding, Input, Output, Pooling, RunOptions, TASKS, cosine_similarity};
pub use rs_client::{
    Clock, FileStorage, FixedClock, MemoryStorage, RootHash, Server, Storage, SystemClock,
    ToolkitVersion as Version,
};
pub use runtime::EngineKind;
pub use transport::{self, HttpOptions, HttpTransport, Offline, Retry, RetryPolicy, Transport};
