//! Private folders of modules for what only Node has: other people's servers.

use std::{fs, path::PathBuf, process::Command};

use crate::repo;

/// What to install, under a name of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// The folder's name below `target/node`.
    pub(crate) name: &'a str,
    /// The package with its version.
    pub(crate) package: &'a str,
    /// The day after the last one whose versions are taken for what the package imports; a version never changes.
    pub(crate) before: &'a str,
    /// The oldest Node that the package runs on.
    pub(crate) at_least: u32,
}

/// The folder `node_modules`, or the reason why there is none on this machine.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The modules are there.
    Ready(PathBuf),
    /// No Node, no npm, or no package registry.
    Skipped(String),
}

/// Makes the folder, or takes the one that an earlier call has made of the same versions. No script of a package is
/// run by that.
///
/// A message is an error only where something is wrong with the repository: a version that does not exist, or a
/// folder that cannot be written.
pub(crate) fn modules(wanted: Wanted<'_>) -> Result<Outcome, String> {
    let version = says("node", &["--version"]).and_then(|said| major(&said));
    if version.is_none_or(|version| version < wanted.at_least) {
        return Ok(Outcome::Skipped(format!("there is no Node {} or later", wanted.at_least)));
    }
    if says("npm", &["--version"]).is_none() {
        return Ok(Outcome::Skipped("there is no npm".to_owned()));
    }
    let folder = repo::root().join("target/node").join(wanted.name);
    let modules = folder.join("node_modules");
    // Written last, so that a folder without it is half made.
    let stamp = folder.join("installed.txt");
    let content = format!("{} before {}\n", wanted.package, wanted.before);
    if fs::read_to_string(&stamp).is_ok_and(|old| old == content) {
        return Ok(Outcome::Ready(modules));
    }
    println!("Installing Node packages into target/node/{} (once).", wanted.name);
    let _ = fs::remove_dir_all(&folder);
    let write = |path: &PathBuf, text: &str| {
        fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
    };
    fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    write(&folder.join("package.json"), "{\"private\": true}\n")?;
    let output = Command::new("npm")
        .args(["install", wanted.package, "--before", wanted.before])
        .args(["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--fetch-retries", "2"])
        .current_dir(&folder)
        .output()
        .map_err(|error| format!("npm did not start: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() && unreachable(&said) {
        return Ok(Outcome::Skipped("the Node package registry cannot be reached".to_owned()));
    }
    if !output.status.success() {
        return Err(format!("npm cannot install the packages:\n{}", said.trim_end()));
    }
    write(&stamp, &content)?;
    Ok(Outcome::Ready(modules))
}

/// Whether npm failed for want of a registry.
fn unreachable(said: &str) -> bool {
    ["ENOTFOUND", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "EAI_AGAIN", "ERR_SOCKET_TIMEOUT"]
        .iter()
        .any(|code| said.contains(code))
}

/// The first number of a version such as `v20.11.1`.
fn major(version: &str) -> Option<u32> {
    version.trim().trim_start_matches('v').split('.').next()?.parse().ok()
}

/// What a program says, where it works.
fn says(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::{major, unreachable};

    #[test]
    fn versions_are_read() {
        assert_eq!(major("v20.20.2\n"), Some(20));
        assert_eq!(major("nonsense"), None);
    }

    #[test]
    fn a_registry_that_is_out_of_reach_is_told_from_a_version_that_does_not_exist() {
        assert!(unreachable("npm error code ECONNREFUSED"));
        assert!(!unreachable("npm error code ETARGET\nnpm error notarget No matching version found"));
    }
}
