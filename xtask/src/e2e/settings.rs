//! `rs-client` against Kinto with its plugins, as Remote Settings runs it.
//!
//! The scenarios are tests of `rs-client` that start a server each; this prepares what they need and reports them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Build, Outcome, scenarios::Scenarios};
use crate::{
    python::{self, Wanted},
    repo, report,
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
/// The report's name.
const REPORT: &str = "e2e-settings";
/// The most seconds that all scenarios may take on a busy machine; on two idle cores it is a dozen.
const SECONDS: f64 = 300.0;

/// Runs all scenarios; fails where one does.
pub(crate) fn settings(build: Build) -> Result<Outcome, String> {
    report::forget(REPORT)?;
    let wanted = Wanted { name: "kinto", at_least: PYTHON, requirements: REQUIREMENTS };
    let environment = match python::environment(wanted)? {
        python::Outcome::Ready(environment) => environment,
        python::Outcome::Skipped(why) => {
            return Ok(Outcome::Skipped(format!("rs-client against a real settings server: {why}")));
        }
    };
    let folder = prepare(environment.python())?;
    let scenarios = Scenarios {
        package: "rs-client",
        modules: &[MODULE],
        variable: "MLMGR_KINTO",
        folder: &folder,
        report: REPORT,
        seconds: SECONDS,
    };
    scenarios.run(build)?;
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

#[cfg(test)]
mod tests {
    use super::{FILES, PYTHON, REQUIREMENTS};

    #[test]
    fn every_package_is_pinned() {
        for line in REQUIREMENTS.lines().filter(|line| !line.starts_with('#')) {
            assert!(line.contains("=="), "{line}");
        }
        assert!(PYTHON >= (3, 9) && FILES.iter().all(|(_, text)| !text.is_empty()));
    }
}
