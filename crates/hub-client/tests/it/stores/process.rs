//! Processes of their own, each with a local store of its own over one bucket: this test binary once more.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, SystemTime},
};

use blob_store::{BlobStore as _, BlobStoreExt as _, FileEntry, GcOptions, Manifest, ManifestName};
use content_id::ContentId;
use testkit::hub::Layout;

use super::server::{Kind, Server};
use crate::{Events, MODEL, bytes_of, client, wanted};

const WHAT: &str = "MLMGR_STORES_CHILD";

/// Revisions that a process writes, in turns.
const ROUNDS: u64 = 6;

/// What a process does, with the server's kind and port, the prefix, its folder and one argument more.
const ACTIONS: [&str; 3] = ["download", "get", "churn"];

/// The process; does nothing when the test binary runs as a whole.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let Ok(what) = std::env::var(WHAT) else { return };
    let [action, kind, port, prefix, folder, argument] =
        <[String; 6]>::try_from(what.lines().map(str::to_owned).collect::<Vec<_>>()).expect("six lines");
    let port = port.parse().expect("a port");
    let store = Kind::of(&kind).tier(port, &prefix, Path::new(&folder));
    match &*action {
        "download" => {
            let client = client(Layout::HuggingFace, &argument);
            let plan = client.plan(&store, &wanted("v1")).await.expect("the hub answers");
            client.download(&store, &plan, &Events::default()).await.expect("it is downloaded");
        }
        "get" => {
            let models = store.manifests().await.expect("the bucket answers");
            let model =
                models.iter().find(|model| model.name.model == MODEL).expect("the other one put it there");
            let ids: Vec<_> = model.files.values().map(|file| file.content).collect();
            store.ensure_local(&ids).await.expect("the bucket has all of it");
            for (path, file) in &model.files {
                let local = store.local_path(file.content).expect("it is local now");
                assert!(std::fs::read(local).expect("a file") == bytes_of(path), "{path}");
            }
        }
        _ => churn(&store, &argument).await,
    }
}

/// Publishes, deletes and collects without any grace; says what was acknowledged at the end.
async fn churn(store: &blob_store::TieredStore, name: &str) {
    let now = SystemTime::now() + Duration::from_secs(1 << 20);
    for round in 0..ROUNDS {
        let contents: Vec<Vec<u8>> =
            (0..3).map(|n| format!("content {}", (round + n) % 4).into_bytes()).collect();
        let (gone, kept) = ((round + 1) % 2, round % 2);
        let mut model = Manifest::new(ManifestName::new("hub.example", name, kept.to_string()), 1);
        for bytes in &contents {
            let id = ContentId::of(bytes);
            model.files.insert(id.digest.to_string(), FileEntry::new(id, 1));
        }
        loop {
            // The other process collects what nobody names yet.
            for bytes in &contents {
                while store.put_bytes(bytes.clone().into()).await.is_err() {}
            }
            let version =
                store.manifest(&model.name).await.expect("the bucket answers").map(|(_, version)| version);
            if store.put_manifest(&model, version).await.is_ok() {
                break;
            }
        }
        let gone = ManifestName::new("hub.example", name, gone.to_string());
        store.remove_manifest(&gone).await.expect("nobody else writes it");
        store.collect_garbage(&GcOptions::new(now)).await.expect("the bucket answers");
    }
}

/// Starts a process that does this.
pub(super) fn spawn(
    server: &Server,
    action: &str,
    prefix: &str,
    folder: &Path,
    argument: &str,
) -> std::process::Child {
    assert!(ACTIONS.contains(&action));
    let folder = folder.to_str().expect("a temporary folder is text");
    let what = [action, server.kind.name(), &server.port.to_string(), prefix, folder, argument].join("\n");
    Command::new(std::env::current_exe().expect("the test binary has a path"))
        .args(["--exact", "stores::process::child", "--nocapture"])
        .env(WHAT, what)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the test binary runs again")
}

/// Waits for a process that has to succeed.
pub(super) fn finish(process: std::process::Child) {
    let Output { status, stdout, stderr } = process.wait_with_output().expect("it is our child");
    let said = String::from_utf8_lossy(&stdout);
    assert!(status.success() && said.contains("1 passed"), "{said}\n{}", String::from_utf8_lossy(&stderr));
}
