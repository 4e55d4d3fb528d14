//! Plants one violation of every rule in a small tidy repository, and expects exactly that rule to find it.

use std::collections::BTreeMap;

use serde_json::json;

use super::{RULES, check};
use crate::repo::{File, Package, Repo};

const FIXTURES: &str =
    "| folder | why |\n|---|---|\n| `hub/model` | the demo |\n| `hub/model/big.onnx` | real |\n";

/// A repository that follows every rule.
fn tidy_repo() -> Repo {
    let manifest = |name: &str| {
        format!(
            "[package]\nname = \"{name}\"\n[lints]\nworkspace = true\n[dependencies]\nurl.workspace = true\n"
        )
    };
    let mut files = BTreeMap::new();
    let mut add = |path: &str, text: &str| files.insert(path.to_owned(), file(text));
    for top in ["LICENSE-APACHE", "LICENSE-MIT", "Cargo.lock", ".gitignore", ".gitattributes", ".ci/run"] {
        add(top, "text\n");
    }
    for top in ["clippy.toml", "deny.toml", "rust-toolchain.toml", "rustfmt.toml", ".cargo/config.toml"] {
        add(top, "# text\n");
    }
    for top in ["CONTRIBUTING.md", "SECURITY.md"] {
        add(top, "# Title\n");
    }
    add(
        "README.md",
        "# Title\n\nSee [the rules](docs/rules.md#the-rules) and `crates/top/src/lib.rs`; `cargo xtask tidy`.\n",
    );
    add("docs/rules.md", "# The rules\n");
    add("docs/layers.txt", "# comment\nbottom:\ntop: bottom\nxtask:\n@url bottom xtask\n");
    add("docs/dependencies.md", "| crate | used by | reason |\n|---|---|---|\n| url | bottom | URLs |\n");
    add("Cargo.toml", "[workspace.dependencies]\nurl = \"2\"\nbottom = { path = \"crates/bottom\" }\n");
    add("fixtures/README.md", FIXTURES);
    add("fixtures/hub/model/config.json", "{}\n");
    for (name, folder) in [("bottom", "crates/bottom"), ("top", "crates/top"), ("xtask", "xtask")] {
        add(&format!("{folder}/Cargo.toml"), &manifest(name));
        add(
            &format!("{folder}/src/lib.rs"),
            "//! Says what it is.\nmod part;\nuse url::Url;\nuse bottom::It;\n",
        );
        add(&format!("{folder}/src/part.rs"), "//! A part.\n");
        add(&format!("{folder}/tests/it/main.rs"), "//! Tests.\n");
    }
    files.insert("fixtures/hub/model/big.onnx".to_owned(), File { size: 2 << 20, text: None });
    let package = |name: &str, folder: &str, dependencies: serde_json::Value| -> Package {
        let manifest_path = format!("{folder}/Cargo.toml");
        let targets = json!([{ "name": "it", "kind": ["test"] }, { "name": name, "kind": ["lib"] }]);
        let package = json!({ "name": name, "manifest_path": manifest_path, "dependencies": dependencies, "targets": targets });
        serde_json::from_value(package).expect("has every field")
    };
    let packages = vec![
        package("bottom", "crates/bottom", json!([outside("url")])),
        package("top", "crates/top", json!([inside("bottom")])),
        package("xtask", "xtask", json!([])),
    ];
    Repo { files, packages }
}

fn file(text: &str) -> File {
    File { size: text.len() as u64, text: Some(text.to_owned()) }
}

fn inside(name: &str) -> serde_json::Value {
    json!({ "name": name, "source": null, "req": "*", "kind": null })
}

fn outside(name: &str) -> serde_json::Value {
    json!({ "name": name, "source": "registry+https://github.com/rust-lang/crates.io-index", "req": "^2", "kind": null })
}

/// Changes the tidy repository and returns the problems that the change makes.
fn problems(plant: impl FnOnce(&mut Repo)) -> Vec<String> {
    let mut repo = tidy_repo();
    plant(&mut repo);
    check(&repo).into_iter().flat_map(|(_, problems)| problems).collect()
}

