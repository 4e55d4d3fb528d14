//! The program, with a settings server, a hub and a folder.

use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{
    hub::{HubOptions, HubServer},
    onnx::{tiny_model, tiny_model_with_seed},
    settings::{SettingsOptions, SettingsServer},
};

pub(crate) const TASK: &str = "feature-extraction";
pub(crate) const OPTIONS: &str = "ml-inference-options";
pub(crate) const RULES: &str = "ml-model-allow-deny-list";
pub(crate) const RUNTIMES: &str = "ml-onnx-runtime";
pub(crate) const MODEL: &str = "org/tiny";
pub(crate) const TEXT: &str = "The cat sleeps.";

/// Servers on loopback, and where the program runs.
pub(crate) struct World {
    pub(crate) settings: SettingsServer,
    pub(crate) hub: HubServer,
    pub(crate) folder: TempDir,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl World {
    /// Starts the servers with a tiny model as v1 and a record that names it.
    pub(crate) fn new() -> Self {
        let world = Self {
            settings: SettingsServer::start(SettingsOptions::default()),
            hub: HubServer::start(HubOptions::hugging_face()),
            folder: tempfile::tempdir().expect("a temporary folder can be made"),
        };
        world.hub.add_model(MODEL, "v1", tiny_model());
        world.settings.set_record(OPTIONS, record("embed", "v1"));
        world
    }

    /// Publishes other weights as v2 and changes the record.
    pub(crate) fn change_record(&self) {
        self.hub.add_model(MODEL, "v2", tiny_model_with_seed(7));
        self.settings.set_record(OPTIONS, record("embed", "v2"));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn requests(&self) -> usize {
        self.settings.requests().len() + self.hub.requests().len()
    }

    /// The program in an empty environment, in a folder without configuration.
    pub(crate) fn bare(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mlmgr"));
        command.env_clear().current_dir(self.folder.path()).stdin(Stdio::null());
        // Nothing of the account that the test runs in is read or written.
        command.env("HOME", self.path("home")).env("NO_PROXY", "127.0.0.1");
        command.args(arguments);
        command
    }

    /// The program with the servers and the store in the environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.bare(arguments);
        command
            .env("MLMGR_SERVER", self.settings.url())
            .env("MLMGR_SERVER_ROOT", self.settings.root_hash())
            .env("MLMGR_HUB", self.hub.url())
            .env("MLMGR_STORE", self.path("store"));
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        ran(&mut self.command(arguments))
    }

    /// Runs a command that succeeds, and returns its object.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let ran = ran(self.command(arguments).arg("--json"));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_eq!(ran.stderr, "", "a program that asks for JSON gets nothing else");
        let value: Value = serde_json::from_str(&ran.stdout).expect("standard output is one JSON value");
        assert_eq!(value["command"], arguments_name(arguments), "{value}");
        value
    }
}

fn arguments_name(arguments: &[&str]) -> String {
    match arguments {
        ["runtime", "pull", ..] => "runtime pull".to_owned(),
        [name, ..] => (*name).to_owned(),
        [] => String::new(),
    }
}

/// Runs a command to its end.
pub(crate) fn ran(command: &mut Command) -> Ran {
    finished(command.output().expect("the program starts"))
}

/// Runs a command with `input` on its standard input.
pub(crate) fn ran_with(command: &mut Command, input: &[u8]) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("it was piped");
    // A program that refuses early closes its end.
    let _ = stdin.write_all(input);
    drop(stdin);
    finished(child.wait_with_output().expect("the program ends"))
}

fn finished(output: Output) -> Ran {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program writes UTF-8");
    let ran = Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) };
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    ran
}

/// A record of the task for a revision of the model.
pub(crate) fn record(id: &str, revision: &str) -> Value {
    json!({"id": id, "taskName": TASK, "modelId": MODEL, "modelRevision": revision, "dtype": "q8"})
}
