//! Operators of one or two elements at a time, against their definitions in ONNX: one row, one promise.

use runtime::ErrorKind;
use testkit::onnx::Node;

use crate::support::{check, f32s, i64s, of, run_node, run_op};

#[test]
fn arithmetic() {
    let (inf, nan) = (f32::INFINITY, f32::NAN);
    check(vec![
        (
            14,
            "Add",
            vec![],
            vec![f32s(&[2, 2], &[1., 2., 3., 4.]), f32s(&[2], &[10., 20.])],
            f32s(&[2, 2], &[11., 22., 13., 24.]),
        ),
        (
            14,
            "Add",
            vec![],
            vec![f32s(&[2], &[1., 2.]), f32s(&[2, 1], &[10., 20.])],
            f32s(&[2, 2], &[11., 12., 21., 22.]),
        ),
        (14, "Sub", vec![], vec![f32s(&[], &[1.]), f32s(&[3], &[1., 2., 3.])], f32s(&[3], &[0., -1., -2.])),
        (14, "Mul", vec![], vec![i64s(&[0, 3], &[]), i64s(&[3], &[1, 2, 3])], i64s(&[0, 3], &[])),
        (
            14,
            "Div",
            vec![],
            vec![i64s(&[4], &[7, -7, 7, i64::MIN]), i64s(&[4], &[2, 2, -2, -1])],
            i64s(&[4], &[3, -3, -3, i64::MIN]),
        ),
        (14, "Add", vec![], vec![of(&[1], &[200u8]), of(&[1], &[100u8])], of(&[1], &[44u8])),
        (
            13,
            "Mod",
            vec![],
            vec![i64s(&[4], &[7, -7, 7, -7]), i64s(&[4], &[3, 3, -3, -3])],
            i64s(&[4], &[1, 2, -2, -1]),
        ),
        (
            13,
            "Mod",
            vec![("fmod", 1i64.into())],
            vec![f32s(&[2], &[5.5, -5.5]), f32s(&[], &[2.])],
            f32s(&[2], &[1.5, -1.5]),
        ),
        (13, "Pow", vec![], vec![f32s(&[3], &[1., 2., 3.]), i64s(&[], &[2])], f32s(&[3], &[1., 4., 9.])),
        (
            13,
            "Pow",
            vec![],
            vec![f32s(&[2, 1], &[2., 3.]), f32s(&[2], &[1., 3.])],
            f32s(&[2, 2], &[2., 8., 3., 27.]),
        ),
        (13, "Pow", vec![], vec![i64s(&[2], &[2, 3]), f32s(&[], &[3.])], i64s(&[2], &[8, 27])),
        (
            13,
            "Max",
            vec![],
            vec![f32s(&[2], &[1., 5.]), f32s(&[], &[2.]), f32s(&[2], &[0., 9.])],
            f32s(&[2], &[2., 9.]),
        ),
        (13, "Min", vec![], vec![i64s(&[2], &[1, 5]), i64s(&[1], &[2])], i64s(&[2], &[1, 2])),
        (13, "Sum", vec![], vec![f32s(&[2], &[1., 5.])], f32s(&[2], &[1., 5.])),
    ]);
    let larger =
        run_op(13, "Max", &[], &[f32s(&[3], &[nan, 1., inf]), f32s(&[3], &[1., nan, 2.])]).expect("runs");
    let larger = larger.as_f32().expect("floats");
    assert!(larger[0].is_nan() && larger[1].is_nan() && larger[2] == inf, "NaN wins");
    let error =
        run_op(14, "Div", &[], &[i64s(&[1], &[1]), i64s(&[1], &[0])]).expect_err("a division by zero");
    assert_eq!(error.kind(), ErrorKind::Run, "{error}");
}

#[test]
fn functions_of_one_element() {
    let x = f32s(&[5], &[-2., -0.5, 0., 0.5, 2.]);
    let of_x = |f: fn(f32) -> f32| {
        f32s(&[5], &x.as_f32().expect("floats").iter().map(|x| f(*x)).collect::<Vec<_>>())
    };
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
        (
            13,
            "Clip",
            vec![],
            vec![x.clone(), f32s(&[], &[-1.]), f32s(&[], &[1.])],
            f32s(&[5], &[-1., -0.5, 0., 0.5, 1.]),
        ),
        (
            6 + 1,
            "Clip",
            vec![("max", 0.25f32.into())],
            vec![x.clone()],
            f32s(&[5], &[-2., -0.5, 0., 0.25, 0.25]),
        ),
        (
            16,
            "LeakyRelu",
            vec![("alpha", 0.5f32.into())],
            vec![x.clone()],
            f32s(&[5], &[-1., -0.25, 0., 0.5, 2.]),
        ),
        (13, "Identity", vec![], vec![x.clone()], x.clone()),
    ]);
    let node = Node::new("Clip", ["a", "", "c"], ["x"]);
    let clipped =
        run_node(13, node, &[Some(x.clone()), None, Some(f32s(&[], &[0.]))], 1).expect("no lower bound");
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
        (
            13,
            "Equal",
            vec![],
            vec![f32s(&[2], &[f32::NAN, 0.]), f32s(&[2], &[f32::NAN, -0.])],
            truths(&[false, true]),
        ),
        (7, "And", vec![], vec![truths(&[true, false]), truths(&[true])], truths(&[true, false])),
        (7, "Or", vec![], vec![truths(&[true, false]), truths(&[false])], truths(&[true, false])),
        (7, "Xor", vec![], vec![truths(&[true, false]), truths(&[true])], truths(&[false, true])),
        (7, "Not", vec![], vec![truths(&[true, false])], truths(&[false, true])),
        (13, "IsNaN", vec![], vec![f32s(&[2], &[f32::NAN, 1.])], truths(&[true, false])),
        (
            16,
            "Where",
            vec![],
            vec![truths(&[true, false]), i64s(&[2, 1], &[1, 2]), i64s(&[], &[9])],
            i64s(&[2, 2], &[1, 9, 2, 9]),
        ),
    ]);
}

#[test]
fn casts() {
    let to = |code: i64| vec![("to", code.into())];
    check(vec![
        (
            13,
            "Cast",
            to(7),
            vec![f32s(&[4], &[1.9, -1.9, f32::NAN, 1e30])],
            i64s(&[4], &[1, -1, 0, i64::MAX]),
        ),
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
