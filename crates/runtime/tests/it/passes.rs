//! Passes keep a graph's meaning, one by one and all together, and find what they are for.

use runtime::{LoadOptions, Model, Pass, Session, SessionOptions, Tensor};
use testkit::onnx::{Array, DataType, Dim, Graph, Node, embedding_model, embedding_model_int8};

use crate::support::{f32s, i64s, largest_difference};

fn prepare(bytes: &[u8], passes: &[Pass]) -> Session {
    let model = Model::load(bytes.to_vec(), &LoadOptions::default()).expect("valid");
    let options = SessionOptions { passes: passes.to_vec(), ..SessionOptions::default() };
    Session::new(&model, &options).expect("supported")
}

/// The number of nodes with this operator that a session runs.
fn count(session: &Session, operator: &str) -> usize {
    format!("{session:?}").matches(&format!(" ({operator})\"")).count()
}

fn run(session: &Session, inputs: &[(&str, Tensor)]) -> Vec<f32> {
    session.run(inputs).expect("runs").remove(0).1.into_vec().expect("floats")
}

#[test]
fn each_pass_alone_and_all_together_give_the_same_answer() {
    for model in [embedding_model(), embedding_model_int8()] {
        let plain = prepare(&model, &[]);
        let owned: Vec<(String, Tensor)> = plain
            .inputs()
            .iter()
            .map(|info| {
                (info.name.clone(), i64s(&[2, 5], &[1, 2, 3, 1, 1, 3, 2, 1, 0, 0].map(|id: i64| id.min(1))))
            })
            .collect();
        let inputs: Vec<(&str, Tensor)> =
            owned.iter().map(|(name, tensor)| (name.as_str(), tensor.clone())).collect();
        let expected = run(&plain, &inputs);
        let alone = Pass::ALL.iter().map(|pass| vec![*pass]);
        let without = Pass::ALL
            .iter()
            .map(|left_out| Pass::ALL.iter().copied().filter(|pass| pass != left_out).collect());
        for passes in alone.chain(without).chain([Pass::ALL.to_vec()]) {
            let found = run(&prepare(&model, &passes), &inputs);
            let difference = largest_difference(&found, &expected);
            assert!(difference < 1e-5, "{passes:?}: {difference:e}");
        }
    }
}

#[test]
fn constants_are_folded_but_not_fills() {
    let mut graph = Graph::new(17);
    graph.input("x", DataType::F32, [Dim::Unknown]);
    graph.initializer("shape", Array::i64([1], [8 << 20]));
    graph.initializer("one", Array::f32([1], [1.]));
    graph.node(Node::new("Exp", ["one"], ["e"]));
    graph.node(Node::new("Mul", ["x", "e"], ["y"]));
    graph.node(Node::new("ConstantOfShape", ["shape"], ["zeros"]));
    graph.node(Node::new("Size", ["zeros"], ["size"]));
    graph.output_of_any_shape("y", DataType::F32).output_of_any_shape("size", DataType::I64);
    let session = prepare(&graph.build(), Pass::ALL);
    assert_eq!((count(&session, "Exp"), count(&session, "Mul")), (0, 1));
    assert_eq!(count(&session, "ConstantOfShape"), 1, "32 MiB of zeros are not kept");
    let outputs = session.run(&[("x", f32s(&[1], &[2.]))]).expect("runs");
    assert_eq!(outputs[0].1, f32s(&[1], &[2. * std::f32::consts::E]));
    assert_eq!(outputs[1].1, i64s(&[], &[8 << 20]));
}

#[test]
fn dead_nodes_and_identities_go() {
    let mut graph = Graph::new(17);
    graph.input("x", DataType::F32, [Dim::Unknown]);
    graph.node(Node::new("Identity", ["x"], ["a"]));
    graph.node(Node::new("Identity", ["a"], ["b"]));
    graph.node(Node::new("Neg", ["b"], ["c"]));
    graph.node(Node::new("Exp", ["b"], ["unused"]));
    graph.node(Node::new("Identity", ["c"], ["y"]));
    graph.output_of_any_shape("y", DataType::F32);
    let session = prepare(&graph.build(), Pass::ALL);
    let found = ["Identity", "Neg", "Exp"].map(|operator| count(&session, operator));
    assert_eq!(found, [1, 1, 0], "only the identity that makes an output is left");
    assert_eq!(run(&session, &[("x", f32s(&[1], &[2.]))]), [-2.]);
}

/// `x * (erf(x / sqrt 2) + 1) * 0.5`, with the factors in one of the orders that exporters write.
fn gelu(divide: bool, half_first: bool) -> Vec<u8> {
    let mut graph = Graph::new(17);
    graph.input("x", DataType::F32, [Dim::Unknown]);
    let root = std::f32::consts::SQRT_2;
    let scaled = if divide {
        graph.constant(Array::f32([], [root]))
    } else {
        graph.constant(Array::f32([], [1. / root]))
    };
    let (one, half) = (graph.constant(Array::f32([], [1.])), graph.constant(Array::f32([], [0.5])));
    let scaled = graph.op(if divide { "Div" } else { "Mul" }, &["x", &scaled], &[]);
    let erf = graph.op("Erf", &[&scaled], &[]);
    let sum = graph.op("Add", &[&erf, &one], &[]);
    if half_first {
        let halved = graph.op("Mul", &[&half, "x"], &[]);
        graph.op("Mul", &[&sum, &halved], &[]);
    } else {
        let product = graph.op("Mul", &["x", &sum], &[]);
        graph.op("Mul", &[&product, &half], &[]);
    }
    graph.rename_last("y").output_of_any_shape("y", DataType::F32);
    graph.build()
}

