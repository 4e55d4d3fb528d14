//! What loading refuses, and that it names the thing.

use std::io;

use bytes::Bytes;
use pipelines::{Error, ErrorKind, LoadOptions, ModelFiles, RunOptions};
use testkit::onnx::{Array, DataType, Graph, Node};

use crate::support::{Files, embed, load, tiny};

fn refused(files: &Files) -> Error {
    load(files).map(|_| ()).expect_err("the model is refused")
}

#[test]
fn an_unknown_task_lists_the_known_ones() {
    let error =
        pipelines::load("telepathy", &tiny(), &LoadOptions::default()).map(|_| ()).expect_err("unknown");
    assert_eq!(error.kind(), ErrorKind::UnknownTask);
    assert_eq!(
        error.to_string(),
        "there is no pipeline for the task \"telepathy\"; supported: feature-extraction"
    );
    assert_eq!(pipelines::TASKS, ["feature-extraction"]);
}

#[test]
fn a_missing_file_is_named_with_what_there_is() {
    for path in ["tokenizer.json", "onnx/model.onnx"] {
        let mut files = tiny();
        files.remove(path);
        let error = refused(&files);
        assert_eq!(error.kind(), ErrorKind::MissingFile);
        let message = error.to_string();
        assert!(
            message.starts_with(&format!("the model has no file {path}; it has README.md, config.json")),
            "{message}"
        );
    }
}

#[test]
fn a_broken_file_is_named() {
    for (path, content) in [
        ("tokenizer.json", "{"),
        ("tokenizer.json", "[]"),
        ("tokenizer.json", "{}"),
        ("tokenizer_config.json", "nothing"),
        ("config.json", "[1]"),
        ("onnx/model.onnx", "no graph"),
        ("onnx/model.onnx", ""),
    ] {
        let mut files = tiny();
        files.insert(path.to_owned(), content.into());
        let error = refused(&files);
        assert_eq!(error.kind(), ErrorKind::InvalidModel, "{path}: {content:?}: {error}");
        assert!(error.to_string().contains(path), "{error}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_of_its_own() {
    struct Unreadable;
    impl ModelFiles for Unreadable {
        fn read(&self, _: &str) -> io::Result<Option<Bytes>> {
            Err(io::Error::other("the disk is on fire"))
        }
        fn names(&self) -> Vec<String> {
            Vec::new()
        }
    }
    let error = pipelines::load("feature-extraction", &Unreadable, &LoadOptions::default()).map(|_| ());
    let error = error.expect_err("it cannot be read");
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Io, "cannot read tokenizer.json"));
    let source = std::error::Error::source(&error).expect("it has a cause");
    assert_eq!(source.to_string(), "the disk is on fire");
}

/// A graph that answers with the ids themselves, as one number a token.
fn graph(change: impl FnOnce(&mut Graph)) -> Files {
    let mut graph = Graph::new(17);
    graph.input("input_ids", DataType::I64, ["batch".into(), "tokens".into()]);
    change(&mut graph);
    let mut files = tiny();
    files.insert("onnx/model.onnx".to_owned(), graph.build().into());
    files
}

fn echo(graph: &mut Graph, ids: &str) {
    graph
        .node(Node::new("Cast", [ids], ["float"]).attr("to", 1))
        .initializer("axes", Array::i64([1], [2]))
        .node(Node::new("Unsqueeze", ["float", "axes"], ["last_hidden_state"]))
        .output_of_any_shape("last_hidden_state", DataType::F32);
}

#[test]
fn inputs_are_bound_by_name() {
    let files = graph(|graph| echo(graph, "input_ids"));
    let pipeline = load(&files).expect("input_ids is enough");
    let embeddings = embed(&*pipeline, &["a cat", "dog"], &RunOptions::default()).expect("they run");
    assert_eq!(embeddings[0].shape, [4, 1]);
    // [CLS] dog [SEP]
    assert_eq!(embeddings[1].values, [2.0, 16.0, 3.0]);

    let i32_files = {
        let mut graph = Graph::new(17);
        graph.input("input_ids", DataType::I32, ["batch".into(), "tokens".into()]);
        echo(&mut graph, "input_ids");
        let mut files = tiny();
        files.insert("onnx/model.onnx".to_owned(), graph.build().into());
        files
    };
    let pipeline = load(&i32_files).expect("32-bit ids will do");
    let embeddings = embed(&*pipeline, &["dog"], &RunOptions::default()).expect("it runs");
    assert_eq!(embeddings[0].values, [2.0, 16.0, 3.0]);
}

