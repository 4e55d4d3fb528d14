//! Hostile models: each is refused with an error that says why, at load where that can be, and nothing panics.

use runtime::{Error, ErrorKind, Limits, LoadOptions, Model, Session, SessionOptions, Tensor};
use testkit::onnx::{Array, DataType, Dim, Graph, Node};

use crate::support::{f32s, i64s, session};

/// A graph with the input `x` of floats and the output `y`.
fn graph() -> Graph {
    let mut graph = Graph::new(17);
    graph.input("x", DataType::F32, [Dim::Unknown]);
    graph.output_of_any_shape("y", DataType::F32);
    graph
}

fn with_weights(array: Array) -> Vec<u8> {
    let mut graph = graph();
    graph.initializer("w", array);
    graph.node(Node::new("Add", ["x", "w"], ["y"]));
    graph.build()
}

fn with_nodes(nodes: impl IntoIterator<Item = Node>) -> Vec<u8> {
    let mut graph = graph();
    for node in nodes {
        graph.node(node);
    }
    graph.build()
}

/// Loads and prepares.
fn refused(bytes: Vec<u8>) -> Error {
    session(bytes).map(|_| ()).expect_err("a hostile model")
}

#[test]
fn lies_about_weights() {
    let floats = |dims: &[i64], bytes: usize| Array::raw(DataType::F32, dims, vec![0; bytes]);
    let cases = [
        ("a product that wraps around to eight", floats(&[(1 << 61) + 1, 4, 2], 32), "overflows"),
        ("a product that wraps around to nothing", floats(&[1 << 61, 4, 2], 0), "overflows"),
        ("an overflow that a zero hides", floats(&[1 << 62, 1 << 62, 0], 0), "overflows"),
        ("a negative dimension", floats(&[-1], 4), "negative dimension"),
        ("two negative dimensions", floats(&[-2, -2], 16), "negative dimension"),
        ("too few bytes", floats(&[2], 7), "7 bytes for 2 elements"),
        ("too many bytes", floats(&[2], 9), "9 bytes for 2 elements"),
        ("no bytes", floats(&[2], 0), "has no data"),
        ("bytes for an empty shape", floats(&[0], 4), "4 bytes for 0 elements"),
    ];
    for (what, array, text) in cases {
        let error = refused(with_weights(array));
        assert_eq!(error.kind(), ErrorKind::InvalidModel, "{what}: {error}");
        assert!(error.to_string().contains(text) && error.to_string().contains("\"w\""), "{what}: {error}");
    }
    let error = refused(with_weights(floats(&[1; 17], 4)));
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    let error = refused(with_weights(floats(&[1 << 40], 4)));
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    let error = refused(with_weights(Array::strings([1], &["text"])));
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

#[test]
fn weights_outside_of_the_file() {
    let mut graph = graph();
    graph.external_initializer("w", DataType::F32, [1], &[("location", "../../etc/passwd")]);
    graph.node(Node::new("Add", ["x", "w"], ["y"]));
    let error = refused(graph.build());
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("kept outside the model file"), "{error}");
}