#[test]
fn gelu_is_found_in_each_order() {
    let x = f32s(&[5], &[-3., -0.7, 0., 0.7, 3.]);
    for (divide, half_first) in [(true, true), (true, false), (false, true), (false, false)] {
        let model = gelu(divide, half_first);
        let (plain, fused) = (prepare(&model, &[]), prepare(&model, Pass::ALL));
        assert_eq!((count(&plain, "Erf"), count(&fused, "Erf"), count(&fused, "Gelu")), (1, 0, 1));
        let inputs = [("x", x.clone())];
        assert!(largest_difference(&run(&plain, &inputs), &run(&fused, &inputs)) < 1e-6);
    }
}

/// A layer normalisation as nine nodes; `tapped` makes an intermediate value an output, too.
fn layer_norm(square_by_product: bool, tapped: bool) -> Vec<u8> {
    let mut graph = Graph::new(17);
    graph.input("x", DataType::F32, [Dim::Unknown, Dim::from(4)]);
    let axes = ("axes", vec![-1i64].into());
    let mean = graph.op("ReduceMean", &["x"], std::slice::from_ref(&axes));
    let centred = graph.op("Sub", &["x", &mean], &[]);
    let two = graph.constant(Array::f32([], [2.]));
    let square = if square_by_product {
        graph.op("Mul", &[&centred, &centred], &[])
    } else {
        graph.op("Pow", &[&centred, &two], &[])
    };
    let variance = graph.op("ReduceMean", &[&square], &[axes]);
    let epsilon = graph.constant(Array::f32([], [1e-5]));
    let sum = graph.op("Add", &[&variance, &epsilon], &[]);
    let deviation = graph.op("Sqrt", &[&sum], &[]);
    let normal = graph.op("Div", &[&centred, &deviation], &[]);
    let scale = graph.constant(Array::f32([4], [1., 2., 3., 4.]));
    let shift = graph.constant(Array::f32([4], [0.5, 0., -0.5, 1.]));
    let scaled = graph.op("Mul", &[&normal, &scale], &[]);
    graph.op("Add", &[&scaled, &shift], &[]);
    graph.rename_last("y").output_of_any_shape("y", DataType::F32);
    if tapped {
        graph.output_of_any_shape(&variance, DataType::F32);
    }
    graph.build()
}

#[test]
fn layer_normalisation_is_found() {
    let x = f32s(&[2, 4], &[1., 2., 3., 5., -1., 0., 0., 7.]);
    for (product, tapped) in [(false, false), (true, false), (false, true)] {
        let model = layer_norm(product, tapped);
        let (plain, fused) = (prepare(&model, &[]), prepare(&model, Pass::ALL));
        let expected = if tapped { (1, 0) } else { (0, 1) };
        assert_eq!((count(&fused, "Sqrt"), count(&fused, "LayerNormalization")), expected);
        let inputs = [("x", x.clone())];
        assert!(largest_difference(&run(&plain, &inputs), &run(&fused, &inputs)) < 1e-5);
    }
}

#[test]
fn quantised_layers_become_one_node() {
    for scales in [vec![0.02f32], vec![0.01, 0.02, 0.03]] {
        let mut graph = Graph::new(17);
        graph.input("x", DataType::F32, [Dim::Unknown, Dim::from(4)]);
        graph.initializer("w", Array::i8([4, 3], [1, -2, 3, 4, -5, 6, 7, 8, -9, 10, 127, -128]));
        graph.initializer("wz", Array::i8([], [1]));
        let dims = if scales.len() == 1 { vec![] } else { vec![3] };
        graph.initializer("ws", Array::f32(dims, &scales));
        graph.initializer("bias", Array::f32([3], [1., 2., 3.]));
        graph.node(Node::new("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]));
        graph.node(Node::new("MatMulInteger", ["q", "w", "z", "wz"], ["i"]));
        graph.node(Node::new("Cast", ["i"], ["f"]).attr("to", 1i64));
        graph.node(Node::new("Mul", ["s", "ws"], ["scale"]));
        graph.node(Node::new("Mul", ["f", "scale"], ["scaled"]));
        graph.node(Node::new("Add", ["bias", "scaled"], ["y"]));
        graph.output_of_any_shape("y", DataType::F32);
        let model = graph.build();
        let (plain, fused) = (prepare(&model, &[]), prepare(&model, Pass::ALL));
        assert_eq!(
            (count(&fused, "QuantizedLinear"), count(&fused, "MatMulInteger"), count(&fused, "Add")),
            (1, 0, 0)
        );
        let inputs = [("x", f32s(&[2, 4], &[1., -2., 0.5, 3., 0., 0.1, 0.2, -0.3]))];
        assert!(largest_difference(&run(&plain, &inputs), &run(&fused, &inputs)) < 1e-5);
    }
}
