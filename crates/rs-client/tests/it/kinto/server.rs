//! Starting and stopping Kinto, and clients of it.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use rs_client::{Client, ClientBuilder, CollectionName, MemoryStorage, Server};
use tempfile::TempDir;
use testkit::pki::{Chain, ChainOptions};
use transport::{HttpOptions, HttpTransport, Request, Response, Retry, RetryPolicy, Transport};

/// A server of one test; it ends with this.
pub(super) struct Kinto {
    /// Where the programs lie.
    programs: PathBuf,
    /// What this one server reads and writes.
    here: TempDir,
    settings: Vec<String>,
    process: Option<Child>,
    port: u16,
    chain: Chain,
    chains: u32,
}

/// A client of a [`Kinto`], with what it asked for.
pub(super) struct Watched {
    pub(super) client: Client,
    pub(super) storage: Arc<MemoryStorage>,
    transport: Arc<Watching>,
}

#[derive(Debug)]
struct Watching {
    inner: Arc<dyn Transport>,
    asked: Mutex<Vec<String>>,
}

impl Kinto {
    /// Starts a server, or says loudly that there is none to start.
    pub(super) fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// Starts a server with these settings besides those of `kinto.ini`.
    pub(super) fn start_with(settings: &[&str]) -> Option<Self> {
        let Some(programs) = env::var_os("MLMGR_KINTO") else {
            // Not through `eprintln!`, which is hidden for tests that pass.
            writeln!(std::io::stderr(), "skipped: MLMGR_KINTO is not set").expect("there is someone to tell");
            return None;
        };
        let mut kinto = Self {
            programs: programs.into(),
            here: tempfile::tempdir().expect("there is room"),
            settings: Vec::new(),
            process: None,
            port: 0,
            chain: Chain::new(&ChainOptions::default()),
            chains: 0,
        };
        fs::create_dir(kinto.here.path().join("chains")).expect("the folder is ours");
        kinto.write_chain();
        kinto.restart_with(settings);
        Some(kinto)
    }

    /// Ends the server, and with it all that it holds; starts it again under the same address.
    pub(super) fn restart(&mut self) {
        self.restart_with(&[]);
    }

    /// The same, with these settings besides those of `kinto.ini`.
    pub(super) fn restart_with(&mut self, settings: &[&str]) {
        self.stop();
        self.settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let read = |name: &str| fs::read_to_string(self.programs.join(name)).expect("xtask wrote it");
        let log = fs::File::create(self.here.path().join("log.txt")).expect("the folder is ours");
        let mut process = Command::new(read("interpreter.txt"))
            .args(["-W", "ignore", "-B"])
            .arg(self.programs.join("server.py"))
            .arg(self.here.path())
            .arg(self.port.to_string())
            .args(&self.settings)
            // The server ends when this closes, even where the test is killed.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the interpreter is there");
        let output = process.stdout.take().expect("asked for a pipe above");
        self.process = Some(process);
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).expect("the server can be read");
        let port = line.strip_prefix("ready ").and_then(|port| port.trim().parse().ok());
        self.port = port.unwrap_or_else(|| panic!("the server did not start: {}", self.log()));
    }

    /// Ends the server at once.
    pub(super) fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("it is our child");
            process.wait().expect("it is our child");
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// Signs with another leaf from now on, under the same root.
    pub(super) fn rotate(&mut self) {
        self.chain = self.chain.rotated(&ChainOptions::default());
        self.write_chain();
    }

    /// A client that has nothing yet.
    pub(super) fn client(&self) -> Watched {
        self.client_with(|builder| builder)
    }

    pub(super) fn client_with(&self, more: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Watched {
        let http =
            HttpTransport::new(HttpOptions::new("rs-client-tests", "1")).expect("the options are valid");
        // As programs do: a connection that was kept open fails once after a restart of the server.
        let mut policy = RetryPolicy::default();
        policy.attempts = 3;
        policy.base = Duration::from_millis(5);
        let inner = Arc::new(Retry::new(http, policy));
        let transport = Arc::new(Watching { inner, asked: Mutex::default() });
        let storage = Arc::new(MemoryStorage::new());
        let client = more(Client::builder(self.server(), transport.clone(), storage.clone())).build();
        Watched { client, storage, transport }
    }

    pub(super) fn server(&self) -> Server {
        let root = self.chain.root_hash().parse().expect("the root hash is one");
        Server::custom(self.url().parse().expect("the address is one"), vec![root])
    }

    fn write_chain(&mut self) {
        self.chains += 1;
        let name = format!("chain-{}", self.chains);
        let write = |file: &str, text: &str| {
            fs::write(self.here.path().join(file), text).expect("the folder is ours");
        };
        write(&format!("chains/{name}.pem"), self.chain.pem());
        write("leaf.key", &self.chain.key_pem());
        write("chain.txt", &name);
    }

    fn log(&self) -> String {
        fs::read_to_string(self.here.path().join("log.txt")).unwrap_or_default()
    }
}

impl Drop for Kinto {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
        }
        self.stop();
    }
}

impl Watched {
    /// The paths and queries of the requests since the last call.
    pub(super) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.transport.asked.lock().expect("no test panics while it holds this"))
    }

    /// Another client of the same server and storage that cannot reach it.
    pub(super) fn offline(&self) -> Client {
        let transport = Arc::new(transport::Offline::default());
        Client::builder(self.client.server().clone(), transport, self.storage.clone()).build()
    }
}

#[async_trait]
impl Transport for Watching {
    async fn send(&self, request: Request) -> Result<Response, transport::Error> {
        let url = request.url();
        let asked = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        self.asked.lock().expect("no test panics while it holds this").push(asked);
        self.inner.send(request).await
    }
}

pub(super) fn name(bucket: &str, collection: &str) -> CollectionName {
    CollectionName::new(bucket, collection).expect("the name is one")
}
