//! The operators of quantised models, against their definitions in ONNX.

use runtime::Tensor;
use testkit::onnx::Node;

use crate::support::{f32s, i64s, of, run_node, run_op};

#[test]
fn a_tensor_is_quantised_by_its_own_range() {
    let node = || Node::new("DynamicQuantizeLinear", ["a"], ["x", "y", "z"]);
    let run =
        |elements: &[f32]| run_node(11, node(), &[Some(f32s(&[elements.len()], elements))], 3).expect("runs");
    // The example of the operator's documentation.
    let found = run(&[0., 2., -3., -2.5, 1.34, 0.5]);
    assert_eq!(found[0].as_slice::<u8>(), Some(&[153, 255, 0, 26, 221, 179][..]));
    assert_eq!(found[2].as_slice::<u8>(), Some(&[153][..]));
    assert!((found[1].as_f32().expect("a scale")[0] - 0.019_607_844).abs() < 1e-9);
    // The range always includes zero, and a tensor of zeros has a scale that can be divided by.
    assert_eq!(run(&[1., 2.])[2].as_slice::<u8>(), Some(&[0][..]));
    let zeros = run(&[0., 0.]);
    assert_eq!((zeros[0].as_slice::<u8>(), zeros[1].as_f32()), (Some(&[0, 0][..]), Some(&[1.][..])));
}

#[test]
fn scales_are_for_a_tensor_or_an_axis() {
    let bytes = of(&[2, 2], &[0u8, 10, 20, 255]);
    let whole = run_op(13, "DequantizeLinear", &[], &[bytes.clone(), f32s(&[], &[0.5]), of(&[], &[10u8])]);
    assert_eq!(whole.expect("runs").as_f32(), Some(&[-5., 0., 5., 122.5][..]));
    let rows = [bytes.clone(), f32s(&[2], &[1., 2.]), of(&[2], &[0u8, 5])];
    let by_row = run_op(13, "DequantizeLinear", &[("axis", 0i64.into())], &rows).expect("runs");
    assert_eq!(by_row.as_f32(), Some(&[0., 10., 30., 500.][..]));
    let by_column = run_op(13, "DequantizeLinear", &[], &rows).expect("runs");
    assert_eq!(by_column.as_f32(), Some(&[0., 10., 20., 500.][..]));
    run_op(13, "DequantizeLinear", &[], &[bytes, f32s(&[3], &[1.; 3])])
        .expect_err("three scales for two columns");

    let x = f32s(&[5], &[-1000., -1.25, 0.25, 0.75, f32::INFINITY]);
    let signed =
        run_op(13, "QuantizeLinear", &[], &[x.clone(), f32s(&[], &[0.5]), of(&[], &[1i8])]).expect("runs");
    assert_eq!(signed.as_slice::<i8>(), Some(&[-128, -1, 1, 3, 127][..]));
    let unsigned = run_op(13, "QuantizeLinear", &[], &[x, f32s(&[], &[0.5])]).expect("runs");
    assert_eq!(unsigned.as_slice::<u8>(), Some(&[0, 0, 0, 2, 255][..]));
}

#[test]
fn products_of_bytes() {
    // The example of the operator's documentation.
    let a = of(&[4, 3], &[11u8, 7, 3, 10, 6, 2, 9, 5, 1, 8, 4, 0]);
    let b = of(&[3, 2], &[1u8, 4, 2, 5, 3, 6]);
    let expected = of(&[4, 2], &[-38i32, -83, -44, -98, -50, -113, -56, -128]);
    let zeros = [of(&[1], &[12u8]), of(&[1], &[0u8])];
    let all = [a.clone(), b.clone(), zeros[0].clone(), zeros[1].clone()];
    assert_eq!(run_op(10, "MatMulInteger", &[], &all).expect("runs"), expected);

    // A zero point for each column on the right, one left out on the left, and stacked matrices.
    let node = Node::new("MatMulInteger", ["a", "b", "", "d"], ["x"]);
    let stack = a.reshaped(&[2, 2, 3]).expect("twelve");
    let signed = of(&[3, 2], &[1i8, -4, 2, 5, -3, 6]);
    let inputs = [Some(stack), Some(signed), None, Some(of(&[2], &[1i8, -1]))];
    let found = run_node(10, node, &inputs, 1).expect("runs");
    let expected = |a: [i32; 3]| [a[1] - 4 * a[2], -3 * a[0] + 6 * a[1] + 7 * a[2]];
    let rows = [[11, 7, 3], [10, 6, 2], [9, 5, 1], [8, 4, 0]].map(expected).concat();
    assert_eq!(found, [of(&[2, 2, 2], &rows)]);

    let wrong = [a, b, i64s(&[], &[0])];
    run_op(10, "MatMulInteger", &[], &wrong).expect_err("a zero point of another type");
    let empty: [Tensor; 2] = [of::<u8>(&[2, 0], &[]), of::<u8>(&[0, 2], &[])];
    assert_eq!(run_op(10, "MatMulInteger", &[], &empty).expect("runs"), of(&[2, 2], &[0i32; 4]));
}
