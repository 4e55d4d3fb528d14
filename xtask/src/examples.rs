//! Runs the examples of all crates, those that ask servers against servers on loopback.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::json;
use testkit::{
    hub::{HubOptions, HubServer},
    onnx::tiny_model,
    settings::{SettingsOptions, SettingsServer},
};

use crate::repo::{self, Repo};

const MODEL: &str = "org/tiny";
const LIST: &str = "ml-inference-options";
const SIGNER: &str = "remote-settings.content-signature.mozilla.org";

/// The servers that examples ask, and the folder that they run in.
struct Stage {
    settings: SettingsServer,
    hub: HubServer,
    folder: tempfile::TempDir,
}

/// Runs every example, built by the tests before; each must succeed and say something.
pub(crate) fn run() -> Result<(), String> {
    let stage = Stage::new()?;
    let mut arguments = stage.arguments();
    let examples = names(&Repo::read()?);
    for (name, path) in &examples {
        let how = arguments.remove(name.as_str());
        let how = how.ok_or_else(|| format!("{path}: say in xtask/src/examples.rs how to run it"))?;
        let mut command = Command::new(repo::program(&format!("examples/{name}")));
        let output = stage.within(&mut command).args(&how).output();
        let output = output.map_err(|error| format!("{path} was not built: {error}"))?;
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if !output.status.success() || stdout.trim().is_empty() {
            return Err(format!("{path} ended with {}:\n{stdout}{stderr}", output.status));
        }
        println!("{path}: {}", stdout.lines().next().unwrap_or_default());
    }
    match arguments.into_keys().next() {
        Some(gone) => Err(format!("xtask/src/examples.rs: there is no example {gone} any more")),
        None => Ok(()),
    }
}

/// The examples by name, with their paths.
fn names(repo: &Repo) -> BTreeMap<String, String> {
    let examples = repo.texts(".rs").filter_map(|(path, _)| {
        let (_, file) = path.split_once("/examples/")?;
        Some((file.trim_end_matches(".rs").to_owned(), path.to_owned()))
    });
    examples.collect()
}

impl Stage {
    fn new() -> Result<Self, String> {
        let stage = Self {
            settings: SettingsServer::start(SettingsOptions::default()),
            hub: HubServer::start(HubOptions::hugging_face()),
            folder: tempfile::tempdir().map_err(|error| format!("cannot make a folder: {error}"))?,
        };
        stage.hub.add_model(MODEL, "main", tiny_model());
        stage.settings.set_record(
            LIST,
            json!({"id": "embed", "taskName": "feature-extraction", "modelId": MODEL, "modelRevision": "main", "dtype": "q8"}),
        );
        let runtime = json!({"id": "wasm", "name": "ort.wasm", "version": "5.2.0"});
        stage.settings.set_record("ml-onnx-runtime", runtime);
        stage.settings.set_attachment("ml-onnx-runtime", "wasm", "ort.wasm", b"a runtime".to_vec());
        stage.install()?;
        stage.write("changeset.json", &stage.settings.changeset(LIST).to_string())?;
        stage.write("chain.pem", &stage.settings.chain_pem())?;
        Ok(stage)
    }

    /// Installs the model where the example of `mlmgr` keeps its models, so that it asks nobody.
    fn install(&self) -> Result<(), String> {
        let (server, root, hub) = (self.settings.url(), self.settings.root_hash(), self.hub.url());
        let sources =
            ["--server", &server, "--server-root", &root, "--hub", &hub, "--hub-layout", "huggingface"];
        for arguments in [&["sync"][..], &["pull", "feature-extraction"]] {
            let mut command = Command::new(repo::program("mlmgr"));
            let command =
                self.within(&mut command).args(arguments).args(sources).args(["--store", "target/models"]);
            let output = command.output().map_err(|error| format!("mlmgr was not built: {error}"))?;
            if !output.status.success() {
                return Err(format!("mlmgr {arguments:?}: {}", String::from_utf8_lossy(&output.stderr)));
            }
        }
        Ok(())
    }

    /// Writes a file into the folder.
    fn write(&self, name: &str, text: &str) -> Result<(), String> {
        fs::write(self.folder.path().join(name), text)
            .map_err(|error| format!("cannot write {name}: {error}"))
    }

    /// Lets `command` run in the folder and without a proxy.
    fn within<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.current_dir(self.folder.path()).env("NO_PROXY", "127.0.0.1")
    }

    /// How to run each example.
    fn arguments(&self) -> BTreeMap<&'static str, Vec<String>> {
        let weights =
            Path::new("fixtures/hub/sentence-transformers/all-MiniLM-L6-v2/onnx/model_quantized.onnx");
        let weights = repo::root().join(weights).display().to_string();
        BTreeMap::from([
            ("download_a_model", vec![MODEL.to_owned(), self.hub.url()]),
            ("embed", Vec::new()),
            ("embed_with_a_folder", Vec::new()),
            (
                "fetch_attachment",
                vec!["main/ml-onnx-runtime".to_owned(), self.settings.url(), self.settings.root_hash()],
            ),
            (
                "keep_a_collection",
                vec![format!("main/{LIST}"), self.settings.url(), self.settings.root_hash()],
            ),
            ("keep_a_file", Vec::new()),
            ("run_onnx", vec![weights]),
            ("token_vectors", Vec::new()),
            ("urls", Vec::new()),
            (
                "verify_changeset",
                ["changeset.json", "chain.pem", &self.settings.root_hash(), SIGNER, &now()]
                    .map(str::to_owned)
                    .to_vec(),
            ),
        ])
    }
}

/// The time in seconds since 1970.
fn now() -> String {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().to_string()
}