#[test]
fn graphs_that_contradict_themselves() {
    let relu = |input: &'static str, output: &'static str| Node::new("Relu", [input], [output]).named(output);
    let cases = [
        ("a cycle of one", vec![relu("y", "y")], "cycle"),
        ("a cycle of two", vec![relu("y", "a"), relu("a", "y")], "cycle"),
        ("a missing input", vec![relu("nothing", "y")], "made by no node"),
        ("a missing output", vec![relu("x", "z")], "no node makes the output"),
        ("a value made twice", vec![relu("x", "y"), relu("x", "y")], "defined twice"),
        ("an input made again", vec![relu("x", "x"), relu("x", "y")], "defined twice"),
        ("too few inputs", vec![Node::new("Add", ["x"], ["y"])], "takes 2 inputs, found 1"),
        ("an input left out", vec![Node::new("Add", ["x", ""], ["y"])], "lacks one of its inputs"),
        ("too many inputs", vec![Node::new("Relu", ["x", "x"], ["y"])], "takes 1 inputs, found 2"),
        ("too many outputs", vec![Node::new("Relu", ["x"], ["y", "z"])], "takes 1 outputs, found 2"),
        ("no operator", vec![Node::new("", ["x"], ["y"])], "names no operator"),
        (
            "an attribute of a wrong type",
            vec![Node::new("Softmax", ["x"], ["y"]).attr("axis", 1f32)],
            "INT, found FLOAT",
        ),
        ("two attributes of a name", vec![relu("x", "y").attr("a", 1i64).attr("a", 2i64)], "two attributes"),
        ("a lacking attribute", vec![Node::new("Cast", ["x"], ["y"])], "lacks its attribute \"to\""),
        ("an unknown type", vec![Node::new("Cast", ["x"], ["y"]).attr("to", 99i64)], "ONNX does not define"),
    ];
    for (what, nodes, text) in cases {
        let error = refused(with_nodes(nodes));
        assert_eq!(error.kind(), ErrorKind::InvalidModel, "{what}: {error}");
        assert!(error.to_string().contains(text), "{what}: {error}");
    }
    let mut twice = graph();
    twice.initializer("w", Array::f32([1], [1.])).initializer("w", Array::f32([1], [1.]));
    assert!(refused(twice.build()).to_string().contains("\"w\" is defined twice"));
    assert_eq!(refused(Graph::new(17).build()).to_string(), "the graph has no outputs");
}

#[test]
fn nodes_in_any_order_are_sorted() {
    let nodes = [Node::new("Neg", ["a"], ["y"]), Node::new("Relu", ["x"], ["a"])];
    let session = session(with_nodes(nodes)).expect("no cycle");
    let outputs = session.run(&[("x", f32s(&[2], &[-1., 2.]))]).expect("runs");
    assert_eq!(outputs[0].1, f32s(&[2], &[0., -2.]));
}

#[test]
fn what_is_unsupported_is_named() {
    let node = Node::new("MatMulNBits", ["x"], ["y"]).domain("com.microsoft").named("/layer/proj");
    let error = refused(with_nodes([node]));
    assert_eq!(error.kind(), ErrorKind::UnsupportedOperator);
    for part in ["MatMulNBits", "com.microsoft", "/layer/proj"] {
        assert!(error.to_string().contains(part), "{error} should contain {part}");
    }
    let too_new = |version| {
        let mut graph = Graph::new(version);
        graph.input("x", DataType::F32, [Dim::Unknown]);
        graph.node(Node::new("Gelu", ["x"], ["y"]));
        graph.output_of_any_shape("y", DataType::F32);
        refused(graph.build())
    };
    assert!(too_new(19).to_string().contains("from version 20 on"), "{}", too_new(19));
    assert!(too_new(99).to_string().contains("knows the versions 7 to"), "{}", too_new(99));
    // A file cannot name the operators that only passes make.
    let node = Node::new("QuantizedLinear", ["x"; 5], ["y"]).domain("\0fused");
    assert_eq!(refused(with_nodes([node])).kind(), ErrorKind::InvalidModel);
}

#[test]
fn bombs_are_refused_before_they_are_allocated() {
    let huge = |node: Node, sizes: &[i64]| {
        let mut graph = graph();
        graph.input("s", DataType::I64, [Dim::Unknown]);
        graph.node(node);
        let session = session(graph.build()).expect("valid so far");
        session.run(&[("x", f32s(&[1], &[1.])), ("s", i64s(&[sizes.len()], sizes))]).expect_err("a bomb")
    };
    let sizes: [&[i64]; 4] = [&[1 << 30], &[1 << 40], &[i64::MAX, i64::MAX], &[1 << 16, 1 << 16, 1 << 16]];
    for sizes in sizes {
        for operator in ["Expand", "ConstantOfShape"] {
            let inputs: &[&str] = if operator == "Expand" { &["x", "s"] } else { &["s"] };
            let error = huge(Node::new(operator, inputs.iter().copied(), ["y"]), sizes);
            assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{operator} {sizes:?}: {error}");
        }
    }
    let error = huge(Node::new("Tile", ["x", "s"], ["y"]), &[1 << 40]);
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    let error = huge(Node::new("Reshape", ["x", "s"], ["y"]), &[i64::MIN]);
    assert_eq!(error.kind(), ErrorKind::Run, "{error}");
    // The same as a constant: folding must not allocate it either.
    let mut graph = graph();
    graph.initializer("s", Array::i64([1], [1 << 40]));
    graph.node(Node::new("ConstantOfShape", ["s"], ["y"]));
    let session = session(graph.build()).expect("refused when it runs");
    let error = session.run(&[("x", f32s(&[1], &[1.]))]).expect_err("a bomb");
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
}

