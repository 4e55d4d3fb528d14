//! The checkout that the commands work on: where it lies, which files it holds, what Cargo says about it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize;

/// Files above this size are known by size only; none of them is text.
const MAX_TEXT: u64 = 1 << 20;

/// One file of the checkout.
#[derive(Debug)]
pub(crate) struct File {
    /// Length in bytes.
    pub(crate) size: u64,
    /// The content, where the file is UTF-8 of at most 1 MiB.
    pub(crate) text: Option<String>,
}

/// The files of a checkout by their path from its top, with `/` between segments, and its packages.
#[derive(Debug)]
pub(crate) struct Repo {
    pub(crate) files: BTreeMap<String, File>,
    pub(crate) packages: Vec<Package>,
}

/// What `cargo metadata` says about one workspace package, as far as the rules need it.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) manifest_path: String,
    #[serde(default)]
    pub(crate) dependencies: Vec<Dependency>,
    #[serde(default)]
    pub(crate) targets: Vec<Target>,
}

/// One `[dependencies]`, `[dev-dependencies]` or `[build-dependencies]` entry.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `None` for a path, otherwise a registry or a `git+` URL.
    pub(crate) source: Option<String>,
    /// The version requirement.
    #[serde(default)]
    pub(crate) req: String,
    /// `None` for a normal dependency, otherwise "dev" or "build".
    pub(crate) kind: Option<String>,
    pub(crate) path: Option<String>,
}

/// One library, program, example or test binary.
#[derive(Debug, Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// The top of the checkout that this program was built from.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace")
}

/// The cargo that runs this program.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    // `cargo run` describes this package to this program; the build scripts of others look at the same names and
    // would run again for nothing.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_NAME", "CARGO_CRATE_NAME"]
            .iter()
            .any(|it| name.starts_with(it))
        {
            cargo.env_remove(&*name);
        }
    }
    cargo
}

impl Repo {
    /// Reads this checkout: the files git knows or would add (all files where git is not at hand).
    pub(crate) fn read() -> Result<Repo, String> {
        let mut files = BTreeMap::new();
        for name in git_files().unwrap_or_else(|| walk(root())) {
            let path = root().join(&name);
            let Ok(meta) = path.metadata() else { continue };
            if !meta.is_file() {
                continue;
            }
            let text = if meta.len() <= MAX_TEXT { std::fs::read_to_string(&path).ok() } else { None };
            files.insert(name, File { size: meta.len(), text });
        }
        let output = cargo()
            .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
            .output()
            .map_err(|error| format!("cargo metadata did not start: {error}"))?;
        if !output.status.success() {
            return Err(format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr)));
        }
        let metadata: Metadata = serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("cargo metadata wrote something unexpected: {error}"))?;
        Ok(Repo { files, packages: metadata.packages })
    }

    /// The text of `path`, or nothing where it is absent or not text.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.text.as_deref()
    }

    /// Every text file whose path ends with `suffix`.
    pub(crate) fn texts<'a>(&'a self, suffix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.files
            .iter()
            .filter(move |(path, _)| path.ends_with(suffix))
            .filter_map(|(path, file)| Some((path.as_str(), file.text.as_deref()?)))
    }

    /// True when `path` is a file here or a folder that holds one.
    pub(crate) fn exists(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let folder = format!("{path}/");
        path.is_empty()
            || self.files.contains_key(path)
            || self.files.range(folder.clone()..).next().is_some_and(|(it, _)| it.starts_with(&folder))
    }
}

impl Package {
    /// The package's folder from the top of the checkout, such as "crates/runtime".
    pub(crate) fn folder(&self) -> String {
        let manifest = Path::new(&self.manifest_path);
        let folder = manifest.parent().unwrap_or(manifest);
        let folder = folder.strip_prefix(root()).unwrap_or(folder);
        folder.to_string_lossy().replace('\\', "/")
    }
}

fn git_files() -> Option<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let names = String::from_utf8(output.stdout).ok()?;
    Some(names.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

fn walk(top: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![top.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = path.strip_prefix(top).expect("found below it").to_string_lossy().replace('\\', "/");
            if name == "target" || name == ".git" {
                continue;
            }
            if path.is_dir() { folders.push(path) } else { found.push(name) }
        }
    }
    found
}

/// A program of the workspace in the folder that this program was built into.
pub(crate) fn program(name: &str) -> PathBuf {
    let here = std::env::current_exe().unwrap_or_default();
    here.with_file_name(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}