/// Expects one problem, which contains `needle`.
#[track_caller]
fn found(needle: &str, plant: impl FnOnce(&mut Repo)) {
    let problems = problems(plant);
    assert!(
        problems.len() == 1 && problems[0].contains(needle),
        "wanted one about {needle:?}: {problems:#?}"
    );
}

fn append(repo: &mut Repo, path: &str, text: &str) {
    let file = repo.files.get_mut(path).expect("the tidy repository holds it");
    file.text.as_mut().expect("it is text").push_str(text);
}

fn replace(repo: &mut Repo, path: &str, from: &str, to: &str) {
    let text = repo.files[path].text.clone().expect("it is text");
    assert!(text.contains(from));
    repo.files.insert(path.to_owned(), file(&text.replacen(from, to, 1)));
}

fn add(repo: &mut Repo, path: &str, text: &str) {
    repo.files.insert(path.to_owned(), file(text));
}

fn depend(repo: &mut Repo, package: usize, dependency: serde_json::Value) {
    let dependency = serde_json::from_value(dependency).expect("has every field");
    repo.packages[package].dependencies.push(dependency);
}

const LIB: &str = "crates/bottom/src/lib.rs";

#[test]
fn a_tidy_repository_has_no_problems() {
    assert_eq!(problems(|_| {}), Vec::<String>::new());
    assert!(RULES.len() >= 15);
}

#[test]
fn an_edge_that_points_up_is_found() {
    found("bottom depends on top", |repo| {
        depend(repo, 0, inside("top"));
        append(repo, LIB, "use top::It;\n");
    });
    // Dependencies of tests are exempt.
    assert!(
        problems(|repo| {
            depend(repo, 0, json!({ "name": "top", "source": null, "kind": "dev" }));
            append(repo, LIB, "use top::It;\n");
        })
        .is_empty()
    );
}

#[test]
fn a_crate_without_a_line_in_the_layers_is_found() {
    found("top has no line", |repo| replace(repo, "docs/layers.txt", "top: bottom\n", ""));
}

#[test]
fn a_second_owner_of_an_outside_crate_is_found() {
    found("top depends on url, which only bottom and xtask may", |repo| depend(repo, 1, outside("url")));
}

#[test]
fn stale_and_malformed_lines_in_the_layers_are_found() {
    found("gone is not a crate", |repo| append(repo, "docs/layers.txt", "gone:\n"));
    found("no crate depends on @hyper", |repo| append(repo, "docs/layers.txt", "@hyper bottom\n"));
    found(":6: neither", |repo| append(repo, "docs/layers.txt", "nonsense\n"));
    let problems = problems(|repo| drop(repo.files.remove("docs/layers.txt")));
    assert!(problems.iter().any(|it| it.contains("missing")), "{problems:?}");
}

#[test]
fn a_dependency_without_a_reason_is_found_and_a_reason_without_a_dependency_too() {
    const LIST: &str = "docs/dependencies.md";
    found("bottom depends on url, which has no line", |repo| {
        replace(repo, LIST, "| url | bottom | URLs |\n", "")
    });
    found("no crate depends on hyper", |repo| append(repo, LIST, "| hyper | bottom | servers |\n"));
    found("url has no reason", |repo| replace(repo, LIST, "| URLs |", "| |"));
    found("url is listed twice", |repo| append(repo, LIST, "| url | top | again |\n"));
}

#[test]
fn wildcards_git_and_foreign_folders_are_found() {
    found("takes any version of url", |repo| repo.packages[0].dependencies[0].req = "*".to_owned());
    found("from git", |repo| {
        repo.packages[0].dependencies[0].source = Some("git+https://example.org/url".to_owned());
    });
    found("only crates.io", |repo| {
        repo.packages[0].dependencies[0].source = Some("registry+https://example.org/index".to_owned());
    });
    found("outside this repository", |repo| {
        repo.packages[1].dependencies[0].path = Some("/elsewhere/bottom".to_owned());
    });
    found("must be `workspace = true`", |repo| {
        replace(repo, "crates/top/Cargo.toml", "url.workspace = true", "url = \"2\"");
    });
    found("hyper is used by no crate", |repo| append(repo, "Cargo.toml", "hyper = \"1\"\n"));
}

