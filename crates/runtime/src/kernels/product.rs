//! Matrix products: 32-bit floats by candle, which picks a kernel for the machine; other types by plain loops.

use candle_core::{CpuStorage, Layout, Shape, backend::BackendStorage};

use crate::{
    Error,
    tensor::{FloatStorage, Owned},
};

/// Matrices inside a storage, one after the other: where the first begins, and how it is laid out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrices {
    pub(crate) offset: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// How far apart two neighbouring rows are.
    pub(crate) row_stride: usize,
    /// How far apart two neighbouring columns are.
    pub(crate) column_stride: usize,
}

impl Matrices {
    /// Matrices stored row by row.
    pub(crate) fn dense(offset: usize, rows: usize, columns: usize) -> Self {
        Self { offset, rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// The same elements with rows and columns exchanged.
    pub(crate) fn transposed(self) -> Self {
        let Self { offset, rows, columns, row_stride, column_stride } = self;
        Self { offset, rows: columns, columns: rows, row_stride: column_stride, column_stride: row_stride }
    }

    /// Checks that `count` such matrices, none of them empty, lie inside `length` elements, and describes them to
    /// candle.
    ///
    /// candle reads through raw pointers and checks nothing: this is the check.
    fn layout(&self, count: usize, length: usize) -> Result<Layout, Error> {
        let last = |size: usize, stride: usize| size.checked_sub(1)?.checked_mul(stride);
        let end = || {
            let size = self.rows.checked_mul(self.columns)?;
            let last_cell =
                last(self.rows, self.row_stride)?.checked_add(last(self.columns, self.column_stride)?)?;
            let last_matrix = last(count, size)?.checked_add(self.offset)?;
            Some((size, last_cell.checked_add(last_matrix)?))
        };
        match end() {
            Some((size, end)) if end < length => {
                let shape = Shape::from((count, self.rows, self.columns));
                Ok(Layout::new(shape, vec![size, self.row_stride, self.column_stride], self.offset))
            }
            _ => Err(Error::run("a matrix lies outside of its tensor")),
        }
    }
}

/// Multiplies `count` pairs of matrices of 32-bit floats: `[rows, inner] x [inner, columns]` each.
pub(crate) fn floats(
    count: usize,
    left: (&FloatStorage, Matrices),
    right: (&FloatStorage, Matrices),
) -> Result<Vec<f32>, Error> {
    let (m, k, n) = (left.1.rows, left.1.columns, right.1.columns);
    if right.1.rows != k {
        return Err(Error::run(format!(
            "a matrix of {k} columns cannot be multiplied by one of {} rows",
            right.1.rows
        )));
    }
    if count == 0 || m == 0 || n == 0 || k == 0 {
        return Ok(vec![0.; count * m * n]);
    }
    let left_layout = left.1.layout(count, left.0.slice().len())?;
    let right_layout = right.1.layout(count, right.0.slice().len())?;
    let product =
        left.0.as_candle().matmul(right.0.as_candle(), (count, m, n, k), &left_layout, &right_layout);
    match product {
        Ok(CpuStorage::F32(elements)) if elements.len() == count * m * n => Ok(elements),
        Ok(_) => Err(Error::run("candle gave a product of another size")),
        Err(source) => Err(Error::run("candle could not multiply").with_source(source)),
    }
}

/// Multiplies one pair of dense matrices of any type into `out`, which starts as zeros.
pub(crate) fn plain<T: Copy>(
    left: &[T],
    right: &[T],
    inner: usize,
    columns: usize,
    out: &mut [T],
    multiply_add: impl Fn(T, T, T) -> T,
) {
    if columns == 0 || inner == 0 {
        return;
    }
    for (row, out) in left.chunks_exact(inner).zip(out.chunks_exact_mut(columns)) {
        for (&x, line) in row.iter().zip(right.chunks_exact(columns)) {
            for (sum, &y) in out.iter_mut().zip(line) {
                *sum = multiply_add(*sum, x, y);
            }
        }
    }
}
