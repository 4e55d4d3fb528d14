//! Which crate may depend on which, and which crate owns which outside crate: docs/layers.txt.

use std::collections::{BTreeMap, BTreeSet};

use super::Problems;
use crate::repo::{Dependency, Package, Repo};

const FILE: &str = "docs/layers.txt";

/// The parsed file: allowed edges by crate, owners by outside crate.
#[derive(Debug, Default)]
struct Layers<'a> {
    edges: BTreeMap<&'a str, BTreeSet<&'a str>>,
    owners: BTreeMap<&'a str, BTreeSet<&'a str>>,
    malformed: Problems,
}

fn parse(repo: &Repo) -> Layers<'_> {
    let mut layers = Layers::default();
    let Some(text) = repo.text(FILE) else {
        layers.malformed.push(format!("{FILE}: missing; it lists which crate may depend on which"));
        return layers;
    };
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line.trim())) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(line) = line.strip_prefix('@') {
            let mut words = line.split_whitespace();
            let outside = words.next().unwrap_or_default();
            let owners: BTreeSet<&str> = words.collect();
            if owners.is_empty() {
                layers.malformed.push(format!("{FILE}:{number}: @{outside} has no owner"));
            }
            layers.owners.insert(outside, owners);
        } else if let Some((name, below)) = line.split_once(':') {
            layers.edges.insert(name.trim(), below.split_whitespace().collect());
        } else {
            layers.malformed.push(format!("{FILE}:{number}: neither `crate: crates` nor `@outside owner`"));
        }
    }
    layers
}

/// What ends up in a shipped build: everything but the dependencies of tests.
fn shipped(package: &Package) -> impl Iterator<Item = &Dependency> {
    package.dependencies.iter().filter(|dependency| dependency.kind.as_deref() != Some("dev"))
}

/// A crate names only the workspace crates that its line allows.
pub(super) fn edges(repo: &Repo) -> Problems {
    let layers = parse(repo);
    let mut problems = Problems::new();
    for package in &repo.packages {
        let name = package.name.as_str();
        let Some(allowed) = layers.edges.get(name) else {
            problems.push(format!("{FILE}: {name} has no line; add `{name}: <allowed crates>`"));
            continue;
        };
        for dependency in shipped(package) {
            let on = dependency.name.as_str();
            if layers.edges.contains_key(on) && on != name && !allowed.contains(on) {
                problems.push(format!("{name} depends on {on}, which its line in {FILE} does not allow"));
            }
        }
    }
    problems
}

/// An outside crate with an owner is named by that owner only.
pub(super) fn owners(repo: &Repo) -> Problems {
    let layers = parse(repo);
    let mut problems = Problems::new();
    for package in &repo.packages {
        for dependency in shipped(package) {
            if let Some(owners) = layers.owners.get(dependency.name.as_str())
                && !owners.contains(package.name.as_str())
            {
                let owners = owners.iter().copied().collect::<Vec<_>>().join(" and ");
                let (name, on) = (&package.name, &dependency.name);
                problems.push(format!("{name} depends on {on}, which only {owners} may ({FILE})"));
            }
        }
    }
    problems
}

/// The file names no crate that is gone, and every line is well formed.
pub(super) fn stale(repo: &Repo) -> Problems {
    let layers = parse(repo);
    let inside: BTreeSet<&str> = repo.packages.iter().map(|package| package.name.as_str()).collect();
    let outside: BTreeSet<&str> =
        repo.packages.iter().flat_map(shipped).map(|dependency| dependency.name.as_str()).collect();
    let mut problems = layers.malformed;
    let named = layers.edges.iter().flat_map(|(name, below)| below.iter().chain([name]));
    for name in named.chain(layers.owners.values().flatten()).collect::<BTreeSet<_>>() {
        if !inside.contains(name) {
            problems.push(format!("{FILE}: {name} is not a crate of this workspace"));
        }
    }
    for name in layers.owners.keys() {
        if !outside.contains(name) {
            problems.push(format!("{FILE}: no crate depends on @{name} any more"));
        }
    }
    problems
}
