//! Products, normalisation and reduction, against their definitions in ONNX.

use crate::support::{check, f32s, i64s, run_op};

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
        (
            13,
            "MatMul",
            vec![],
            vec![stack, others],
            f32s(&[2, 2, 2, 1], &[3., 7., -1., -1., 11., 15., -1., -1.]),
        ),
        (13, "MatMul", vec![], vec![f32s(&[2, 0], &[]), f32s(&[0, 3], &[])], f32s(&[2, 3], &[0.; 6])),
        (13, "MatMul", vec![], vec![i64s(&[1, 2], &[2, 3]), i64s(&[2, 1], &[5, 7])], i64s(&[1, 1], &[31])),
        (
            13,
            "Gemm",
            vec![("transA", 1i64.into()), ("alpha", 2f32.into())],
            vec![a.clone(), b.clone()],
            f32s(&[2, 2], &[2., 12., 4., 16.]),
        ),
        (
            13,
            "Gemm",
            vec![("transB", 1i64.into()), ("beta", 0.5f32.into())],
            vec![a.clone(), a.clone(), f32s(&[2], &[2., 4.])],
            f32s(&[2, 2], &[6., 13., 12., 27.]),
        ),
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
        (
            13,
            "Softmax",
            vec![],
            vec![x.clone()],
            f32s(&[2, 2], &[0.268_941_43, 0.731_058_6, 0.119_202_92, 0.880_797_1]),
        ),
        (
            13,
            "Softmax",
            vec![("axis", 0i64.into())],
            vec![x.clone()],
            f32s(&[2, 2], &[0.119_202_92, 0.047_425_87, 0.880_797_1, 0.952_574_1]),
        ),
        (
            11,
            "Softmax",
            vec![("axis", 0i64.into())],
            vec![f32s(&[2, 2], &[0.; 4])],
            f32s(&[2, 2], &[0.25; 4]),
        ),
        (13, "LogSoftmax", vec![], vec![f32s(&[2], &[0., 0.])], f32s(&[2], &[-std::f32::consts::LN_2; 2])),
        (
            17,
            "LayerNormalization",
            vec![("epsilon", 0f32.into())],
            vec![x.clone(), f32s(&[2], &[1., 2.]), f32s(&[2], &[0., 10.])],
            f32s(&[2, 2], &[-1., 12., -1., 12.]),
        ),
        (13, "ReduceMean", vec![axes(&[-1])], vec![x.clone()], f32s(&[2, 1], &[1.5, 4.])),
        (18, "ReduceMean", vec![keep.clone()], vec![x.clone(), i64s(&[1], &[0])], f32s(&[2], &[2., 3.5])),
        (13, "ReduceMean", vec![], vec![x.clone()], f32s(&[1, 1], &[2.75])),
        (
            18,
            "ReduceMean",
            vec![("noop_with_empty_axes", 1i64.into())],
            vec![x.clone(), i64s(&[0], &[])],
            x.clone(),
        ),
        (13, "ReduceSum", vec![keep.clone()], vec![x.clone(), i64s(&[2], &[0, 1])], f32s(&[], &[11.])),
        (13, "ReduceSum", vec![], vec![f32s(&[0, 2], &[]), i64s(&[1], &[0])], f32s(&[1, 2], &[0., 0.])),
        (13, "ReduceMax", vec![axes(&[0])], vec![i64s(&[2, 2], &[1, 9, 3, 2])], i64s(&[1, 2], &[3, 9])),
        (13, "ReduceMin", vec![axes(&[1]), keep.clone()], vec![x.clone()], f32s(&[2], &[1., 3.])),
        (13, "ReduceProd", vec![axes(&[1]), keep], vec![x.clone()], f32s(&[2], &[2., 15.])),
        (13, "ReduceL2", vec![], vec![f32s(&[2], &[3., 4.])], f32s(&[1], &[5.])),
    ]);
}