#[test]
fn a_zero_hides_no_size_that_cannot_be_counted() {
    let mut graph = graph();
    graph.initializer("s", Array::i64([3], [0, 1 << 40, 1 << 40]));
    graph.node(Node::new("ConstantOfShape", ["s"], ["empty"]));
    // It multiplies the sizes after its axis.
    graph.node(Node::new("Softmax", ["empty"], ["y"]).attr("axis", 0));
    let session = session(graph.build()).expect("refused when it runs");
    let error = session.run(&[("x", f32s(&[1], &[1.]))]).expect_err("a lie");
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    let error = Tensor::from_f32(&[0, 1 << 40, 1 << 40], Vec::new()).expect_err("a lie");
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
}

#[test]
fn other_files_are_named() {
    let cases: [(&[u8], &str); 8] = [
        (b"", "empty"),
        (b"GGUF\x03\0\0\0", "GGUF"),
        (b"PK\x03\x04rest", "zip"),
        (b"\x02\0\0\0\0\0\0\0{}", "safetensors"),
        (b"<!DOCTYPE html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"\x80\x80\x80", "cut short"),
        (b"\x08\x08", "has no graph"),
    ];
    for (bytes, text) in cases {
        let error = Model::load(bytes, &LoadOptions::default()).expect_err("no ONNX model");
        assert_eq!(error.kind(), ErrorKind::InvalidModel, "{error}");
        assert!(error.to_string().contains(text), "{error} should contain {text:?}");
    }
}

#[test]
fn nesting_and_padding_are_bounded_while_decoding() {
    /// A length-delimited field.
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![number << 3 | 2];
        let mut length = content.len();
        while length >= 0x80 {
            bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend(content);
        bytes
    }
    // Graph in attribute in node in graph, and so on.
    let mut nested = Vec::new();
    for _ in 0..200 {
        nested = field(1, &field(5, &field(6, &nested)));
    }
    let error = Model::load(field(7, &nested), &LoadOptions::default()).expect_err("too deep");
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    // Two bytes for each empty node, hundreds in memory.
    let nodes: Vec<u8> = field(1, &[]).repeat(200_000);
    let error = Model::load(field(7, &nodes), &LoadOptions::default()).expect_err("too many nodes");
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    let dims = field(7, &field(11, &field(2, &field(1, &field(2, &[0x0a, 0].repeat(1 << 20))))));
    let limits = Limits { decoded_bytes: 32 << 20, ..Limits::default() };
    let error = Model::load(dims, &LoadOptions { limits }).expect_err("a million dimensions");
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
}

#[test]
fn every_limit_can_be_lowered() {
    let bytes = with_weights(Array::f32([2], [1., 2.]));
    let base = Limits::default();
    let limits = [
        Limits { file_bytes: 10, ..base.clone() },
        Limits { nodes: 0, ..base.clone() },
        Limits { initializers: 0, ..base.clone() },
        Limits { arity: 1, ..base.clone() },
        Limits { rank: 0, ..base.clone() },
        Limits { elements: 1, ..base.clone() },
        Limits { decoded_bytes: 100, ..base.clone() },
    ];
    for limits in limits {
        let error =
            Model::load(bytes.clone(), &LoadOptions { limits: limits.clone() }).expect_err("over a limit");
        assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{limits:?}: {error}");
    }
    let model = Model::load(bytes, &LoadOptions::default()).expect("within the defaults");
    Session::new(&model, &SessionOptions::default()).expect("supported");
}
