//! The servers of the demo, and what is on them.

use std::{
    collections::BTreeMap,
    io::Read,
    path::{Path, PathBuf},
};

use content_id::{ContentId, Hasher};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{
    hub::{HubOptions, HubServer},
    settings::{SettingsOptions, SettingsServer},
};

use super::revision;
use crate::repo;

pub(crate) const TASK: &str = "feature-extraction";
pub(crate) const MODEL: &str = "sentence-transformers/all-MiniLM-L6-v2";
pub(crate) const WEIGHTS: &str = "onnx/model_quantized.onnx";
pub(crate) const OPTIONS: &str = "ml-inference-options";
const RUNTIMES: &str = "ml-onnx-runtime";
const RULES: &str = "ml-model-allow-deny-list";
/// The record that says which model the task uses.
pub(crate) const RECORD: &str = "sentence-embedding";
/// The runtime file of the records, its versions, and which of them is to be chosen.
pub(crate) const RUNTIME: &str = "ort-wasm-simd-threaded.jsep.wasm";
const RUNTIME_VERSIONS: [&str; 4] = ["5.2.0", "5.10.0", "4.9.9", "6.0.0"];
pub(crate) const NEWEST_RUNTIME: &str = "5.10.0";

type Files = BTreeMap<String, Vec<u8>>;

/// Three servers and a folder.
pub(crate) struct World {
    pub(crate) settings: SettingsServer,
    pub(crate) hub: HubServer,
    pub(crate) mozilla: HubServer,
    pub(crate) folder: TempDir,
    files: Files,
}

impl World {
    /// Starts the servers with the first revision of the model.
    pub(crate) fn start() -> Result<Self, String> {
        let source = repo::root().join("fixtures/hub").join(MODEL);
        let mut files = Files::new();
        collect(&source, &source, &mut files)
            .map_err(|error| format!("cannot read {}: {error}", source.display()))?;
        let folder = tempfile::Builder::new().prefix("mlmgr-demo-").tempdir();
        let folder = folder.map_err(|error| format!("cannot make a folder for the demo: {error}"))?;
        let world = Self {
            settings: SettingsServer::start(SettingsOptions::default()),
            hub: HubServer::start(HubOptions::hugging_face()),
            mozilla: HubServer::start(HubOptions::mozilla()),
            folder,
            files,
        };
        world.publish("v1");
        world.settings.set_record(OPTIONS, world.record("v1"));
        for (id, hub) in [("hub", &world.hub), ("mirror", &world.mozilla)] {
            let rule = json!({"id": id, "filter": "ALLOW", "urlPrefix": format!("{}/", hub.url()), "description": "the demo's"});
            world.settings.set_record(RULES, rule);
        }
        for version in RUNTIME_VERSIONS {
            // Ids take letters, digits, `-` and `_`.
            let id = format!("runtime-{}", version.replace('.', "-"));
            world.settings.set_record(RUNTIMES, json!({"id": id, "name": RUNTIME, "version": version}));
            world.settings.set_attachment(RUNTIMES, &id, RUNTIME, runtime_bytes(version));
        }
        Ok(world)
    }

    /// The folder that mlmgr keeps models and settings in.
    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// Puts a revision of the model on both hubs.
    pub(crate) fn publish(&self, revision: &str) {
        for hub in [&self.hub, &self.mozilla] {
            hub.add_model(MODEL, revision, self.revision(revision));
        }
    }

    /// The record that makes `revision` the task's model, with the digests of its files.
    pub(crate) fn record(&self, revision: &str) -> Value {
        let needed =
            [WEIGHTS, "config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"];
        let files = self.revision(revision);
        let digests: BTreeMap<&str, Value> = needed
            .into_iter()
            .filter_map(|path| {
                let content = ContentId::of(files.get(path)?);
                Some((path, json!({"hash": content.digest.to_string(), "size": content.size})))
            })
            .collect();
        json!({
            "id": RECORD, "taskName": TASK, "modelId": MODEL, "modelRevision": revision, "dtype": "q8",
            "files": digests,
        })
    }

