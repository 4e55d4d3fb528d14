//! What candle-onnx 0.11 is known to do wrong: the native engine gives what the specification says, the reference
//! engine something else or an error.
//!
//! A case that fails with "no longer wrong" has been mended there: move it to the table.

use runtime::{EngineKind, Tensor};
use testkit::onnx::{Array, DataType, Node};

use super::case::{Case, node, same};
use crate::support::{f32s, i64s, of};

/// Checks that the native engine gives `expected` and the reference engine does not.
fn wrong(what: &str, case: &Case, expected: &Tensor) {
    let native = case.run(EngineKind::Native).unwrap_or_else(|error| panic!("{what}: native: {error:?}"));
    assert!(same(&native, expected), "{what}: native {native:?}, expected {expected:?}");
    match case.run(EngineKind::CandleOnnx) {
        Err(error) => println!("{what}: {error}"),
        Ok(reference) => {
            println!("{what}: {reference:?} for {expected:?}");
            assert!(
                !same(&reference, expected),
                "{what}: no longer wrong in candle-onnx: move it to the table"
            );
        }
    }
}

fn counting(shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    f32s(shape, &(0..count).map(|index| index as f32).collect::<Vec<_>>())
}

#[test]
fn axes() {
    let case = Case::new(17).given("x", counting(&[2, 2])).constant("axes", Array::i64([2], [1, 2]));
    let case = case.node(node("Unsqueeze", ["x", "axes"])).gives(DataType::F32);
    wrong("several axes are inserted in the wrong order", &case, &f32s(&[2, 1, 1, 2], &[0.0, 1.0, 2.0, 3.0]));

    let case = Case::new(18).given("x", counting(&[2, 2])).constant("axes", Array::i64([1], [1]));
    let case = case.node(node("ReduceMean", ["x", "axes"])).gives(DataType::F32);
    wrong("ReduceMean ignores axes given as an input", &case, &f32s(&[2, 1], &[0.5, 2.5]));

    let sum = node("ReduceSum", ["x"]).attr("axes", [1]);
    let case = Case::new(11).given("x", counting(&[2, 2])).node(sum).gives(DataType::F32);
    wrong("ReduceSum ignores axes given as an attribute", &case, &f32s(&[2, 1], &[1.0, 5.0]));

    for operator in ["ReduceSum", "ReduceL2"] {
        let opset = if operator == "ReduceSum" { 13 } else { 18 };
        let case =
            Case::new(opset).given("x", f32s(&[1, 2], &[3.0, 4.0])).constant("axes", Array::i64([1], [-1]));
        let case = case.node(node(operator, ["x", "axes"])).gives(DataType::F32);
        let expected = if operator == "ReduceSum" { 7.0 } else { 5.0 };
        wrong(&format!("{operator} does not know negative axes"), &case, &f32s(&[1, 1], &[expected]));
    }

    let case =
        Case::new(17).given("x", counting(&[2, 1, 3])).node(node("Transpose", ["x"])).gives(DataType::F32);
    let expected = f32s(&[3, 1, 2], &[0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    wrong("Transpose without perm swaps only the last two axes", &case, &expected);

    let flatten = node("Flatten", ["x"]).attr("axis", -1);
    let case = Case::new(17).given("x", counting(&[2, 2])).node(flatten).gives(DataType::F32);
    wrong("Flatten does not know a negative axis", &case, &f32s(&[2, 2], &[0.0, 1.0, 2.0, 3.0]));

    let case =
        Case::new(17).given("x", counting(&[1, 2, 1])).node(node("Squeeze", ["x"])).gives(DataType::F32);
    wrong("Squeeze without axes keeps the first", &case, &f32s(&[2], &[0.0, 1.0]));

    let squeeze = node("Squeeze", ["x"]).attr("axes", [0]);
    let case = Case::new(11).given("x", counting(&[1, 2, 1])).node(squeeze).gives(DataType::F32);
    wrong("Squeeze ignores axes given as an attribute", &case, &f32s(&[2, 1], &[0.0, 1.0]));
}

#[test]
fn versions_and_attributes() {
    let case = Case::new(11).given("x", f32s(&[1, 2, 2], &[0.0; 4])).node(node("Softmax", ["x"]));
    let case = case.gives(DataType::F32);
    wrong("Softmax before version 13 is over all axes from 1", &case, &f32s(&[1, 2, 2], &[0.25; 4]));

    let clip = node("Clip", ["x"]).attr("min", 0.0_f32).attr("max", 1.0_f32);
    let case = Case::new(10).given("x", f32s(&[3], &[-1.0, 0.5, 2.0])).node(clip).gives(DataType::F32);
    wrong("Clip ignores bounds given as attributes", &case, &f32s(&[3], &[0.0, 0.5, 1.0]));

    let gelu = node("Gelu", ["x"]).attr("approximate", "tanh");
    let case = Case::new(20).given("x", f32s(&[1], &[2.0])).node(gelu).gives(DataType::F32);
    wrong("Gelu ignores the tanh approximation", &case, &f32s(&[1], &[1.954_597_7]));

    let shape = node("Shape", ["x"]).attr("end", -1);
    let case = Case::new(15).given("x", counting(&[2, 3, 4])).node(shape).gives(DataType::I64);
    wrong("Shape does not know a negative end", &case, &i64s(&[2], &[2, 3]));

    let gemm = node("Gemm", ["a", "b", "c"]).attr("transA", 1);
    let case =
        Case::new(17).given("a", counting(&[2, 1])).given("b", counting(&[2, 1])).given("c", counting(&[1]));
    let case = case.node(gemm).gives(DataType::F32);
    wrong("Gemm scales a matrix before it turns it", &case, &f32s(&[1, 1], &[1.0]));

    let case = Case::new(17).given("a", counting(&[1, 2])).given("b", counting(&[2, 1]));
    let case = case.node(node("Gemm", ["a", "b"])).gives(DataType::F32);
    wrong("Gemm panics without a third input", &case, &f32s(&[1, 1], &[1.0]));

    let split = Node::new("Split", ["x"], ["y", "b", "c"]).attr("num_outputs", 3);
    let case = Case::new(18).given("x", counting(&[7])).node(split).gives(DataType::F32);
    wrong("Split gives the last part what is left over", &case, &f32s(&[3], &[0.0, 1.0, 2.0]));
}

#[test]
fn values() {
    let cast = node("Cast", ["x"]).attr("to", 9);
    let case = Case::new(17).given("x", f32s(&[3], &[0.5, -1.0, 0.0])).node(cast).gives(DataType::Bool);
    wrong("a fraction is not true", &case, &of(&[3], &[true, true, false]));

    let case = Case::new(17).given("x", f32s(&[2], &[-2.0, -3.0])).given("p", f32s(&[2], &[2.0, 3.0]));
    let case = case.node(node("Pow", ["x", "p"])).gives(DataType::F32);
    wrong("a power of a negative number is not a number", &case, &f32s(&[2], &[4.0, -27.0]));

    let case = Case::new(17).given("x", counting(&[2])).constant("times", Array::i64([1], [0]));
    let case = case.node(node("Tile", ["x", "times"])).gives(DataType::F32);
    wrong("no repetition is taken for one", &case, &f32s(&[0], &[]));

    let case = Case::new(17).given("x", counting(&[2])).given("i", i64s(&[1, 1, 2], &[1, 0]));
    let case = case.node(node("Gather", ["x", "i"])).gives(DataType::F32);
    wrong("Gather panics on indices of three dimensions", &case, &f32s(&[1, 1, 2], &[1.0, 0.0]));

    let case = Case::new(17).given("a", f32s(&[2], &[1.0, 2.0])).given("b", f32s(&[2], &[3.0, 0.0]));
    let case = case.node(node("Max", ["a", "b"])).gives(DataType::F32);
    wrong("there is no Max", &case, &f32s(&[2], &[3.0, 2.0]));
}
