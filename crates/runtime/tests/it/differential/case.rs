//! A small graph with its inputs, run on either engine.

use runtime::{DType, EngineKind, Error, LoadOptions, Model, Session, SessionOptions, Tensor};
use testkit::onnx::{Array, DataType, Dim, Graph, Node};

use crate::support::largest_difference;

/// Largest difference between the engines, relative to numbers above 1.
const TOLERANCE: f32 = 1e-5;

/// A graph whose output is called `y`, and the inputs to run it on.
#[derive(Clone, Debug)]
pub(super) struct Case {
    graph: Graph,
    given: Vec<(&'static str, Tensor)>,
}

impl Case {
    pub(super) fn new(opset: i64) -> Self {
        Self { graph: Graph::new(opset), given: Vec::new() }
    }

    /// Adds an input that every run is given.
    pub(super) fn given(mut self, name: &'static str, tensor: Tensor) -> Self {
        let kind = match tensor.dtype() {
            DType::F32 => DataType::F32,
            DType::F64 => DataType::F64,
            DType::I32 => DataType::I32,
            DType::I64 => DataType::I64,
            DType::U8 => DataType::U8,
            DType::Bool => DataType::Bool,
            other => panic!("no {other} in these tests"),
        };
        self.graph.input(name, kind, tensor.shape().iter().map(|_| Dim::Unknown));
        self.given.push((name, tensor));
        self
    }

    /// Adds an initialiser.
    pub(super) fn constant(mut self, name: &str, array: Array) -> Self {
        self.graph.initializer(name, array);
        self
    }

    pub(super) fn node(mut self, node: Node) -> Self {
        self.graph.node(node);
        self
    }

    /// Adds the output `y`.
    pub(super) fn gives(mut self, kind: DataType) -> Self {
        self.graph.output_of_any_shape("y", kind);
        self
    }

    pub(super) fn run(&self, engine: EngineKind) -> Result<Tensor, Error> {
        let outputs = run(&self.graph.build(), engine, &self.given)?;
        Ok(outputs.into_iter().next().expect("the graph has an output").1)
    }

    /// Checks that both engines give the same answer.
    pub(super) fn check(&self, what: &str) {
        let native = self.run(EngineKind::Native).unwrap_or_else(|error| panic!("{what}: native: {error:?}"));
        let reference =
            self.run(EngineKind::CandleOnnx).unwrap_or_else(|error| panic!("{what}: reference: {error:?}"));
        assert_same(what, &native, &reference);
    }
}

/// Runs a model on an engine.
pub(super) fn run(
    bytes: &[u8],
    engine: EngineKind,
    inputs: &[(&str, Tensor)],
) -> Result<Vec<(String, Tensor)>, Error> {
    let model = Model::load(bytes.to_vec(), &LoadOptions::default())?;
    Session::new(&model, &SessionOptions { engine, ..Default::default() })?.run(inputs)
}

/// Returns whether two tensors are the same: type, shape, and elements up to the tolerance.
pub(super) fn same(left: &Tensor, right: &Tensor) -> bool {
    if left.shape() != right.shape() || left.dtype() != right.dtype() {
        return false;
    }
    match (left.as_f32(), right.as_f32()) {
        (Some(left), Some(right)) => {
            let scale = left.iter().fold(1.0_f32, |scale, value| scale.max(value.abs()));
            largest_difference(left, right) <= TOLERANCE * scale
        }
        _ => left == right,
    }
}

pub(super) fn assert_same(what: &str, native: &Tensor, reference: &Tensor) {
    assert!(same(native, reference), "{what}: native {native:?}, reference {reference:?}");
}

/// The node that gives `y`.
pub(super) fn node<'a>(operator: &str, inputs: impl IntoIterator<Item = &'a str>) -> Node {
    Node::new(operator, inputs, ["y"])
}