#[test]
fn a_dependency_that_no_source_names_is_found() {
    found("bottom never names its dependency url", |repo| {
        replace(repo, LIB, "use url::Url;", "use curl::Url;")
    });
}

#[test]
fn a_crate_with_lints_of_its_own_is_found() {
    found("add `[lints]", |repo| replace(repo, "crates/top/Cargo.toml", "[lints]\nworkspace = true\n", ""));
}

#[test]
fn a_library_that_does_what_programs_do_is_found() {
    found(":5: a library that reads the environment", |repo| {
        append(repo, LIB, "let x = std::env::var(\"X\");\n")
    });
    found(":5: a library that prints", |repo| append(repo, LIB, "eprintln!(\"x\");\n"));
    found(":5: a library that starts a runtime", |repo| {
        append(repo, LIB, "tokio::runtime::Builder::new()\n")
    });
    assert!(problems(|repo| append(repo, LIB, "// println!(\"x\") would be wrong\n")).is_empty());
    found("src/part.rs:2: a library that does I/O", |repo| {
        repo.packages[0].name = "hub-layout".to_owned();
        repo.packages[0].manifest_path = "crates/hub-layout/Cargo.toml".to_owned();
        repo.packages[1].dependencies.clear();
        add(repo, "docs/layers.txt", "hub-layout:\ntop:\nxtask:\n@url hub-layout xtask\n");
        let moved: Vec<String> =
            repo.files.keys().filter(|path| path.starts_with("crates/bottom")).cloned().collect();
        for path in moved {
            let file = repo.files.remove(&path).expect("it was listed");
            repo.files.insert(path.replace("bottom", "hub-layout"), file);
        }
        replace(repo, "crates/hub-layout/Cargo.toml", "name = \"bottom\"", "name = \"hub-layout\"");
        replace(repo, "Cargo.toml", "bottom = { path = \"crates/bottom\" }\n", "");
        add(repo, "crates/hub-layout/examples/show.rs", "//! Shows.\n");
        append(repo, "crates/hub-layout/src/part.rs", "use std::fs;\n");
    });
    found("src/collection.rs:3: a library that reads the clock", |repo| {
        let text = "//! Merges.\nmod collection;\nlet now = SystemTime::now();\n";
        add(repo, "crates/rs-client/src/collection.rs", text);
    });
}

#[test]
fn unsafe_code_elsewhere_is_found() {
    found("unsafe code has its place", |repo| {
        append(repo, LIB, "#[expect(unsafe_code, reason = \"speed\")]\n")
    });
}

#[test]
fn a_nameless_and_a_long_file_are_found() {
    found("the first line must be", |repo| replace(repo, LIB, "//! Says", "// Says"));
    found("401 lines", |repo| {
        add(repo, LIB, &format!("//! Long.\nmod part;\nuse url::Url;\n{}", "\n".repeat(398)))
    });
}

#[test]
fn ignored_tests_and_unexplained_attributes_are_found() {
    found(":5: a test must not be ignored", |repo| append(repo, LIB, "#[ignore]\n"));
    found(":5: a test must not be ignored", |repo| append(repo, LIB, "    #[ignore = \"slow\"]\n"));
    found(":5: give the attribute a reason", |repo| append(repo, LIB, "#[allow(dead_code)]\n"));
    found(":5: give the attribute a reason", |repo| append(repo, LIB, "#![expect(\n  dead_code\n)]\n"));
    found(":5: give the attribute a reason", |repo| {
        append(repo, LIB, "#[cfg_attr(test, allow(dead_code))]\n")
    });
    let explained = "#[allow(dead_code, reason = \"why\")]\n#[expect(\n  dead_code,\n  reason = \"why\")]\n#[derive(Debug)]\n";
    assert!(problems(|repo| append(repo, LIB, explained)).is_empty());
}

