//! Properties of operators that move elements, against definitions by index that are too slow to ship.

use proptest::prelude::*;
use runtime::Tensor;

use crate::support::{i64s, run_op};

/// A shape of up to four small dimensions, some of them one, some of them zero.
fn shape() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![Just(1usize), 0usize..5, 2usize..5], 0..4)
}

fn counted(shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    i64s(shape, &(0..count as i64).collect::<Vec<_>>())
}

/// All indices of a shape in row-major order.
fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
    shape.iter().fold(vec![Vec::new()], |indices, &size| {
        let longer = |index: Vec<usize>| (0..size).map(move |n| [index.clone(), vec![n]].concat());
        indices.into_iter().flat_map(longer).collect()
    })
}

/// The element of a counted tensor at an index.
fn at(shape: &[usize], index: &[usize]) -> i64 {
    shape.iter().zip(index).fold(0, |flat, (&size, &n)| flat * size + n) as i64
}

/// The element of a counted tensor that is repeated over a larger shape.
fn broadcast_at(shape: &[usize], index: &[usize]) -> i64 {
    let index = &index[index.len() - shape.len()..];
    let index: Vec<usize> =
        index.iter().zip(shape).map(|(&n, &size)| if size == 1 { 0 } else { n }).collect();
    at(shape, &index)
}

proptest! {
    #[test]
    fn broadcasting_repeats_dimensions_of_one(target in shape(), ones in prop::collection::vec(any::<(bool, bool)>(), 4), cut in 0usize..4, swap in any::<bool>()) {
        // Two shapes that broadcast to the target: any dimension may be one on either side, but not on both.
        let side = |pick: fn(&(bool, bool)) -> bool| {
            target.iter().zip(&ones).map(|(&size, ones)| if pick(ones) { 1 } else { size }).collect::<Vec<_>>()
        };
        let left = side(|ones| ones.0 && ones.1);
        let right = side(|ones| ones.0 && !ones.1);
        let right = right[cut.min(right.len())..].to_vec();
        let (left, right) = if swap { (right, left) } else { (left, right) };
        let size = |shape: &[usize], dim: usize, rank: usize| {
            let missing = rank - shape.len();
            if dim < missing { 1 } else { shape[dim - missing] }
        };
        let rank = left.len().max(right.len());
        let expected_shape: Vec<usize> = (0..rank)
            .map(|dim| match (size(&left, dim, rank), size(&right, dim, rank)) { (1, other) => other, (one, _) => one })
            .collect();
        let found = run_op(14, "Sub", &[], &[counted(&left), counted(&right)]).expect("the shapes broadcast");
        let expected: Vec<i64> = indices(&expected_shape)
            .iter()
            .map(|index| broadcast_at(&left, index) - broadcast_at(&right, index))
            .collect();
        prop_assert_eq!(found, i64s(&expected_shape, &expected));
    }

    #[test]
    fn transposing_moves_each_element(shape in shape(), keys in prop::collection::vec(any::<u32>(), 4)) {
        let mut order: Vec<usize> = (0..shape.len()).collect();
        order.sort_by_key(|&dim| keys[dim]);
        let perm: Vec<i64> = order.iter().map(|&dim| dim as i64).collect();
        let found = run_op(13, "Transpose", &[("perm", perm.into())], &[counted(&shape)]).expect("an order");
        let new_shape: Vec<usize> = order.iter().map(|&dim| shape[dim]).collect();
        let expected: Vec<i64> = indices(&new_shape)
            .iter()
            .map(|index| {
                let mut old = vec![0; shape.len()];
                order.iter().zip(index).for_each(|(&dim, &n)| old[dim] = n);
                at(&shape, &old)
            })
            .collect();
        prop_assert_eq!(found, i64s(&new_shape, &expected));
    }

    #[test]
    fn slicing_follows_the_steps(size in 0usize..8, start in -10i64..10, end in -10i64..10, step in prop_oneof![-4i64..0, 1i64..5]) {
        let inputs = [counted(&[2, size]), i64s(&[1], &[start]), i64s(&[1], &[end]), i64s(&[1], &[1]), i64s(&[1], &[step])];
        let found = run_op(13, "Slice", &[], &inputs).expect("any bounds will do");
        // As Python does it: bounds that count from the end, then clamped.
        let length = size as i64;
        let bound = |index: i64| if index < 0 { index + length } else { index };
        let (mut at, end) = if step > 0 {
            (bound(start).clamp(0, length), bound(end).clamp(0, length))
        } else {
            (bound(start).clamp(-1, length - 1), bound(end).clamp(-1, length - 1))
        };
        let mut picked = Vec::new();
        while if step > 0 { at < end } else { at > end } {
            picked.push(at);
            at += step;
        }
        let expected: Vec<i64> = [0, length].iter().flat_map(|row| picked.iter().map(move |n| row + n)).collect();
        prop_assert_eq!(found, i64s(&[2, picked.len()], &expected));
    }

    #[test]
    fn sums_add_what_is_reduced(shape in shape(), reduced in prop::collection::vec(any::<bool>(), 4)) {
        let axes: Vec<i64> = (0..shape.len()).filter(|&dim| reduced[dim]).map(|dim| dim as i64).collect();
        prop_assume!(!axes.is_empty());
        let inputs = [counted(&shape), i64s(&[axes.len()], &axes)];
        let found = run_op(13, "ReduceSum", &[], &inputs).expect("any axes will do");
        let kept: Vec<usize> = (0..shape.len()).map(|dim| if reduced[dim] { 1 } else { shape[dim] }).collect();
        let mut expected = vec![0; kept.iter().product()];
        for index in indices(&shape) {
            let place: Vec<usize> = index.iter().zip(&reduced).map(|(&n, &reduced)| if reduced { 0 } else { n }).collect();
            expected[at(&kept, &place) as usize] += at(&shape, &index);
        }
        prop_assert_eq!(found, i64s(&kept, &expected));
    }
}
