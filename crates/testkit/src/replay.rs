//! Recorded exchanges: written by `cargo xtask fixtures record`, played back through mockito.
//!
//! A scenario is a folder under `fixtures/exchanges`: `scenario.toml` with a one-line reason and the exchanges, and
//! one file a body. Where the recorded server named its own address, the files say `{origin}` (or `{storage}`, for
//! the second server of a hub that redirects), so that a scenario plays on any port.
//!
//! ```no_run
//! use testkit::replay::Scenario;
//!
//! let scenario = Scenario::load("settings/first-sync");
//! let mut server = mockito::Server::new();
//! let replay = scenario.replay(&mut server);
//! // ... a client asks `server.url()` ...
//! replay.assert_all_requested();
//! ```

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::http::{Exchange, Reply};

/// The file that describes a scenario, beside the bodies.
const DESCRIPTION: &str = "scenario.toml";

/// Headers that every server adds by itself, or that the body decides.
const ADDED_BY_SERVERS: [&str; 5] =
    ["connection", "content-length", "date", "keep-alive", "transfer-encoding"];

/// A recorded sequence of requests and answers, and what it shows.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Scenario {
    /// What the scenario shows: one line.
    pub about: String,
    /// The moment to verify certificates at, in seconds since 1970.
    pub at: Option<u64>,
    /// The SHA-256 of the root certificate that the signatures end in.
    pub root: Option<String>,
    /// The exchanges in the order they were made.
    pub exchanges: Vec<Recorded>,
}

/// One request and its answer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Recorded {
    /// Which of the servers answered.
    pub server: Origin,
    /// The method: `GET`, `HEAD`.
    pub method: String,
    /// The path and the query.
    pub target: String,
    /// The request headers that decide the answer, with lower-case names.
    pub request_headers: BTreeMap<String, String>,
    /// The HTTP status.
    pub status: u16,
    /// The headers of the answer, but for those that every server adds.
    pub headers: Vec<(String, String)>,
    /// The body, with place-holders for addresses.
    pub body: Bytes,
}

/// The server that an exchange was made with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Origin {
    /// The one that clients are configured with.
    #[default]
    Origin,
    /// The one that a hub redirects to.
    Storage,
}

/// A scenario being played back.
#[derive(Debug)]
pub struct Replay {
    mocks: Vec<mockito::Mock>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    about: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    root: Option<String>,
    #[serde(rename = "exchange")]
    exchanges: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Entry {
    #[serde(default, skip_serializing_if = "is_origin")]
    server: Origin,
    /// Method and target.
    request: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    request_headers: BTreeMap<String, String>,
    status: u16,
    /// The body's file; none where the body is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<(String, String)>,
}

fn is_origin(server: &Origin) -> bool {
    *server == Origin::Origin
}

impl Scenario {
    /// Creates a scenario without exchanges.
    pub fn new(about: impl Into<String>) -> Self {
        Self { about: about.into(), at: None, root: None, exchanges: Vec::new() }
    }

    /// Reads the scenario `name`, such as `settings/first-sync`, of this repository's fixtures.
    ///
    /// # Panics
    ///
    /// Panics if it is missing or damaged: a test cannot go on without it.
    pub fn load(name: &str) -> Self {
        let folder = folder().join(name);
        Self::read(&folder).unwrap_or_else(|error| panic!("scenario {name}: {error}"))
    }

    /// Reads a scenario from its folder.
    ///
    /// # Errors
    ///
    /// As the file system gives them; [`io::ErrorKind::InvalidData`] for a description that does not parse.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let text = std::fs::read_to_string(folder.join(DESCRIPTION))?;
        let description: Description = toml::from_str(&text).map_err(invalid)?;
        let mut exchanges = Vec::new();
        for entry in description.exchanges {
            let (method, target) =
                entry.request.split_once(' ').ok_or_else(|| invalid("a request is `METHOD target`"))?;
            let body = entry.body.map(|file| std::fs::read(folder.join(file))).transpose()?;
            exchanges.push(Recorded {
                server: entry.server,
                method: method.to_owned(),
                target: target.to_owned(),
                request_headers: entry.request_headers,
                status: entry.status,
                headers: entry.headers,
                body: body.unwrap_or_default().into(),
            });
        }
        Ok(Self { about: description.about, at: description.at, root: description.root, exchanges })
    }

