//! Convolutions against their definition by index, and what does not fit.

use proptest::prelude::*;
use runtime::{ErrorKind, Tensor};

use crate::support::{check, f32s, of, run_op};

/// The sizes and attributes of one convolution.
#[derive(Clone, Debug)]
struct Case {
    batch: usize,
    groups: usize,
    channels: usize,
    filters: usize,
    input: [usize; 2],
    kernel: [usize; 2],
    strides: [usize; 2],
    dilations: [usize; 2],
    /// Before each axis, then after each.
    pads: [usize; 4],
}

fn case() -> impl Strategy<Value = Case> {
    let counts = (1usize..3, 1usize..4, 1usize..4, 1usize..4);
    let pair = |range: std::ops::Range<usize>| [range.clone(), range];
    let window = (pair(1..8), pair(1..4), pair(1..4), pair(1..3), [0usize..3, 0..3, 0..3, 0..3]);
    let case = (counts, window).prop_map(|((batch, groups, channels, filters), window)| {
        let (input, kernel, strides, dilations, pads) = window;
        Case { batch, groups, channels, filters, input, kernel, strides, dilations, pads }
    });
    case.prop_filter("a window fits", |case| (0..2).all(|axis| case.windows(axis).is_some()))
}

impl Case {
    fn windows(&self, axis: usize) -> Option<usize> {
        let padded = self.input[axis] + self.pads[axis] + self.pads[axis + 2];
        let reach = (self.kernel[axis] - 1) * self.dilations[axis] + 1;
        Some(padded.checked_sub(reach)? / self.strides[axis] + 1)
    }

    fn attributes(&self) -> Vec<(&'static str, testkit::onnx::Attribute)> {
        let list = |sizes: &[usize]| sizes.iter().map(|&size| size as i64).collect::<Vec<_>>().into();
        vec![
            ("group", (self.groups as i64).into()),
            ("kernel_shape", list(&self.kernel)),
            ("strides", list(&self.strides)),
            ("dilations", list(&self.dilations)),
            ("pads", list(&self.pads)),
        ]
    }

    fn input_shape(&self) -> [usize; 4] {
        [self.batch, self.groups * self.channels, self.input[0], self.input[1]]
    }

    fn filter_shape(&self) -> [usize; 4] {
        [self.groups * self.filters, self.channels, self.kernel[0], self.kernel[1]]
    }

    /// The sums by their definition: every product whose element is not padding.
    fn sums(&self, input: &[i64], filters: &[i64]) -> (Vec<usize>, Vec<i64>) {
        let windows = [0, 1].map(|axis| self.windows(axis).expect("the case was filtered"));
        let shape = vec![self.batch, self.groups * self.filters, windows[0], windows[1]];
        let mut sums = Vec::new();
        for (batch, filter) in (0..self.batch).flat_map(|b| (0..shape[1]).map(move |f| (b, f))) {
            for (y, x) in (0..windows[0]).flat_map(|y| (0..windows[1]).map(move |x| (y, x))) {
                let mut sum = 0;
                for channel in 0..self.channels {
                    let plane =
                        batch * self.groups * self.channels + filter / self.filters * self.channels + channel;
                    for (ky, kx) in (0..self.kernel[0]).flat_map(|y| (0..self.kernel[1]).map(move |x| (y, x)))
                    {
                        let at = |axis: usize, window: usize, tap: usize| {
                            (window * self.strides[axis] + tap * self.dilations[axis])
                                .checked_sub(self.pads[axis])
                                .filter(|&at| at < self.input[axis])
                        };
                        let (Some(row), Some(column)) = (at(0, y, ky), at(1, x, kx)) else { continue };
                        let element = input[(plane * self.input[0] + row) * self.input[1] + column];
                        let tap = (filter * self.channels + channel) * self.kernel[0] + ky;
                        sum += element * filters[tap * self.kernel[1] + kx];
                    }
                }
                sums.push(sum);
            }
        }
        (shape, sums)
    }
}

/// Numbers that differ from place to place, all of them 8-bit.
fn numbers(shape: &[usize], seed: u64) -> Vec<u8> {
    (0..shape.iter().product::<usize>() as u64).map(|n| (n * 37 + seed * 11 + n * n % 13) as u8).collect()
}

fn signed(numbers: &[u8]) -> Vec<i8> {
    numbers.iter().map(|&number| number as i8).collect()
}