#[test]
fn a_graph_of_one_fixed_size_is_padded_to_it() {
    let mut graph = Graph::new(17);
    graph.input("input_ids", DataType::I64, [1.into(), 8.into()]);
    echo(&mut graph, "input_ids");
    let mut files = tiny();
    files.insert("onnx/model.onnx".to_owned(), graph.build().into());
    let pipeline = load(&files).expect("one text of eight tokens");
    let embeddings =
        embed(&*pipeline, &["dog", &"cat ".repeat(9)], &RunOptions::default()).expect("they run");
    assert_eq!(embeddings[0].values, [2.0, 16.0, 3.0]);
    assert_eq!((embeddings[1].tokens, embeddings[1].truncated), (8, true));
}

#[test]
fn a_graph_of_another_kind_is_refused() {
    let other_input = graph(|graph| {
        graph.input("pixel_values", DataType::F32, [1.into(), 3.into()]);
        echo(graph, "input_ids");
    });
    let error = refused(&other_input);
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("pixel_values"), "{error}");

    let unknown_operator = graph(|graph| {
        graph.node(Node::new("Teleport", ["input_ids"], ["last_hidden_state"]));
        graph.output_of_any_shape("last_hidden_state", DataType::F32);
    });
    let error = refused(&unknown_operator);
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let cause = std::error::Error::source(&error).expect("the runtime says why").to_string();
    assert!(cause.contains("Teleport"), "{cause}");

    let two_outputs = graph(|graph| {
        graph.node(Node::new("Identity", ["input_ids"], ["a"])).output_of_any_shape("a", DataType::I64);
        graph.node(Node::new("Identity", ["input_ids"], ["b"])).output_of_any_shape("b", DataType::I64);
    });
    let error = refused(&two_outputs);
    assert_eq!(error.to_string(), "onnx/model.onnx has no output called last_hidden_state; it has a, b");

    // That the output is of integers shows only when it runs.
    let integers = graph(|graph| {
        graph.node(Node::new("Identity", ["input_ids"], ["last_hidden_state"]));
        graph.output_of_any_shape("last_hidden_state", DataType::I64);
    });
    let pipeline = load(&integers).expect("it loads");
    let error = embed(&*pipeline, &["dog"], &RunOptions::default()).expect_err("these are no vectors");
    assert_eq!(error.kind(), ErrorKind::InvalidModel, "{error}");
}

#[test]
fn a_number_that_is_not_finite_is_an_error() {
    let files = graph(|graph| {
        graph
            .node(Node::new("Cast", ["input_ids"], ["float"]).attr("to", 1))
            .initializer("zero", Array::f32([], [0.0]))
            .node(Node::new("Div", ["float", "zero"], ["infinite"]))
            .initializer("axes", Array::i64([1], [2]))
            .node(Node::new("Unsqueeze", ["infinite", "axes"], ["last_hidden_state"]))
            .output_of_any_shape("last_hidden_state", DataType::F32);
    });
    let pipeline = load(&files).expect("it loads");
    let error = embed(&*pipeline, &["dog"], &RunOptions::default()).expect_err("no embedding is infinite");
    assert_eq!(error.kind(), ErrorKind::Run);
}

#[test]
fn an_engine_that_this_build_lacks_is_refused() {
    if runtime::EngineKind::CandleOnnx.is_available() {
        return;
    }
    let options = LoadOptions { engine: runtime::EngineKind::CandleOnnx, ..LoadOptions::default() };
    let error =
        pipelines::load("feature-extraction", &tiny(), &options).map(|_| ()).expect_err("not in this build");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
