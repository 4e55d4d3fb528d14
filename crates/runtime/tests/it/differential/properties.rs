//! Random shapes and values: the engines agree on the operators that models are mostly made of.

use proptest::{collection::vec, prelude::*};
use runtime::Tensor;
use testkit::onnx::{Array, DataType};

use super::case::{Case, node};
use crate::support::{f32s, i64s};

/// A tensor of a given shape.
fn filled(shape: Vec<usize>) -> impl Strategy<Value = Tensor> {
    let count: usize = shape.iter().product();
    vec(-4.0_f32..4.0, count).prop_map(move |values| f32s(&shape, &values))
}

/// A tensor of up to four dimensions.
fn any_tensor() -> impl Strategy<Value = Tensor> {
    vec(1..5_usize, 1..5).prop_flat_map(filled)
}

/// Two tensors that broadcast: either may lack leading dimensions or have a size of 1.
fn broadcast_pair() -> impl Strategy<Value = (Tensor, Tensor)> {
    let sizes = vec((1..5_usize, any::<bool>(), any::<bool>()), 1..5);
    (sizes, 0..3_usize, any::<bool>()).prop_flat_map(|(sizes, missing, first)| {
        let side = |one: fn(&(usize, bool, bool)) -> bool| -> Vec<usize> {
            sizes.iter().map(|size| if one(size) { 1 } else { size.0 }).collect()
        };
        let (mut a, mut b) = (side(|size| size.1), side(|size| size.2));
        let shorter = if first { &mut a } else { &mut b };
        shorter.drain(..missing.min(shorter.len()));
        (filled(a), filled(b))
    })
}

/// Two tensors with a matrix product.
fn matrices() -> impl Strategy<Value = (Tensor, Tensor)> {
    (vec(1..4_usize, 0..3), 1..9_usize, 1..9_usize, 1..9_usize, any::<bool>()).prop_flat_map(
        |(batch, rows, inner, columns, shared)| {
            let a = [batch.as_slice(), &[rows, inner]].concat();
            let b =
                if shared { vec![inner, columns] } else { [batch.as_slice(), &[inner, columns]].concat() };
            (filled(a), filled(b))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn elementwise(x in any_tensor(), operator in 0..8_usize) {
        let operator = ["Erf", "Tanh", "Sigmoid", "Exp", "Relu", "Neg", "Abs", "Floor"][operator];
        Case::new(17).given("x", x).node(node(operator, ["x"])).gives(DataType::F32).check(operator);
    }

    #[test]
    fn broadcasting((a, b) in broadcast_pair(), operator in 0..4_usize) {
        let operator = ["Add", "Sub", "Mul", "Min"][operator];
        Case::new(17).given("a", a).given("b", b).node(node(operator, ["a", "b"])).gives(DataType::F32).check(operator);
    }

    #[test]
    fn matrix_product((a, b) in matrices()) {
        Case::new(17).given("a", a).given("b", b).node(node("MatMul", ["a", "b"])).gives(DataType::F32).check("MatMul");
    }

    #[test]
    fn softmax(x in any_tensor(), axis in 0..4_usize) {
        let axis = i64::try_from(axis % x.shape().len()).expect("small");
        let softmax = node("Softmax", ["x"]).attr("axis", axis);
        Case::new(17).given("x", x).node(softmax).gives(DataType::F32).check("Softmax");
    }

    #[test]
    fn mean(x in any_tensor(), axis in 0..4_usize, keep in 0..2_i64) {
        let axis = -1 - i64::try_from(axis % x.shape().len()).expect("small");
        let mean = node("ReduceMean", ["x"]).attr("axes", [axis]).attr("keepdims", keep);
        Case::new(13).given("x", x).node(mean).gives(DataType::F32).check("ReduceMean");
    }

    #[test]
    fn transpose(x in any_tensor(), order in Just([0_i64, 1, 2, 3]).prop_shuffle()) {
        let rank = i64::try_from(x.shape().len()).expect("small");
        let perm: Vec<i64> = order.into_iter().filter(|axis| *axis < rank).collect();
        let transpose = node("Transpose", ["x"]).attr("perm", perm);
        Case::new(17).given("x", x).node(transpose).gives(DataType::F32).check("Transpose");
    }

    #[test]
    fn gather(x in any_tensor(), axis in 0..4_usize, picks in vec(-64..64_i64, 1..7), square in any::<bool>()) {
        let axis = axis % x.shape().len();
        let size = i64::try_from(x.shape()[axis]).expect("small");
        let picks: Vec<i64> = picks.into_iter().map(|pick| pick % size).collect();
        let indices = match picks.len() {
            4 if square => i64s(&[2, 2], &picks),
            count => i64s(&[count], &picks),
        };
        let gather = node("Gather", ["x", "i"]).attr("axis", i64::try_from(axis).expect("small"));
        Case::new(17).given("x", x).given("i", indices).node(gather).gives(DataType::F32).check("Gather");
    }

    #[test]
    fn concat(a in any_tensor(), axis in 0..4_usize) {
        let axis = i64::try_from(axis % a.shape().len()).expect("small");
        let concat = node("Concat", ["a", "b", "a"]).attr("axis", axis);
        Case::new(17).given("b", a.clone()).given("a", a).node(concat).gives(DataType::F32).check("Concat");
    }

    #[test]
    fn slice(x in any_tensor(), axis in 0..4_usize, start in -6..6_i64, length in 1..6_i64) {
        let axis = axis % x.shape().len();
        let size = i64::try_from(x.shape()[axis]).expect("small");
        // At least one element: an empty slice is one of the known faults.
        let start = start.rem_euclid(size);
        let case = Case::new(17).given("x", x).constant("s", Array::i64([1], [start]));
        let case = case.constant("e", Array::i64([1], [start + length]));
        let case = case.constant("a", Array::i64([1], [i64::try_from(axis).expect("small")]));
        case.node(node("Slice", ["x", "s", "e", "a"])).gives(DataType::F32).check("Slice");
    }
}
