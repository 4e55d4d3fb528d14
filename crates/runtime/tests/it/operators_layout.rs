//! Operators that change shapes and move elements, against their definitions in ONNX.

use runtime::{ErrorKind, Tensor};
use testkit::onnx::Node;

use crate::support::{Attr, check, f32s, i64s, of, run_node, run_op};

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
        (
            14,
            "Reshape",
            vec![("allowzero", 1i64.into())],
            vec![f32s(&[0], &[]), i64s(&[2], &[3, 0])],
            f32s(&[3, 0], &[]),
        ),
        (13, "Flatten", vec![("axis", 0i64.into())], vec![x.clone()], reshaped(&[1, 6])),
        (13, "Flatten", vec![("axis", 2i64.into())], vec![x.clone()], reshaped(&[6, 1])),
        (
            13,
            "Squeeze",
            vec![],
            vec![f32s(&[1, 2, 1], &[1., 2.]), i64s(&[1], &[-1])],
            f32s(&[1, 2], &[1., 2.]),
        ),
        (13, "Squeeze", vec![], vec![f32s(&[1, 2, 1], &[1., 2.])], f32s(&[2], &[1., 2.])),
        (
            11,
            "Squeeze",
            vec![("axes", vec![0i64].into())],
            vec![f32s(&[1, 2, 1], &[1., 2.])],
            f32s(&[2, 1], &[1., 2.]),
        ),
        (
            13,
            "Unsqueeze",
            vec![],
            vec![f32s(&[2], &[1., 2.]), i64s(&[2], &[0, -1])],
            f32s(&[1, 2, 1], &[1., 2.]),
        ),
        (
            11,
            "Unsqueeze",
            vec![("axes", vec![1i64].into())],
            vec![f32s(&[2], &[1., 2.])],
            f32s(&[2, 1], &[1., 2.]),
        ),
        (
            13,
            "Expand",
            vec![],
            vec![f32s(&[2, 1], &[1., 2.]), i64s(&[3], &[2, 1, 2])],
            f32s(&[2, 2, 2], &[1., 1., 2., 2., 1., 1., 2., 2.]),
        ),
        (13, "Transpose", vec![], vec![x.clone()], f32s(&[3, 2], &[1., 4., 2., 5., 3., 6.])),
        (
            13,
            "Tile",
            vec![],
            vec![f32s(&[1, 2], &[1., 2.]), i64s(&[2], &[2, 2])],
            f32s(&[2, 4], &[1., 2., 1., 2., 1., 2., 1., 2.]),
        ),
    ]);
    for (operator, second) in
        [("Reshape", i64s(&[1], &[4])), ("Reshape", i64s(&[2], &[-1, -1])), ("Expand", i64s(&[1], &[2]))]
    {
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
        (
            13,
            "Gather",
            vec![("axis", 1i64.into())],
            vec![x.clone(), of(&[1, 2], &[2i32, 0])],
            f32s(&[2, 1, 2], &[3., 1., 6., 4.]),
        ),
        (
            13,
            "GatherElements",
            vec![("axis", 1i64.into())],
            vec![x.clone(), i64s(&[2, 1], &[2, -3])],
            f32s(&[2, 1], &[3., 4.]),
        ),
        (13, "Slice", vec![], slice(&[1], &[i64::MAX], &[-1], &[1]), f32s(&[2, 2], &[2., 3., 5., 6.])),
        (13, "Slice", vec![], slice(&[-1], &[i64::MIN], &[1], &[-2]), f32s(&[2, 2], &[3., 1., 6., 4.])),
        (13, "Slice", vec![], slice(&[2], &[1], &[1], &[1]), f32s(&[2, 0], &[])),
        (13, "Slice", vec![], slice(&[0, 0], &[9, 9], &[0, 1], &[9, i64::MAX]), f32s(&[1, 1], &[1.])),
        (
            9,
            "Slice",
            vec![("starts", vec![1i64].into()), ("ends", vec![2i64].into())],
            vec![x.clone()],
            f32s(&[1, 3], &[4., 5., 6.]),
        ),
        (
            13,
            "Concat",
            vec![("axis", (-1i64).into())],
            vec![x.clone(), f32s(&[2, 1], &[7., 8.])],
            f32s(&[2, 4], &[1., 2., 3., 7., 4., 5., 6., 8.]),
        ),
    ]);
    let parts = |opset, attrs: &[Attr<'_>], sizes: Option<Tensor>, count| {
        let mut node = Node::new(
            "Split",
            if sizes.is_some() { vec!["a", "b"] } else { vec!["a"] },
            ["x", "y", "z"].into_iter().take(count).collect::<Vec<_>>(),
        );
        for (name, value) in attrs {
            node = node.attr(name, value.clone());
        }
        run_node(opset, node, &[Some(f32s(&[5], &[1., 2., 3., 4., 5.])), sizes], count)
    };
    let sizes = |found: Vec<Tensor>| found.iter().map(Tensor::len).collect::<Vec<_>>();
    assert_eq!(sizes(parts(13, &[], Some(i64s(&[2], &[4, 1])), 2).expect("runs")), [4, 1]);
    assert_eq!(sizes(parts(18, &[("num_outputs", 2i64.into())], None, 2).expect("runs")), [3, 2]);
    assert_eq!(sizes(parts(11, &[("split", vec![1i64, 4].into())], None, 2).expect("runs")), [1, 4]);
    for error in [
        parts(13, &[], None, 2),
        parts(13, &[], Some(i64s(&[2], &[-1, 6])), 2),
        parts(13, &[], Some(i64s(&[1], &[5])), 2),
    ] {
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
        (
            11,
            "Range",
            vec![],
            vec![i64s(&[], &[10]), i64s(&[], &[4]), i64s(&[], &[-3])],
            i64s(&[2], &[10, 7]),
        ),
        (
            11,
            "Range",
            vec![],
            vec![f32s(&[], &[0.]), f32s(&[], &[1.]), f32s(&[], &[0.4])],
            f32s(&[3], &[0., 0.4, 0.8]),
        ),
        (11, "Range", vec![], vec![i64s(&[], &[1]), i64s(&[], &[0]), i64s(&[], &[1])], i64s(&[0], &[])),
    ]);
    let error = run_op(11, "Range", &[], &[i64s(&[], &[0]), i64s(&[], &[1]), i64s(&[], &[0])]);
    assert_eq!(error.expect_err("a step of zero").kind(), ErrorKind::Run);
}
