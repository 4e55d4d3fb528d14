//! What the reference engine refuses before candle-onnx sees it, and that its panics become errors.

use runtime::{EngineKind, Error, ErrorKind, Tensor};
use testkit::onnx::{Array, Attribute, DataType, Node};

use super::case::{Case, node};
use crate::support::{f32s, i64s, of};

fn refused(case: &Case, kind: ErrorKind, what: &str) -> Error {
    let error = case.run(EngineKind::CandleOnnx).expect_err(what);
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(what), "{what:?} is not in {:?}", error.to_string());
    error
}

#[test]
fn an_operator_that_candle_onnx_lacks_is_named() {
    let quantize = Node::new("DynamicQuantizeLinear", ["x"], ["y", "scale", "zero"]);
    let case = Case::new(17).given("x", f32s(&[1], &[1.0])).node(quantize).gives(DataType::U8);
    refused(&case, ErrorKind::UnsupportedOperator, "no operator DynamicQuantizeLinear");
    let case = Case::new(17).given("x", f32s(&[1], &[1.0])).node(node("Gelu", ["x"]).domain("com.microsoft"));
    refused(&case.gives(DataType::F32), ErrorKind::UnsupportedOperator, "com.microsoft::Gelu");
}

#[test]
fn data_that_candle_onnx_would_not_see_is_refused() {
    let x = || f32s(&[2], &[1.0, 2.0]);
    let with = |array: Array| {
        let case = Case::new(17).given("x", x()).constant("c", array);
        case.node(Node::new("Cast", ["c"], ["f"]).attr("to", 1))
            .node(node("Add", ["x", "f"]))
            .gives(DataType::F32)
    };
    refused(&with(Array::i8([2], [1, 2])), ErrorKind::Unsupported, "element type of tensor \"c\"");
    refused(&with(Array::i32([1, 2], [1, 2])), ErrorKind::Unsupported, "loses the shape");
    with(Array::i32([2], [1, 2])).check("a list of 32-bit integers");

    let value = Attribute::TypedTensor(Array::f32([1], [2.5]));
    let filled = Node::new("ConstantOfShape", ["shape"], ["c"]).attr("value", value);
    let case = Case::new(17).given("x", x()).constant("shape", Array::i64([1], [2])).node(filled);
    refused(
        &case.node(node("Add", ["x", "c"])).gives(DataType::F32),
        ErrorKind::Unsupported,
        "where it lies",
    );

    let case =
        Case::new(17).given("x", of(&[1], &[1_i32])).node(node("Identity", ["x"])).gives(DataType::I32);
    refused(&case, ErrorKind::Unsupported, "x: i32[?]");
}

#[test]
fn a_panic_of_candle_onnx_is_an_error() {
    let case = Case::new(17).given("x", f32s(&[2], &[1.0, 2.0])).given("i", i64s(&[1, 1, 1], &[0]));
    let case = case.node(node("Gather", ["x", "i"])).gives(DataType::F32);
    let error = refused(&case, ErrorKind::Run, "candle-onnx panicked");
    assert!(error.to_string().contains("implement gather"), "{error}");
}

#[test]
fn an_error_of_candle_onnx_is_one_line() {
    let case = Case::new(17).given("a", f32s(&[2], &[1.0, 2.0])).given("b", f32s(&[3], &[1.0; 3]));
    let error =
        refused(&case.node(node("Add", ["a", "b"])).gives(DataType::F32), ErrorKind::Run, "cannot compute");
    assert!(!error.to_string().contains('\n'), "{error}");
}

#[test]
fn types_come_back_as_the_model_declares_them() {
    let case =
        Case::new(17).given("x", of(&[2], &[true, false])).node(node("Not", ["x"])).gives(DataType::Bool);
    let not = case.run(EngineKind::CandleOnnx).expect("it runs");
    assert_eq!(not, Tensor::new(&[2], vec![false, true]).expect("two elements"));
}
