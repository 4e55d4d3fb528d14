//! `blob-store` on real object stores: moto's S3 server, from Python, and Azurite, from Node.
//!
//! The scenarios are tests of `hub-client`, which starts a server each and other processes that share it; this prepares
//! what they need and reports them.

use std::fs;

use super::{Build, Outcome, scenarios::Scenarios};
use crate::{
    node,
    python::{self, Wanted},
    repo, report,
};

/// What moto's server needs for S3.
const REQUIREMENTS: &str = include_str!("stores-requirements.txt");
/// The oldest Python that the packages run on.
const PYTHON: (u32, u32) = (3, 11);
/// Azurite, and the day whose registry it is: what it imports has the versions of that day.
const AZURITE: node::Wanted<'_> =
    node::Wanted { name: "azurite", package: "azurite@3.37.0", before: "2026-11-20", at_least: 20 };
/// What lies in the private folder beside the files that name the interpreters.
const FILES: [(&str, &str); 2] =
    [("moto_server.py", include_str!("moto_server.py")), ("azurite.cjs", include_str!("azurite.cjs"))];
/// Where the scenarios of each server lie in the test binary.
const S3: &str = "stores::s3::";
const AZURE: &str = "stores::azure::";
/// The report's name.
const REPORT: &str = "e2e-stores";
/// The most seconds that all scenarios may take on a busy machine.
const SECONDS: f64 = 300.0;

/// Runs the scenarios on the servers that can be installed here; fails where one does.
pub(crate) fn stores(build: Build) -> Result<Outcome, String> {
    report::forget(REPORT)?;
    let folder = repo::root().join("target/e2e/stores");
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
    };
    // What an earlier run has found may be gone.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    for (name, text) in FILES {
        write(name, text)?;
    }
    let (mut modules, mut skipped) = (Vec::new(), Vec::new());
    match python::environment(Wanted { name: "moto", at_least: PYTHON, requirements: REQUIREMENTS })? {
        python::Outcome::Ready(environment) => {
            write("s3.txt", &environment.python().to_string_lossy())?;
            modules.push(S3);
        }
        python::Outcome::Skipped(why) => skipped.push(format!("the blob store on an S3 server: {why}")),
    }
    match node::modules(AZURITE)? {
        node::Outcome::Ready(installed) => {
            write("azure.txt", &format!("node\n{}\n", installed.display()))?;
            modules.push(AZURE);
        }
        node::Outcome::Skipped(why) => skipped.push(format!("the blob store on an Azure server: {why}")),
    }
    if !modules.is_empty() {
        let scenarios = Scenarios {
            package: "hub-client",
            modules: &modules,
            variable: "MLMGR_STORES",
            folder: &folder,
            report: REPORT,
            seconds: SECONDS,
        };
        scenarios.run(build)?;
    }
    Ok(if skipped.is_empty() { Outcome::Passed } else { Outcome::Skipped(skipped.join("; ")) })
}

#[cfg(test)]
mod tests {
    use super::{AZURITE, REQUIREMENTS};

    #[test]
    fn every_package_is_pinned() {
        for line in REQUIREMENTS.lines().filter(|line| !line.starts_with('#')) {
            assert!(line.contains("=="), "{line}");
        }
        assert!(AZURITE.package.contains('@') && AZURITE.before.len() == "2026-01-01".len());
    }
}
