//! A signing settings server on loopback.
//!
//! It speaks the endpoints of Remote Settings that clients use, version 1 or 2, and signs every collection with
//! a throw-away chain. Collections are named `name` (in the bucket `main`) or `bucket/name`. The server has its
//! own thread, so it works in synchronous and asynchronous tests alike and for the whole life of a program.
//!
//! ```
//! use serde_json::json;
//! use testkit::settings::{SettingsOptions, SettingsServer};
//!
//! let server = SettingsServer::start(SettingsOptions::default());
//! server.set_record("ml-inference-options", json!({"id": "embed", "taskName": "feature-extraction"}));
//! println!("server {} root {}", server.url(), server.root_hash());
//! server.delete_record("ml-inference-options", "embed");
//! assert!(server.requests().is_empty());
//! ```

pub mod bundles;
pub mod canonical;
mod replies;
mod world;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use content_id::ContentId;
use serde_json::{Value, json};

use crate::{
    http::{Fault, HttpServer, LoggedRequest, Request},
    pki::{Chain, ChainOptions, Validity},
};
use world::{Published, World};

/// The collections that exist, empty, from the start; all in the bucket `main`.
pub const COLLECTIONS: [&str; 3] = ["ml-inference-options", "ml-onnx-runtime", "ml-model-allow-deny-list"];

/// Which interface a server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApiVersion {
    /// Kinto with the changes plugin: `/v1`.
    V1,
    /// The git reader: `/v2`.
    V2,
}

/// What a server is like; the default is version 1 as production has it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SettingsOptions {
    /// The port to listen on; 0 takes a free one.
    pub port: u16,
    /// The interface.
    pub version: ApiVersion,
    /// The chain that signs.
    pub chain: ChainOptions,
    /// Whether metadata has the list `signatures`, its first entry of an unknown mode.
    pub signature_list: bool,
    /// Whether `x5u` is relative to the server's `certs_chains_base_url`.
    pub relative_x5u: bool,
    /// Whether tombstones have a `last_modified`.
    pub dated_tombstones: bool,
    /// Whether base addresses lack their final slash.
    pub bare_urls: bool,
    /// Counts timestamps from here, in steps of 1000, instead of taking the time (in milliseconds).
    pub timestamps_from: Option<u64>,
}

/// A running settings server; it stops when dropped.
#[derive(Debug)]
pub struct SettingsServer {
    world: Arc<Mutex<World>>,
    http: HttpServer,
    version: ApiVersion,
}

impl ApiVersion {
    fn segment(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }
}

impl Default for SettingsOptions {
    fn default() -> Self {
        Self {
            port: 0,
            version: ApiVersion::V1,
            chain: ChainOptions::default(),
            signature_list: true,
            relative_x5u: false,
            dated_tombstones: true,
            bare_urls: false,
            timestamps_from: None,
        }
    }
}

impl SettingsServer {
    /// Starts a server with the empty collections [`COLLECTIONS`].
    ///
    /// # Panics
    ///
    /// Panics if the port is taken.
    pub fn start(options: SettingsOptions) -> Self {
        let (port, version) = (options.port, options.version);
        let mut world = World::new(options);
        for collection in COLLECTIONS {
            world.create(key(collection));
        }
        let world = Arc::new(Mutex::new(world));
        let handler = {
            let world = Arc::clone(&world);
            move |request: &Request| lock(&world).answer(request)
        };
        Self { world, http: HttpServer::start_at(port, handler), version }
    }

    /// Returns the address to give to a client: `http://127.0.0.1:PORT/v1`, or `/v2`.
    pub fn url(&self) -> String {
        format!("{}/{}", self.http.url(), self.version.segment())
    }

    /// Returns the SHA-256 of the signing chain's root, as lower-case hexadecimal digits.
    pub fn root_hash(&self) -> String {
        self.world().chain().root_hash()
    }

