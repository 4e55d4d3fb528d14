//! Firefox's grammars: what passes each, what does not, and what is refused although Firefox takes it.

use std::{error::Error as _, fmt::Debug};

use hub_layout::{Grammar, GrammarError, GrammarField, NameProblem, ParseNameError};

/// Why a name is refused.
#[derive(Debug, PartialEq)]
enum Outcome {
    Ok,
    /// By Firefox as well.
    Refused,
    /// Here alone.
    Unsafe(NameProblem),
}
use Outcome::{Ok, Refused, Unsafe};

fn outcome<T: ToString>(read: Result<T, GrammarError>, text: &str) -> Outcome {
    match read {
        Result::Ok(name) => {
            assert_eq!(name.to_string(), text.strip_prefix('/').unwrap_or(text));
            Ok
        }
        Err(error) => {
            assert!(!error.to_string().contains(char::is_control), "{error}");
            match error.source().and_then(|source| source.downcast_ref::<ParseNameError>()) {
                Some(name) => Unsafe(name.problem()),
                None => Refused,
            }
        }
    }
}

#[test]
fn models() {
    for (text, hub, options) in [
        ("Xenova/all-MiniLM-L6-v2", Ok, Ok),
        ("gpt2", Ok, Ok),
        ("b--ert", Ok, Ok),
        ("acme/.hidden", Ok, Ok),
        ("acme/bert-", Ok, Ok),
        ("a_b/c", Refused, Ok),
        ("a.b/c", Refused, Ok),
        ("acme/b--ert", Refused, Unsafe(NameProblem::DoubleHyphen)),
        ("ac--me/bert", Refused, Unsafe(NameProblem::DoubleHyphen)),
        ("-acme/bert", Refused, Unsafe(NameProblem::OuterHyphen)),
        ("acme-/bert", Refused, Unsafe(NameProblem::OuterHyphen)),
        ("acme/a:b", Refused, Unsafe(NameProblem::Character)),
        (".", Unsafe(NameProblem::DotSegment), Unsafe(NameProblem::DotSegment)),
        ("acme/..", Unsafe(NameProblem::DotSegment), Unsafe(NameProblem::DotSegment)),
        ("../bert", Refused, Unsafe(NameProblem::DotSegment)),
        ("acme/bert.", Unsafe(NameProblem::OuterSpaceOrDot), Unsafe(NameProblem::OuterSpaceOrDot)),
        ("nul/bert", Unsafe(NameProblem::ReservedName), Unsafe(NameProblem::ReservedName)),
        ("acme/.git", Unsafe(NameProblem::ReservedName), Unsafe(NameProblem::ReservedName)),
        ("", Refused, Refused),
        ("/", Refused, Refused),
        ("acme/", Refused, Refused),
        ("/bert", Refused, Refused),
        ("a/b/c", Refused, Refused),
        ("acme/be rt", Refused, Refused),
        ("acme/bert\n", Refused, Refused),
        ("acme/bért", Refused, Refused),
        ("аcme/bert", Refused, Refused),
        ("acme\\bert", Refused, Refused),
        ("acme/bert@main", Refused, Refused),
        ("acme/%2e%2e", Refused, Refused),
    ] {
        assert_eq!(outcome(Grammar::Hub.model(text), text), hub, "hub: {text:?}");
        assert_eq!(outcome(Grammar::Options.model(text), text), options, "options: {text:?}");
    }
}

#[test]
fn revisions() {
    for (text, hub, options) in [
        ("main", Ok, Ok),
        ("v0.5.0", Ok, Ok),
        ("1", Ok, Ok),
        ("v1.2", Ok, Ok),
        ("1.2.3-rc1", Ok, Ok),
        ("v1.2.3.beta", Ok, Ok),
        ("2-pre", Ok, Ok),
        ("v1.2.3-alpha007", Ok, Ok),
        ("5f8986ea1c3a4e7d9b2f0a6c8e4d7b1f3a5c9e02", Ok, Refused),
        ("1.2.3.4", Ok, Refused),
        ("1.2.3-rc1-rc2", Ok, Refused),
        ("1.2.3-dev", Ok, Refused),
        ("v", Ok, Refused),
        ("vv1", Ok, Refused),
        ("Main", Ok, Refused),
        ("rc1", Ok, Refused),
        ("1-", Ok, Refused),
        ("1..2", Unsafe(NameProblem::DotSegment), Refused),
        ("..", Unsafe(NameProblem::DotSegment), Refused),
        ("1.", Unsafe(NameProblem::OuterSpaceOrDot), Refused),
        ("nul", Unsafe(NameProblem::ReservedName), Refused),
        ("refs/pr/1", Refused, Refused),
        ("a_b", Refused, Refused),
        ("1.0+cpu", Refused, Refused),
        ("", Refused, Refused),
        ("main ", Refused, Refused),
        ("main\n", Refused, Refused),
        ("\u{661}.2", Refused, Refused),
    ] {
        assert_eq!(outcome(Grammar::Hub.revision(text), text), hub, "hub: {text:?}");
        assert_eq!(outcome(Grammar::Options.revision(text), text), options, "options: {text:?}");
    }
}

#[test]
fn files_and_tasks() {
    for (text, expected) in [
        ("config.json", Ok),
        ("/config.json", Ok),
        ("onnx/model_quantized.onnx", Ok),
        (".gitattributes", Ok),
        ("a-b_c.d/e", Ok),
        ("../x", Unsafe(NameProblem::DotSegment)),
        ("a/./b", Unsafe(NameProblem::DotSegment)),
        ("aux.json", Unsafe(NameProblem::ReservedName)),
        ("a./b", Unsafe(NameProblem::OuterSpaceOrDot)),
        ("//config.json", Refused),
        ("a//b", Refused),
        ("a/", Refused),
        ("/", Refused),
        ("", Refused),
        ("a b", Refused),
        ("a\\b", Refused),
        ("C:/x", Refused),
        ("说明.md", Refused),
        ("a%2fb", Refused),
        ("a\0b", Refused),
    ] {
        for grammar in [Grammar::Hub, Grammar::Options] {
            assert_eq!(outcome(grammar.file(text), text), expected, "{text:?}");
        }
    }
    for (text, expected) in [
        ("feature-extraction", Ok),
        ("moz_x", Ok),
        ("con", Unsafe(NameProblem::ReservedName)),
        ("a/b", Refused),
        ("a.b", Refused),
        ("", Refused),
    ] {
        assert_eq!(outcome(Grammar::Options.task(text), text), expected, "{text:?}");
    }
}

#[test]
fn an_error_names_the_field_and_what_is_allowed() {
    let error = Grammar::Options.revision("5f8986ea").expect_err("a commit is no version");
    assert_eq!(
        (error.grammar(), error.field(), error.found()),
        (Grammar::Options, GrammarField::Revision, "5f8986ea")
    );
    assert_eq!(
        error.to_string(),
        "invalid revision \"5f8986ea\" (allowed: \"main\" or a version such as \"v1.2.3\" or \"1.2-rc1\")"
    );
    let error = Grammar::Hub.model(&"é".repeat(500)).expect_err("no letters of ASCII");
    assert_eq!(error.found(), "é".repeat(80));
}
