//! Keeps a verified copy of Remote Settings collections and their attachments.
//!
//! Layer 2. Talks to servers only through [`transport::Transport`], and knows nothing of models: what the
//! records mean is up to the caller. It reads no environment, logs nothing and, but for the
//! feature `blocking`, starts no runtime.
//!
//! A [`Client`] fetches the changes of a collection, merges them in memory, checks the content signature of the
//! result up to a pinned root, and only then replaces the local copy, in one step. Reading a copy needs no
//! network. A [`Verified`] collection can be had in no other way.
//!
//! ```
//! use std::sync::Arc;
//! use rs_client::{Client, CollectionName, ErrorKind, MemoryStorage, Server};
//!
//! # futures::executor::block_on(async {
//! let storage = Arc::new(MemoryStorage::new());
//! let client = Client::builder(Server::production(), Arc::new(transport::Offline::default()), storage).build();
//! let name = CollectionName::new("main", "ml-inference-options")?;
//! assert!(client.load(&name).await?.is_none());
//! assert_eq!(client.sync(&name).await.expect_err("there is no network").kind(), ErrorKind::Offline);
//! # Ok::<(), rs_client::Error>(())
//! # }).expect("the example works");
//! ```
//!
//! Files that belong to records are [fetched](Client::fetch_attachment) into a folder, each once and checked, and
//! [leave](Client::prune_attachments) it with their records; or [go](Client::download_attachment) where the caller
//! wants them.
//!
//! # What is and is not promised
//!
//! A signature covers a collection's records and timestamp. It does not name the collection: whoever controls
//! the connection can present one validly signed collection of the same signer as another. The metadata is
//! compared with what was asked for, a collection never becomes empty silently, and timestamps never go back;
//! beyond that, [decode](Record::decode) records into types that other collections' records do not fit.
//!
//! # Features
//!
//! None is on by default. `bundles`: all attachments of a collection in one archive, and many collections in one
//! file for a first start. `jexl`: records by their `filter_expression`. `blocking`: for programs without an async
//! runtime.

mod alert;
mod attachments;
#[cfg(feature = "blocking")]
pub mod blocking;
#[cfg(feature = "bundles")]
mod bundle;
pub mod canonical;
mod chain;
mod changeset;
mod client;
mod clock;
mod collection;
mod endpoints;
mod error;
mod files;
mod filter;
mod json;
mod limits;
mod name;
mod observer;
mod packaged;
mod record;
mod records;
mod requirement;
mod server;
mod server_state;
mod signature;
mod state;
mod storage;
mod sync_options;
mod toolkit_version;
mod uptake;
mod verify;
mod x509;

pub use alert::{Alert, AlertCode};
pub use attachments::{AttachmentFolder, PruneOptions, Pruned};
#[cfg(feature = "bundles")]
pub use bundle::{AttachmentBundle, StartupBundle, StartupFile};
pub use changeset::Changeset;
pub use client::{
    AttachmentStream, Client, ClientBuilder, Current, FetchOptions, FetchOutcome, Fetched, Outcome,
    SyncReport,
};
pub use clock::{Clock, FixedClock, SystemClock};
pub use collection::Collection;
pub use error::{CertificateProblem, Error, ErrorKind};
pub use filter::{Decoded, Filters};
#[cfg(feature = "jexl")]
pub use filter::{FilterEnvironment, Hidden, HiddenReason, Visible};
pub use limits::Limits;
pub use name::CollectionName;
pub use observer::{Changed, Event, Observer, Source, Uptake};
pub use packaged::Packaged;
pub use record::{Attachment, Record};
pub use records::Records;
pub use server::{RootHash, Server, Trust};
pub use storage::{FileStorage, MemoryStorage, Storage, Stored, Version};
pub use sync_options::{Hint, SyncOptions};
pub use toolkit_version::ToolkitVersion;
pub use uptake::UptakeStatus;
pub use verify::{Verified, verify_changeset};
