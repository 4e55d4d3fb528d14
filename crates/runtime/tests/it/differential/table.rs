//! Every operator that both engines have, one small graph for each form of it.

use testkit::onnx::{Array, Attribute, DataType};

use super::case::{Case, node};
use crate::support::{f32s, i64s, of};

fn x() -> runtime::Tensor {
    f32s(&[2, 3], &[-2.5, -1.0, 0.0, 0.25, 1.5, 3.0])
}

fn positive() -> runtime::Tensor {
    f32s(&[2, 3], &[0.125, 0.5, 1.0, 2.0, 7.5, 30.0])
}

#[test]
fn elementwise_functions() {
    for operator in [
        "Abs",
        "Neg",
        "Exp",
        "Erf",
        "Tanh",
        "Sigmoid",
        "Sin",
        "Cos",
        "Floor",
        "Ceil",
        "Relu",
        "Sign",
        "Identity",
        "HardSwish",
    ] {
        Case::new(17).given("x", x()).node(node(operator, ["x"])).gives(DataType::F32).check(operator);
    }
    for operator in ["Sqrt", "Log"] {
        Case::new(17).given("x", positive()).node(node(operator, ["x"])).gives(DataType::F32).check(operator);
    }
    Case::new(20).given("x", x()).node(node("Gelu", ["x"])).gives(DataType::F32).check("Gelu");
    for alpha in [0.01_f32, 0.5] {
        let leaky = node("LeakyRelu", ["x"]).attr("alpha", alpha);
        Case::new(17).given("x", x()).node(leaky).gives(DataType::F32).check("LeakyRelu");
    }
    let numbers = i64s(&[4], &[-3, 0, 5, 1 << 40]);
    Case::new(17).given("x", numbers).node(node("Neg", ["x"])).gives(DataType::I64).check("Neg of integers");
}

#[test]
fn arithmetic() {
    for operator in ["Add", "Sub", "Mul", "Div", "Min"] {
        for (shape, values) in [(&[3][..], &[4.0, -2.0, 0.5][..]), (&[2, 1], &[3.0, -7.0]), (&[], &[2.0])] {
            let case = Case::new(17).given("a", x()).given("b", f32s(shape, values));
            case.node(node(operator, ["a", "b"])).gives(DataType::F32).check(operator);
        }
    }
    for operator in ["Add", "Sub", "Mul"] {
        let case = Case::new(17).given("a", i64s(&[2, 2], &[1, -2, 3, 40])).given("b", i64s(&[2], &[7, -5]));
        case.node(node(operator, ["a", "b"])).gives(DataType::I64).check(operator);
    }
    for exponent in [2.0, 3.0, 0.5, -1.0] {
        let case = Case::new(17).given("a", positive()).constant("b", Array::f32([], [exponent]));
        case.node(node("Pow", ["a", "b"])).gives(DataType::F32).check("Pow");
    }
    let case = Case::new(17).given("a", x()).constant("b", Array::f32([], [2.0]));
    case.node(node("Pow", ["a", "b"])).gives(DataType::F32).check("the square of negative numbers");
}

#[test]
fn comparisons_and_choices() {
    for operator in ["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"] {
        let case = Case::new(17).given("a", x()).given("b", f32s(&[3], &[-2.5, 0.0, 0.0]));
        case.node(node(operator, ["a", "b"])).gives(DataType::Bool).check(operator);
    }
    let (a, b) = (of(&[4], &[true, true, false, false]), of(&[4], &[true, false, true, false]));
    for operator in ["And", "Or", "Xor"] {
        let case = Case::new(17).given("a", a.clone()).given("b", b.clone());
        case.node(node(operator, ["a", "b"])).gives(DataType::Bool).check(operator);
    }
    Case::new(17).given("a", a).node(node("Not", ["a"])).gives(DataType::Bool).check("Not");
    let case = Case::new(17)
        .given("c", of(&[3], &[true, false, true]))
        .given("a", x())
        .given("b", f32s(&[], &[9.0]));
    case.node(node("Where", ["c", "a", "b"])).gives(DataType::F32).check("Where");
    for (bounds, what) in
        [(&["x", "low", "high"][..], "both"), (&["x", "low"], "low"), (&["x", "", "high"], "high")]
    {
        let case = Case::new(17).given("x", x());
        let case = case.constant("low", Array::f32([], [-1.5])).constant("high", Array::f32([], [1.0]));
        case.node(node("Clip", bounds.iter().copied())).gives(DataType::F32).check(what);
    }
}

