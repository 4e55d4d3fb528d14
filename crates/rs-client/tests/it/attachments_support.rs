//! A server with one attachment, a client of it, and a folder.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use content_id::ContentId;
use rs_client::{AttachmentFolder, Client, Error, Fetched, Limits};
use tempfile::TempDir;
use testkit::http::{Fault, FaultKind, Reply};

use crate::support::{LIST, Pair, list};

/// The paths of attachments.
pub(crate) const FILES: &str = "/attachments/*";

/// Larger than what is gathered before it is written.
pub(crate) const SIZE: usize = 700_000;

/// A pair whose record `a` has an attachment, and a folder for it.
pub(crate) struct Kept {
    pub(crate) pair: Pair,
    pub(crate) folder: AttachmentFolder,
    pub(crate) content: ContentId,
    pub(crate) bytes: Vec<u8>,
    root: TempDir,
}

impl Kept {
    pub(crate) async fn new() -> Self {
        Self::with(noise(SIZE, 1)).await
    }

    pub(crate) async fn with(bytes: Vec<u8>) -> Self {
        let pair = Pair::new();
        pair.server.set_attachment(LIST, "a", "file.bin", bytes.clone());
        pair.client.sync(&list()).await.expect("the server is good");
        pair.requests();
        let root = tempfile::tempdir().expect("there is room for a folder");
        let folder = AttachmentFolder::open(root.path().join("attachments"));
        Self { pair, folder, content: ContentId::of(&bytes), bytes, root }
    }

    /// A folder that is outside of the folder of attachments.
    pub(crate) fn outside(&self) -> &Path {
        self.root.path()
    }

    pub(crate) async fn fetch(&self) -> Result<Fetched, Error> {
        self.fetch_by(&self.pair.client).await
    }

    pub(crate) async fn fetch_by(&self, client: &Client) -> Result<Fetched, Error> {
        client.fetch_attachment(&list(), "a", &self.folder).await
    }

    /// A client that asks for an attachment in at most so many requests.
    pub(crate) fn asking(&self, requests: u32) -> Client {
        let mut limits = Limits::default();
        limits.attachment_requests = requests;
        self.pair.builder().limits(limits).build()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.folder().join(self.content.digest.to_string())
    }

    pub(crate) fn part(&self) -> PathBuf {
        self.path().with_extension("part")
    }

    /// Leaves these bytes as what an earlier download has brought.
    pub(crate) fn leave(&self, bytes: &[u8]) {
        fs::create_dir_all(self.folder.folder()).expect("a folder can be made");
        fs::write(self.part(), bytes).expect("there is room");
    }

    /// The names in the folder.
    pub(crate) fn names(&self) -> Vec<String> {
        names(self.folder.folder())
    }

    pub(crate) fn fault(&self, kind: FaultKind) {
        self.pair.server.fault(Fault::new(FILES, kind).times(1));
    }

    pub(crate) fn answer(&self, reply: Reply) {
        self.fault(FaultKind::Reply(reply));
    }

    /// The ranges that attachments were asked for with since the last call.
    pub(crate) fn asked(&self) -> Vec<Option<String>> {
        let requests = self.pair.server.requests();
        self.pair.server.forget_requests();
        let requests = requests.iter().filter(|request| request.target.starts_with("/attachments/"));
        requests.map(|request| request.header("range").map(str::to_owned)).collect()
    }

    pub(crate) fn assert_good(&self, fetched: &Fetched) {
        assert_eq!(fetched.path, self.path());
        assert_eq!(fetched.attachment.content, self.content);
        assert!(fs::read(&fetched.path).expect("it is there") == self.bytes, "other bytes");
        assert_eq!(self.names(), [self.content.digest.to_string()], "and nothing else");
    }
}

pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().into_string().expect("names are text")).collect();
    names.sort();
    names
}

/// The same bytes for the same seed, and no two pieces alike.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    (0..length).map(|_| next()).collect()
}

pub(crate) fn range(from: usize) -> Option<String> {
    (from > 0).then(|| format!("bytes={from}-"))
}

/// Makes a file look as if nobody had used it for this long.
pub(crate) fn age(path: &Path, age: Duration) {
    let then = SystemTime::now() - age;
    let times = fs::FileTimes::new().set_accessed(then).set_modified(then);
    let file = fs::File::options().append(true).open(path).expect("it can be written");
    file.set_times(times).expect("a file's times can be set");
}
