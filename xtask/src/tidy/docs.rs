//! The documents: links lead somewhere, paths exist, and the commands they show are commands.

use super::Problems;
use crate::{COMMANDS, repo::Repo};

/// Relative links and anchors of every Markdown file resolve.
pub(super) fn links(repo: &Repo) -> Problems {
    let mut problems = Problems::new();
    for (path, text) in repo.texts(".md") {
        for (line, target) in links_of(text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { path.to_owned() } else { resolve(path, file) };
            if !repo.exists(&file) {
                problems.push(format!("{path}:{line}: the link {target} leads nowhere"));
            } else if !anchor.is_empty() && !has_heading(repo, &file, anchor) {
                problems.push(format!("{path}:{line}: {file} has no heading for #{anchor}"));
            }
        }
    }
    problems
}

/// Paths in backticks that start in one of our folders exist.
pub(super) fn paths(repo: &Repo) -> Problems {
    let mut problems = Problems::new();
    for (path, text) in repo.texts(".md").filter(|(path, _)| !path.starts_with("fixtures/")) {
        for (line, code) in inline_code(text) {
            let ours =
                ["crates/", "docs/", "fixtures/", "xtask/", ".ci/"].iter().any(|top| code.starts_with(top));
            // `<name>`, `*` and `X` stand for something else.
            let plain = code.chars().all(|it| it.is_ascii_alphanumeric() || "._-/".contains(it));
            let place_holder =
                code.split(['/', '.']).any(|it| it.len() == 1 && it.as_bytes()[0].is_ascii_uppercase());
            if ours && plain && !place_holder && !repo.exists(code) {
                problems.push(format!("{path}:{line}: {code} does not exist"));
            }
        }
    }
    problems
}

/// `cargo xtask X` and `cargo run -p X --example Y` in the documents name what exists.
pub(super) fn commands(repo: &Repo) -> Problems {
    let mut problems = Problems::new();
    for (path, text) in repo.texts(".md") {
        for (index, line) in text.lines().enumerate() {
            let words: Vec<&str> =
                line.split(|it: char| it.is_whitespace() || "`.,;()|".contains(it)).collect();
            for at in words.windows(3).filter(|it| it[..2] == ["cargo", "xtask"]) {
                let name = at[2];
                let is_word = !name.is_empty() && name.chars().all(|it| it.is_ascii_lowercase());
                if is_word && !COMMANDS.iter().any(|command| command.name == name) {
                    problems.push(format!("{path}:{}: there is no command `cargo xtask {name}`", index + 1));
                }
            }
            for at in words.windows(6).filter(|it| it[..2] == ["cargo", "run"] && it[4] == "--example") {
                let file = format!("crates/{}/examples/{}.rs", at[3], at[5]);
                if !repo.exists(&file) {
                    problems.push(format!("{path}:{}: there is no example {file}", index + 1));
                }
            }
        }
    }
    problems
}

/// Rust that README.md shows is code of an example, which the tests run.
pub(super) fn shown_code(repo: &Repo) -> Problems {
    let readme = repo.text("README.md").unwrap_or_default();
    let blocks = readme.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next());
    let is_example = |block: &str| {
        repo.texts(".rs").any(|(path, text)| path.contains("/examples/") && text.contains(block.trim()))
    };
    let strangers = blocks.filter(|block| !is_example(block));
    strangers
        .map(|block| format!("README.md: no example holds `{}...`", block.lines().next().unwrap_or_default()))
        .collect()
}

/// The lines of a Markdown text that are not in a fenced block, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            return None;
        }
        (!fenced).then_some((index + 1, line))
    })
}

/// The targets of `[text](target)` with their lines.
fn links_of(text: &str) -> Vec<(usize, &str)> {
    prose(text)
        .flat_map(|(number, line)| {
            line.match_indices("](").filter_map(move |(at, _)| {
                let target = &line[at + 2..];
                Some((number, &target[..target.find(')')?]))
            })
        })
        .collect()
}

/// What stands between single backticks, with its line.
fn inline_code(text: &str) -> Vec<(usize, &str)> {
    prose(text)
        .flat_map(|(number, line)| line.split('`').skip(1).step_by(2).map(move |it| (number, it)))
        .collect()
}

/// `link` as seen from the folder of `path`, without `.` and `..`.
fn resolve(path: &str, link: &str) -> String {
    let mut segments: Vec<&str> = path.split('/').collect();
    segments.pop();
    for segment in link.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    segments.join("/")
}

fn has_heading(repo: &Repo, file: &str, anchor: &str) -> bool {
    let slug = |heading: &str| -> String {
        let kept = heading.trim().to_lowercase();
        let kept = kept.chars().filter(|it| it.is_alphanumeric() || " -_".contains(*it));
        kept.map(|it| if it == ' ' { '-' } else { it }).collect()
    };
    let text = repo.text(file).unwrap_or_default();
    prose(text).any(|(_, line)| line.starts_with('#') && slug(line.trim_start_matches('#')) == anchor)
}
