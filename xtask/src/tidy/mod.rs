//! Rules about the repository that the compiler does not check. Each rule is a function from a checkout to the
//! problems it finds, so that the tests can plant a violation of every rule in a small one.

mod docs;
mod layers;
mod libraries;
mod manifests;
mod sources;
#[cfg(test)]
mod tests;
mod tree;

use crate::repo::Repo;

/// One problem a line: the place, what is wrong, and the way out.
type Problems = Vec<String>;

/// What holds, and the function that finds where it does not.
type Rule = (&'static str, fn(&Repo) -> Problems);

const RULES: &[Rule] = &[
    ("crates depend on what docs/layers.txt allows", layers::edges),
    ("outside crates are named by their owners only", layers::owners),
    ("docs/layers.txt names only what exists", layers::stale),
    ("every outside crate has a reason in docs/dependencies.md", manifests::reasons),
    ("versions stand in the workspace and none is a wildcard, git or foreign path", manifests::versions),
    ("every dependency is named by some source file", manifests::unused),
    ("every crate takes the workspace's lints", manifests::lints),
    ("libraries leave to programs what is theirs", libraries::restraint),
    ("unsafe code is in one file", libraries::unsafe_code),
    ("source files say what they are and stay short", sources::shape),
    ("nothing is ignored or allowed without a reason", sources::attributes),
    ("every source file belongs to a module", sources::orphans),
    ("no path of a developer's machine", sources::machine_paths),
    ("the top level holds what is known", tree::top_level),
    ("one integration test binary a crate", tree::test_binaries),
    ("the user-facing crates have an example", tree::examples),
    ("fixtures and large files have a reason", tree::fixtures),
    ("links in the documents lead somewhere", docs::links),
    ("paths in the documents exist", docs::paths),
    ("documented commands exist", docs::commands),
    ("the README's code is an example's", docs::shown_code),
];

/// All problems of the checkout, each under the rule that it breaks.
fn check(repo: &Repo) -> Vec<(&'static str, Problems)> {
    let found = RULES.iter().map(|(name, rule)| (*name, rule(repo)));
    found.filter(|(_, problems)| !problems.is_empty()).collect()
}

/// Runs the command: prints each problem under its rule, or says how many rules hold.
pub(crate) fn run() -> Result<(), String> {
    let broken = check(&Repo::read()?);
    for (rule, problems) in &broken {
        println!("{rule}:");
        problems.iter().for_each(|problem| println!("  {problem}"));
    }
    match broken.iter().map(|(_, problems)| problems.len()).sum::<usize>() {
        0 => {
            println!("tidy: {} rules hold", RULES.len());
            Ok(())
        }
        count => Err(format!("tidy: {count} problems")),
    }
}
