//! Products of 8-bit matrices: MatMulInteger, and the fused form that ends in floats.

use super::{
    Build, Context, Entry, FUSED, Inputs, Operator, arithmetic,
    context::{no_kernel, wrong_type},
    matmul::Product,
    onnx,
};
use crate::{
    DType, Error, Tensor,
    kernels::integer::{Packed, Small, multiply},
    tensor::Data,
};

pub(super) const OPERATORS: &[Entry] = &[
    onnx("MatMulInteger", 10, 2..=4, 1..=1, matmul_integer),
    Entry {
        domain: FUSED,
        name: "QuantizedLinear",
        since: 1,
        inputs: 5..=6,
        outputs: 1..=1,
        build: quantized_linear,
    },
];

/// `MatMulInteger`, version 10: products of `u8` or `i8`, each less its zero point, with sums of `i32`.
///
/// Zero points are one for the tensor, or on the left one for each row, or on the right one for each column. A
/// constant right-hand matrix is prepared once.
#[derive(Debug)]
struct MatMulInteger {
    weights: Option<Packed>,
}

fn matmul_integer(build: &Build<'_>) -> Result<Box<dyn Operator>, Error> {
    Ok(Box::new(MatMulInteger { weights: packed_constant(build) }))
}

/// Prepares the second input if it is a constant matrix.
fn packed_constant(build: &Build<'_>) -> Option<Packed> {
    let tensor = build.constant(1)?;
    let [rows, columns] = *tensor.shape() else { return None };
    pack(&tensor, 0, rows, columns).ok()
}

/// Prepares the matrix that begins at element `offset`.
fn pack(tensor: &Tensor, offset: usize, rows: usize, columns: usize) -> Result<Packed, Error> {
    let range = offset..offset + rows * columns;
    match tensor.data() {
        Data::U8(elements) => Ok(Packed::new(&elements[range], rows, columns)),
        Data::I8(elements) => Ok(Packed::new(&elements[range], rows, columns)),
        _ => Err(no_kernel(1, tensor.dtype())),
    }
}

impl Operator for MatMulInteger {
    fn run(&self, context: &Context, inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        let left = inputs.get(0)?;
        match &self.weights {
            Some(weights) => {
                let (sums, shape) = linear(context, &inputs, weights)?;
                Ok(vec![Tensor::build(shape, sums)])
            }
            None => batched(context, &inputs, left, inputs.get(1)?).map(|tensor| vec![tensor]),
        }
    }

    fn has_prepared(&self, position: usize) -> bool {
        position == 1 && self.weights.is_some()
    }
}

/// Multiplies the first input by a prepared matrix; returns the sums and their shape.
fn linear(context: &Context, inputs: &Inputs, weights: &Packed) -> Result<(Vec<i32>, Vec<usize>), Error> {
    let left = inputs.get(0)?;
    let Some((&inner, outer)) = left.shape().split_last() else {
        return Err(Error::run("a scalar cannot be multiplied by a matrix"));
    };
    if inner != weights.rows() {
        let message = format!(
            "a tensor of shape {:?} cannot be multiplied by a matrix of {} rows",
            left.shape(),
            weights.rows()
        );
        return Err(Error::run(message));
    }
    let mut shape = outer.to_vec();
    shape.push(weights.columns());
    context.elements(&shape)?;
    let rows = outer.iter().product();
    context.account(weights.memory(rows), 1)?;
    let left_zero = zero_points(inputs, 2, left.dtype(), rows)?;
    let right_zero = zero_points(inputs, 3, weights.dtype(), weights.columns())?;
    Ok((product(left, 0, (rows, inner), weights, &left_zero, &right_zero)?, shape))
}

/// Multiplies the `m` rows of `k` elements of the left side from `offset` on.
fn product(
    left: &Tensor,
    offset: usize,
    (m, k): (usize, usize),
    right: &Packed,
    left_zero: &[i32],
    right_zero: &[i32],
) -> Result<Vec<i32>, Error> {
    fn part<T: Small>(
        elements: &[T],
        (range, m): (std::ops::Range<usize>, usize),
        right: &Packed,
        zeros: (&[i32], &[i32]),
    ) -> Result<Vec<i32>, Error> {
        multiply(&elements[range], m, right, zeros.0, zeros.1)
    }
    let range = (offset..offset + m * k, m);
    match left.data() {
        Data::U8(elements) => part(elements, range, right, (left_zero, right_zero)),
        Data::I8(elements) => part(elements, range, right, (left_zero, right_zero)),
        _ => Err(no_kernel(0, left.dtype())),
    }
}

