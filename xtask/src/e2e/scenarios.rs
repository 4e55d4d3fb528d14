//! Scenarios: tests of a crate that need a server that others wrote, run apart and reported one by one.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use serde::Deserialize;

use super::Build;
use crate::{
    repo,
    report::{self, Row},
};

/// The tests of modules in a crate's test binary.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scenarios<'a> {
    pub(super) package: &'a str,
    /// Where the scenarios lie in the test binary, with the colons after it: only those that have what they need here,
    /// since one that has not skips itself, and is no pass.
    pub(super) modules: &'a [&'a str],
    /// The variable that names the private folder for the tests.
    pub(super) variable: &'a str,
    pub(super) folder: &'a Path,
    /// The report's name.
    pub(super) report: &'a str,
    /// The most seconds that all of them may take on a busy machine.
    pub(super) seconds: f64,
}

impl Scenarios<'_> {
    /// Runs all of them and reports each; fails where one does.
    pub(super) fn run(&self, build: Build) -> Result<(), String> {
        let tests = test_binary(self.package, build)?;
        let start = Instant::now();
        let results = self.results(&tests)?;
        let seconds = start.elapsed().as_secs_f64();
        if let Some(module) = empty(self.modules, &results) {
            return Err(format!("there is no test in {module}"));
        }
        println!();
        let mut rows: Vec<Row> = results
            .iter()
            .map(|(name, passed)| {
                let name = name.rsplit("::").next().unwrap_or_default();
                Row::plain(name.replace('_', " "), f64::from(u8::from(*passed)), "pass").at_least(1.0)
            })
            .collect();
        rows.push(Row::plain("all of them: time", seconds, "s").at_most(self.seconds));
        report::finish(self.report, &rows)
    }

    /// Runs the tests and returns the name of each with whether it passed.
    fn results(&self, tests: &Path) -> Result<Vec<(String, bool)>, String> {
        let mut child = Command::new(tests)
            .args(self.modules)
            .env(self.variable, self.folder)
            .current_dir(repo::root().join("crates").join(self.package))
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{} did not start: {error}", tests.display()))?;
        let output = child.stdout.take().expect("asked for a pipe above");
        let mut results = Vec::new();
        for line in BufReader::new(output).lines() {
            let line = line.map_err(|error| format!("cannot read what the tests say: {error}"))?;
            println!("{line}");
            results.extend(result(&line));
        }
        results.sort();
        let status = child.wait().map_err(|error| format!("the tests were lost: {error}"))?;
        // A test that takes the whole program down with it is in no line.
        if !status.success() && results.iter().all(|(_, passed)| *passed) {
            return Err(format!("the tests did not come to their end: {status}"));
        }
        Ok(results)
    }
}

/// Builds the tests of a crate and returns the program that they are.
fn test_binary(package: &str, build: Build) -> Result<PathBuf, String> {
    #[derive(Deserialize)]
    struct Message {
        manifest_path: Option<PathBuf>,
        target: Option<repo::Target>,
        executable: Option<PathBuf>,
    }
    let selection: &[&str] = match build {
        Build::Crate => &["--package", package, "--test", "it"],
        Build::Workspace => &["--workspace"],
    };
    let output = repo::cargo()
        .args(["test", "--locked", "--no-run", "--quiet", "--message-format", "json-render-diagnostics"])
        .args(selection)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo did not start: {error}"))?;
    if !output.status.success() {
        return Err("the tests do not build".to_owned());
    }
    let manifest = repo::root().join("crates").join(package).join("Cargo.toml");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .find(|message| {
            message.manifest_path.as_ref() == Some(&manifest)
                && message.target.as_ref().is_some_and(|target| target.name == "it")
        })
        .and_then(|message| message.executable)
        .ok_or_else(|| format!("cargo names no test binary of {package}"))
}

/// A module without a test: its name here is not its name there.
fn empty<'a>(modules: &[&'a str], results: &[(String, bool)]) -> Option<&'a str> {
    modules.iter().find(|module| !results.iter().any(|(name, _)| name.starts_with(*module))).copied()
}

/// Reads a line such as `test kinto::sync::first ... ok`.
fn result(line: &str) -> Option<(String, bool)> {
    let (name, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
    Some((name.to_owned(), result == "ok"))
}

#[cfg(test)]
mod tests {
    use super::{empty, result};

    #[test]
    fn results_are_read() {
        assert_eq!(result("test kinto::a::b ... ok"), Some(("kinto::a::b".to_owned(), true)));
        assert_eq!(result("test kinto::a::b ... FAILED"), Some(("kinto::a::b".to_owned(), false)));
        assert_eq!(result("test result: ok. 12 passed"), None);
        assert_eq!(result("running 2 tests"), None);
    }

    #[test]
    fn a_module_without_tests_is_found() {
        let results = [("stores::s3::a".to_owned(), true)];
        assert_eq!(empty(&["stores::s3::"], &results), None);
        assert_eq!(empty(&["stores::s3::", "stores::azure::"], &results), Some("stores::azure::"));
    }
}
