//! The program as a developer starts it.

use std::process::{Command, Output};

fn xtask(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).args(arguments).output().expect("the program was just built")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn help_names_every_command_with_one_line() {
    let output = xtask(&["--help"]);
    assert!(output.status.success());
    let help = text(&output.stdout);
    for name in ["demo", "test", "tidy", "e2e", "fixtures"] {
        assert!(help.lines().any(|line| line.trim_start().starts_with(name) && line.len() > 40), "{help}");
    }
}

#[test]
fn an_unknown_command_is_a_usage_error() {
    let output = xtask(&["frobnicate"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("\"frobnicate\""), "{}", text(&output.stderr));
}

#[test]
fn a_surplus_argument_is_refused() {
    let output = xtask(&["tidy", "everything"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("\"everything\""), "{}", text(&output.stderr));
}

#[test]
fn this_repository_is_tidy() {
    let output = xtask(&["tidy"]);
    assert!(output.status.success(), "\n{}{}", text(&output.stdout), text(&output.stderr));
}
