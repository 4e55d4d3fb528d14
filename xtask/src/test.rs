//! `cargo xtask test`: every check and every test, in the order that finds mistakes soonest.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    e2e, examples, fixtures,
    repo::{self, Repo},
    tidy,
};

/// Where the reference engine lies: the crates whose tests are run again with it.
const REFERENCE: [&str; 8] =
    ["-p", "runtime", "-p", "pipelines", "-p", "mlmgr-cli", "--features", "candle-onnx"];

/// What rs-client has only when asked for, and what takes no more than the workspace needs anyway. Without these
/// features it is built for the reference engine, below.
const FEATURES: &str = "--features=rs-client/blocking,rs-client/bundles,rs-client/jexl";

/// One thing to run.
struct Step {
    name: &'static str,
    action: Action,
}

enum Action {
    /// Runs cargo with these arguments and environment.
    Cargo { arguments: Vec<String>, environment: Vec<(&'static str, String)> },
    /// Runs one of our own checks.
    Own(fn() -> Result<(), String>),
    /// Runs our clients against a server that others wrote, where it can be installed.
    EndToEnd(fn(e2e::Build) -> Result<e2e::Outcome, String>),
    /// Says loudly that this part is not run, and why.
    Skip(String),
}

/// What came out so far.
#[derive(Default)]
struct Tally {
    times: Vec<(&'static str, Duration)>,
    skipped: Vec<String>,
    passed: u64,
    ignored: u64,
}

/// Runs all steps; stops at the first that fails and says what was not run.
pub(crate) fn run() -> Result<(), String> {
    let steps = steps();
    let mut tally = Tally::default();
    tally.note_missing_data();
    let mut failed = None;
    for (index, step) in steps.iter().enumerate() {
        println!("\n==> {} ({} of {})", step.name, index + 1, steps.len());
        let start = Instant::now();
        let outcome = tally.perform(step);
        tally.times.push((step.name, start.elapsed()));
        if let Err(message) = outcome {
            let rest: Vec<&str> = steps[index + 1..].iter().map(|step| step.name).collect();
            failed = Some((format!("{}: {message}", step.name), rest));
            break;
        }
    }
    tally.summary();
    match failed {
        Some((message, rest)) => {
            if !rest.is_empty() {
                println!("NOT RUN: {}", rest.join(", "));
            }
            Err(message)
        }
        None if tally.ignored > 0 => Err(format!("{} tests are ignored; mend or remove them", tally.ignored)),
        None => Ok(()),
    }
}

fn steps() -> Vec<Step> {
    let cargo = |name, arguments: &[&str]| Step { name, action: cargo(arguments, Vec::new()) };
    let docs_denied = || vec![("RUSTDOCFLAGS", "-D warnings".to_owned())];
    let doc = |name, arguments: &[&str]| Step { name, action: self::cargo(arguments, docs_denied()) };
    let mut steps = vec![
        cargo("format", &["fmt", "--all", "--check"]),
        Step { name: "tidy", action: Action::Own(tidy::run) },
        cargo(
            "clippy",
            &["clippy", "--workspace", FEATURES, "--all-targets", "--locked", "--", "-D", "warnings"],
        ),
        cargo("tests", &["test", "--workspace", FEATURES, "--locked", "--no-fail-fast"]),
        Step { name: "a real settings server", action: Action::EndToEnd(e2e::settings) },
        Step { name: "real object stores", action: Action::EndToEnd(e2e::stores) },
        Step { name: "recorded exchanges", action: Action::Own(fixtures::check) },
        Step { name: "examples", action: Action::Own(examples::run) },
        Step { name: "documented commands", action: Action::Own(documented_commands) },
        doc(
            "documentation of the libraries",
            &[
                "doc",
                "--workspace",
                FEATURES,
                "--exclude=mlmgr-cli",
                "--exclude=xtask",
                "--no-deps",
                "--locked",
            ],
        ),
        // Apart, because the library and the program are both called mlmgr.
        doc(
            "documentation of the programs",
            &["doc", "-p", "mlmgr-cli", "-p", "xtask", "--no-deps", "--locked"],
        ),
        deny(),
    ];
    steps.extend(reference_engine());
    steps
}

fn cargo(arguments: &[&str], environment: Vec<(&'static str, String)>) -> Action {
    Action::Cargo { arguments: arguments.iter().map(|it| (*it).to_owned()).collect(), environment }
}

/// Licences, bans and sources, where cargo-deny is installed.
fn deny() -> Step {
    let installed = repo::cargo().args(["deny", "--version"]).output().is_ok_and(|it| it.status.success());
    let action = if installed {
        cargo(&["deny", "--offline", "check", "bans", "licenses", "sources"], Vec::new())
    } else {
        Action::Skip(
            "licences and banned crates: cargo-deny is not installed (`cargo install cargo-deny`)".into(),
        )
    };
    Step { name: "licences and bans", action }
}

/// The same tests with candle-onnx, built with the `protoc` that comes as a crate.
fn reference_engine() -> Vec<Step> {
    let protoc = match protoc_bin_vendored::protoc_bin_path() {
        Ok(path) => path,
        Err(error) => {
            let reason = format!("the reference engine: no protoc for this platform ({error})");
            return vec![Step { name: "reference engine", action: Action::Skip(reason) }];
        }
    };
    let with = |first: &[&str], last: &[&str]| {
        let environment = vec![("PROTOC", protoc.to_string_lossy().into_owned())];
        cargo(&[first, &REFERENCE, last].concat(), environment)
    };
    vec![
        Step {
            name: "reference engine: clippy",
            action: with(&["clippy", "--all-targets", "--locked"], &["--", "-D", "warnings"]),
        },
        Step { name: "reference engine: tests", action: with(&["test", "--locked", "--no-fail-fast"], &[]) },
    ]
}

/// Each `mlmgr COMMAND` that a document shows in a code block has help.
fn documented_commands() -> Result<(), String> {
    let repo = Repo::read()?;
    let program = repo::program("mlmgr");
    let mut shown = std::collections::BTreeSet::new();
    for (path, text) in repo.texts(".md").filter(|(path, _)| !path.starts_with("fixtures/")) {
        for line in text.split("```").skip(1).step_by(2).flat_map(str::lines) {
            let mut words = line.trim_start_matches("$ ").split_whitespace();
            if words.next() == Some("mlmgr")
                && let Some(name) = words.find(|word| !word.starts_with('-'))
            {
                shown.insert((name.to_owned(), path));
            }
        }
    }
    for (name, path) in &shown {
        let mut command = Command::new(&program);
        let nested = (name == "runtime").then_some("pull");
        let output = command.arg(name).args(nested).arg("--help").output();
        let output = output.map_err(|error| format!("{} did not start: {error}", program.display()))?;
        if !output.status.success() {
            return Err(format!("{path} shows `mlmgr {name}`, which has no help"));
        }
    }
    println!("{} documented commands of mlmgr answer --help", shown.len());
    Ok(())
}

impl Tally {
    /// Recorded data that is not part of the repository.
    fn note_missing_data(&mut self) {
        for (variable, what) in [
            ("MLMGR_VECTORS", "tests over recorded production settings data"),
            ("MLMGR_MODELS", "tests over the larger real models"),
        ] {
            if std::env::var_os(variable).is_none() {
                self.skip(format!("{what}: {variable} is not set"));
            }
        }
    }

    fn skip(&mut self, what: String) {
        println!("SKIPPED: {what}");
        self.skipped.push(what);
    }

    fn perform(&mut self, step: &Step) -> Result<(), String> {
        match &step.action {
            Action::Own(check) => check(),
            Action::EndToEnd(scenarios) => match scenarios(e2e::Build::Workspace)? {
                e2e::Outcome::Passed => Ok(()),
                e2e::Outcome::Skipped(what) => {
                    self.skip(what);
                    Ok(())
                }
            },
            Action::Skip(what) => {
                self.skip(what.clone());
                Ok(())
            }
            Action::Cargo { arguments, environment } => self.cargo(arguments, environment),
        }
    }

    /// Runs cargo, passes its output on, and counts the tests in it.
    fn cargo(&mut self, arguments: &[String], environment: &[(&'static str, String)]) -> Result<(), String> {
        println!("$ cargo {}", arguments.join(" "));
        let mut command = repo::cargo();
        command.args(arguments).envs(environment.iter().map(|(name, value)| (name, value)));
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cargo did not start: {error}"))?;
        let output = child.stdout.take().expect("asked for a pipe above");
        for line in BufReader::new(output).lines() {
            let line = line.map_err(|error| format!("cannot read what cargo says: {error}"))?;
            println!("{line}");
            self.count(&line);
        }
        let status = child.wait().map_err(|error| format!("cargo was lost: {error}"))?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("`cargo {}` failed ({status})", arguments.join(" ")))
        }
    }

    /// Counts a line such as `test result: ok. 12 passed; 0 failed; 0 ignored; ...`.
    fn count(&mut self, line: &str) {
        let Some((_, counts)) = line.split_once("test result: ").and_then(|(_, it)| it.split_once(". "))
        else {
            return;
        };
        for part in counts.split("; ") {
            match part.split_once(' ') {
                Some((number, "passed")) => self.passed += number.parse::<u64>().unwrap_or(0),
                Some((number, "ignored")) => self.ignored += number.parse::<u64>().unwrap_or(0),
                _ => {}
            }
        }
    }

    fn summary(&self) {
        println!("\n==> summary");
        for (name, time) in &self.times {
            println!("{:>8.1} s  {name}", time.as_secs_f64());
        }
        let total: Duration = self.times.iter().map(|(_, time)| *time).sum();
        println!("{:>8.1} s  in all; {} tests passed", total.as_secs_f64(), self.passed);
        for what in &self.skipped {
            println!("SKIPPED: {what}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn counts_the_tests_that_cargo_reports() {
        let mut tally = Tally::default();
        for line in [
            "running 12 tests",
            "test a ... ok",
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.10s",
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s",
        ] {
            tally.count(line);
        }
        assert_eq!((tally.passed, tally.ignored), (15, 1));
    }
}
