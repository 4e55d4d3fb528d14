//! Matrix products: MatMul, Gemm.

use std::sync::Arc;

use super::{
    Build, Context, Entry, Inputs, Operator, arithmetic, broadcast, cast,
    context::{no_kernel, wrong_type},
    number::Number,
    onnx,
    strided::{Step, dense, rows},
};
use crate::{
    DType, Error, Tensor,
    kernels::product::{self, Matrices},
    tensor::{Data, FloatStorage},
};

pub(super) const OPERATORS: &[Entry] =
    &[onnx("MatMul", 1, 2..=2, 1..=1, matmul), onnx("Gemm", 7, 2..=3, 1..=1, gemm)];

/// `MatMul`, versions 1 to 13: matrices in the last two dimensions, the others broadcast.
///
/// A constant right side of 32-bit floats is brought into candle's storage once.
#[derive(Debug)]
struct MatMul {
    weights: Option<(Vec<usize>, Arc<FloatStorage>)>,
}

fn matmul(build: &Build<'_>) -> Result<Box<dyn Operator>, Error> {
    let weights = build.constant(1).and_then(|tensor| match tensor.data() {
        Data::F32(elements) => Some((tensor.shape().to_vec(), elements.to_owned_storage())),
        _ => None,
    });
    Ok(Box::new(MatMul { weights }))
}

impl Operator for MatMul {
    fn run(&self, context: &Context, mut inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        let left = inputs.take(0)?;
        if let (Some((shape, weights)), Data::F32(elements)) = (&self.weights, left.data()) {
            let sides = (&*elements.to_owned_storage(), &**weights);
            return Ok(vec![floats(context, left.shape(), shape, sides)?]);
        }
        let right = match &self.weights {
            Some((_, _)) => return Err(wrong_type(0, DType::F32, left.dtype())),
            None => inputs.take(1)?,
        };
        if left.dtype() != right.dtype() {
            return Err(wrong_type(1, left.dtype(), right.dtype()));
        }
        cast::through_f32(context, vec![left, right], |inputs| {
            Ok(vec![multiply(context, &inputs[0], &inputs[1])?])
        })
    }

    fn has_prepared(&self, position: usize) -> bool {
        position == 1 && self.weights.is_some()
    }
}

/// Multiplies two tensors of one type.
fn multiply(context: &Context, left: &Tensor, right: &Tensor) -> Result<Tensor, Error> {
    match (left.data(), right.data()) {
        (Data::F32(l), Data::F32(r)) => {
            floats(context, left.shape(), right.shape(), (&l.to_owned_storage(), &r.to_owned_storage()))
        }
        (Data::F64(l), Data::F64(r)) => plain(context, left.shape(), right.shape(), l, r),
        (Data::I32(l), Data::I32(r)) => plain(context, left.shape(), right.shape(), l, r),
        (Data::I64(l), Data::I64(r)) => plain(context, left.shape(), right.shape(), l, r),
        (Data::U32(l), Data::U32(r)) => plain(context, left.shape(), right.shape(), l, r),
        (Data::U64(l), Data::U64(r)) => plain(context, left.shape(), right.shape(), l, r),
        _ => Err(no_kernel(0, left.dtype())),
    }
}

/// How two shapes are multiplied.
#[derive(Debug)]
pub(super) struct Product {
    /// The dimensions before the matrices.
    batch: Vec<usize>,
    left_batch: Vec<usize>,
    right_batch: Vec<usize>,
    m: usize,
    k: usize,
    n: usize,
    /// The shape of the result; a vector on either side leaves its dimension out.
    shape: Vec<usize>,
}

impl Product {
    pub(super) fn new(left: &[usize], right: &[usize]) -> Result<Self, Error> {
        let misfit = || Error::run(format!("the shapes {left:?} and {right:?} cannot be multiplied"));
        let (left_batch, m, k) = match left {
            [] => return Err(misfit()),
            [k] => (&[][..], 1, *k),
            [batch @ .., m, k] => (batch, *m, *k),
        };
        let (right_batch, inner, n) = match right {
            [] => return Err(misfit()),
            [k] => (&[][..], *k, 1),
            [batch @ .., k, n] => (batch, *k, *n),
        };
        if inner != k {
            return Err(misfit());
        }
        let batch = broadcast::shape(left_batch, right_batch).map_err(|_| misfit())?;
        let mut shape = batch.clone();
        shape.extend((left.len() > 1).then_some(m));
        shape.extend((right.len() > 1).then_some(n));
        let (left_batch, right_batch) = (left_batch.to_vec(), right_batch.to_vec());
        Ok(Self { batch, left_batch, right_batch, m, k, n, shape })
    }

    /// Returns the sizes of one product: `[m, k] x [k, n]`.
    pub(super) fn sizes(&self) -> (usize, usize, usize) {
        (self.m, self.k, self.n)
    }

    /// Returns the shape of the result.
    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Returns how many products of equal matrices side by side make up the whole, or `None` if the sides are
    /// repeated differently: `(count, rows)`.
    fn regular(&self) -> Option<(usize, usize)> {
        let matrices = |batch: &[usize]| batch.iter().product::<usize>();
        if matrices(&self.right_batch) == 1 {
            // One matrix on the right: all on the left are one tall matrix.
            Some((1, matrices(&self.left_batch).checked_mul(self.m)?))
        } else if self.left_batch == self.right_batch {
            Some((matrices(&self.batch), self.m))
        } else {
            None
        }
    }

