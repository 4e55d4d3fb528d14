//! `rs-client` against Kinto with its plugins, as Remote Settings runs it.
//!
//! The scenarios are tests of `rs-client` that start a server each; this prepares what they need and reports them.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use serde::Deserialize;

use crate::{
    python::{self, Wanted},
    repo,
    report::{self, Row},
};

/// What the server needs; the plugins for Kinto are older than it, and name neither `cornice` nor `setuptools`.
const REQUIREMENTS: &str = include_str!("requirements.txt");
/// The oldest Python that the packages run on.
const PYTHON: (u32, u32) = (3, 11);
/// What lies in the private folder beside `interpreter.txt`.
const FILES: [(&str, &str); 3] = [
    ("server.py", include_str!("server.py")),
    ("signer.py", include_str!("signer.py")),
    ("kinto.ini", include_str!("kinto.ini")),
];
/// Where the scenarios lie in the test binary.
const MODULE: &str = "kinto::";
/// The most seconds that all scenarios may take on a busy machine; on two idle cores it is a dozen.
const SECONDS: f64 = 300.0;

/// Which build of the tests is run; each shares its dependencies with other commands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Build {
    /// Of one crate: the least to build.
    Crate,
    /// Of the workspace, which `cargo xtask test` has built by then.
    Workspace,
}

/// Whether the scenarios ran.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// All of them passed.
    Passed,
    /// None ran, and why.
    Skipped(String),
}

/// Runs all scenarios; fails where one does.
pub(crate) fn settings(build: Build) -> Result<Outcome, String> {
    let wanted = Wanted { name: "kinto", at_least: PYTHON, requirements: REQUIREMENTS };
    let environment = match python::environment(wanted)? {
        python::Outcome::Ready(environment) => environment,
        python::Outcome::Skipped(why) => {
            return Ok(Outcome::Skipped(format!("rs-client against a real settings server: {why}")));
        }
    };
    let folder = prepare(environment.python())?;
    let tests = test_binary(build)?;
    let start = Instant::now();
    let results = scenarios(&tests, &folder)?;
    let seconds = start.elapsed().as_secs_f64();
    if results.is_empty() {
        return Err(format!("there is no test in {MODULE}"));
    }
    println!();
    let mut rows: Vec<Row> = results
        .iter()
        .map(|(name, passed)| {
            let name = name.trim_start_matches(MODULE).rsplit("::").next().unwrap_or_default();
            Row::plain(name.replace('_', " "), f64::from(u8::from(*passed)), "pass").at_least(1.0)
        })
        .collect();
    rows.push(Row::plain("all of them: time", seconds, "s").at_most(SECONDS));
    report::finish("e2e-settings", &rows)?;
    Ok(Outcome::Passed)
}

/// Writes the private folder that `MLMGR_KINTO` names for the tests.
fn prepare(python: &Path) -> Result<PathBuf, String> {
    let folder = repo::root().join("target/e2e/settings");
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
    };
    fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    for (name, text) in FILES {
        write(name, text)?;
    }
    write("interpreter.txt", &python.to_string_lossy())?;
    Ok(folder)
}

/// Builds the tests of `rs-client` and returns the program that they are.
fn test_binary(build: Build) -> Result<PathBuf, String> {
    #[derive(Deserialize)]
    struct Message {
        manifest_path: Option<PathBuf>,
        target: Option<repo::Target>,
        executable: Option<PathBuf>,
    }
    let selection: &[&str] = match build {
        Build::Crate => &["--package", "rs-client", "--test", "it"],
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
    let manifest = repo::root().join("crates/rs-client/Cargo.toml");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .find(|message| {
            message.manifest_path.as_ref() == Some(&manifest)
                && message.target.as_ref().is_some_and(|target| target.name == "it")
        })
        .and_then(|message| message.executable)
        .ok_or_else(|| "cargo names no test binary of rs-client".to_owned())
}

/// Runs the tests and returns the name of each with whether it passed.
fn scenarios(tests: &Path, folder: &Path) -> Result<Vec<(String, bool)>, String> {
    let mut child = Command::new(tests)
        .arg(MODULE)
        .env("MLMGR_KINTO", folder)
        .current_dir(repo::root().join("crates/rs-client"))
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

/// Reads a line such as `test kinto::sync::first ... ok`.
fn result(line: &str) -> Option<(String, bool)> {
    let (name, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
    Some((name.to_owned(), result == "ok"))
}

#[cfg(test)]
mod tests {
    use super::{FILES, PYTHON, REQUIREMENTS, result};

    #[test]
    fn results_are_read() {
        assert_eq!(result("test kinto::a::b ... ok"), Some(("kinto::a::b".to_owned(), true)));
        assert_eq!(result("test kinto::a::b ... FAILED"), Some(("kinto::a::b".to_owned(), false)));
        assert_eq!(result("test result: ok. 12 passed"), None);
        assert_eq!(result("running 2 tests"), None);
    }

    #[test]
    fn every_package_is_pinned() {
        for line in REQUIREMENTS.lines().filter(|line| !line.starts_with('#')) {
            assert!(line.contains("=="), "{line}");
        }
        assert!(PYTHON >= (3, 9) && FILES.iter().all(|(_, text)| !text.is_empty()));
    }
}
