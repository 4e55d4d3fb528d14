//! The shape of source files: a first line, a length, attributes with reasons, no orphans, no machine's paths.

use super::Problems;
use crate::repo::Repo;

/// Lines a source file may have before it must be split.
const MAX_LINES: usize = 400;

/// Folders that exist on one machine only. In pieces, so that this file does not contain them.
const MACHINE: [&str; 3] = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

/// Every source file starts by saying what it is, and holds one idea's worth of lines.
pub(super) fn shape(repo: &Repo) -> Problems {
    let mut problems = Problems::new();
    for (path, text) in repo.texts(".rs") {
        if !text.starts_with("//! ") {
            problems.push(format!("{path}: the first line must be `//! ` and say what the file is"));
        }
        let lines = text.lines().count();
        if lines > MAX_LINES {
            problems.push(format!("{path}: {lines} lines; split it, {MAX_LINES} are allowed"));
        }
    }
    problems
}

/// No test is ignored, and an allowed or expected lint says why.
pub(super) fn attributes(repo: &Repo) -> Problems {
    let mut problems = Problems::new();
    for (path, text) in repo.texts(".rs") {
        for (line, attribute) in attributes_of(text) {
            let names = |lint: &str| attribute.split(|it: char| !it.is_alphanumeric()).any(|it| it == lint);
            if names("ignore") && attribute.trim_start_matches(['#', '!', '[']).starts_with("ignore") {
                problems.push(format!("{path}:{line}: a test must not be ignored; mend or remove it"));
            }
            if ["allow", "expect"].into_iter().any(names) && !names("reason") {
                problems.push(format!("{path}:{line}: give the attribute a reason = \"...\""));
            }
        }
    }
    problems
}

/// The attributes of a source text with the lines where they start.
fn attributes_of(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut offset = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let indent = line.len() - line.trim_start().len();
        if line.trim_start().starts_with("#[") || line.trim_start().starts_with("#![") {
            let rest = &text[offset + indent..];
            found.push((index + 1, &rest[..closing_bracket(rest)]));
        }
        offset += line.len();
    }
    found
}

fn closing_bracket(text: &str) -> usize {
    let mut depth = 0;
    for (at, it) in text.char_indices() {
        match it {
            '[' => depth += 1,
            ']' if depth == 1 => return at + 1,
            ']' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

/// A file that no `mod` names is not compiled: its tests would never run.
pub(super) fn orphans(repo: &Repo) -> Problems {
    let mut problems = Problems::new();
    for (path, _) in repo.texts(".rs") {
        let segments: Vec<&str> = path.split('/').collect();
        let Some(top) = segments.iter().position(|it| ["src", "tests"].contains(it)) else { continue };
        let stem = match segments[segments.len() - 1] {
            "main.rs" | "lib.rs" => continue,
            "mod.rs" => segments[segments.len() - 2],
            file => file.trim_end_matches(".rs"),
        };
        // Everything in tests/ but tests/it is a binary of its own, and test_binaries() refuses those.
        if segments[top] == "tests" && segments.get(top + 1) != Some(&"it") {
            continue;
        }
        let target = format!("{}/", segments[..=top].join("/"));
        let declared = format!("mod {stem};");
        let named = repo.texts(".rs").any(|(other, text)| {
            other.starts_with(&target) && text.lines().any(|line| line.trim_end().ends_with(&declared))
        });
        if !named {
            problems.push(format!("{path}: no `mod {stem};` names this file, so it is never compiled"));
        }
    }
    problems
}

/// Nothing that is committed names a folder of the machine it was written on.
pub(super) fn machine_paths(repo: &Repo) -> Problems {
    let mut problems = Problems::new();
    for (path, text) in repo.texts("") {
        for folder in MACHINE {
            for (at, _) in text.match_indices(folder) {
                let within_a_path = |it: char| it.is_alphanumeric() || "._-/}*:".contains(it);
                if !text[..at].ends_with(within_a_path) {
                    let line = text[..at].matches('\n').count() + 1;
                    problems.push(format!("{path}:{line}: names {folder}, a folder of one machine"));
                }
            }
        }
    }
    problems
}