    /// Calls `multiply` with the numbers of the left and right matrix for each matrix of the result.
    pub(super) fn each(
        &self,
        mut multiply: impl FnMut(usize, usize) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let repeat = |batch: &[usize]| {
            let mut strides = vec![0; self.batch.len() - batch.len()];
            strides.extend(
                dense(batch).iter().zip(batch).map(|(&stride, &size)| if size == 1 { 0 } else { stride }),
            );
            strides
        };
        let strides = repeat(&self.left_batch).into_iter().zip(repeat(&self.right_batch));
        let steps = self.batch.iter().zip(strides).map(|(&size, (l, r))| Step { size, strides: [l, r] });
        let mut result = Ok(());
        rows(&steps.collect::<Vec<_>>(), [0, 0], |[left, right]| {
            if result.is_ok() {
                result = multiply(left, right);
            }
        });
        result
    }
}

fn floats(
    context: &Context,
    left_shape: &[usize],
    right_shape: &[usize],
    (left, right): (&FloatStorage, &FloatStorage),
) -> Result<Tensor, Error> {
    let product = Product::new(left_shape, right_shape)?;
    let Product { m, k, n, .. } = product;
    let count = context.elements(&product.shape)?;
    context.account(count, size_of::<f32>())?;
    let multiply = |count: usize, rows: usize, left_offset: usize, right_offset: usize| {
        let left = (left, Matrices::dense(left_offset, rows, k));
        product::floats(count, left, (right, Matrices::dense(right_offset, k, n)))
    };
    if let Some((count, rows)) = product.regular() {
        return Ok(Tensor::build(product.shape.clone(), multiply(count, rows, 0, 0)?));
    }
    let mut out = context.reserve(count)?;
    product.each(|left, right| {
        out.extend(multiply(1, m, left * m * k, right * k * n)?);
        Ok(())
    })?;
    Ok(Tensor::build(product.shape, out))
}

fn plain<T: Number>(
    context: &Context,
    left_shape: &[usize],
    right_shape: &[usize],
    left: &[T],
    right: &[T],
) -> Result<Tensor, Error> {
    let product = Product::new(left_shape, right_shape)?;
    let Product { m, k, n, .. } = product;
    let mut out = context.filled(context.elements(&product.shape)?, T::default())?;
    let mut done = 0;
    product.each(|l, r| {
        let (left, right) = (&left[l * m * k..(l + 1) * m * k], &right[r * k * n..(r + 1) * k * n]);
        product::plain(left, right, k, n, &mut out[done..done + m * n], |sum, x, y| sum.add(x.mul(y)));
        done += m * n;
        Ok(())
    })?;
    Ok(Tensor::build(product.shape, out))
}

/// `Gemm`, versions 7 to 13: alpha A B + beta C of two matrices, each of which may be transposed.
#[derive(Debug)]
struct Gemm {
    alpha: f32,
    beta: f32,
    transpose: [bool; 2],
    weights: Option<Tensor>,
}

fn gemm(build: &Build<'_>) -> Result<Box<dyn Operator>, Error> {
    let weights = build.constant_floats(1);
    Ok(Box::new(Gemm {
        alpha: build.float("alpha", 1.)?,
        beta: build.float("beta", 1.)?,
        transpose: [build.flag("transA", false)?, build.flag("transB", false)?],
        weights,
    }))
}

impl Operator for Gemm {
    fn run(&self, context: &Context, mut inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        let left = inputs.take(0)?;
        let right = match &self.weights {
            Some(weights) => weights.clone(),
            None => inputs.take(1)?,
        };
        let mut all = vec![left, right];
        all.extend(inputs.optional(2).cloned());
        if let Some((index, other)) =
            all.iter().enumerate().find(|(_, other)| other.dtype() != all[0].dtype())
        {
            return Err(wrong_type(index, all[0].dtype(), other.dtype()));
        }
        cast::through_f32(context, all, |mut inputs| {
            let bias = inputs.drain(2..).next();
            let (Data::F32(left), Data::F32(right)) = (inputs[0].data(), inputs[1].data()) else {
                return Err(no_kernel(0, inputs[0].dtype()));
            };
            let matrix = |index: usize| match *inputs[index].shape() {
                [rows, columns] if self.transpose[index] => {
                    Ok(Matrices::dense(0, rows, columns).transposed())
                }
                [rows, columns] => Ok(Matrices::dense(0, rows, columns)),
                ref other => {
                    Err(Error::run(format!("its input {index} is no matrix but of shape {other:?}")))
                }
            };
            let (a, b) = (matrix(0)?, matrix(1)?);
            let shape = vec![a.rows, b.columns];
            context.account(context.elements(&shape)?, size_of::<f32>())?;
            let mut out = product::floats(1, (&left.to_owned_storage(), a), (&right.to_owned_storage(), b))?;
            if self.alpha != 1. {
                out.iter_mut().for_each(|x| *x *= self.alpha);
            }
            let out = Tensor::build(shape, out);
            let Some(bias) = bias else { return Ok(vec![out]) };
            if broadcast::shape(bias.shape(), out.shape())? != out.shape() {
                return Err(Error::run(format!(
                    "its input 2 of shape {:?} does not fit {:?}",
                    bias.shape(),
                    out.shape()
                )));
            }
            let bias = if self.beta == 1. {
                bias
            } else {
                super::unary::map(context, bias, |x: f32| x * self.beta)?
            };
            Ok(vec![arithmetic::add(context, out, bias)?])
        })
    }

    fn has_prepared(&self, position: usize) -> bool {
        position == 1 && self.weights.is_some()
    }
}