proptest! {
    #[test]
    fn floats_are_convolved_as_defined(case in case(), seed in 0u64..9) {
        let (input, filters) = (numbers(&case.input_shape(), seed), signed(&numbers(&case.filter_shape(), 5)));
        let bias: Vec<f32> = (0..case.filter_shape()[0]).map(|n| n as f32 * 0.5).collect();
        let tensor = |shape: &[usize], elements: Vec<f32>| f32s(shape, &elements);
        let inputs = [
            tensor(&case.input_shape(), input.iter().map(|&x| x.into()).collect()),
            tensor(&case.filter_shape(), filters.iter().map(|&x| x.into()).collect()),
            tensor(&[bias.len()], bias.clone()),
        ];
        let found = run_op(14, "Conv", &case.attributes(), &inputs).expect("the window fits");
        let wide = |list: &[u8]| list.iter().map(|&x| x.into()).collect::<Vec<i64>>();
        let (shape, sums) = case.sums(&wide(&input), &filters.iter().map(|&x| x.into()).collect::<Vec<_>>());
        let positions = shape[2] * shape[3];
        let expected: Vec<f32> =
            sums.iter().enumerate().map(|(n, &sum)| sum as f32 + bias[n / positions % bias.len()]).collect();
        // Sums of so few 8-bit products are exact in floats.
        prop_assert_eq!(found, f32s(&shape, &expected));
    }

    #[test]
    fn integers_are_convolved_as_defined(case in case(), seed in 0u64..9, zero in any::<u8>(), each in any::<bool>()) {
        let (input, filters) = (numbers(&case.input_shape(), seed), signed(&numbers(&case.filter_shape(), 3)));
        let count = if each { case.filter_shape()[0] } else { 1 };
        let zeros = signed(&numbers(&[count], seed));
        let filter = filters.len() / case.filter_shape()[0];
        let (shape, sums) = case.sums(
            &input.iter().map(|&x| i64::from(x) - i64::from(zero)).collect::<Vec<_>>(),
            &filters.iter().enumerate()
                .map(|(n, &x)| i64::from(x) - i64::from(zeros[n / filter % count])).collect::<Vec<_>>(),
        );
        let inputs = [
            of(&case.input_shape(), &input),
            of(&case.filter_shape(), &filters),
            of(&[], &[zero]),
            of(&if each { vec![count] } else { vec![] }, &zeros),
        ];
        let found = run_op(14, "ConvInteger", &case.attributes(), &inputs).expect("the window fits");
        let sums: Vec<i32> = sums.iter().map(|&sum| sum as i32).collect();
        prop_assert_eq!(found, of(&shape, &sums));
    }
}

#[test]
fn long_sums_of_integers_are_exact() {
    // An odd sum above 2^24, which no 32-bit float is.
    let channels = 997;
    let ones = of(&[1, channels, 1, 1], &[255u8; 997]);
    let found = run_op(14, "ConvInteger", &[], &[ones.clone(), ones]).expect("it fits");
    assert_eq!(found, of(&[1, 1, 1, 1], &[255 * 255 * 997]));
}

#[test]
fn one_dimension_automatic_padding_and_means() {
    let line = f32s(&[1, 1, 4], &[1., 2., 3., 4.]);
    let pair = f32s(&[1, 1, 2], &[1., 10.]);
    let same = |which: &str| vec![("auto_pad", which.into())];
    check(vec![
        (14, "Conv", vec![], vec![line.clone(), pair.clone()], f32s(&[1, 1, 3], &[21., 32., 43.])),
        (14, "Conv", same("VALID"), vec![line.clone(), pair.clone()], f32s(&[1, 1, 3], &[21., 32., 43.])),
        (
            14,
            "Conv",
            same("SAME_UPPER"),
            vec![line.clone(), pair.clone()],
            f32s(&[1, 1, 4], &[21., 32., 43., 4.]),
        ),
        (14, "Conv", same("SAME_LOWER"), vec![line, pair], f32s(&[1, 1, 4], &[10., 21., 32., 43.])),
        (
            14,
            "GlobalAveragePool",
            vec![],
            vec![f32s(&[1, 2, 1, 2], &[1., 3., -1., 0.])],
            f32s(&[1, 2, 1, 1], &[2., -0.5]),
        ),
    ]);
}

#[test]
fn what_does_not_fit_is_an_error() {
    let image = || f32s(&[1, 2, 2, 2], &[0.; 8]);
    let filters = |shape: &[usize]| f32s(shape, &vec![0.; shape.iter().product()]);
    let ints = |values: &[i64]| values.to_vec().into();
    let huge = i64::MAX / 2;
    let rows: Vec<(Vec<(&str, testkit::onnx::Attribute)>, Tensor)> = vec![
        (vec![], filters(&[1, 3, 1, 1])),
        (vec![], filters(&[1, 2, 3, 3])),
        (vec![], filters(&[1, 2, 1])),
        (vec![("group", 2i64.into())], filters(&[1, 1, 1, 1])),
        (vec![("strides", ints(&[0, 1]))], filters(&[1, 2, 1, 1])),
        (vec![("strides", ints(&[1]))], filters(&[1, 2, 1, 1])),
        (vec![("dilations", ints(&[huge, huge]))], filters(&[1, 2, 2, 2])),
        (vec![("pads", ints(&[-1, 0, 0, 0]))], filters(&[1, 2, 1, 1])),
        (vec![("pads", ints(&[1]))], filters(&[1, 2, 1, 1])),
        (vec![("kernel_shape", ints(&[3, 3]))], filters(&[1, 2, 1, 1])),
    ];
    for (attributes, filters) in rows {
        let error = run_op(14, "Conv", &attributes, &[image(), filters]).expect_err("it does not fit");
        assert_eq!(error.kind(), ErrorKind::Run, "{attributes:?}: {error}");
    }
    for pad in [1 << 20, huge] {
        let attributes = [("pads", ints(&[pad, pad, pad, pad]))];
        let error =
            run_op(14, "Conv", &attributes, &[image(), filters(&[1, 2, 1, 1])]).expect_err("it is a bomb");
        assert!(matches!(error.kind(), ErrorKind::LimitExceeded | ErrorKind::Run), "{pad}: {error}");
    }
    for attributes in [[("group", 0i64.into())], [("auto_pad", "ODD".into())]] {
        let error =
            run_op(14, "Conv", &attributes, &[image(), filters(&[1, 2, 1, 1])]).expect_err("it is invalid");
        assert_eq!(error.kind(), ErrorKind::InvalidModel, "{error}");
    }
}
