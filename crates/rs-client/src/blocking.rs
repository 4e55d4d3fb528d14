//! The client for programs without an async runtime; needs the feature `blocking`.
//!
//! It is the one client, driven to the end of each call on the thread that calls. It has a small runtime of its own,
//! without threads, and nothing runs between calls.
//!
//! ```
//! use std::sync::Arc;
//! use rs_client::{Client, CollectionName, ErrorKind, MemoryStorage, Server, blocking};
//!
//! let storage = Arc::new(MemoryStorage::new());
//! let client = Client::builder(Server::production(), Arc::new(transport::Offline::default()), storage).build();
//! let client = blocking::Client::new(client)?;
//! let name = CollectionName::new("main", "ml-inference-options").expect("it is a name");
//! assert!(client.load(&name).expect("nothing is stored").is_none());
//! assert_eq!(client.sync(&name).expect_err("there is no network").kind(), ErrorKind::Offline);
//! # Ok::<(), std::io::Error>(())
//! ```

use std::io;

use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};

use crate::{
    AttachmentFolder, Collection, CollectionName, Current, Error, Fetched, PruneOptions, Pruned, SyncOptions,
    SyncReport, Verified,
};

#[cfg(feature = "bundles")]
use crate::{AttachmentBundle, StartupFile};

/// A [`Client`](crate::Client) whose calls return when they are done.
///
/// It can be shared by threads, each of which waits for its own calls only.
#[derive(Debug)]
pub struct Client {
    client: crate::Client,
    /// There until this is dropped.
    runtime: Option<Runtime>,
}

/// The result of each of several collections.
type Each = Vec<(CollectionName, Result<SyncReport, Error>)>;

/// Writes methods that wait for those of the same name and arguments.
macro_rules! waiting {
    ($($(#[$attribute:meta])* fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        impl Client {$(
            #[doc = concat!("Waits for [`", stringify!($name), "`](crate::Client::", stringify!($name), ").")]
            ///
            /// # Errors
            ///
            /// As there.
            ///
            /// # Panics
            ///
            /// As [`wait`](Self::wait).
            $(#[$attribute])*
            pub fn $name(&self, $($argument: $type),*) -> $result {
                self.wait(async |client| client.$name($($argument),*).await)
            }
        )*}
    };
}

waiting! {
    fn sync(name: &CollectionName) -> Result<SyncReport, Error>;
    fn sync_all(names: &[CollectionName]) -> Result<Each, Error>;
    fn sync_with(name: &CollectionName, options: &SyncOptions) -> Result<SyncReport, Error>;
    fn sync_all_with(names: &[CollectionName], options: &SyncOptions) -> Result<Each, Error>;
    fn load(name: &CollectionName) -> Result<Option<Verified<Collection>>, Error>;
    fn current(name: &CollectionName) -> Result<Option<Current>, Error>;
    fn snapshot(name: &CollectionName) -> Result<Option<Bytes>, Error>;
    fn reset(name: &CollectionName) -> Result<(), Error>;
    fn fetch_attachment(name: &CollectionName, id: &str, folder: &AttachmentFolder) -> Result<Fetched, Error>;
    #[cfg(feature = "bundles")]
    fn sync_startup_bundle(file: StartupFile, names: &[CollectionName]) -> Result<Each, Error>;
    #[cfg(feature = "bundles")]
    fn attachments_bundle(collection: &Verified<Collection>) -> Result<AttachmentBundle, Error>;
    fn prune_attachments(folder: &AttachmentFolder, names: &[CollectionName], options: &PruneOptions) -> Result<Pruned, Error>;
}

impl Client {
    /// Takes a client over.
    ///
    /// # Errors
    ///
    /// Where the system does not let this process wait for events, having too many files open, say.
    pub fn new(client: crate::Client) -> io::Result<Self> {
        Ok(Self { client, runtime: Some(Builder::new_current_thread().enable_all().build()?) })
    }

    /// Returns the client that does the work, for all that needs no waiting.
    pub fn client(&self) -> &crate::Client {
        &self.client
    }

    /// Waits for any work with the client.
    ///
    /// ```no_run
    /// # fn example(client: rs_client::blocking::Client, file: &rs_client::Attachment) -> Result<(), rs_client::Error> {
    /// let mut bytes = Vec::new();
    /// client.wait(async |client| client.download_attachment(file, &mut bytes).await)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Panics on a thread that drives an async runtime: waiting there would stop what is waited for.
    pub fn wait<T>(&self, work: impl AsyncFnOnce(&crate::Client) -> T) -> T {
        let runtime = self.runtime.as_ref().expect("it is there until this is dropped");
        runtime.block_on(work(&self.client))
    }
}

/// Waits for nothing, so that a client may also be dropped on a thread that drives an async runtime.
impl Drop for Client {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
