//! Products of 8-bit matrices with exact 32-bit sums, on the kernels for 32-bit floats.
//!
//! A float holds every integer up to 2^24 exactly. A product of a `u8` and an `i8` is at most 255 * 128, so 512 of
//! them add up exactly in floats, in whatever order and with or without fused multiply-add; 256 products of two
//! `u8` do. So the inner dimension is cut into such blocks, candle's float kernel computes each, and the blocks are
//! added as `i32`. That is exact on every machine and as fast as the float kernel, without a line of unsafe code;
//! kernels for 8-bit instructions are faster still and can take the place of [`multiply`] behind the same signature.

use crate::{
    DType, Error,
    kernels::product::{self, Matrices},
    tensor::{FloatStorage, Owned},
};

/// An 8-bit number type.
pub(crate) trait Small: Copy + Into<f32> + Into<i32> {
    /// The largest magnitude.
    const LARGEST: u32;
}

impl Small for u8 {
    const LARGEST: u32 = 255;
}

impl Small for i8 {
    const LARGEST: u32 = 128;
}

/// A right-hand matrix, ready for any number of products.
#[derive(Clone, Debug)]
pub(crate) struct Packed {
    elements: FloatStorage,
    rows: usize,
    columns: usize,
    largest: u32,
    /// The sum of each column.
    sums: Vec<i32>,
}