/// Reads zero points: one, or one for each of `count` rows or columns; empty if they are left out.
fn zero_points(inputs: &Inputs, index: usize, dtype: DType, count: usize) -> Result<Vec<i32>, Error> {
    let Some(tensor) = inputs.optional(index) else { return Ok(Vec::new()) };
    if tensor.dtype() != dtype {
        return Err(wrong_type(index, dtype, tensor.dtype()));
    }
    if tensor.len() != 1 && tensor.len() != count {
        return Err(Error::run(format!(
            "its input {index} has {} zero points, expected 1 or {count}",
            tensor.len()
        )));
    }
    match tensor.data() {
        Data::U8(elements) => Ok(elements.iter().map(|&x| x.into()).collect()),
        Data::I8(elements) => Ok(elements.iter().map(|&x| x.into()).collect()),
        _ => Err(no_kernel(index, tensor.dtype())),
    }
}

/// Multiplies tensors of any number of dimensions, one pair of matrices at a time.
fn batched(context: &Context, inputs: &Inputs, left: &Tensor, right: &Tensor) -> Result<Tensor, Error> {
    let shape = Product::new(left.shape(), right.shape())?;
    let (m, k, n) = shape.sizes();
    let count = context.elements(shape.shape())?;
    let left_zero = zero_points(inputs, 2, left.dtype(), m)?;
    let right_zero = zero_points(inputs, 3, right.dtype(), n)?;
    let mut out = context.reserve(count)?;
    context.account(k.saturating_mul(n).saturating_add(m.saturating_mul(k)), size_of::<f32>())?;
    shape.each(|l, r| {
        let packed = pack(right, r * k * n, k, n)?;
        let sums = product(left, l * m * k, (m, k), &packed, &left_zero, &right_zero)?;
        out.extend(sums);
        Ok(())
    })?;
    out.resize(count, 0);
    Ok(Tensor::build(shape.shape().to_vec(), out))
}

/// MatMulInteger, a cast to `f32`, a product with a scale and an optional sum with a bias, in one.
///
/// Inputs: left `u8` or `i8`, constant right matrix, the two zero points (which may be left out), the scale (one, or
/// one for each column), and the bias `[columns]`.
#[derive(Debug)]
struct QuantizedLinear {
    weights: Packed,
}

fn quantized_linear(build: &Build<'_>) -> Result<Box<dyn Operator>, Error> {
    let weights =
        packed_constant(build).ok_or_else(|| Error::invalid("its weights are no constant 8-bit matrix"))?;
    Ok(Box::new(QuantizedLinear { weights }))
}

impl Operator for QuantizedLinear {
    fn run(&self, context: &Context, inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        let columns = self.weights.columns();
        let scale = inputs.elements::<f32>(4)?;
        let bias = inputs.optional(5);
        let (sums, shape) = linear(context, &inputs, &self.weights)?;
        let mut out = context.reserve::<f32>(sums.len())?;
        let fits = |tensor: &Tensor| tensor.shape() == [columns];
        match (scale, bias.filter(|bias| fits(bias)).and_then(Tensor::as_f32)) {
            (&[scale], Some(bias)) if columns > 0 => {
                for row in sums.chunks_exact(columns) {
                    out.extend(row.iter().zip(bias).map(|(&sum, bias)| sum as f32 * scale + bias));
                }
                return Ok(vec![Tensor::build(shape, out)]);
            }
            _ => out.extend(sums.iter().map(|&sum| sum as f32)),
        }
        // Any other scale or bias broadcasts as the operators did that this one stands for.
        let out = arithmetic::multiply(context, Tensor::build(shape, out), inputs.get(4)?.clone())?;
        Ok(vec![match bias {
            Some(bias) => arithmetic::add(context, out, bias.clone())?,
            None => out,
        }])
    }

    fn has_prepared(&self, position: usize) -> bool {
        position == 1
    }
}
