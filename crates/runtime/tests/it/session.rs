//! Sessions: what they say of themselves, what they refuse, and that they can be shared.

use std::{thread, time::Instant};

use runtime::{
    DType, Dim, EngineKind, ErrorKind, Limits, LoadOptions, Model, RunOptions, Session, SessionOptions,
    Tensor, map_file,
};
use testkit::onnx::{Array, DataType, Dim as Size, Graph, Node, embedding_model};

use crate::support::{f32s, i64s, session};

fn adder() -> Graph {
    let mut graph = Graph::new(17);
    graph.input("x", DataType::F32, [Size::from("batch"), Size::from(2)]);
    graph.input("y", DataType::F32, [Size::from("batch"), Size::from(2)]);
    graph.node(Node::new("Add", ["x", "y"], ["sum"]).named("/add"));
    graph.output("sum", DataType::F32, [Size::from("batch"), Size::from(2)]);
    graph
}

#[test]
fn a_model_describes_itself() {
    let model = Model::load(adder().build(), &LoadOptions::default()).expect("valid");
    assert_eq!(model.inputs()[0].to_string(), "x: f32[batch, 2]");
    assert_eq!(model.outputs()[0].name, "sum");
    assert_eq!(model.outputs()[0].shape, Some(vec![Dim::Symbol("batch".to_owned()), Dim::Fixed(2)]));
    let operators = model.operators();
    assert_eq!((operators.len(), operators[0].name.as_str(), operators[0].opset), (1, "Add", 17));
    assert!(operators[0].supported && operators[0].nodes == 1);
    assert_eq!((model.ir_version(), model.producer()), (8, "testkit"));
}

#[test]
fn wrong_inputs_are_refused_by_name() {
    let session = session(adder().build()).expect("supported");
    let good = f32s(&[1, 2], &[1., 2.]);
    let cases: [(&[(&str, Tensor)], &str); 7] = [
        (&[("x", good.clone())], "\"y\" is missing"),
        (&[("x", good.clone()), ("z", good.clone())], "no input \"z\""),
        (&[("x", good.clone()), ("x", good.clone())], "given twice"),
        (
            &[("x", good.clone()), ("y", i64s(&[1, 2], &[1, 2]))],
            "expected the input y: f32[batch, 2], found i64",
        ),
        (&[("x", good.clone()), ("y", f32s(&[1, 3], &[1., 2., 3.]))], "found the shape [1, 3]"),
        (&[("x", good.clone()), ("y", f32s(&[2], &[1., 2.]))], "found the shape [2]"),
        (&[("x", good.clone()), ("y", f32s(&[2, 2], &[1.; 4]))], "found the shape [2, 2]"),
    ];
    for (inputs, text) in cases {
        let error = session.run(inputs).expect_err(text);
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(error.to_string().contains(text), "{error} should contain {text:?}");
    }
    let sum = session.run(&[("y", good.clone()), ("x", good)]).expect("good inputs in another order");
    assert_eq!(sum, [("sum".to_owned(), f32s(&[1, 2], &[2., 4.]))]);
}

#[test]
fn one_session_serves_many_threads() {
    fn is_shareable<T: Send + Sync + Clone>(_: &T) {}
    let session = session(embedding_model()).expect("supported");
    is_shareable(&session);
    let inputs = |length: usize| {
        let make = |value: i64| i64s(&[1, length], &vec![value; length]);
        session.inputs().iter().map(|info| (info.name.clone(), make(1))).collect::<Vec<_>>()
    };
    let run = |length: usize| {
        let owned = inputs(length);
        let given: Vec<(&str, Tensor)> =
            owned.iter().map(|(name, tensor)| (name.as_str(), tensor.clone())).collect();
        session.run(&given).expect("runs")
    };
    let expected: Vec<_> = (1..5).map(run).collect();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for (expected, length) in expected.iter().zip(1..5) {
                    assert_eq!(&run(length), expected, "bit for bit the same in every thread");
                }
            });
        }
    });
}