    /// Writes the scenario into `folder`, which is replaced.
    ///
    /// # Errors
    ///
    /// As the file system gives them.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        std::fs::create_dir_all(folder)?;
        let mut entries = Vec::new();
        for (index, exchange) in self.exchanges.iter().enumerate() {
            let file = format!("{:02}.{}", index + 1, exchange.extension());
            let body = (!exchange.body.is_empty()).then_some(file);
            if let Some(file) = &body {
                std::fs::write(folder.join(file), &exchange.body)?;
            }
            entries.push(Entry {
                server: exchange.server,
                request: format!("{} {}", exchange.method, exchange.target),
                request_headers: exchange.request_headers.clone(),
                status: exchange.status,
                body,
                headers: exchange.headers.clone(),
            });
        }
        let description = Description {
            about: self.about.clone(),
            at: self.at,
            root: self.root.clone(),
            exchanges: entries,
        };
        std::fs::write(folder.join(DESCRIPTION), toml::to_string(&description).map_err(invalid)?)
    }

    /// Appends an exchange that `server` has just had.
    ///
    /// Of the request's headers, those named in `deciding` are kept. `addresses` are the servers' addresses, which
    /// become place-holders.
    ///
    /// # Panics
    ///
    /// Panics if the exchange has no reply yet.
    pub fn push(
        &mut self,
        server: Origin,
        exchange: &Exchange,
        deciding: &[&str],
        addresses: &[(Origin, String)],
    ) {
        let reply = exchange.reply.as_ref().expect("the exchange is over");
        let request = &exchange.request;
        self.push_reply(server, (&request.method, &request.target), reply, addresses);
        let asked = request.headers.iter().filter(|(name, _)| deciding.contains(&name.as_str()));
        self.exchanges.last_mut().expect("it was just appended").request_headers = asked.cloned().collect();
    }

    /// Appends what any server replied to a request, given as method and target.
    pub fn push_reply(
        &mut self,
        server: Origin,
        (method, target): (&str, &str),
        reply: &Reply,
        addresses: &[(Origin, String)],
    ) {
        let hide = |text: &str| {
            addresses
                .iter()
                .fold(text.to_owned(), |text, (origin, url)| text.replace(url, origin.placeholder()))
        };
        let head = method == "HEAD";
        let kept = |name: &str| {
            !ADDED_BY_SERVERS.contains(&name.to_ascii_lowercase().as_str())
                || (head && name.eq_ignore_ascii_case("content-length"))
        };
        let headers = reply.headers.iter().filter(|(name, _)| kept(name));
        let body = match std::str::from_utf8(&reply.body) {
            _ if head => Bytes::new(),
            Ok(text) => hide(text).into(),
            Err(_) => reply.body.clone(),
        };
        let mut headers: Vec<(String, String)> =
            headers.map(|(name, value)| (name.to_ascii_lowercase(), hide(value))).collect();
        if head && reply.get("content-length").is_none() {
            headers.push(("content-length".to_owned(), reply.body.len().to_string()));
        }
        self.exchanges.push(Recorded {
            server,
            method: method.to_owned(),
            target: target.to_owned(),
            request_headers: BTreeMap::new(),
            status: reply.status,
            headers,
            body,
        });
    }

    /// Makes `server` answer what was recorded, each request as often as it was made.
    ///
    /// A request matches by method, path, query and the recorded headers. The value of `_expected` does not count:
    /// it only names what a cache may answer.
    ///
    /// # Panics
    ///
    /// Panics if the scenario has a second server; see [`replay_with_storage`](Self::replay_with_storage).
    pub fn replay(&self, server: &mut mockito::Server) -> Replay {
        let single = self.exchanges.iter().all(|exchange| exchange.server == Origin::Origin);
        assert!(single, "this scenario needs a second server for the storage");
        let addresses = [(Origin::Origin, server.url())];
        Replay { mocks: self.exchanges.iter().map(|exchange| exchange.mock(server, &addresses)).collect() }
    }

    /// As [`replay`](Self::replay), for a hub that redirects to `storage`.
    pub fn replay_with_storage(&self, server: &mut mockito::Server, storage: &mut mockito::Server) -> Replay {
        let addresses = [(Origin::Origin, server.url()), (Origin::Storage, storage.url())];
        let mock = |exchange: &Recorded| match exchange.server {
            Origin::Origin => exchange.mock(server, &addresses),
            Origin::Storage => exchange.mock(storage, &addresses),
        };
        Replay { mocks: self.exchanges.iter().map(mock).collect() }
    }
}

impl Replay {
    /// Asserts that every recorded exchange was made, as often as it was recorded.
    ///
    /// # Panics
    ///
    /// Panics, naming the request, if one was not made or was made too often.
    pub fn assert_all_requested(&self) {
        self.mocks.iter().for_each(mockito::Mock::assert);
    }
}

impl Recorded {
    fn extension(&self) -> &'static str {
        let header = self.headers.iter().find(|(name, _)| name == "content-type");
        match header.map(|(_, value)| value.as_str()).unwrap_or_default() {
            value if value.contains("json") => "json",
            _ if self.body.starts_with(b"-----BEGIN ") => "pem",
            value if value.starts_with("text/") => "txt",
            _ => "bin",
        }
    }

    fn mock(&self, server: &mut mockito::Server, addresses: &[(Origin, String)]) -> mockito::Mock {
        let show = |text: &str| {
            addresses
                .iter()
                .fold(text.to_owned(), |text, (origin, url)| text.replace(origin.placeholder(), url))
        };
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let wanted = pairs(path, query);
        let list = path.to_owned();
        let mut mock = server
            .mock(&self.method, path)
            .match_query(mockito::Matcher::Any)
            .match_request(move |request| {
                let query = request.path_and_query().split_once('?').map_or("", |(_, query)| query);
                pairs(&list, query) == wanted
            })
            .with_status(self.status.into());
        for (name, value) in &self.request_headers {
            mock = mock.match_header(name.as_str(), value.as_str());
        }
        for (name, value) in &self.headers {
            mock = mock.with_header(name.as_str(), &show(value));
        }
        let body = match std::str::from_utf8(&self.body) {
            Ok(text) => show(text).into(),
            Err(_) => self.body.clone(),
        };
        mock.with_body(body).expect(1).create()
    }
}

impl Origin {
    fn placeholder(self) -> &'static str {
        match self {
            Self::Origin => "{origin}",
            Self::Storage => "{storage}",
        }
    }
}

/// The folder of all recorded scenarios of this repository.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/exchanges")
}

/// The decoded query, in order of the keys, without what only a cache reads.
///
/// The list of changes may also be asked for since some time: the whole list is an answer to that.
fn pairs(path: &str, query: &str) -> Vec<(String, String)> {
    let list = path.ends_with("/monitor/collections/changes/changeset");
    let cache = |key: &str, value: &str| if key == "_expected" { String::new() } else { value.to_owned() };
    let decoded = url::form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| !(list && key == "_since"));
    let mut pairs: Vec<_> = decoded.map(|(key, value)| (key.to_string(), cache(&key, &value))).collect();
    pairs.sort();
    pairs
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
