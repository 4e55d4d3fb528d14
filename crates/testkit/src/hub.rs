//! A model hub on loopback, in either layout.
//!
//! The Hugging Face layout has the paged listing (`/api/models/{model}/tree/{revision}?recursive=true`), the
//! model at a revision (`/api/models/{model}/revision/{revision}`) and the files
//! (`/{model}/resolve/{revision}/{path}`), with commits, git object ids, SHA-256 of large files, error codes and,
//! if asked for, redirects as the public hub sends them. The Mozilla layout has the files
//! (`/{model}/{revision}/{path}`) and nothing else. Both know HEAD, `Range`, `If-Range` and `If-None-Match`.
//!
//! ```
//! use testkit::hub::{HubOptions, HubServer};
//!
//! let hub = HubServer::start(HubOptions::hugging_face());
//! let commit = hub.add_model("org/tiny", "main", [("config.json", "{}"), ("onnx/model.onnx", "...")]);
//! assert_eq!(commit.len(), 40);
//! let next = hub.add_model("org/tiny", "main", [("config.json", "{ }")]); // the branch moves on
//! assert_ne!(next, commit);
//! hub.move_branch("org/tiny", "main", &commit); // and back
//! assert!(hub.requests().is_empty());
//! ```

mod file;
mod listing;
mod repo;
mod route;

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

use crate::http::{Exchange, Fault, HttpServer, LoggedRequest, Reply, Request};
use repo::Repo;

/// How a hub builds its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layout {
    /// `{model}/resolve/{revision}/{path}`, with a listing.
    HuggingFace,
    /// `{model}/{revision}/{path}`, and nothing else.
    Mozilla,
}

/// How a hub behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HubOptions {
    /// How addresses are built.
    pub layout: Layout,
    /// The port on 127.0.0.1; 0, the default, takes a free one.
    pub port: u16,
    /// The most entries on one page of a listing. Default: 1000.
    pub page_size: usize,
    /// Whether files are redirected as the public hub does it: large ones to a storage server, which is another
    /// origin; small ones to another path of the hub. Default: no.
    pub redirects: bool,
    /// Whether files can be fetched in part. Default: yes.
    pub ranges: bool,
    /// The bearer token without which everything is denied. Default: none.
    pub token: Option<String>,
}

/// A running hub; it stops when dropped.
#[derive(Debug)]
pub struct HubServer {
    server: HttpServer,
    storage: Option<HttpServer>,
    hub: Arc<Hub>,
}

#[derive(Debug)]
struct Hub {
    options: HubOptions,
    storage: Option<String>,
    repos: Mutex<BTreeMap<String, Repo>>,
}

impl HubOptions {
    /// The Hugging Face layout, with the defaults.
    pub fn hugging_face() -> Self {
        Self {
            layout: Layout::HuggingFace,
            port: 0,
            page_size: 1000,
            redirects: false,
            ranges: true,
            token: None,
        }
    }

    /// The Mozilla layout, with the defaults.
    pub fn mozilla() -> Self {
        Self { layout: Layout::Mozilla, ..Self::hugging_face() }
    }
}

impl HubServer {
    /// Starts a hub without models on 127.0.0.1.
    ///
    /// # Panics
    ///
    /// If the port is taken.
    pub fn start(options: HubOptions) -> Self {
        let port = options.port;
        // The storage server asks for files of a hub that has to know the storage server's address.
        let files: Arc<Mutex<Option<Arc<Hub>>>> = Arc::default();
        let storage = options.redirects.then(|| {
            let files = Arc::clone(&files);
            HttpServer::start(move |request: &Request| match &*lock(&files) {
                Some(hub) => hub.storage(request),
                None => Reply::status(503),
            })
        });
        let storage_url = storage.as_ref().map(HttpServer::url);
        let hub = Arc::new(Hub { options, storage: storage_url, repos: Mutex::default() });
        *lock(&files) = Some(Arc::clone(&hub));
        let server = HttpServer::start_at(port, {
            let hub = Arc::clone(&hub);
            move |request: &Request| hub.handle(request)
        });
        Self { server, storage, hub }
    }

    /// Returns the address without a final slash: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Publishes a revision of a model and returns its commit.
    ///
    /// In the Hugging Face layout the commit follows from the files, and `revision` becomes a branch that points
    /// to it; earlier commits stay. If `revision` is a commit itself (40 hexadecimal digits), it is taken as it
    /// is. In the Mozilla layout there are no commits: the files of `revision` are replaced, and the revision is
    /// returned.
    pub fn add_model<P: Into<String>, B: Into<Bytes>>(
        &self,
        model: &str,
        revision: &str,
        files: impl IntoIterator<Item = (P, B)>,
    ) -> String {
        let files = files.into_iter().map(|(path, bytes)| (path.into(), bytes.into()));
        let mut repos = self.hub.repos();
        let repo = repos.entry(model.to_owned()).or_default();
        repo.publish(self.hub.options.layout, revision, files)
    }

    /// Publishes the files under `folder`, as [`add_model`](Self::add_model) does.
    ///
    /// The files are read now; names are taken as UTF-8.
    ///
    /// # Errors
    ///
    /// If a file or folder cannot be read.
    pub fn add_folder(&self, model: &str, revision: &str, folder: &Path) -> io::Result<String> {
        let mut files = Vec::new();
        collect(folder, "", &mut files)?;
        Ok(self.add_model(model, revision, files))
    }

    /// Makes `branch` point to `commit`, which must have been published.
    ///
    /// # Panics
    ///
    /// If there is no such model or commit.
    pub fn move_branch(&self, model: &str, branch: &str, commit: &str) {
        let mut repos = self.hub.repos();
        repos.get_mut(model).expect("the model was published").move_branch(branch, commit);
    }

    /// Removes a model with all its revisions.
    pub fn remove_model(&self, model: &str) {
        self.hub.repos().remove(model);
    }

    /// Adds an entry to every listing of the model, as it is: a hostile name, a wrong size, a wrong digest.
    ///
    /// # Panics
    ///
    /// If there is no such model.
    pub fn list_also(&self, model: &str, entry: serde_json::Value) {
        self.hub.repos().get_mut(model).expect("the model was published").list_also(entry);
    }

    /// Returns the requests so far, in the order they arrived; those to the storage server are not among them.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.server.requests()
    }

    /// Returns the requests so far with what was answered.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.server.exchanges()
    }

    /// Adds a fault to the hub itself; see [`storage`](Self::storage) for the storage server's.
    pub fn fault(&self, fault: Fault) {
        self.server.fault(fault);
    }

    /// Returns the server itself, for everything else it can do.
    pub fn http(&self) -> &HttpServer {
        &self.server
    }

    /// Returns the server that large files are redirected to, if they are; its paths are `/storage/{sha256}`.
    pub fn storage(&self) -> Option<&HttpServer> {
        self.storage.as_ref()
    }

    /// Stops the hub and its storage server: their ports refuse connections.
    pub fn stop(&self) {
        self.server.stop();
        if let Some(storage) = &self.storage {
            storage.stop();
        }
    }
}

impl Hub {
    fn repos(&self) -> MutexGuard<'_, BTreeMap<String, Repo>> {
        lock(&self.repos)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, Bytes)>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{name}/"), files)?;
        } else {
            files.push((name, std::fs::read(entry.path())?.into()));
        }
    }
    Ok(())
}
