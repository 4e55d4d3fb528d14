//! Which record wins, and what is said when none or several do.

use mlmgr::{ErrorKind, Query, Selection, Target, records::Decoded, resolve};
use serde_json::{Value, json};

use crate::records::decoded;

fn ask(records: &[Value], query: &str) -> Result<Selection, mlmgr::Error> {
    resolve(&decoded(records), &query.parse().expect("the query of a test parses"))
}

fn record(id: &str, task: &str, model: &str) -> Value {
    json!({"id": id, "taskName": task, "modelId": model, "modelRevision": "v1"})
}

fn feature(id: &str, feature: &str, task: &str, model: &str) -> Value {
    let mut record = record(id, task, model);
    record["featureId"] = feature.into();
    record
}

#[test]
fn the_only_record_of_a_task_is_taken() {
    let records = [record("one", "feature-extraction", "a/b"), record("two", "fill-mask", "a/c")];
    let selection = ask(&records, "feature-extraction").expect("one record fits");
    assert_eq!(selection.record.as_deref(), Some("one"));
    assert_eq!(selection.model.to_string(), "a/b");
    assert_eq!(selection.revision.to_string(), "v1");
    assert_eq!(selection.usage, "task:feature-extraction");
    assert_eq!(selection.why, ["record one was chosen: of 2 it is the only one for task feature-extraction"]);
}

#[test]
fn a_feature_wins_over_its_task() {
    let records = [record("task", "t", "a/b"), feature("feature", "f", "t", "a/c")];
    let selection = ask(&records, "feature:f;task:t").expect("the feature has one record");
    assert_eq!(selection.record.as_deref(), Some("feature"));
    assert_eq!(selection.task.to_string(), "t");
    assert!(selection.why.iter().any(|why| why.contains("task was passed over")), "{:?}", selection.why);
}

#[test]
fn a_feature_without_a_record_falls_back_to_its_task_only_if_one_is_given() {
    let records = [record("task", "t", "a/b")];
    let selection = ask(&records, "feature:f;task:t").expect("the task has a record");
    assert_eq!(selection.record.as_deref(), Some("task"));
    assert!(selection.why[0].contains("no record is for feature \"f\""));
    let error = ask(&records, "feature:f").expect_err("there is no such feature");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("features with records: none"), "{error}");
}

#[test]
fn two_records_that_both_match_are_both_named_with_the_way_out() {
    let records = [record("one", "t", "a/b"), record("two", "t", "a/c"), record("three", "u", "a/d")];
    let error = ask(&records, "t").expect_err("two records match");
    assert_eq!(error.kind(), ErrorKind::Ambiguous);
    let message = error.to_string();
    assert!(message.contains("one (model a/b)") && message.contains("two (model a/c)"), "{message}");
    assert!(!message.contains("three"), "{message}");
    assert!(error.hint().expect("there is a way out").contains("--model"));

    let selection = ask(&records, "task:t;model:a/c").expect("the model decides");
    assert_eq!(selection.record.as_deref(), Some("two"));
    assert!(selection.why.iter().any(|why| why == "record one was passed over: its model is a/b"));
}

#[test]
fn a_task_without_a_record_is_an_error_that_says_what_there_is() {
    let records =
        [record("one", "b-task", "a/b"), record("two", "a-task", "a/b"), record("x", "a-task", "a/c")];
    let error = ask(&records, "c-task").expect_err("no record fits");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("no record is for task c-task (tasks with records: a-task, b-task)"));
}

#[test]
fn the_default_model_is_taken_only_where_it_is_asked_for() {
    assert_eq!(ask(&[], "feature-extraction").expect_err("no record").kind(), ErrorKind::NotFound);
    let selection = ask(&[], "task:feature-extraction;default").expect("the task has a default");
    assert_eq!(selection.model.to_string(), "Xenova/all-MiniLM-L6-v2");
    assert_eq!((selection.record, selection.usage.as_str()), (None, "task:feature-extraction;default"));
    let records = [record("one", "feature-extraction", "a/b")];
    let selection = ask(&records, "task:feature-extraction;default").expect("a record is there");
    assert_eq!(selection.model.to_string(), "a/b");
    assert_eq!(ask(&[], "task:no-such-task;default").expect_err("no default").kind(), ErrorKind::NotFound);
}

#[test]
fn a_malformed_record_is_named_where_it_may_matter() {
    let broken = json!({"id": "broken", "taskName": "t"});
    let error = ask(std::slice::from_ref(&broken), "t").expect_err("nothing usable");
    assert!(error.to_string().contains("record broken was left out: modelId is missing"), "{error}");
    let selection = ask(&[broken, record("good", "t", "a/b")], "t").expect("one is usable");
    assert_eq!(
        selection.why.last().map(String::as_str),
        Some("record broken was left out: modelId is missing")
    );
}

#[test]
fn parts_of_other_models_are_refused_and_not_ignored() {
    let mut other = record("one", "t", "a/b");
    other["tokenizerId"] = "a/other".into();
    let error = ask(&[other], "t").expect_err("the tokenizer is another model's");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("its tokenizer from a/other@main"), "{error}");
}

#[test]
fn queries_have_a_text_form() {
    for text in ["task:t", "feature:f", "feature:f;task:t", "task:t;model:org/name", "task:t;default"] {
        let query: Query = text.parse().expect("the text form parses");
        assert_eq!(query.to_string(), text);
    }
    assert_eq!("t".parse::<Query>().expect("a task").to_string(), "task:t");
    for text in ["", "a b", "../x", "task:", "model:a/b", "task:t;", "task:t;x", "other:t", "task:t;model:.."]
    {
        let error = text.parse::<Query>().expect_err("it asks for nothing");
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
    }
}

#[test]
fn targets_have_a_text_form() {
    for text in ["task:t", "org/name", "org/name@v1", "name@main", "runtime:x.wasm"] {
        let target: Target = text.parse().expect("the text form parses");
        assert_eq!(target.to_string(), text);
    }
    let used = "model:org/name@v1".parse::<Target>().expect("as it is listed");
    assert_eq!(used.to_string(), "org/name@v1");
    assert!(matches!("t".parse(), Ok(Target::Query(_))));
    for text in ["a/b/c", "org/name@", "org/name@../x", "@v1", "a b/c"] {
        assert_eq!(text.parse::<Target>().expect_err("no target").kind(), ErrorKind::InvalidInput, "{text}");
    }
}

#[test]
fn selection_is_pure() {
    let empty = Decoded::default();
    let query = Query::task("t").expect("a task name");
    let (one, two) = (resolve(&empty, &query), resolve(&empty, &query));
    assert_eq!(one.expect_err("nothing").to_string(), two.expect_err("nothing").to_string());
}
