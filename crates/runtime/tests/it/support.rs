//! What the tests share: tensors from recorded arrays, models of one node, comparisons.

use runtime::{DType, Error, LoadOptions, Model, Session, SessionOptions, Tensor};
use testkit::onnx::{Array, DataType, Dim, Graph, Node};

/// Turns a recorded array into a tensor.
pub(crate) fn tensor(array: &Array) -> Tensor {
    let shape = array.shape();
    let made = match array.data_type {
        DataType::F32 => Tensor::new(&shape, array.as_f32()),
        DataType::F64 => Tensor::new(&shape, array.as_f64()),
        DataType::I64 => Tensor::new(&shape, array.as_i64()),
        DataType::I32 => Tensor::new(&shape, array.as_i32()),
        DataType::I8 => Tensor::new(&shape, array.as_i8()),
        DataType::U8 => Tensor::new(&shape, array.as_u8()),
        other => panic!("no tensors of type {other:?} in the tests"),
    };
    made.expect("a whole array fills its shape")
}

pub(crate) fn f32s(shape: &[usize], elements: &[f32]) -> Tensor {
    Tensor::from_f32(shape, elements.to_vec()).expect("the test fills the shape")
}

pub(crate) fn i64s(shape: &[usize], elements: &[i64]) -> Tensor {
    Tensor::from_i64(shape, elements.to_vec()).expect("the test fills the shape")
}

pub(crate) fn of<T: runtime::Element>(shape: &[usize], elements: &[T]) -> Tensor {
    Tensor::new(shape, elements.to_vec()).expect("the test fills the shape")
}

fn data_type(dtype: DType) -> DataType {
    match dtype {
        DType::F32 => DataType::F32,
        DType::F64 => DataType::F64,
        DType::F16 => DataType::F16,
        DType::BF16 => DataType::BF16,
        DType::I8 => DataType::I8,
        DType::I16 => DataType::I16,
        DType::I32 => DataType::I32,
        DType::I64 => DataType::I64,
        DType::U8 => DataType::U8,
        DType::U16 => DataType::U16,
        DType::U32 => DataType::U32,
        DType::U64 => DataType::U64,
        DType::Bool => DataType::Bool,
        other => panic!("no {other} in the tests"),
    }
}

/// Runs a model of one node whose inputs are called `a`, `b`, ... and whose outputs `x`, `y`, ...; an input that is
/// `None` is left out.
pub(crate) fn run_node(
    opset: i64,
    node: Node,
    inputs: &[Option<Tensor>],
    outputs: usize,
) -> Result<Vec<Tensor>, Error> {
    let names = ["a", "b", "c", "d", "e", "f"];
    let mut graph = Graph::new(opset);
    let mut given = Vec::new();
    for (name, tensor) in names.into_iter().zip(inputs) {
        if let Some(tensor) = tensor {
            graph.input(name, data_type(tensor.dtype()), tensor.shape().iter().map(|_| Dim::Unknown));
            given.push((name, tensor.clone()));
        }
    }
    graph.node(node);
    for name in ["x", "y", "z"].into_iter().take(outputs) {
        graph.output_of_any_shape(name, DataType::F32);
    }
    let session = session(graph.build())?;
    Ok(session.run(&given)?.into_iter().map(|(_, tensor)| tensor).collect())
}

/// Runs a node that is built by `operator(name, inputs)` and has one output.
pub(crate) fn run_op(
    opset: i64,
    operator: &str,
    attrs: &[Attr<'_>],
    inputs: &[Tensor],
) -> Result<Tensor, Error> {
    let names = ["a", "b", "c", "d", "e", "f"];
    let mut node = Node::new(operator, names.into_iter().take(inputs.len()), ["x"]);
    for (name, value) in attrs {
        node = node.attr(name, value.clone());
    }
    let inputs: Vec<_> = inputs.iter().cloned().map(Some).collect();
    Ok(run_node(opset, node, &inputs, 1)?.remove(0))
}

/// An attribute's name and value.
pub(crate) type Attr<'a> = (&'a str, testkit::onnx::Attribute);

pub(crate) fn session(bytes: Vec<u8>) -> Result<Session, Error> {
    Session::new(&Model::load(bytes, &LoadOptions::default())?, &SessionOptions::default())
}

/// Returns the largest difference between two lists of floats of the same length.
pub(crate) fn largest_difference(left: &[f32], right: &[f32]) -> f32 {
    assert_eq!(left.len(), right.len(), "the lists are equally long");
    left.iter()
        .zip(right)
        .map(|(l, r)| if l == r { 0. } else { (l - r).abs() })
        .fold(0., |a, b| if b > a || b.is_nan() { b } else { a })
}

pub(crate) fn cosine(left: &[f32], right: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    assert_eq!(left.len(), right.len(), "the lists are equally long");
    dot(left, right) / (dot(left, left) * dot(right, right)).sqrt()
}

/// An operator's version, name, attributes, inputs and expected output.
pub(crate) type Row<'a> = (i64, &'a str, Vec<Attr<'a>>, Vec<Tensor>, Tensor);

/// Checks operators with one output: version, operator, attributes, inputs, expected.
pub(crate) fn check(rows: Vec<Row<'_>>) {
    for (opset, operator, attrs, inputs, expected) in rows {
        let found = run_op(opset, operator, &attrs, &inputs);
        let found = found.unwrap_or_else(|error| panic!("{operator} of {inputs:?}: {error}"));
        let close = match (found.as_f32(), expected.as_f32()) {
            (Some(found), Some(wanted)) if found.len() == wanted.len() => {
                largest_difference(found, wanted) < 1e-6
            }
            _ => found == expected,
        };
        assert!(
            close && found.shape() == expected.shape() && found.dtype() == expected.dtype(),
            "{operator} {attrs:?} of {inputs:?}: expected {expected:?}, found {found:?}"
        );
    }
}
