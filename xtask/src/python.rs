//! Private virtual environments for what only Python has: other people's servers and libraries.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::repo;

/// What to install, under a name of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// The folder's name below `target/python`.
    pub(crate) name: &'a str,
    /// The oldest Python that the packages run on.
    pub(crate) at_least: (u32, u32),
    /// A requirements file that names every package with its version, those that others need included: nothing
    /// else is installed.
    pub(crate) requirements: &'a str,
}

/// An environment, or the reason why there is none on this machine.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The packages are there.
    Ready(Environment),
    /// No Python, no `venv` module, or no package index.
    Skipped(String),
}

/// A virtual environment with what was wanted.
#[derive(Debug)]
pub(crate) struct Environment {
    python: PathBuf,
}

impl Environment {
    /// The interpreter that sees the packages.
    pub(crate) fn python(&self) -> &Path {
        &self.python
    }
}

/// Makes the environment, or takes the one that an earlier call has made of the same versions.
///
/// A message is an error only where something is wrong with the repository: a version that does not exist, or a
/// folder that cannot be written.
pub(crate) fn environment(wanted: Wanted<'_>) -> Result<Outcome, String> {
    let Some((found, version)) = interpreter(wanted.at_least) else {
        let (major, minor) = wanted.at_least;
        return Ok(Outcome::Skipped(format!("there is no Python {major}.{minor} or later")));
    };
    let folder = repo::root().join("target/python").join(wanted.name);
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    // Written last, so that a folder without it is half made.
    let stamp = folder.join("installed.txt");
    let content = format!("python {version}\n{}", wanted.requirements);
    if fs::read_to_string(&stamp).is_ok_and(|old| old == content) && says(&python, "0").is_some() {
        return Ok(Outcome::Ready(Environment { python }));
    }
    println!("Installing Python packages into target/python/{} (once).", wanted.name);
    let make = Command::new(&found).args(["-m", "venv", "--clear"]).arg(&folder).output();
    if !make.is_ok_and(|output| output.status.success()) {
        let reason = format!("{} makes no virtual environment; the module venv is missing", found.display());
        return Ok(Outcome::Skipped(reason));
    }
    let file = folder.join("requirements.txt");
    let write = |path: &Path, text: &str| {
        fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
    };
    write(&file, wanted.requirements)?;
    let output = Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"])
        .args(["--retries", "2", "--timeout", "20", "--no-deps", "--prefer-binary", "--requirement"])
        .arg(&file)
        .output()
        .map_err(|error| format!("pip did not start: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() && unreachable(&said) {
        return Ok(Outcome::Skipped("the Python package index cannot be reached".to_owned()));
    }
    if !output.status.success() {
        return Err(format!("pip cannot install the packages:\n{}", said.trim_end()));
    }
    write(&stamp, &content)?;
    Ok(Outcome::Ready(Environment { python }))
}

/// Whether pip failed for want of an index: it reports one that it cannot reach as one without the package, after
/// these.
fn unreachable(said: &str) -> bool {
    ["connection broken by", "Max retries exceeded", "Could not connect", "ProxyError"]
        .iter()
        .any(|words| said.contains(words))
}

/// The first Python on the path that is new enough, and its version.
fn interpreter(at_least: (u32, u32)) -> Option<(PathBuf, String)> {
    let versioned = (at_least.1..at_least.1 + 8).rev().map(|minor| format!("python{}.{minor}", at_least.0));
    let names = ["python3".to_owned(), "python".to_owned()].into_iter().chain(versioned);
    names.map(PathBuf::from).find_map(|name| {
        let version = says(&name, "'.'.join(map(str, __import__('sys').version_info[:3]))")?;
        (parse(&version)? >= at_least).then_some((name, version))
    })
}

fn parse(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// What an expression is, where the interpreter works.
fn says(python: &Path, expression: &str) -> Option<String> {
    let output = Command::new(python).args(["-I", "-c"]).arg(format!("print({expression})")).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::{parse, unreachable};

    #[test]
    fn an_index_that_is_out_of_reach_is_told_from_a_version_that_does_not_exist() {
        let missing = "ERROR: No matching distribution found for kinto==99.0";
        assert!(!unreachable(missing));
        let retrying = "WARNING: Retrying (Retry(total=1, connect=None)) after connection broken by \
            'NewConnectionError('<pip._vendor.urllib3.connection.HTTPConnection>: Connection refused')': /simple/kinto/";
        assert!(unreachable(&format!("{retrying}\n{missing}")));
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(parse("3.9.18"), Some((3, 9)));
        assert!(parse("3.13.0") > parse("3.9.18"));
        assert_eq!(parse("Python"), None);
    }
}
