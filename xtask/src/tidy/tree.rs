//! What lies where: the top level, test binaries, examples, fixtures and large files.

use std::collections::BTreeSet;

use super::Problems;
use crate::repo::Repo;

/// The names that the top of the repository may hold.
const TOP_LEVEL: [&str; 18] = [
    ".cargo",
    ".ci",
    ".gitattributes",
    ".gitignore",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "SECURITY.md",
    "clippy.toml",
    "crates",
    "deny.toml",
    "docs",
    "fixtures",
    "rust-toolchain.toml",
    "xtask",
];

/// The crates that a program may pick up one by one; each shows how in an example.
const WITH_EXAMPLE: [&str; 5] = ["blob-store", "hub-layout", "mlmgr", "rs-client", "runtime"];

/// A file of more bytes than this needs a reason.
const LARGE: u64 = 1 << 20;

const FIXTURES: &str = "fixtures/README.md";

/// The top level holds the known names, all of them and nothing else.
pub(super) fn top_level(repo: &Repo) -> Problems {
    let here: BTreeSet<&str> = repo.files.keys().map(|path| path.split('/').next().unwrap_or(path)).collect();
    let known: BTreeSet<&str> = TOP_LEVEL.into_iter().chain(["rustfmt.toml"]).collect();
    let strangers = here.difference(&known).map(|name| format!("{name}: not a name the top level may hold"));
    let missing = known.difference(&here).map(|name| format!("{name}: missing from the top level"));
    strangers.chain(missing).collect()
}

/// Each crate has `tests/it/main.rs` and no other test binary: a second one is linked and run apart.
pub(super) fn test_binaries(repo: &Repo) -> Problems {
    let mut problems = Problems::new();
    for package in &repo.packages {
        let main = format!("{}/tests/it/main.rs", package.folder());
        if !repo.exists(&main) {
            problems.push(format!("{main}: missing; every crate has its integration tests there"));
        }
        for target in package.targets.iter().filter(|target| target.kind.iter().any(|kind| kind == "test")) {
            if target.name != "it" {
                problems
                    .push(format!("{}: move the test binary {} into tests/it", package.name, target.name));
            }
        }
    }
    problems
}

/// The user-facing crates have an example each, and no two examples have one name: they would be one program.
pub(super) fn examples(repo: &Repo) -> Problems {
    let mut problems = Problems::new();
    let mut seen = BTreeSet::new();
    for (path, _) in repo.texts(".rs") {
        if let Some((_, name)) = path.split_once("/examples/")
            && !seen.insert(name)
        {
            problems.push(format!("{path}: another crate has an example of this name"));
        }
    }
    let missing = WITH_EXAMPLE
        .into_iter()
        .filter(|name| repo.packages.iter().any(|package| package.name == *name))
        .filter(|name| !repo.exists(&format!("crates/{name}/examples")))
        .map(|name| format!("crates/{name}/examples: missing; show how to use {name} alone in ten lines"));
    problems.extend(missing);
    problems
}

/// Each folder of fixtures and each large file stands in fixtures/README.md, and nothing else does.
pub(super) fn fixtures(repo: &Repo) -> Problems {
    let readme = repo.text(FIXTURES).unwrap_or_default();
    let listed: Vec<&str> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| {
            let (path, rest) = line.split_once('`')?;
            // A row without words in its last cell gives no reason.
            let reason = rest.trim().trim_end_matches('|').rsplit('|').next()?;
            (!reason.trim().is_empty()).then_some(path)
        })
        .collect();
    let mut problems = Problems::new();
    let mut unlisted = BTreeSet::new();
    for (path, file) in &repo.files {
        let Some(inside) = path.strip_prefix("fixtures/") else {
            if file.size > LARGE {
                problems.push(format!("{path}: {} bytes; large files belong into fixtures/", file.size));
            }
            continue;
        };
        let covers =
            |row: &&str| inside.strip_prefix(row.trim_end_matches('/')).is_some_and(|it| it.starts_with('/'));
        if let Some((folder, _)) = inside.rsplit_once('/')
            && !listed.iter().any(covers)
        {
            unlisted.insert(folder);
        }
        if file.size > LARGE && !listed.contains(&inside) {
            problems.push(format!("{path}: {} bytes need a line with a reason in {FIXTURES}", file.size));
        }
    }
    let unlisted =
        unlisted.iter().map(|it| format!("fixtures/{it}: no line with a reason in {FIXTURES} covers it"));
    problems.extend(unlisted);
    for row in listed.iter().filter(|row| !repo.exists(&format!("fixtures/{row}"))) {
        problems.push(format!("{FIXTURES}: lists {row}, which is not there"));
    }
    problems
}