#[test]
fn convolutions() {
    let range = |shape: &[usize]| {
        let count: usize = shape.iter().product();
        f32s(shape, &(0..count).map(|index| index as f32 % 7.0 * 0.25 - 0.5).collect::<Vec<_>>())
    };
    for (group, pad, stride) in [(1, 0, 1), (1, 1, 2), (2, 1, 1), (4, 1, 2)] {
        let filters = range(&[4, 4 / group as usize, 3, 3]);
        let case = Case::new(17).given("x", range(&[2, 4, 7, 7])).given("w", filters).given("b", range(&[4]));
        let conv = node("Conv", ["x", "w", "b"])
            .attr("group", group)
            .attr("pads", vec![pad; 4])
            .attr("strides", vec![stride; 2])
            .attr("kernel_shape", vec![3_i64; 2]);
        case.node(conv).gives(DataType::F32).check(&format!("Conv in {group} groups, {pad}, {stride}"));
    }
}

#[test]
fn matrix_products() {
    let range = |shape: &[usize]| {
        let count: usize = shape.iter().product();
        f32s(shape, &(0..count).map(|index| index as f32 * 0.37 - 2.0).collect::<Vec<_>>())
    };
    for (a, b) in [
        (&[2, 3][..], &[3, 4][..]),
        (&[5, 2, 3], &[3, 4]),
        (&[5, 2, 3], &[5, 3, 4]),
        (&[2, 1, 2, 3], &[1, 4, 3, 2]),
        (&[1, 3], &[3, 1]),
    ] {
        let case = Case::new(17).given("a", range(a)).given("b", range(b));
        case.node(node("MatMul", ["a", "b"])).gives(DataType::F32).check(&format!("MatMul {a:?} {b:?}"));
    }
    for turned in [0, 1] {
        let b = if turned == 1 { range(&[4, 3]) } else { range(&[3, 4]) };
        let gemm =
            node("Gemm", ["a", "b", "c"]).attr("alpha", 0.5_f32).attr("beta", 2.0_f32).attr("transB", turned);
        let case = Case::new(17).given("a", range(&[2, 3])).given("b", b).given("c", range(&[4]));
        case.node(gemm).gives(DataType::F32).check("Gemm");
    }
}

#[test]
fn normalisations() {
    for operator in ["Softmax", "LogSoftmax"] {
        for axis in [-1, 0, 1] {
            let case = Case::new(17).given("x", x()).node(node(operator, ["x"]).attr("axis", axis));
            case.gives(DataType::F32).check(operator);
        }
        Case::new(17).given("x", x()).node(node(operator, ["x"])).gives(DataType::F32).check(operator);
    }
    let masked = f32s(&[1, 4], &[1.0, f32::MIN, 2.0, f32::MIN]);
    Case::new(17)
        .given("x", masked)
        .node(node("Softmax", ["x"]))
        .gives(DataType::F32)
        .check("a masked softmax");
}

