//! What libraries leave to programs, and pure crates to everybody else: invariants 2, 7 and 8 of the architecture.

use super::Problems;
use crate::repo::Repo;

/// Crates that no program is: all in crates/ but these.
const NOT_LIBRARIES: [&str; 2] = ["mlmgr-cli", "testkit"];

/// Crates that only compute.
const PURE: [&str; 2] = ["content-id", "hub-layout"];

/// Files of other crates that only compute: merging settings, and choosing among records.
const PURE_FILES: [&str; 11] = [
    "crates/mlmgr/src/records.rs",
    "crates/mlmgr/src/resolve.rs",
    "crates/mlmgr/src/rules.rs",
    "crates/mlmgr/src/runtimes.rs",
    "crates/rs-client/src/canonical.rs",
    "crates/rs-client/src/changeset.rs",
    "crates/rs-client/src/collection.rs",
    "crates/rs-client/src/filter/equality.rs",
    "crates/rs-client/src/filter/jexl/evaluate.rs",
    "crates/rs-client/src/filter/jexl/parse.rs",
    "crates/rs-client/src/toolkit_version.rs",
];

/// The files that may hold unsafe code.
const UNSAFE: [&str; 2] = ["crates/blob-store/src/fs/map.rs", "crates/runtime/src/mapped.rs"];

/// What a library leaves to the program that uses it.
const PROGRAMS_ONLY: [(&str, &str); 10] = [
    ("env::var", "reads the environment"),
    ("env::args", "reads the command line"),
    ("println!(", "prints"),
    ("print!(", "prints"),
    ("Runtime::new(", "starts a runtime"),
    ("runtime::Builder", "starts a runtime"),
    ("new_current_thread(", "starts a runtime"),
    ("new_multi_thread(", "starts a runtime"),
    ("set_global_default", "installs a logger"),
    ("process::exit", "ends the process"),
];

/// The one file of a library that may start a runtime: a feature asks for it by name, and it is what it is for.
const RUNTIME: &str = "crates/rs-client/src/blocking.rs";

/// What a pure crate or file leaves to others.
const IMPURE: [(&str, &str); 6] = [
    ("std::fs", "does I/O"),
    ("std::net", "does I/O"),
    ("std::process", "does I/O"),
    ("async fn", "is asynchronous"),
    ("SystemTime", "reads the clock"),
    ("Instant::now", "reads the clock"),
];

/// Libraries read no environment, print nothing, start no runtime; pure crates and files do no I/O.
pub(super) fn restraint(repo: &Repo) -> Problems {
    let mut problems = Problems::new();
    for (path, text) in repo.texts(".rs") {
        let Some((name, "src", _)) = place(path) else { continue };
        // The conformance suite runs in tests only, where it says which case it is at.
        if NOT_LIBRARIES.contains(&name) || path.starts_with("crates/blob-store/src/conformance/") {
            continue;
        }
        let mut forbidden = PROGRAMS_ONLY.to_vec();
        if path == RUNTIME {
            forbidden.retain(|(_, why)| *why != "starts a runtime");
        }
        if PURE.contains(&name) || PURE_FILES.contains(&path) {
            forbidden.extend(IMPURE);
        }
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"))
        {
            // `eprintln!(` holds `println!(`: one problem a line.
            if let Some((what, why)) = forbidden.iter().find(|(what, _)| line.contains(what)) {
                problems.push(format!("{path}:{}: a library that {why} ({what})", index + 1));
            }
        }
    }
    let gone = |path: &&str| {
        repo.packages.iter().any(|it| path.starts_with(&format!("{}/", it.folder()))) && !repo.exists(path)
    };
    problems.extend(PURE_FILES.into_iter().filter(gone).map(|path| {
        format!("{path} is gone, and with it the check that it does no I/O; see xtask/src/tidy/libraries.rs")
    }));
    problems
}

/// Unsafe code is in a file or two, and these say why.
pub(super) fn unsafe_code(repo: &Repo) -> Problems {
    repo.texts(".rs")
        .filter(|(path, _)| !UNSAFE.contains(path))
        .filter(|(_, text)| {
            text.lines().any(|line| line.contains("unsafe_code") && line.trim_start().starts_with('#'))
        })
        .map(|(path, _)| format!("{path}: unsafe code has its place in {}", UNSAFE.join(" and ")))
        .collect()
}

/// The crate, the folder in it, and the rest of a path such as `crates/runtime/src/ops/mod.rs`.
fn place(path: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = path.strip_prefix("crates/")?.split_once('/')?;
    let (folder, rest) = rest.split_once('/')?;
    Some((name, folder, rest))
}