impl Packed {
    /// Prepares a dense `[rows, columns]` matrix.
    pub(crate) fn new<T: Small>(elements: &[T], rows: usize, columns: usize) -> Self {
        let mut sums = vec![0i32; columns];
        if columns > 0 {
            for row in elements.chunks_exact(columns) {
                for (sum, &element) in sums.iter_mut().zip(row) {
                    *sum = sum.wrapping_add(element.into());
                }
            }
        }
        let elements = FloatStorage::from_vec(elements.iter().map(|&element| element.into()).collect());
        Self { elements, rows, columns, largest: T::LARGEST, sums }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the type that the elements had.
    pub(crate) fn dtype(&self) -> DType {
        if self.largest == <u8 as Small>::LARGEST { DType::U8 } else { DType::I8 }
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// Returns the memory that a product with a left-hand matrix of so many rows takes at most, in bytes.
    pub(crate) fn memory(&self, rows: usize) -> usize {
        let cells = rows.saturating_mul(self.columns);
        cells.saturating_mul(8).saturating_add(rows.saturating_mul(self.rows).saturating_mul(4))
    }
}

/// Multiplies a dense matrix of `m` rows by a prepared one, each less its zero point: one for each row of the left,
/// one for each column of the right. Sums wrap around at 32 bits.
pub(crate) fn multiply<T: Small>(
    left: &[T],
    m: usize,
    right: &Packed,
    left_zero: &[i32],
    right_zero: &[i32],
) -> Result<Vec<i32>, Error> {
    let (k, n) = (right.rows, right.columns);
    let mut sums = Vec::new();
    let floats = FloatStorage::from_vec(left.iter().map(|&element| element.into()).collect());
    let block = ((1u32 << 24) / (T::LARGEST * right.largest)) as usize;
    let mut start = 0;
    while start < k {
        let inner = block.min(k - start);
        let columns = Matrices { columns: inner, ..Matrices::dense(start, m, k) };
        let rows = Matrices::dense(start * n, inner, n);
        let part = product::floats(1, (&floats, columns), (&right.elements, rows))?;
        if start == 0 {
            sums.extend(part.iter().map(|&part| part as i32));
        } else {
            sums.iter_mut().zip(part).for_each(|(sum, part)| *sum = sum.wrapping_add(part as i32));
        }
        start += inner;
    }
    // Where the inner dimension is empty, so are the sums.
    sums.resize(m * n, 0);
    subtract_zero_points(&mut sums, left, right, left_zero, right_zero);
    Ok(sums)
}

/// Turns sums of `a b` into sums of `(a - za) (b - zb)`, which is `ab - za sum(b) - zb sum(a) + k za zb`.
fn subtract_zero_points<T: Small>(
    sums: &mut [i32],
    left: &[T],
    right: &Packed,
    left_zero: &[i32],
    right_zero: &[i32],
) {
    let none = |zeros: &[i32]| zeros.iter().all(|&zero| zero == 0);
    if (none(left_zero) && none(right_zero)) || right.columns == 0 {
        return;
    }
    let one_of = |zeros: &[i32], index: usize| match zeros {
        [] => 0,
        [one] => *one,
        many => many[index],
    };
    let k = right.rows as i32;
    let rows = sums.chunks_exact_mut(right.columns).zip(left.chunks_exact(right.rows.max(1)));
    for (m, (sums, left)) in rows.enumerate() {
        let za = one_of(left_zero, m);
        let row_sum = left.iter().fold(0i32, |sum, &element| sum.wrapping_add(element.into()));
        if let [] | [_] = right_zero {
            let zb = one_of(right_zero, 0);
            let rest = k.wrapping_mul(za).wrapping_mul(zb).wrapping_sub(zb.wrapping_mul(row_sum));
            for (sum, column) in sums.iter_mut().zip(&right.sums) {
                *sum = sum.wrapping_sub(za.wrapping_mul(*column)).wrapping_add(rest);
            }
        } else {
            for ((sum, column), &zb) in sums.iter_mut().zip(&right.sums).zip(right_zero) {
                let rest = k.wrapping_mul(za).wrapping_mul(zb).wrapping_sub(zb.wrapping_mul(row_sum));
                *sum = sum.wrapping_sub(za.wrapping_mul(*column)).wrapping_add(rest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn expected<A: Small, B: Small>(
        a: &[A],
        b: &[B],
        k: usize,
        n: usize,
        za: &[i32],
        zb: &[i32],
    ) -> Vec<i32> {
        let m = a.len() / k;
        let (mut out, pick) =
            (Vec::new(), |zeros: &[i32], i: usize| if zeros.len() == 1 { zeros[0] } else { zeros[i] });
        for i in 0..m {
            for j in 0..n {
                let cell = (0..k).map(|l| {
                    let (x, y): (i32, i32) = (a[i * k + l].into(), b[l * n + j].into());
                    (x - pick(za, i)) * (y - pick(zb, j))
                });
                out.push(cell.sum());
            }
        }
        out
    }

    #[test]
    fn the_largest_numbers_over_many_blocks_are_exact() {
        let (k, n) = (1537, 3);
        let a = vec![255u8; 2 * k];
        let b: Vec<u8> = (0..k * n).map(|i| if i % 7 == 0 { 254 } else { 255 }).collect();
        let packed = Packed::new(&b, k, n);
        let found = multiply(&a, 2, &packed, &[0], &[0]).expect("the shapes fit");
        assert_eq!(found, expected(&a, &b, k, n, &[0], &[0]));
    }

    proptest! {
        #[test]
        fn equals_the_definition(
            (m, k, n) in (1usize..5, 1usize..600, 1usize..9),
            seed in any::<u64>(),
            per_row in any::<bool>(),
            per_column in any::<bool>(),
        ) {
            let mut state = seed;
            let mut byte = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            };
            let a: Vec<u8> = (0..m * k).map(|_| byte()).collect();
            let b: Vec<i8> = (0..k * n).map(|_| byte() as i8).collect();
            let za: Vec<i32> = (0..if per_row { m } else { 1 }).map(|_| i32::from(byte())).collect();
            let zb: Vec<i32> = (0..if per_column { n } else { 1 }).map(|_| i32::from(byte() as i8)).collect();
            let found = multiply(&a, m, &Packed::new(&b, k, n), &za, &zb).expect("the shapes fit");
            prop_assert_eq!(found, expected(&a, &b, k, n, &za, &zb));
        }
    }
}