#[test]
fn reductions() {
    let cube = f32s(&[2, 3, 2], &[1.0, -2.0, 3.0, 4.5, 0.0, 6.0, 7.0, 8.0, -9.0, 10.0, 11.0, 0.5]);
    for keep in [0, 1] {
        for axes in [[-1].as_slice(), &[0], &[1, 2]] {
            for operator in ["ReduceMean", "ReduceMax", "ReduceMin"] {
                let reduce = node(operator, ["x"]).attr("axes", axes.to_vec()).attr("keepdims", keep);
                let case = Case::new(11).given("x", cube.clone()).node(reduce).gives(DataType::F32);
                case.check(&format!("{operator} over {axes:?}"));
            }
        }
        for operator in ["ReduceSum", "ReduceL2"] {
            let opset = if operator == "ReduceSum" { 13 } else { 18 };
            let case = Case::new(opset).given("x", cube.clone()).constant("axes", Array::i64([1], [1]));
            let reduce = node(operator, ["x", "axes"]).attr("keepdims", keep);
            case.node(reduce).gives(DataType::F32).check(operator);
        }
        for operator in ["ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum", "ReduceL2"] {
            let reduce = node(operator, ["x"]).attr("keepdims", keep);
            Case::new(18).given("x", cube.clone()).node(reduce).gives(DataType::F32).check(operator);
        }
    }
}

#[test]
fn shapes() {
    let cube = || f32s(&[2, 3, 2], &(0..12).map(|index| index as f32).collect::<Vec<_>>());
    for target in [&[4, 3][..], &[-1, 2], &[0, -1], &[2, 0, 2, 1]] {
        let case = Case::new(17).given("x", cube());
        let case = case.constant("shape", Array::i64([i64::try_from(target.len()).expect("small")], target));
        case.node(node("Reshape", ["x", "shape"]))
            .gives(DataType::F32)
            .check(&format!("Reshape to {target:?}"));
    }
    for axis in [0, 1, 2, 3] {
        let flatten = node("Flatten", ["x"]).attr("axis", axis);
        Case::new(17).given("x", cube()).node(flatten).gives(DataType::F32).check("Flatten");
    }
    for axis in [0, 1, 3, -1, -2] {
        let case = Case::new(17).given("x", cube()).constant("axes", Array::i64([1], [axis]));
        case.node(node("Unsqueeze", ["x", "axes"]))
            .gives(DataType::F32)
            .check(&format!("Unsqueeze at {axis}"));
    }
    let case =
        Case::new(17).given("x", f32s(&[1, 2, 1], &[1.0, 2.0])).constant("axes", Array::i64([2], [0, -1]));
    case.node(node("Squeeze", ["x", "axes"])).gives(DataType::F32).check("Squeeze");
    for perm in [[0, 2, 1], [2, 1, 0], [1, 2, 0]] {
        let transpose = node("Transpose", ["x"]).attr("perm", perm);
        Case::new(17).given("x", cube()).node(transpose).gives(DataType::F32).check("Transpose");
    }
    Case::new(17)
        .given("x", x())
        .node(node("Transpose", ["x"]))
        .gives(DataType::F32)
        .check("Transpose of a matrix");
    Case::new(17).given("x", cube()).node(node("Shape", ["x"])).gives(DataType::I64).check("Shape");
    Case::new(17).given("x", cube()).node(node("Size", ["x"])).gives(DataType::I64).check("Size");
    let case =
        Case::new(17).given("x", f32s(&[3, 1], &[1.0, 2.0, 3.0])).constant("to", Array::i64([3], [2, 1, 4]));
    case.node(node("Expand", ["x", "to"])).gives(DataType::F32).check("Expand");
    let case = Case::new(17).given("x", x()).constant("times", Array::i64([2], [2, 3]));
    case.node(node("Tile", ["x", "times"])).gives(DataType::F32).check("Tile");
}