#[test]
fn a_file_that_no_module_names_is_found() {
    found("no `mod lost;`", |repo| add(repo, "crates/top/src/lost.rs", "//! Lost.\n"));
    found("no `mod lost;`", |repo| add(repo, "crates/top/tests/it/lost/mod.rs", "//! Lost.\n"));
}

#[test]
fn a_folder_of_one_machine_is_found() {
    let path = concat!("see /ho", "me/someone/file");
    found(":2: names", |repo| append(repo, "docs/rules.md", path));
    let part = concat!("see https://example.org/ho", "me/someone and crates/ho", "me/x");
    assert!(problems(|repo| append(repo, "docs/rules.md", part)).is_empty());
}

#[test]
fn strangers_and_gaps_at_the_top_level_are_found() {
    found("notes.txt: not a name", |repo| add(repo, "notes.txt", "text"));
    found("clippy.toml: missing", |repo| drop(repo.files.remove("clippy.toml")));
}

#[test]
fn a_second_or_a_missing_test_binary_is_found() {
    found("crates/top/tests/it/main.rs: missing", |repo| {
        drop(repo.files.remove("crates/top/tests/it/main.rs"))
    });
    found("move the test binary other", |repo| repo.packages[1].targets[0].name = "other".to_owned());
}

#[test]
fn a_user_facing_crate_without_an_example_is_found() {
    found("crates/runtime/examples: missing", |repo| {
        repo.packages[1].name = "runtime".to_owned();
        let layers = "bottom:\nruntime: bottom\nxtask:\n@url bottom xtask\n";
        add(repo, "docs/layers.txt", layers);
    });
    found("another crate has an example of this name", |repo| {
        add(repo, "crates/bottom/examples/show.rs", "//! Shows.\n");
        add(repo, "crates/top/examples/show.rs", "//! Shows.\n");
    });
}

#[test]
fn fixtures_and_large_files_without_a_reason_are_found() {
    found("fixtures/odd: no line with a reason", |repo| add(repo, "fixtures/odd/file.json", "{}"));
    found("need a line", |repo| {
        replace(repo, "fixtures/README.md", "| `hub/model/big.onnx` | real |\n", "");
    });
    found("lists gone", |repo| append(repo, "fixtures/README.md", "| `gone` | why |\n"));
    found("large files belong", |repo| repo.files.get_mut("docs/rules.md").expect("there").size = 2 << 20);
    let problems = problems(|repo| replace(repo, "fixtures/README.md", "| the demo |", "| |"));
    assert_eq!(problems.len(), 1, "{problems:?}");
}

#[test]
fn code_that_no_example_holds_is_found() {
    let block = "```rust\nfn main() {}\n```\n";
    found("no example holds `fn main() {}...`", |repo| append(repo, "README.md", block));
    assert!(
        problems(|repo| {
            append(repo, "README.md", block);
            add(repo, "crates/top/examples/show.rs", "//! Shows.\nfn main() {}\n");
        })
        .is_empty()
    );
}

#[test]
fn dead_links_paths_and_commands_are_found() {
    found("leads nowhere", |repo| append(repo, "docs/rules.md", "[x](gone.md)\n"));
    found("no heading for #gone", |repo| append(repo, "docs/rules.md", "[x](../docs/rules.md#gone)\n"));
    found("docs/gone.md does not exist", |repo| append(repo, "docs/rules.md", "See `docs/gone.md`.\n"));
    found("no command `cargo xtask gone`", |repo| append(repo, "docs/rules.md", "`cargo xtask gone`\n"));
    found("there is no example", |repo| append(repo, "docs/rules.md", "cargo run -p top --example gone\n"));
    let fine = "[x](https://example.org) [y](#the-rules) `crates/X/tests/it/main.rs` `docs/<name>.md`\n```\n[x](gone)\n```\n";
    assert!(problems(|repo| append(repo, "docs/rules.md", fine)).is_empty());
}
