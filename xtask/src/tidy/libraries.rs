//! What libraries leave to programs, and pure crates to everybody else: invariants 2, 7 and 8 of the architecture.

use super::Problems;
use crate::repo::Repo;

/// Crates that no program is: all in crates/ but these.
const NOT_LIBRARIES: [&str; 2] = ["mlmgr-cli", "testkit"];

/// Crates that only compute.
const PURE: [&str; 2] = ["content-id", "hub-layout"];

/// The one file that may hold unsafe code.
const UNSAFE: &str = "crates/runtime/src/mapped.rs";

/// What a library leaves to the program that uses it.
const PROGRAMS_ONLY: [(&str, &str); 8] = [
    ("env::var", "reads the environment"),
    ("env::args", "reads the command line"),
    ("println!(", "prints"),
    ("print!(", "prints"),
    ("Runtime::new(", "starts a runtime"),
    ("runtime::Builder", "starts a runtime"),
    ("set_global_default", "installs a logger"),
    ("process::exit", "ends the process"),
];

/// What a pure crate leaves to the crates above it.
const IMPURE: [(&str, &str); 6] = [
    ("std::fs", "does I/O"),
    ("std::net", "does I/O"),
    ("std::process", "does I/O"),
    ("async fn", "is asynchronous"),
    ("SystemTime", "reads the clock"),
    ("Instant::now", "reads the clock"),
];

/// Libraries read no environment, print nothing, start no runtime; pure crates do no I/O.
pub(super) fn restraint(repo: &Repo) -> Problems {
    let mut problems = Problems::new();
    for (path, text) in repo.texts(".rs") {
        let Some((name, "src", _)) = place(path) else { continue };
        // The conformance suite runs in tests only, where it says which case it is at.
        if NOT_LIBRARIES.contains(&name) || path.starts_with("crates/blob-store/src/conformance/") {
            continue;
        }
        let mut forbidden = PROGRAMS_ONLY.to_vec();
        if PURE.contains(&name) {
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
    problems
}

/// Unsafe code is in one file, and that file says why.
pub(super) fn unsafe_code(repo: &Repo) -> Problems {
    repo.texts(".rs")
        .filter(|(path, _)| *path != UNSAFE)
        .filter(|(_, text)| {
            text.lines().any(|line| line.contains("unsafe_code") && line.trim_start().starts_with('#'))
        })
        .map(|(path, _)| format!("{path}: unsafe code has its place in {UNSAFE}"))
        .collect()
}

/// The crate, the folder in it, and the rest of a path such as `crates/runtime/src/ops/mod.rs`.
fn place(path: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = path.strip_prefix("crates/")?.split_once('/')?;
    let (folder, rest) = rest.split_once('/')?;
    Some((name, folder, rest))
}
