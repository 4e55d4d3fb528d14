//! Sums, softmax and normalisation of one row of 32-bit floats.

use super::math::exp;

/// How many partial sums run side by side; a fixed number, so that results do not depend on the machine.
const LANES: usize = 16;

/// Folds a row in a fixed order that a compiler can vectorise.
#[inline]
fn fold(row: &[f32], start: f32, map: impl Fn(f32) -> f32, combine: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [start; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = combine(*lane, map(x));
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(rest) {
        *lane = combine(*lane, map(x));
    }
    let mut half = LANES / 2;
    while half > 0 {
        for n in 0..half {
            lanes[n] = combine(lanes[n], lanes[n + half]);
        }
        half /= 2;
    }
    lanes[0]
}

/// Returns the sum of a row.
pub(crate) fn sum(row: &[f32]) -> f32 {
    fold(row, 0., |x| x, |a, b| a + b)
}

/// Returns the smallest and the largest number of a row and zero.
pub(crate) fn range_with_zero(row: &[f32]) -> (f32, f32) {
    (
        fold(row, 0., |x| x, |a, b| if b < a { b } else { a }),
        fold(row, 0., |x| x, |a, b| if b > a { b } else { a }),
    )
}

/// Replaces a row by e^x of its numbers divided by the sum of those.
pub(crate) fn softmax(row: &mut [f32]) {
    let largest = fold(row, f32::NEG_INFINITY, |x| x, |a, b| if b > a { b } else { a });
    // A row of nothing but -inf has no defined result; subtracting it from itself would, as in ONNX, give NaN.
    row.iter_mut().for_each(|x| *x = exp(*x - largest));
    let scale = 1. / sum(row);
    row.iter_mut().for_each(|x| *x *= scale);
}

/// Replaces a row by its logarithmic softmax.
pub(crate) fn log_softmax(row: &mut [f32]) {
    let largest = fold(row, f32::NEG_INFINITY, |x| x, |a, b| if b > a { b } else { a });
    let log = fold(row, 0., |x| exp(x - largest), |a, b| a + b).ln();
    row.iter_mut().for_each(|x| *x = *x - largest - log);
}

/// Moves a row to mean zero and deviation one; returns the mean and one over the deviation.
pub(crate) fn normalize(row: &mut [f32], epsilon: f32) -> (f32, f32) {
    let count = row.len() as f32;
    let mean = sum(row) / count;
    row.iter_mut().for_each(|x| *x -= mean);
    let variance = fold(row, 0., |x| x * x, |a, b| a + b) / count;
    let inverse = 1. / (variance + epsilon).sqrt();
    row.iter_mut().for_each(|x| *x *= inverse);
    (mean, inverse)
}
