//! Plans what a model needs from a hub and downloads it, verified, into a blob store.
//!
//! Layer 2. Knows nothing of settings, records or inference: it is told which model, revision and files are
//! wanted, finds out their sizes and digests ([`HubClient::plan`]), and brings them into a store
//! ([`HubClient::download`]).
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use hub_client::{HubClient, NoProgress, Wanted};
//! use hub_layout::{FileRequest, Hub};
//! use transport::{HttpOptions, HttpTransport, Retry, RetryPolicy};
//!
//! async fn fetch(store: &dyn blob_store::BlobStore) -> Result<(), Box<dyn std::error::Error>> {
//!     let http = HttpTransport::new(HttpOptions::new("my-app", "1.0"))?;
//!     let client = HubClient::new(Arc::new(Retry::new(http, RetryPolicy::default())), Hub::hugging_face());
//!     let request = FileRequest::new("feature-extraction".parse()?);
//!     let wanted = Wanted::new("Xenova/all-MiniLM-L6-v2".parse()?, "main".parse()?, request);
//!     let plan = client.plan(store, &wanted).await?;
//!     println!("{} files, {} bytes to fetch", plan.files.len(), plan.bytes_to_fetch());
//!     let manifest = client.download(store, &plan, &NoProgress).await?;
//!     println!("commit {:?}", manifest.commit);
//!     Ok(())
//! }
//! ```
//!
//! # How files arrive
//!
//! Large files are fetched in parts side by side, over the connections of one pool ([`Limits::parallel`]). A part is
//! recorded in the store as soon as it is complete, with the validator of the version that it is of: a download that
//! breaks off, is dropped or is killed is resumed by the next one, in whichever process. Small files are fetched whole
//! and get into the store together. Of several processes that want the same large file one fetches it.
//!
//! # What is trusted
//!
//! In this order, and never less than before: a digest that the caller gives (from a signed record), the digest
//! that the hub lists for large files, and the digest that the store recorded when it fetched the same state
//! before. A file without any of them is taken at its size and, where the hub lists one, its git object id, and its
//! digest is recorded: trusted on first use. Which of them it was, is in [`PlannedFile::trust`].

mod answer;
mod client;
mod download;
mod error;
mod fetch;
mod git;
mod limits;
mod listing;
mod manifest;
mod part;
mod parts;
mod plan;
mod planning;
mod pool;
mod probe;
mod progress;
mod renew;
mod small;
mod source;
mod sweep;
mod together;
mod track;
mod turn;

pub use client::HubClient;
pub use error::{Error, ErrorKind};
pub use limits::Limits;
pub use plan::{Plan, PlannedFile, Trust, Wanted};
pub use progress::{Event, NoProgress, Progress};
