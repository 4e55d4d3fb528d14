//! What stands in the Cargo.toml files, and that docs/dependencies.md gives each outside crate its reason.

use std::collections::{BTreeMap, BTreeSet};

use super::Problems;
use crate::repo::{Package, Repo, root};

const REASONS: &str = "docs/dependencies.md";

/// The crates named in the first column of the table in docs/dependencies.md, with their reasons.
fn listed(text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for line in text.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        if cells.len() != 3 || cells[0] == "crate" || cells[0].starts_with("---") {
            continue;
        }
        found.extend(cells[0].split(',').map(|name| (name.trim(), cells[2])));
    }
    found
}

/// Every outside crate that some crate names has one line with a reason, and every line has such a crate.
pub(super) fn reasons(repo: &Repo) -> Problems {
    let Some(text) = repo.text(REASONS) else {
        return vec![format!("{REASONS}: missing; it gives the reason for each outside crate")];
    };
    let mut problems = Problems::new();
    let mut seen = BTreeSet::new();
    for (name, reason) in listed(text) {
        if reason.is_empty() {
            problems.push(format!("{REASONS}: {name} has no reason"));
        }
        if !seen.insert(name) {
            problems.push(format!("{REASONS}: {name} is listed twice"));
        }
    }
    let mut used = BTreeMap::new();
    for package in &repo.packages {
        for dependency in package.dependencies.iter().filter(|dependency| dependency.source.is_some()) {
            used.entry(dependency.name.as_str()).or_insert(package.name.as_str());
        }
    }
    for (name, user) in &used {
        if !seen.contains(name) {
            problems.push(format!("{user} depends on {name}, which has no line in {REASONS}"));
        }
    }
    for name in seen.iter().filter(|name| !used.contains_key(*name)) {
        problems.push(format!("{REASONS}: no crate depends on {name} any more; remove its line"));
    }
    problems
}

/// Versions stand once, in the workspace; none is a wildcard, a git commit or a folder outside.
pub(super) fn versions(repo: &Repo) -> Problems {
    let mut problems = Problems::new();
    for package in &repo.packages {
        let name = &package.name;
        for dependency in &package.dependencies {
            let on = &dependency.name;
            match &dependency.source {
                Some(source) if source.starts_with("git+") => {
                    problems.push(format!("{name} takes {on} from git; only crates.io is allowed"));
                }
                Some(source) if !source.contains("crates.io") => {
                    problems.push(format!("{name} takes {on} from {source}; only crates.io is allowed"));
                }
                Some(_) if dependency.req == "*" => {
                    problems.push(format!("{name} takes any version of {on}; name one"));
                }
                _ => {}
            }
            if dependency.path.as_ref().is_some_and(|path| !std::path::Path::new(path).starts_with(root())) {
                problems.push(format!("{name} takes {on} from a folder outside this repository"));
            }
        }
    }
    for (path, manifest) in crate_manifests(repo) {
        let own = manifest.get("package").and_then(|it| it.get("name")).and_then(toml::Value::as_str);
        for (table, on, entry) in dependency_tables(&manifest) {
            let inherits = entry.get("workspace").and_then(toml::Value::as_bool) == Some(true);
            if !inherits && own != Some(on) {
                problems.push(format!("{path}: [{table}] {on} must be `workspace = true`"));
            }
        }
    }
    problems.extend(unused_in_workspace(repo));
    problems
}

/// `[workspace.dependencies]` holds nothing that no crate takes.
fn unused_in_workspace(repo: &Repo) -> Problems {
    let manifest = repo.text("Cargo.toml").and_then(|text| text.parse::<toml::Table>().ok());
    let used: BTreeSet<&str> = repo
        .packages
        .iter()
        .flat_map(|package| &package.dependencies)
        .map(|dependency| dependency.name.as_str())
        .collect();
    let workspace = manifest.as_ref().and_then(|it| it.get("workspace"));
    let listed = workspace.and_then(|it| it.get("dependencies")).and_then(toml::Value::as_table);
    listed
        .into_iter()
        .flat_map(toml::Table::keys)
        .filter(|name| !used.contains(name.as_str()))
        .map(|name| format!("Cargo.toml: [workspace.dependencies] {name} is used by no crate; remove it"))
        .collect()
}

/// Each dependency of a crate is named somewhere in that crate's sources.
pub(super) fn unused(repo: &Repo) -> Problems {
    let mut problems = Problems::new();
    for package in &repo.packages {
        let folder = format!("{}/", package.folder());
        let sources: Vec<&str> =
            repo.texts(".rs").filter(|(path, _)| path.starts_with(&folder)).map(|(_, text)| text).collect();
        let names: BTreeSet<&str> = package.dependencies.iter().map(|it| it.name.as_str()).collect();
        for name in names.into_iter().filter(|name| *name != package.name) {
            let word = match name {
                // The one crate whose library has another name than its package.
                "rustls-webpki" => "webpki".to_owned(),
                name => name.replace('-', "_"),
            };
            if !sources.iter().any(|text| has_word(text, &word)) {
                problems.push(format!("{} never names its dependency {name}; remove it", package.name));
            }
        }
    }
    problems
}

fn has_word(text: &str, word: &str) -> bool {
    let part_of_word = |it: char| it.is_alphanumeric() || it == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(part_of_word) && !text[at + word.len()..].starts_with(part_of_word)
    })
}

/// Every crate takes the lints of the workspace.
pub(super) fn lints(repo: &Repo) -> Problems {
    crate_manifests(repo)
        .into_iter()
        .filter(|(_, manifest)| {
            let lints = manifest.get("lints").and_then(|it| it.get("workspace"));
            lints.and_then(toml::Value::as_bool) != Some(true)
        })
        .map(|(path, _)| format!("{path}: add `[lints] workspace = true`"))
        .collect()
}

fn crate_manifests(repo: &Repo) -> Vec<(String, toml::Table)> {
    let path = |package: &Package| format!("{}/Cargo.toml", package.folder());
    let read = |path: String| repo.text(&path)?.parse().ok().map(|manifest| (path, manifest));
    repo.packages.iter().map(path).filter_map(read).collect()
}

fn dependency_tables(manifest: &toml::Table) -> Vec<(&'static str, &str, &toml::Value)> {
    let mut found = Vec::new();
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let targets = targets.into_iter().flat_map(toml::Table::values).filter_map(toml::Value::as_table);
    for table in [manifest].into_iter().chain(targets) {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let entries = table.get(kind).and_then(toml::Value::as_table).into_iter().flatten();
            found.extend(entries.map(|(name, entry)| (kind, name.as_str(), entry)));
        }
    }
    found
}