#[test]
fn parts() {
    let cube = || f32s(&[2, 3, 4], &(0..24).map(|index| index as f32).collect::<Vec<_>>());
    for (axis, indices) in [
        (0, Array::i64([], [1])),
        (1, Array::i64([2], [2, -1])),
        (-1, Array::i64([3], [0, 3, 0])),
        (0, Array::i64([2, 2], [0, 1, 1, 0])),
        (1, Array::i64([2, 1], [2, 0])),
    ] {
        let gather = node("Gather", ["x", "i"]).attr("axis", axis);
        let case =
            Case::new(17).given("x", cube()).constant("i", indices.clone()).node(gather).gives(DataType::F32);
        case.check(&format!("Gather {indices:?} on {axis}"));
    }
    let case = Case::new(17).given("x", x()).constant("i", Array::i64([2, 2], [0, -1, 2, 1]));
    let elements = node("GatherElements", ["x", "i"]).attr("axis", 1);
    case.node(elements).gives(DataType::F32).check("GatherElements");
    for (starts, ends, axes, steps) in [
        ([0, 1], [1, 3], [0, 2], [1, 1]),
        ([-1, -3], [2, -1], [0, 1], [1, 1]),
        ([0, 3], [2, 0], [1, 2], [1, -1]),
    ] {
        let case = Case::new(17).given("x", cube());
        let case = case.constant("s", Array::i64([2], starts)).constant("e", Array::i64([2], ends));
        let case = case.constant("a", Array::i64([2], axes)).constant("p", Array::i64([2], steps));
        let slice = node("Slice", ["x", "s", "e", "a", "p"]);
        case.node(slice).gives(DataType::F32).check(&format!("Slice {starts:?} {ends:?} {axes:?} {steps:?}"));
    }
    for axis in [0, 1, -1] {
        let concat = node("Concat", ["a", "b"]).attr("axis", axis);
        Case::new(17).given("a", x()).given("b", x()).node(concat).gives(DataType::F32).check("Concat");
    }
    let case = Case::new(17).given("x", cube()).constant("sizes", Array::i64([2], [1, 2]));
    let split = testkit::onnx::Node::new("Split", ["x", "sizes"], ["other", "y"]).attr("axis", 1);
    case.node(split).gives(DataType::F32).check("Split");
}

#[test]
fn constants_and_types() {
    let tensor = Attribute::Tensor(Array::f32([2], [1.5, -2.0]));
    let constant = |value| testkit::onnx::Node::new("Constant", [], ["c"]).attr("value", value);
    for value in [tensor, Attribute::TypedTensor(Array::f32([2], [1.5, -2.0]))] {
        let case = Case::new(17).given("x", f32s(&[2], &[1.0, 2.0])).node(constant(value));
        case.node(node("Add", ["x", "c"])).gives(DataType::F32).check("Constant");
    }
    let case = Case::new(17).constant("shape", Array::i64([2], [2, 3])).given("x", x());
    let filled =
        testkit::onnx::Node::new("ConstantOfShape", ["shape"], ["c"]).attr("value", Array::f32([1], [2.5]));
    case.node(filled).node(node("Mul", ["x", "c"])).gives(DataType::F32).check("ConstantOfShape");
    let case = Case::new(17)
        .given("a", of(&[], &[2_i64]))
        .given("b", of(&[], &[11_i64]))
        .given("c", of(&[], &[3_i64]));
    case.node(node("Range", ["a", "b", "c"])).gives(DataType::I64).check("Range");
    for (to, kind) in [(1, DataType::F32), (7, DataType::I64), (6, DataType::I32), (11, DataType::F64)] {
        let cast = node("Cast", ["x"]).attr("to", to);
        Case::new(17).given("x", x()).node(cast).gives(kind).check("Cast of floats");
    }
    for (to, kind) in [(1, DataType::F32), (9, DataType::Bool), (6, DataType::I32)] {
        let cast = node("Cast", ["x"]).attr("to", to);
        let case = Case::new(17).given("x", i64s(&[3], &[0, 1, 5])).node(cast).gives(kind);
        case.check("Cast of integers");
    }
    Case::new(17).given("x", x()).node(node("Dropout", ["x"])).gives(DataType::F32).check("Dropout");
}
