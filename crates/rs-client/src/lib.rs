//! Keeps a verified copy of Remote Settings collections and their attachments.
//!
//! Layer 2. Talks to servers only through [`transport::Transport`], and knows nothing of models: what the
//! records mean is up to the caller. It reads no environment, logs nothing and, but for the
//! feature `blocking`, starts no runtime.
//!
//! [Remote Settings](https://remote-settings.readthedocs.io) is how Mozilla delivers lists that programs follow
//! without a new version: *collections* of JSON *records*, some with a file *attached*, signed, and changed at any
//! time. A [`Client`] fetches what changed in a collection, merges it in memory, checks the content signature of the
//! result up to a pinned root, and only then replaces the local copy, in one step. Reading a copy needs no network. A
//! [`Verified`] collection can be had in no other way.
//!
//! ```no_run
//! use std::sync::Arc;
//! use rs_client::{Client, CollectionName, FileStorage, Server};
//! use transport::{HttpOptions, HttpTransport, Retry, RetryPolicy};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let http = HttpTransport::new(HttpOptions::new("my-program", "1.0"))?;
//! let transport = Retry::new(http, RetryPolicy::default());
//! let storage = FileStorage::open("settings");
//! let client = Client::builder(Server::production(), Arc::new(transport), Arc::new(storage)).build();
//!
//! let name = CollectionName::new("main", "search-config")?;
//! if let Err(error) = client.sync(&name).await {
//!     eprintln!("{error}; going on with the local copy");
//! }
//! if let Some(collection) = client.load(&name).await? {
//!     for record in &collection.records {
//!         println!("{}: {:?}", record.id(), record.get("name"));
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Where to go from there:
//!
//! - [`Client::sync_all`] for several collections at the cost of one; [`SyncOptions`] where a broadcast tells of news;
//! - [`Record::decode`] into types of your own, and [`ClientBuilder::require_records`] to take nothing else;
//!   [`Decoded`] and [`Filters`] for views of a collection;
//! - [`Client::fetch_attachment`] brings the file of a record into an [`AttachmentFolder`], once and checked, and
//!   [`Client::prune_attachments`] removes it when no record describes it any longer;
//! - [`Packaged`] for a first start without a network;
//! - [`Error::kind`] says what can be done about a failure, an [`Observer`] is told what happens, and [`Limits`] are
//!   how much a server may send;
//! - [`Offline`](transport::Offline), [`MemoryStorage`] and [`FixedClock`] for tests; [`verify_changeset`] where a
//!   changeset and a chain are at hand and nothing else is wanted.
//!
//! ```
//! use std::sync::Arc;
//! use rs_client::{Client, CollectionName, ErrorKind, MemoryStorage, Server};
//!
//! # futures::executor::block_on(async {
//! let storage = Arc::new(MemoryStorage::new());
//! let client = Client::builder(Server::production(), Arc::new(transport::Offline::default()), storage).build();
//! let name = CollectionName::new("main", "search-config")?;
//! assert!(client.load(&name).await?.is_none());
//! assert_eq!(client.sync(&name).await.expect_err("there is no network").kind(), ErrorKind::Offline);
//! # Ok::<(), rs_client::Error>(())
//! # }).expect("the example works");
//! ```
//!
//! # What is and is not promised
//!
//! A signature covers a collection's records and timestamp. It does not name the collection: whoever controls
//! the connection can present one validly signed collection of the same signer as another. The metadata is
//! compared with what was asked for, a collection never becomes empty silently, and timestamps never go back;
//! beyond that, [decode](Record::decode) records into types that other collections' records do not fit.
//!
//! Several programs may share one storage and one folder of attachments. Any future may be dropped, and any program
//! killed, at any time: a copy is the old one or the new one, as a whole.
//!
//! # Features
//!
//! None is on by default, and none changes what is checked.
//!
//! - `blocking`: for programs without an async runtime;
//! - `bundles`: all attachments of a collection in one archive, and many collections in one file for a first start;
//! - `jexl`: the records that are meant for this program and machine, by their `filter_expression`.

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