    /// Returns the PEM file of the chain that signs now.
    pub fn chain_pem(&self) -> String {
        self.world().chain().pem().to_owned()
    }

    /// Returns the HTTP server underneath, for its log and its faults.
    pub fn http(&self) -> &HttpServer {
        &self.http
    }

    /// Returns the requests so far.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.http.requests()
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        self.http.forget_requests();
    }

    /// Adds something that goes wrong.
    pub fn fault(&self, fault: Fault) {
        self.http.fault(fault);
    }

    /// Stops the server: connections are refused from now on.
    pub fn stop(&self) {
        self.http.stop();
    }

    /// Creates an empty collection if it does not exist.
    pub fn create_collection(&self, collection: &str) {
        self.world().create(key(collection));
    }

    /// Returns the timestamp that the collection is served with.
    ///
    /// # Panics
    ///
    /// Panics if there is no such collection.
    pub fn timestamp(&self, collection: &str) -> u64 {
        let world = self.world();
        world.collections.get(&key(collection)).expect("the collection exists").served().timestamp
    }

    /// Returns the whole changeset as a client without a copy gets it.
    ///
    /// # Panics
    ///
    /// Panics if there is no such collection.
    pub fn changeset(&self, collection: &str) -> Value {
        let world = self.world();
        let collection = world.collections.get(&key(collection)).expect("the collection exists");
        world.changeset_body(collection, None, &self.http.url())
    }

    /// Creates or replaces a record, signs the collection, and returns its new timestamp.
    ///
    /// # Panics
    ///
    /// Panics if `record` is not an object with an `id`.
    pub fn set_record(&self, collection: &str, record: Value) -> u64 {
        self.set_records(collection, vec![record])
    }

    /// Creates or replaces records in one step.
    ///
    /// # Panics
    ///
    /// As [`set_record`](Self::set_record).
    pub fn set_records(&self, collection: &str, records: Vec<Value>) -> u64 {
        self.world().publish(key(collection), |next| records.into_iter().for_each(|record| put(next, record)))
    }

    /// Deletes a record, leaving a tombstone, signs the collection, and returns its new timestamp.
    pub fn delete_record(&self, collection: &str, id: &str) -> u64 {
        self.world().publish(key(collection), |next| {
            if next.records.remove(id).is_some() {
                next.tombstones.insert(id.to_owned(), next.timestamp);
            }
        })
    }

    /// Attaches a file to a record, which is created where it does not exist, and signs the collection.
    pub fn set_attachment(&self, collection: &str, id: &str, filename: &str, bytes: impl Into<Bytes>) -> u64 {
        let bytes = bytes.into();
        let content = ContentId::of(&bytes);
        let (bucket, name) = key(collection);
        let mut world = self.world();
        let location = format!("{bucket}-workspace/{name}/{}--{id}--{filename}", world.tick());
        world.attachments.insert(location.clone(), bytes);
        world.publish((bucket, name), |next| {
            let mut record = next.records.get(id).cloned().unwrap_or_else(|| json!({"id": id}));
            record["attachment"] = json!({
                "filename": filename, "location": location, "hash": content.digest.to_string(),
                "size": content.size, "mimetype": "application/octet-stream",
            });
            put(next, record);
        })
    }

    /// Changes a record as someone without the key would: a new timestamp, but the signature stays as it was.
    ///
    /// # Panics
    ///
    /// As [`set_record`](Self::set_record).
    pub fn tamper(&self, collection: &str, record: Value) -> u64 {
        self.world().tamper(key(collection), |next| put(next, record))
    }

    /// Takes the collection's latest change back, as if it had never been.
    pub fn undo(&self, collection: &str) {
        if let Some(collection) = self.world().collections.get_mut(&key(collection)) {
            collection.undo();
        }
    }

    /// Serves the collection as it was `steps` changes ago, validly signed, until its next change.
    pub fn roll_back(&self, collection: &str, steps: usize) {
        if let Some(collection) = self.world().collections.get_mut(&key(collection)) {
            collection.roll_back(steps);
        }
    }

    /// Serves other records under the collection's current timestamp, validly signed.
    ///
    /// # Panics
    ///
    /// As [`set_record`](Self::set_record).
    pub fn equivocate(&self, collection: &str, record: Value) {
        let timestamp = self.timestamp(collection);
        self.world().publish(key(collection), |next| {
            next.timestamp = timestamp;
            put(next, record);
        });
    }

    /// Forgets how the collection came to be: an older `_since` is unknown from now on.
    pub fn forget_history(&self, collection: &str) {
        if let Some(collection) = self.world().collections.get_mut(&key(collection)) {
            collection.forget_history();
        }
    }

    /// Sets a field of the collection's metadata, which no signature covers.
    pub fn set_metadata(&self, collection: &str, field: &str, value: Value) {
        let mut world = self.world();
        world.create(key(collection));
        if let Some(collection) = world.collections.get_mut(&key(collection)) {
            collection.fields.insert(field.to_owned(), value);
        }
    }

    /// Signs the collection again; its timestamp and records stay.
    pub fn refresh_signature(&self, collection: &str) {
        self.world().sign_again([key(collection)]);
    }

    /// Signs everything with a new leaf of the same root.
    pub fn rotate_leaf(&self) {
        self.use_leaf(&ChainOptions::default());
    }

    /// Signs everything with a leaf that expired yesterday.
    pub fn expire_leaf(&self) {
        self.use_leaf(&ChainOptions { leaf: Validity::days(-81, -1), ..ChainOptions::default() });
    }

    /// Signs everything with a new leaf, as `options` say, of the same root and intermediate.
    pub fn use_leaf(&self, options: &ChainOptions) {
        self.world().use_leaf(options);
    }

    /// Signs everything with a new chain; its root has another hash.
    pub fn use_chain(&self, options: &ChainOptions) {
        self.world().use_chain(Chain::new(options));
    }

    /// Sends `Backoff` with every reply from now on, or no longer.
    pub fn set_backoff(&self, seconds: Option<u64>) {
        self.world().backoff = seconds;
    }

    /// Sends a header with every reply from now on, or no longer; `Date` takes the place of the real one.
    pub fn set_header(&self, name: &str, value: Option<&str>) {
        let headers = &mut self.world().headers;
        headers.retain(|(known, _)| known != name);
        headers.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    }

    /// Announces the end of the interface as Kinto does: `soft-eol`, or `hard-eol` and nothing but status 410.
    pub fn announce_end(&self, code: &str, message: &str) {
        let alert = json!({"code": code, "message": message, "url": "https://example.org/eol"});
        self.set_header("alert", Some(&alert.to_string()));
        self.world().ended = (code == "hard-eol").then(|| message.to_owned());
    }

    /// Refuses every `_since` from now on, or no longer.
    pub fn refuse_since(&self, refuse: bool) {
        self.world().refuses_since = refuse;
    }

    /// Answers as a cache does from now on: with `ETag`, and with 304 where it is sent back.
    pub fn answer_conditions(&self) {
        self.world().conditions = true;
    }

    /// Lets time pass between the changes before and those after this call.
    pub fn skip(&self, time: std::time::Duration) {
        self.world().skip(time);
    }

    fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }
}

fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

fn key(collection: &str) -> (String, String) {
    let (bucket, name) = collection.split_once('/').unwrap_or(("main", collection));
    (bucket.to_owned(), name.to_owned())
}

/// Puts `record` into the state being made, dated with its timestamp.
fn put(next: &mut Published, mut record: Value) {
    let id = record["id"].as_str().expect("a record has an id").to_owned();
    record["last_modified"] = next.timestamp.into();
    let tombstones: &mut BTreeMap<String, u64> = &mut next.tombstones;
    tombstones.remove(&id);
    next.records.insert(id, record);
}
