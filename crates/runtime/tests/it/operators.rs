//! Each operator against its definition in ONNX: one row, one promise.

use runtime::{ErrorKind, Tensor};
use testkit::onnx::Node;

use crate::support::{Attr, f32s, i64s, largest_difference, of, run_node, run_op};

/// Checks operators with one output: version, operator, attributes, inputs, expected.
fn check(rows: Vec<(i64, &str, Vec<Attr<'_>>, Vec<Tensor>, Tensor)>) {
    for (opset, operator, attrs, inputs, expected) in rows {
        let found = run_op(opset, operator, &attrs, &inputs);
        let found = found.unwrap_or_else(|error| panic!("{operator} of {inputs:?}: {error}"));
        let close = match (found.as_f32(), expected.as_f32()) {
            (Some(found), Some(wanted)) if found.len() == wanted.len() => largest_difference(found, wanted) < 1e-6,
            _ => found == expected,
        };
        assert!(
            close && found.shape() == expected.shape() && found.dtype() == expected.dtype(),
            "{operator} {attrs:?} of {inputs:?}: expected {expected:?}, found {found:?}"
        );
    }
}

#[test]
fn arithmetic() {
    let (inf, nan) = (f32::INFINITY, f32::NAN);
    check(vec![
        (14, "Add", vec![], vec![f32s(&[2, 2], &[1., 2., 3., 4.]), f32s(&[2], &[10., 20.])], f32s(&[2, 2], &[11., 22., 13., 24.])),
        (14, "Add", vec![], vec![f32s(&[2], &[1., 2.]), f32s(&[2, 1], &[10., 20.])], f32s(&[2, 2], &[11., 12., 21., 22.])),
        (14, "Sub", vec![], vec![f32s(&[], &[1.]), f32s(&[3], &[1., 2., 3.])], f32s(&[3], &[0., -1., -2.])),
        (14, "Mul", vec![], vec![i64s(&[0, 3], &[]), i64s(&[3], &[1, 2, 3])], i64s(&[0, 3], &[])),
        (14, "Div", vec![], vec![i64s(&[4], &[7, -7, 7, i64::MIN]), i64s(&[4], &[2, 2, -2, -1])], i64s(&[4], &[3, -3, -3, i64::MIN])),
        (14, "Add", vec![], vec![of(&[1], &[200u8]), of(&[1], &[100u8])], of(&[1], &[44u8])),
        (13, "Mod", vec![], vec![i64s(&[4], &[7, -7, 7, -7]), i64s(&[4], &[3, 3, -3, -3])], i64s(&[4], &[1, 2, -2, -1])),
        (13, "Mod", vec![("fmod", 1i64.into())], vec![f32s(&[2], &[5.5, -5.5]), f32s(&[], &[2.])], f32s(&[2], &[1.5, -1.5])),
        (13, "Pow", vec![], vec![f32s(&[3], &[1., 2., 3.]), i64s(&[], &[2])], f32s(&[3], &[1., 4., 9.])),
        (13, "Pow", vec![], vec![f32s(&[2, 1], &[2., 3.]), f32s(&[2], &[1., 3.])], f32s(&[2, 2], &[2., 8., 3., 27.])),
        (13, "Pow", vec![], vec![i64s(&[2], &[2, 3]), f32s(&[], &[3.])], i64s(&[2], &[8, 27])),
        (13, "Max", vec![], vec![f32s(&[2], &[1., 5.]), f32s(&[], &[2.]), f32s(&[2], &[0., 9.])], f32s(&[2], &[2., 9.])),
        (13, "Min", vec![], vec![i64s(&[2], &[1, 5]), i64s(&[1], &[2])], i64s(&[2], &[1, 2])),
        (13, "Sum", vec![], vec![f32s(&[2], &[1., 5.])], f32s(&[2], &[1., 5.])),
    ]);
    let larger = run_op(13, "Max", &[], &[f32s(&[3], &[nan, 1., inf]), f32s(&[3], &[1., nan, 2.])]).expect("runs");
    let larger = larger.as_f32().expect("floats");
    assert!(larger[0].is_nan() && larger[1].is_nan() && larger[2] == inf, "NaN wins");
    let error = run_op(14, "Div", &[], &[i64s(&[1], &[1]), i64s(&[1], &[0])]).expect_err("a division by zero");
    assert_eq!(error.kind(), ErrorKind::Run, "{error}");
}

#[test]
fn functions_of_one_element() {
    let x = f32s(&[5], &[-2., -0.5, 0., 0.5, 2.]);
    let of_x = |f: fn(f32) -> f32| f32s(&[5], &x.as_f32().expect("floats").iter().map(|x| f(*x)).collect::<Vec<_>>());
    let erf = f32s(&[5], &[-0.995_322_3, -0.520_499_9, 0., 0.520_499_9, 0.995_322_3]);
    let gelu = f32s(&[5], &[-0.045_500_26, -0.154_268_77, 0., 0.345_731_23, 1.954_499_7]);
    let sigmoid = f32s(&[5], &[0.119_202_92, 0.377_540_67, 0.5, 0.622_459_35, 0.880_797_1]);
    check(vec![
        (13, "Erf", vec![], vec![x.clone()], erf),
        (20, "Gelu", vec![], vec![x.clone()], gelu),
        (20, "Gelu", vec![("approximate", "tanh".into())], vec![f32s(&[1], &[1.])], f32s(&[1], &[0.841_192])),
        (13, "Sigmoid", vec![], vec![x.clone()], sigmoid),
        (13, "Tanh", vec![], vec![x.clone()], of_x(f32::tanh)),
        (13, "Exp", vec![], vec![x.clone()], of_x(f32::exp)),
        (13, "Abs", vec![], vec![x.clone()], of_x(f32::abs)),
        (13, "Neg", vec![], vec![x.clone()], of_x(|x| -x)),
        (14, "Relu", vec![], vec![x.clone()], of_x(|x| x.max(0.))),
        (13, "Sign", vec![], vec![i64s(&[3], &[-5, 0, 9])], i64s(&[3], &[-1, 0, 1])),
        (13, "Sqrt", vec![], vec![f32s(&[2], &[4., 9.])], f32s(&[2], &[2., 3.])),
        (13, "Log", vec![], vec![f32s(&[1], &[1.])], f32s(&[1], &[0.])),
        (13, "Floor", vec![], vec![x.clone()], of_x(f32::floor)),
        (11, "Round", vec![], vec![f32s(&[4], &[0.5, 1.5, 2.5, -0.5])], f32s(&[4], &[0., 2., 2., 0.])),
        (13, "Clip", vec![], vec![x.clone(), f32s(&[], &[-1.]), f32s(&[], &[1.])], f32s(&[5], &[-1., -0.5, 0., 0.5, 1.])),
        (6 + 1, "Clip", vec![("max", 0.25f32.into())], vec![x.clone()], f32s(&[5], &[-2., -0.5, 0., 0.25, 0.25])),
        (16, "LeakyRelu", vec![("alpha", 0.5f32.into())], vec![x.clone()], f32s(&[5], &[-1., -0.25, 0., 0.5, 2.])),
        (13, "Identity", vec![], vec![x.clone()], x.clone()),
    ]);
    let node = Node::new("Clip", ["a", "", "c"], ["x"]);
    let clipped = run_node(13, node, &[Some(x.clone()), None, Some(f32s(&[], &[0.]))], 1).expect("no lower bound");
    assert_eq!(clipped[0].as_f32(), Some(&[-2., -0.5, 0., 0., 0.][..]));
}

#[test]
fn comparison_and_choice() {
    let (a, b) = (i64s(&[3], &[1, 2, 3]), i64s(&[], &[2]));
    let truths = |truths: &[bool]| of(&[truths.len()], truths);
    check(vec![
        (13, "Equal", vec![], vec![a.clone(), b.clone()], truths(&[false, true, false])),
        (13, "Less", vec![], vec![a.clone(), b.clone()], truths(&[true, false, false])),
        (16, "LessOrEqual", vec![], vec![a.clone(), b.clone()], truths(&[true, true, false])),
        (13, "Greater", vec![], vec![a.clone(), b.clone()], truths(&[false, false, true])),
        (16, "GreaterOrEqual", vec![], vec![a.clone(), b.clone()], truths(&[false, true, true])),
        (13, "Equal", vec![], vec![f32s(&[2], &[f32::NAN, 0.]), f32s(&[2], &[f32::NAN, -0.])], truths(&[false, true])),
        (7, "And", vec![], vec![truths(&[true, false]), truths(&[true])], truths(&[true, false])),
        (7, "Or", vec![], vec![truths(&[true, false]), truths(&[false])], truths(&[true, false])),
        (7, "Xor", vec![], vec![truths(&[true, false]), truths(&[true])], truths(&[false, true])),
        (7, "Not", vec![], vec![truths(&[true, false])], truths(&[false, true])),
        (13, "IsNaN", vec![], vec![f32s(&[2], &[f32::NAN, 1.])], truths(&[true, false])),
        (16, "Where", vec![], vec![truths(&[true, false]), i64s(&[2, 1], &[1, 2]), i64s(&[], &[9])], i64s(&[2, 2], &[1, 9, 2, 9])),
    ]);
}

#[test]
fn casts() {
    let to = |code: i64| vec![("to", code.into())];
    check(vec![
        (13, "Cast", to(7), vec![f32s(&[4], &[1.9, -1.9, f32::NAN, 1e30])], i64s(&[4], &[1, -1, 0, i64::MAX])),
        (13, "Cast", to(9), vec![f32s(&[3], &[0., -0.5, f32::NAN])], of(&[3], &[false, true, true])),
        (13, "Cast", to(1), vec![of(&[2], &[true, false])], f32s(&[2], &[1., 0.])),
        (13, "Cast", to(2), vec![i64s(&[2], &[257, -1])], of(&[2], &[1u8, 255])),
        (13, "Cast", to(6), vec![of(&[1], &[-3i8])], of(&[1], &[-3i32])),
        (13, "Cast", to(7), vec![i64s(&[1], &[i64::MAX])], i64s(&[1], &[i64::MAX])),
        (19, "CastLike", vec![], vec![i64s(&[1], &[3]), f32s(&[], &[0.])], f32s(&[1], &[3.])),
    ]);
    let half = run_op(13, "Cast", &[("to", 10i64.into())], &[f32s(&[2], &[0.1, 70000.])]).expect("runs");
    let back = run_op(13, "Cast", &[("to", 1i64.into())], std::slice::from_ref(&half)).expect("runs");
    assert_eq!(back.as_f32(), Some(&[0.099_975_586, f32::INFINITY][..]));
    // 16-bit floats are calculated as 32-bit ones and rounded once.
    let sum = run_op(14, "Add", &[], &[half.clone(), half]).expect("runs");
    assert_eq!(sum.dtype(), runtime::DType::F16);
}

#[test]
fn shapes() {
    let x = f32s(&[2, 3], &[1., 2., 3., 4., 5., 6.]);
    let reshaped = |shape: &[usize]| x.reshaped(shape).expect("six elements");
    check(vec![
        (13, "Shape", vec![], vec![x.clone()], i64s(&[2], &[2, 3])),
        (15, "Shape", vec![("start", (-1i64).into())], vec![x.clone()], i64s(&[1], &[3])),
        (15, "Shape", vec![("start", 1i64.into()), ("end", 1i64.into())], vec![x.clone()], i64s(&[0], &[])),
        (13, "Size", vec![], vec![x.clone()], i64s(&[], &[6])),
        (13, "Reshape", vec![], vec![x.clone(), i64s(&[2], &[3, -1])], reshaped(&[3, 2])),
        (13, "Reshape", vec![], vec![x.clone(), i64s(&[3], &[0, 1, -1])], reshaped(&[2, 1, 3])),
        (14, "Reshape", vec![("allowzero", 1i64.into())], vec![f32s(&[0], &[]), i64s(&[2], &[3, 0])], f32s(&[3, 0], &[])),
        (13, "Flatten", vec![("axis", 0i64.into())], vec![x.clone()], reshaped(&[1, 6])),
        (13, "Flatten", vec![("axis", 2i64.into())], vec![x.clone()], reshaped(&[6, 1])),
        (13, "Squeeze", vec![], vec![f32s(&[1, 2, 1], &[1., 2.]), i64s(&[1], &[-1])], f32s(&[1, 2], &[1., 2.])),
        (13, "Squeeze", vec![], vec![f32s(&[1, 2, 1], &[1., 2.])], f32s(&[2], &[1., 2.])),
        (11, "Squeeze", vec![("axes", vec![0i64].into())], vec![f32s(&[1, 2, 1], &[1., 2.])], f32s(&[2, 1], &[1., 2.])),
        (13, "Unsqueeze", vec![], vec![f32s(&[2], &[1., 2.]), i64s(&[2], &[0, -1])], f32s(&[1, 2, 1], &[1., 2.])),
        (11, "Unsqueeze", vec![("axes", vec![1i64].into())], vec![f32s(&[2], &[1., 2.])], f32s(&[2, 1], &[1., 2.])),
        (13, "Expand", vec![], vec![f32s(&[2, 1], &[1., 2.]), i64s(&[3], &[2, 1, 2])], f32s(&[2, 2, 2], &[1., 1., 2., 2., 1., 1., 2., 2.])),
        (13, "Transpose", vec![], vec![x.clone()], f32s(&[3, 2], &[1., 4., 2., 5., 3., 6.])),
        (13, "Tile", vec![], vec![f32s(&[1, 2], &[1., 2.]), i64s(&[2], &[2, 2])], f32s(&[2, 4], &[1., 2., 1., 2., 1., 2., 1., 2.])),
    ]);
    for (operator, second) in [("Reshape", i64s(&[1], &[4])), ("Reshape", i64s(&[2], &[-1, -1])), ("Expand", i64s(&[1], &[2]))] {
        let error = run_op(14, operator, &[], &[x.clone(), second]).expect_err("does not fit");
        assert_eq!(error.kind(), ErrorKind::Run, "{error}");
    }
}

#[test]
fn picking_and_joining() {
    let x = f32s(&[2, 3], &[1., 2., 3., 4., 5., 6.]);
    let slice = |starts: &[i64], ends: &[i64], axes: &[i64], steps: &[i64]| {
        let list = |list: &[i64]| i64s(&[list.len()], list);
        vec![x.clone(), list(starts), list(ends), list(axes), list(steps)]
    };
    check(vec![
        (13, "Gather", vec![], vec![x.clone(), i64s(&[], &[-1])], f32s(&[3], &[4., 5., 6.])),
        (13, "Gather", vec![("axis", 1i64.into())], vec![x.clone(), of(&[1, 2], &[2i32, 0])], f32s(&[2, 1, 2], &[3., 1., 6., 4.])),
        (13, "GatherElements", vec![("axis", 1i64.into())], vec![x.clone(), i64s(&[2, 1], &[2, -3])], f32s(&[2, 1], &[3., 4.])),
        (13, "Slice", vec![], slice(&[1], &[i64::MAX], &[-1], &[1]), f32s(&[2, 2], &[2., 3., 5., 6.])),
        (13, "Slice", vec![], slice(&[-1], &[i64::MIN], &[1], &[-2]), f32s(&[2, 2], &[3., 1., 6., 4.])),
        (13, "Slice", vec![], slice(&[2], &[1], &[1], &[1]), f32s(&[2, 0], &[])),
        (13, "Slice", vec![], slice(&[0, 0], &[9, 9], &[0, 1], &[9, i64::MAX]), f32s(&[1, 1], &[1.])),
        (9, "Slice", vec![("starts", vec![1i64].into()), ("ends", vec![2i64].into())], vec![x.clone()], f32s(&[1, 3], &[4., 5., 6.])),
        (13, "Concat", vec![("axis", (-1i64).into())], vec![x.clone(), f32s(&[2, 1], &[7., 8.])], f32s(&[2, 4], &[1., 2., 3., 7., 4., 5., 6., 8.])),
    ]);
    let parts = |opset, attrs: &[Attr<'_>], sizes: Option<Tensor>, count| {
        let mut node = Node::new("Split", if sizes.is_some() { vec!["a", "b"] } else { vec!["a"] }, ["x", "y", "z"].into_iter().take(count).collect::<Vec<_>>());
        for (name, value) in attrs {
            node = node.attr(name, value.clone());
        }
        run_node(opset, node, &[Some(f32s(&[5], &[1., 2., 3., 4., 5.])), sizes], count)
    };
    let sizes = |found: Vec<Tensor>| found.iter().map(Tensor::len).collect::<Vec<_>>();
    assert_eq!(sizes(parts(13, &[], Some(i64s(&[2], &[4, 1])), 2).expect("runs")), [4, 1]);
    assert_eq!(sizes(parts(18, &[("num_outputs", 2i64.into())], None, 2).expect("runs")), [3, 2]);
    assert_eq!(sizes(parts(11, &[("split", vec![1i64, 4].into())], None, 2).expect("runs")), [1, 4]);
    for error in [parts(13, &[], None, 2), parts(13, &[], Some(i64s(&[2], &[-1, 6])), 2), parts(13, &[], Some(i64s(&[1], &[5])), 2)] {
        assert_eq!(error.expect_err("the parts do not fit").kind(), ErrorKind::Run);
    }
    let error = run_op(13, "Gather", &[], &[x, i64s(&[1], &[2])]).expect_err("outside");
    assert!(error.to_string().contains("index 2"), "{error}");
}

#[test]
fn out_of_nothing() {
    let constant = |name: &str, value: testkit::onnx::Attribute| {
        run_node(13, Node::new("Constant", [], ["x"]).attr(name, value), &[], 1).expect("runs").remove(0)
    };
    assert_eq!(constant("value_float", 2.5f32.into()), f32s(&[], &[2.5]));
    assert_eq!(constant("value_ints", vec![1i64, 2].into()), i64s(&[2], &[1, 2]));
    check(vec![
        (9, "ConstantOfShape", vec![], vec![i64s(&[2], &[1, 2])], f32s(&[1, 2], &[0., 0.])),
        (11, "Range", vec![], vec![i64s(&[], &[10]), i64s(&[], &[4]), i64s(&[], &[-3])], i64s(&[2], &[10, 7])),
        (11, "Range", vec![], vec![f32s(&[], &[0.]), f32s(&[], &[1.]), f32s(&[], &[0.4])], f32s(&[3], &[0., 0.4, 0.8])),
        (11, "Range", vec![], vec![i64s(&[], &[1]), i64s(&[], &[0]), i64s(&[], &[1])], i64s(&[0], &[])),
    ]);
    let error = run_op(11, "Range", &[], &[i64s(&[], &[0]), i64s(&[], &[1]), i64s(&[], &[0])]);
    assert_eq!(error.expect_err("a step of zero").kind(), ErrorKind::Run);
}

#[test]
fn products() {
    let (a, b) = (f32s(&[2, 2], &[1., 2., 3., 4.]), f32s(&[2, 2], &[1., 0., 0., 2.]));
    let stack = f32s(&[2, 1, 2, 2], &[1., 2., 3., 4., 5., 6., 7., 8.]);
    let others = f32s(&[2, 2, 1], &[1., 1., 1., -1.]);
    check(vec![
        (13, "MatMul", vec![], vec![a.clone(), b.clone()], f32s(&[2, 2], &[1., 4., 3., 8.])),
        (13, "MatMul", vec![], vec![f32s(&[2], &[1., 2.]), a.clone()], f32s(&[2], &[7., 10.])),
        (13, "MatMul", vec![], vec![a.clone(), f32s(&[2], &[1., 2.])], f32s(&[2], &[5., 11.])),
        (13, "MatMul", vec![], vec![f32s(&[2], &[1., 2.]), f32s(&[2], &[3., 4.])], f32s(&[], &[11.])),
        (13, "MatMul", vec![], vec![stack, others], f32s(&[2, 2, 2, 1], &[3., 7., -1., -1., 11., 15., -1., -1.])),
        (13, "MatMul", vec![], vec![f32s(&[2, 0], &[]), f32s(&[0, 3], &[])], f32s(&[2, 3], &[0.; 6])),
        (13, "MatMul", vec![], vec![i64s(&[1, 2], &[2, 3]), i64s(&[2, 1], &[5, 7])], i64s(&[1, 1], &[31])),
        (13, "Gemm", vec![("transA", 1i64.into()), ("alpha", 2f32.into())], vec![a.clone(), b.clone()], f32s(&[2, 2], &[2., 12., 4., 16.])),
        (13, "Gemm", vec![("transB", 1i64.into()), ("beta", 0.5f32.into())], vec![a.clone(), a.clone(), f32s(&[2], &[2., 4.])], f32s(&[2, 2], &[6., 13., 12., 27.])),
    ]);
    let error = run_op(13, "MatMul", &[], &[a, f32s(&[3, 1], &[1., 2., 3.])]).expect_err("does not fit");
    assert!(error.to_string().contains("[2, 2] and [3, 1]"), "{error}");
}

#[test]
fn normalisation_and_reduction() {
    let x = f32s(&[2, 2], &[1., 2., 3., 5.]);
    let axes = |axes: &[i64]| ("axes", axes.to_vec().into());
    let keep = ("keepdims", 0i64.into());
    check(vec![
        (13, "Softmax", vec![], vec![x.clone()], f32s(&[2, 2], &[0.268_941_43, 0.731_058_6, 0.119_202_92, 0.880_797_1])),
        (13, "Softmax", vec![("axis", 0i64.into())], vec![x.clone()], f32s(&[2, 2], &[0.119_202_92, 0.047_425_87, 0.880_797_1, 0.952_574_1])),
        (11, "Softmax", vec![("axis", 0i64.into())], vec![f32s(&[2, 2], &[0.; 4])], f32s(&[2, 2], &[0.25; 4])),
        (13, "LogSoftmax", vec![], vec![f32s(&[2], &[0., 0.])], f32s(&[2], &[-std::f32::consts::LN_2; 2])),
        (17, "LayerNormalization", vec![("epsilon", 0f32.into())], vec![x.clone(), f32s(&[2], &[1., 2.]), f32s(&[2], &[0., 10.])], f32s(&[2, 2], &[-1., 12., -1., 12.])),
        (13, "ReduceMean", vec![axes(&[-1])], vec![x.clone()], f32s(&[2, 1], &[1.5, 4.])),
        (18, "ReduceMean", vec![keep.clone()], vec![x.clone(), i64s(&[1], &[0])], f32s(&[2], &[2., 3.5])),
        (13, "ReduceMean", vec![], vec![x.clone()], f32s(&[1, 1], &[2.75])),
        (18, "ReduceMean", vec![("noop_with_empty_axes", 1i64.into())], vec![x.clone(), i64s(&[0], &[])], x.clone()),
        (13, "ReduceSum", vec![keep.clone()], vec![x.clone(), i64s(&[2], &[0, 1])], f32s(&[], &[11.])),
        (13, "ReduceSum", vec![], vec![f32s(&[0, 2], &[]), i64s(&[1], &[0])], f32s(&[1, 2], &[0., 0.])),
        (13, "ReduceMax", vec![axes(&[0])], vec![i64s(&[2, 2], &[1, 9, 3, 2])], i64s(&[1, 2], &[3, 9])),
        (13, "ReduceMin", vec![axes(&[1]), keep.clone()], vec![x.clone()], f32s(&[2], &[1., 3.])),
        (13, "ReduceProd", vec![axes(&[1]), keep], vec![x.clone()], f32s(&[2], &[2., 15.])),
        (13, "ReduceL2", vec![], vec![f32s(&[2], &[3., 4.])], f32s(&[1], &[5.])),
    ]);
}
