//! Runs the `mlmgr` program, showing what a person would type and what the program says.

use std::{
    path::PathBuf,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::world::World;
use crate::repo;

/// The program with the surroundings it runs in.
pub(crate) struct Mlmgr {
    program: PathBuf,
    folder: PathBuf,
    environment: Vec<(&'static str, String)>,
}

/// How a run ended.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) time: Duration,
}

impl Mlmgr {
    /// Prepares runs against the servers of `world`, with a store of their own.
    pub(crate) fn new(world: &World) -> Result<Self, String> {
        let program = repo::program("mlmgr");
        let folder = world.folder.path().to_owned();
        // An empty configuration file, so that none of this account is read.
        let config = folder.join("mlmgr.toml");
        std::fs::write(&config, "").map_err(|error| format!("cannot write {}: {error}", config.display()))?;
        let environment = vec![
            ("MLMGR_CONFIG", config.display().to_string()),
            ("MLMGR_SERVER", world.settings.url()),
            ("MLMGR_SERVER_ROOT", world.settings.root_hash()),
            ("MLMGR_HUB", world.hub.url()),
            ("MLMGR_HUB_LAYOUT", "huggingface".to_owned()),
            ("MLMGR_STORE", world.store().display().to_string()),
            ("NO_PROXY", "127.0.0.1".to_owned()),
        ];
        Ok(Self { program, folder, environment })
    }

    /// Runs `program` instead of the one built beside this program.
    pub(crate) fn with_program(self, program: PathBuf) -> Self {
        Self { program, ..self }
    }

    /// What to set in a shell to do the same by hand.
    pub(crate) fn environment(&self) -> &[(&'static str, String)] {
        &self.environment
    }

    /// The program's path, short where it lies below the checkout.
    pub(crate) fn shown_program(&self) -> String {
        self.program.strip_prefix(repo::root()).unwrap_or(&self.program).display().to_string()
    }

    /// Runs a command in the open: prints it, passes its messages on and prints its answer.
    pub(crate) fn show(&self, arguments: &[&str]) -> Result<Ran, String> {
        let words: Vec<String> = arguments.iter().map(|word| quoted(word)).collect();
        println!("$ mlmgr {}", words.join(" "));
        let start = Instant::now();
        let output = self.output(self.command(arguments).stderr(Stdio::inherit()))?;
        let ran = Ran::new(&output, start.elapsed());
        print!("{}", ran.stdout);
        Ok(ran)
    }

    /// Runs a command in the open that has to succeed.
    pub(crate) fn show_ok(&self, arguments: &[&str]) -> Result<Ran, String> {
        let ran = self.show(arguments)?;
        match ran.code {
            Some(0) => Ok(ran),
            code => Err(format!("`mlmgr {}` ended with {code:?} instead of 0", arguments.join(" "))),
        }
    }

    /// Runs a command behind the scenes, to check what the program says to programs.
    pub(crate) fn json(&self, arguments: &[&str]) -> Result<Value, String> {
        let mut command = self.command(arguments);
        let output = self.output(command.arg("--json"))?;
        let shown = arguments.join(" ");
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr);
            return Err(format!("`mlmgr {shown} --json` failed: {}", message.trim()));
        }
        serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("`mlmgr {shown} --json` printed no JSON: {error}"))
    }

    /// A command in these surroundings.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os() {
            // What a person has set for mlmgr is not meant for the demo.
            if name.to_string_lossy().starts_with("MLMGR_") {
                command.env_remove(name);
            }
        }
        command.args(arguments).envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(&self.folder).stdin(Stdio::null());
        command
    }

    fn output(&self, command: &mut Command) -> Result<Output, String> {
        command.output().map_err(|error| format!("{} did not start: {error}", self.program.display()))
    }
}

impl Ran {
    fn new(output: &Output, time: Duration) -> Self {
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        Self { code: output.status.code(), stdout, time }
    }
}

/// A word as it would be typed into a shell.
fn quoted(word: &str) -> String {
    let plain = |it: char| it.is_ascii_alphanumeric() || "-_./:@={}".contains(it);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("\"{word}\"") }
}
