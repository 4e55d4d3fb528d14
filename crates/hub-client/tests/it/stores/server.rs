//! Starting and stopping object stores that others wrote, and clients of them.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Lines, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use blob_store::{BlobStore, Durability, FsOptions, FsStore, ObjectStoreBackend, TieredStore};
use object_store::{
    BackoffConfig, ClientOptions, ObjectStore, RetryConfig, aws::AmazonS3Builder,
    azure::MicrosoftAzureBuilder, prefix::PrefixStore,
};
use tempfile::TempDir;

/// Bucket or container; the servers' programs make it.
const BUCKET: &str = "bucket";

/// The account of every Azure emulator; not secret.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// moto; keeps objects in memory.
    S3,
    /// Azurite; keeps objects in a folder.
    Azure,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Azure => "azure",
        }
    }

    pub(super) fn of(name: &str) -> Self {
        if name == Self::S3.name() { Self::S3 } else { Self::Azure }
    }

    /// A part of what the server of this port has.
    pub(super) fn objects(self, port: u16, prefix: &str) -> Arc<dyn ObjectStore> {
        // Where the whole workspace is built, the HTTP client has TLS without a provider; loopback needs none.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let backoff = BackoffConfig {
            init_backoff: Duration::from_millis(10),
            max_backoff: Duration::from_millis(50),
            base: 2.0,
        };
        let retry = RetryConfig { backoff, max_retries: 2, retry_timeout: Duration::from_secs(2) };
        let client = ClientOptions::new()
            .with_allow_http(true)
            .with_timeout(Duration::from_secs(20))
            .with_connect_timeout(Duration::from_secs(2));
        let address = format!("http://127.0.0.1:{port}");
        match self {
            Self::S3 => {
                let objects = AmazonS3Builder::new()
                    .with_endpoint(address)
                    .with_region("us-east-1")
                    .with_bucket_name(BUCKET)
                    .with_access_key_id("key")
                    .with_secret_access_key("secret")
                    .with_client_options(client)
                    .with_retry(retry)
                    .build();
                Arc::new(PrefixStore::new(objects.expect("nothing is missing"), prefix))
            }
            Self::Azure => {
                let objects = MicrosoftAzureBuilder::new()
                    .with_endpoint(format!("{address}/{ACCOUNT}"))
                    .with_account(ACCOUNT)
                    .with_access_key(KEY)
                    .with_container_name(BUCKET)
                    .with_client_options(client)
                    .with_retry(retry)
                    .build();
                Arc::new(PrefixStore::new(objects.expect("nothing is missing"), prefix))
            }
        }
    }

    pub(super) fn store(self, port: u16, prefix: &str) -> Arc<dyn BlobStore> {
        Arc::new(ObjectStoreBackend::new(self.objects(port, prefix)))
    }

    /// A tier of a machine, which asks the shared store every time.
    pub(super) fn tier(self, port: u16, prefix: &str, local: &Path) -> TieredStore {
        let options = FsOptions::default().durability(Durability::ProcessCrashOnly);
        let local = FsStore::open_with(local, options).expect("the folder is ours");
        TieredStore::new(Arc::new(local), self.store(port, prefix)).with_pause(Duration::ZERO)
    }
}

/// A server of one test; it ends with this.
pub(super) struct Server {
    pub(super) kind: Kind,
    pub(super) port: u16,
    programs: PathBuf,
    data: TempDir,
    running: Option<Running>,
}

struct Running {
    process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Server {
    /// Starts a server, or says loudly that there is none to start.
    pub(super) fn start(kind: Kind) -> Option<Self> {
        // Not through `eprintln!`, which is hidden for tests that pass.
        let say =
            |what: &str| writeln!(std::io::stderr(), "skipped: {what}").expect("there is someone to tell");
        let Some(programs) = env::var_os("MLMGR_STORES").map(PathBuf::from) else {
            say("MLMGR_STORES is not set");
            return None;
        };
        if !programs.join(kind.name()).with_extension("txt").exists() {
            say(&format!("MLMGR_STORES has no {} server", kind.name()));
            return None;
        }
        let free = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let port = free.local_addr().expect("it is bound").port();
        drop(free);
        let data = tempfile::tempdir().expect("there is room");
        let mut server = Self { kind, port, programs, data, running: None };
        server.spawn();
        Some(server)
    }

    fn spawn(&mut self) {
        let named = fs::read_to_string(self.programs.join(self.kind.name()).with_extension("txt"));
        let named = named.expect("xtask wrote it");
        let mut lines = named.lines();
        let mut command = Command::new(lines.next().expect("the interpreter"));
        let port = self.port.to_string();
        match self.kind {
            Kind::S3 => command
                .args(["-W", "ignore", "-B"])
                .arg(self.programs.join("moto_server.py"))
                .args([&port, BUCKET]),
            Kind::Azure => command
                .arg(self.programs.join("azurite.cjs"))
                .args([lines.next().expect("the modules"), &port])
                .arg(self.data.path())
                .arg(BUCKET),
        };
        let log = fs::File::create(self.data.path().join("log.txt")).expect("the folder is ours");
        // The server ends when its input closes, even where the test is killed.
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the interpreter is there");
        let input = process.stdin.take().expect("asked for a pipe above");
        let output = BufReader::new(process.stdout.take().expect("asked for a pipe above")).lines();
        self.running = Some(Running { process, input, output });
        self.wait_for("ready");
    }

    /// Waits until the server says this.
    fn wait_for(&mut self, line: &str) {
        let running = self.running.as_mut().expect("it was started");
        let found = running.output.by_ref().map_while(Result::ok).any(|said| said == line);
        let log = fs::read_to_string(self.data.path().join("log.txt")).unwrap_or_default();
        assert!(found, "the server did not say {line}: {log}");
    }

    fn tell(&mut self, line: &str) {
        let input = &mut self.running.as_mut().expect("it was started").input;
        writeln!(input, "{line}").and_then(|()| input.flush()).expect("the server reads");
        self.wait_for(line);
    }

    /// Closes the port and every connection, in the middle of whatever it does.
    pub(super) fn stop(&mut self) {
        self.tell("stop");
    }

    /// Opens the port again, with the same objects.
    pub(super) fn restart(&mut self) {
        self.tell("start");
    }

    fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.process.kill().expect("it is our child");
            running.process.wait().expect("it is our child");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