#[test]
fn a_passed_deadline_stops_a_run() {
    let session = session(adder().build()).expect("supported");
    let x = f32s(&[1, 2], &[1., 2.]);
    let options = RunOptions { deadline: Some(Instant::now()) };
    let error =
        session.run_with(&[("x", x.clone()), ("y", x)], &options).expect_err("the deadline has passed");
    assert_eq!((error.kind(), error.node()), (ErrorKind::Deadline, Some("\"/add\" (Add)")));
}

#[test]
fn memory_is_refused_before_it_is_taken() {
    // Each value takes 4 KiB; they die one after the other, so that a long chain needs no more than a short one.
    let chain = |length: usize, run_bytes: u64| {
        let mut graph = Graph::new(17);
        graph.input("x", DataType::F32, [Size::Unknown]);
        let mut last = "x".to_owned();
        for _ in 0..length {
            last = graph.op("Transpose", &[&last], &[]);
            last = graph.op("Exp", &[&last], &[]);
        }
        graph.output_of_any_shape(&last, DataType::F32);
        let limits = Limits { run_bytes, ..Limits::default() };
        let model = Model::load(graph.build(), &LoadOptions { limits }).expect("valid");
        let session = Session::new(&model, &SessionOptions::default()).expect("supported");
        session.run(&[("x", f32s(&[1024], &[0.; 1024]))])
    };
    chain(50, 8 << 10).expect("dead values are freed");
    let error = chain(1, 4 << 10).map(|_| ()).and_then(|()| chain(50, 4000).map(|_| ()));
    let error = error.expect_err("4,000 bytes are too few");
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
}

#[test]
fn weights_lie_where_they_are() {
    let mut graph = Graph::new(17);
    graph.input("x", DataType::I64, [Size::Unknown]);
    graph.initializer("table", Array::u8([4, 2], [1, 2, 3, 4, 5, 6, 7, 8]));
    graph.node(Node::new("Gather", ["table", "x"], ["y"]));
    graph.output_of_any_shape("y", DataType::U8);
    let session = session(graph.build()).expect("supported");
    let rows = session.run(&[("x", i64s(&[2], &[3, -4]))]).expect("runs");
    assert_eq!(rows[0].1.as_slice::<u8>(), Some(&[7, 8, 1, 2][..]));
    assert_eq!(rows[0].1.dtype(), DType::U8);
}

#[test]
fn engines_have_names() {
    for kind in EngineKind::ALL {
        assert_eq!(kind.to_string().parse(), Ok(kind));
    }
    let error = "onnxruntime".parse::<EngineKind>().expect_err("no such engine");
    assert!(error.to_string().contains("native"), "{error}");
    assert!(EngineKind::Native.is_available());
}

#[cfg(not(feature = "candle-onnx"))]
#[test]
fn the_missing_engine_says_how_to_get_it() {
    let model = Model::load(adder().build(), &LoadOptions::default()).expect("valid");
    let options = SessionOptions { engine: EngineKind::CandleOnnx, ..SessionOptions::default() };
    let error = Session::new(&model, &options).expect_err("not in this build");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("--features candle-onnx"), "{error}");
}

#[test]
fn only_regular_files_are_mapped() {
    let error = map_file(env!("CARGO_MANIFEST_DIR")).expect_err("a folder");
    assert_eq!(error.kind(), ErrorKind::Io);
    let error = map_file("no such file").expect_err("nothing there");
    assert!(error.kind() == ErrorKind::Io && std::error::Error::source(&error).is_some(), "{error}");
    let manifest = map_file(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).expect("a file");
    assert!(manifest.starts_with(b"[package]"));
}

#[test]
fn tensors_go_to_candle_and_back() {
    let tensor = f32s(&[2, 2], &[1., 2., 3., 4.]);
    let candle = candle_core::Tensor::try_from(&tensor).expect("candle has floats");
    let turned = Tensor::try_from(&candle.t().expect("a matrix")).expect("floats come back");
    assert_eq!(turned, f32s(&[2, 2], &[1., 3., 2., 4.]));
}
