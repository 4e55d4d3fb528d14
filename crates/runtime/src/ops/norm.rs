//! Normalisation along dimensions: Softmax, LogSoftmax, LayerNormalization.

use super::{
    Build, Context, Entry, Inputs, Operator, broadcast, cast,
    context::{axis, no_kernel, wrong_type},
    onnx,
};
use crate::{Error, Tensor, kernels::rows, tensor::Data};

pub(super) const OPERATORS: &[Entry] = &[
    onnx("Softmax", 1, 1..=1, 1..=1, |build| softmax(build, rows::softmax)),
    onnx("LogSoftmax", 1, 1..=1, 1..=1, |build| softmax(build, rows::log_softmax)),
    onnx("LayerNormalization", 17, 2..=3, 1..=3, layer_normalization),
];

/// `Softmax` and `LogSoftmax`: along one axis since version 13, along all from the axis on before.
struct Softmax {
    axis: i64,
    /// The row goes on to the end of the shape.
    to_the_end: bool,
    row: fn(&mut [f32]),
}

impl std::fmt::Debug for Softmax {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Softmax").field("axis", &self.axis).finish_non_exhaustive()
    }
}

fn softmax(build: &Build<'_>, row: fn(&mut [f32])) -> Result<Box<dyn Operator>, Error> {
    let to_the_end = build.opset() < 13;
    Ok(Box::new(Softmax { axis: build.int("axis", if to_the_end { 1 } else { -1 })?, to_the_end, row }))
}

impl Operator for Softmax {
    fn run(&self, context: &Context, mut inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        cast::through_f32(context, vec![inputs.take(0)?], |mut inputs| {
            let tensor = inputs.remove(0);
            let shape = tensor.shape().to_vec();
            if !matches!(tensor.data(), Data::F32(_)) {
                return Err(no_kernel(0, tensor.dtype()));
            }
            // A scalar is a row of one; the old form allows an axis behind the last dimension, too.
            let place = match shape.len() {
                0 => 0,
                rank if self.to_the_end && self.axis == rank as i64 => rank,
                rank => axis(self.axis, rank)?,
            };
            let (size, inner) = if self.to_the_end || shape.is_empty() {
                (shape[place..].iter().product(), 1)
            } else {
                (shape[place], shape[place + 1..].iter().product())
            };
            let mut elements = owned(context, tensor)?;
            if size > 0 && inner == 1 {
                elements.chunks_exact_mut(size).for_each(self.row);
            } else if size > 0 && inner > 0 {
                let mut row = context.filled(size, 0.)?;
                for block in elements.chunks_exact_mut(size * inner) {
                    for column in 0..inner {
                        row.iter_mut()
                            .zip(block[column..].iter().step_by(inner))
                            .for_each(|(to, from)| *to = *from);
                        (self.row)(&mut row);
                        block[column..]
                            .iter_mut()
                            .step_by(inner)
                            .zip(&row)
                            .for_each(|(to, from)| *to = *from);
                    }
                }
            }
            Ok(vec![Tensor::build(shape, elements)])
        })
    }
}

/// Returns the elements for change: the tensor's own if nothing else shares them, else a counted copy.
fn owned(context: &Context, tensor: Tensor) -> Result<Vec<f32>, Error> {
    if !tensor.data().is_unique() {
        context.account(tensor.len(), size_of::<f32>())?;
    }
    Ok(tensor.into_vec().expect("called with 32-bit floats"))
}

/// `LayerNormalization`, version 17: mean zero and deviation one over the dimensions from the axis on, then scaled
/// and shifted. The optional outputs are the mean and one over the deviation.
#[derive(Debug)]
struct LayerNormalization {
    axis: i64,
    epsilon: f32,
}

fn layer_normalization(build: &Build<'_>) -> Result<Box<dyn Operator>, Error> {
    Ok(Box::new(LayerNormalization { axis: build.int("axis", -1)?, epsilon: build.float("epsilon", 1e-5)? }))
}

impl Operator for LayerNormalization {
    fn run(&self, context: &Context, mut inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        let mut all = vec![inputs.take(0)?, inputs.take(1)?];
        all.extend(inputs.optional(2).cloned());
        if let Some((index, other)) =
            all.iter().enumerate().find(|(_, other)| other.dtype() != all[0].dtype())
        {
            return Err(wrong_type(index, all[0].dtype(), other.dtype()));
        }
        cast::through_f32(context, all, |mut inputs| {
            let tensor = inputs.remove(0);
            if !matches!(tensor.data(), Data::F32(_)) {
                return Err(no_kernel(0, tensor.dtype()));
            }
            let shape = tensor.shape().to_vec();
            let axis = axis(self.axis, shape.len())?;
            let row_shape = &shape[axis..];
            let size = context.elements(row_shape)?;
            let fitted = |tensor: &Tensor| -> Result<Tensor, Error> {
                if broadcast::shape(tensor.shape(), row_shape)? != row_shape {
                    let found = tensor.shape();
                    return Err(Error::run(format!(
                        "a scale or shift of shape {found:?} does not fit {row_shape:?}"
                    )));
                }
                broadcast::expand(context, tensor, row_shape)
            };
            let scale = fitted(&inputs[0])?;
            let shift = inputs.get(1).map(fitted).transpose()?;
            let scale = scale.as_f32().expect("of the first input's type");
            let shift = shift.as_ref().map(|shift| shift.as_f32().expect("of the first input's type"));
            let mut elements = owned(context, tensor)?;
            let count = elements.len().checked_div(size).unwrap_or(0);
            let (mut means, mut deviations) = (context.reserve(count)?, context.reserve(count)?);
            for row in elements.chunks_exact_mut(size.max(1)) {
                let (mean, inverse) = rows::normalize(row, self.epsilon);
                match shift {
                    Some(shift) => {
                        let factors = scale.iter().zip(shift);
                        row.iter_mut().zip(factors).for_each(|(x, (scale, shift))| *x = *x * scale + shift);
                    }
                    None => row.iter_mut().zip(scale).for_each(|(x, scale)| *x *= scale),
                }
                means.push(mean);
                deviations.push(inverse);
            }
            let mut outer = shape[..axis].to_vec();
            outer.resize(shape.len(), 1);
            let statistics = |numbers: Vec<f32>| {
                if size == 0 {
                    Tensor::build(vec![0], Vec::<f32>::new())
                } else {
                    Tensor::build(outer.clone(), numbers)
                }
            };
            Ok(vec![Tensor::build(shape.clone(), elements), statistics(means), statistics(deviations)])
        })
    }
}