    /// The digest of the weights of a revision.
    pub(crate) fn weights_digest(&self, revision: &str) -> String {
        ContentId::of(&self.revision(revision)[WEIGHTS]).digest.to_string()
    }

    /// The files of a revision: "v1" as in the fixtures, others with documentation in the model.
    fn revision(&self, revision: &str) -> Files {
        let mut files = self.files.clone();
        if revision != "v1"
            && let Some(weights) = files.get_mut(WEIGHTS)
        {
            *weights = revision::documented(weights, &format!("revision {revision} of the demo"));
        }
        files
    }

    /// The paths that the first hub was asked for since the last call.
    pub(crate) fn requested(&self) -> Vec<String> {
        let paths = self.hub.requests().into_iter().map(|request| request.path().to_owned()).collect();
        self.hub.http().forget_requests();
        paths
    }

    /// How many bytes of each file the first hub was asked for since the last call; `whole` where not for a range.
    pub(crate) fn asked(&self, whole: u64) -> BTreeMap<String, u64> {
        let mut asked = BTreeMap::new();
        for request in self.hub.requests().iter().filter(|request| request.path().contains("/resolve/")) {
            let range = request.header("range").and_then(|range| range.strip_prefix("bytes="));
            let ends = range.and_then(|range| range.split_once('-'));
            let bytes = ends.and_then(|(first, last)| {
                Some(last.parse::<u64>().ok()?.checked_sub(first.parse::<u64>().ok()?)? + 1)
            });
            *asked.entry(request.path().to_owned()).or_default() += bytes.unwrap_or(whole);
        }
        self.hub.http().forget_requests();
        asked
    }

    /// How many bytes of weights a revision has.
    pub(crate) fn weights_bytes(&self, revision: &str) -> u64 {
        self.revision(revision)[WEIGHTS].len() as u64
    }

    /// How many requests all servers have had.
    pub(crate) fn requests(&self) -> usize {
        self.settings.requests().len() + self.hub.requests().len() + self.mozilla.requests().len()
    }

    /// Closes all ports.
    pub(crate) fn stop(&self) {
        self.settings.stop();
        self.hub.stop();
        self.mozilla.stop();
    }

    /// Whether all ports are closed.
    pub(crate) fn is_stopped(&self) -> bool {
        let servers = [self.settings.http(), self.hub.http(), self.mozilla.http()];
        servers.into_iter().all(|server| std::net::TcpStream::connect(server.address()).is_err())
    }

    /// Opens the same ports again.
    pub(crate) fn restart(&self) {
        self.settings.http().restart();
        self.hub.http().restart();
        self.mozilla.http().restart();
    }

    /// The digests of all files below the store, however it names them.
    pub(crate) fn stored_digests(&self) -> Result<Vec<String>, String> {
        let mut digests = Vec::new();
        hash_files(&self.store(), &mut digests).map_err(|error| format!("cannot read the store: {error}"))?;
        Ok(digests)
    }
}

/// What the runtime file of a version holds.
pub(crate) fn runtime_bytes(version: &str) -> Vec<u8> {
    format!("\0asm\x01\0\0\0 stands for the WASM runtime {version}").into_bytes()
}

fn collect(top: &Path, folder: &Path, files: &mut Files) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(top, &path, files)?;
        } else {
            let name = path.strip_prefix(top).expect("found below it").to_string_lossy().replace('\\', "/");
            files.insert(name, std::fs::read(&path)?);
        }
    }
    Ok(())
}

fn hash_files(folder: &Path, digests: &mut Vec<String>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            hash_files(&path, digests)?;
            continue;
        }
        let mut file = std::fs::File::open(&path)?;
        let mut hasher = Hasher::default();
        let mut piece = vec![0; 1 << 16];
        loop {
            match file.read(&mut piece)? {
                0 => break,
                read => hasher.update(&piece[..read]),
            }
        }
        digests.push(hasher.finish().digest.to_string());
    }
    Ok(())
}
