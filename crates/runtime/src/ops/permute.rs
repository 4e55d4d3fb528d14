//! Reordering: Transpose, Slice, Tile.

use super::{
    Build, Context, Entry, Inputs, Operator, broadcast,
    context::axis,
    onnx, shape,
    strided::{self, dense},
};
use crate::{Error, Tensor, tensor::with_data};

pub(super) const OPERATORS: &[Entry] = &[
    onnx("Transpose", 1, 1..=1, 1..=1, |build| Ok(Box::new(Transpose { order: build.ints("perm")? }))),
    onnx("Slice", 1, 1..=5, 1..=1, slice),
    onnx("Tile", 6, 2..=2, 1..=1, |_| Ok(Box::new(Tile))),
];

/// `Transpose`, versions 1 to 25; without `perm` the dimensions are reversed.
#[derive(Debug)]
struct Transpose {
    order: Option<Vec<i64>>,
}

impl Operator for Transpose {
    fn run(&self, context: &Context, inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        let tensor = inputs.get(0)?;
        let rank = tensor.shape().len();
        let order = match &self.order {
            Some(order) => order.iter().map(|&dim| axis(dim, rank)).collect::<Result<Vec<_>, _>>()?,
            None => (0..rank).rev().collect(),
        };
        transposed(context, tensor, &order).map(|tensor| vec![tensor])
    }
}

/// Reorders the dimensions; `order` names for each new one the old one.
pub(super) fn transposed(context: &Context, tensor: &Tensor, order: &[usize]) -> Result<Tensor, Error> {
    let rank = tensor.shape().len();
    if order.len() != rank || (0..rank).any(|dim| !order.contains(&dim)) {
        return Err(Error::run(format!("{order:?} is no order of {rank} dimensions")));
    }
    let strides = dense(tensor.shape());
    let strides: Vec<isize> = order.iter().map(|&dim| strides[dim]).collect();
    let shape: Vec<usize> = order.iter().map(|&dim| tensor.shape()[dim]).collect();
    with_data!(tensor.data(), elements => {
        let out = strided::copy(context, elements, 0, &shape, &strides)?;
        Ok(Tensor::build(shape, out))
    })
}

/// `Slice`: bounds as attributes (version 1), or as inputs with steps (versions 10 to 13).
#[derive(Debug)]
struct Slice {
    attributes: Option<Bounds>,
}

#[derive(Clone, Debug, Default)]
struct Bounds {
    starts: Vec<i64>,
    ends: Vec<i64>,
    axes: Option<Vec<i64>>,
    steps: Option<Vec<i64>>,
}

fn slice(build: &Build<'_>) -> Result<Box<dyn Operator>, Error> {
    let attributes = if build.opset() < 10 {
        let missing = || Error::invalid("Slice lacks its bounds");
        Some(Bounds {
            starts: build.ints("starts")?.ok_or_else(missing)?,
            ends: build.ints("ends")?.ok_or_else(missing)?,
            axes: build.ints("axes")?,
            steps: None,
        })
    } else {
        if !(build.has_input(1) && build.has_input(2)) {
            return Err(Error::invalid("Slice lacks its bounds"));
        }
        None
    };
    Ok(Box::new(Slice { attributes }))
}

impl Operator for Slice {
    fn run(&self, context: &Context, inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        const MANY: usize = 64;
        let bounds = match &self.attributes {
            Some(bounds) => bounds.clone(),
            None => {
                let optional =
                    |index: usize| inputs.optional(index).map(|_| inputs.indices(index, MANY)).transpose();
                let (axes, steps) = (optional(3)?, optional(4)?);
                Bounds { starts: inputs.indices(1, MANY)?, ends: inputs.indices(2, MANY)?, axes, steps }
            }
        };
        let tensor = inputs.get(0)?;
        let count = bounds.starts.len();
        let axes = bounds.axes.unwrap_or_else(|| (0..count as i64).collect());
        let steps = bounds.steps.unwrap_or_else(|| vec![1; count]);
        if [bounds.ends.len(), axes.len(), steps.len()] != [count; 3] {
            return Err(Error::run("the starts, ends, axes and steps of Slice are not equally many"));
        }
        let mut shape = tensor.shape().to_vec();
        let mut strides = dense(&shape);
        let mut offset = 0;
        let mut seen = vec![false; shape.len()];
        for n in 0..count {
            let dim = axis(axes[n], shape.len())?;
            if std::mem::replace(&mut seen[dim], true) {
                return Err(Error::run("Slice names one dimension twice"));
            }
            let (first, size) = range(bounds.starts[n], bounds.ends[n], steps[n], shape[dim])?;
            offset += first as isize * strides[dim];
            shape[dim] = size;
            // A step larger than any dimension leaves one element, for which the stride does not matter.
            strides[dim] = strides[dim].saturating_mul(steps[n] as isize);
        }
        with_data!(tensor.data(), elements => {
            let out = strided::copy(context, elements, offset, &shape, &strides)?;
            Ok(vec![Tensor::build(shape, out)])
        })
    }
}

/// Returns the first index of a slice and how many it has.
fn range(start: i64, end: i64, step: i64, size: usize) -> Result<(usize, usize), Error> {
    let length = size as i64;
    let from_end = |index: i64| if index < 0 { index.saturating_add(length) } else { index };
    let (first, count) = match step {
        1.. => {
            let (start, end) = (from_end(start).clamp(0, length), from_end(end).clamp(0, length));
            (start, (end - start).max(0).div_ceil_by(step))
        }
        ..=-1 => {
            let (start, end) = (from_end(start).clamp(-1, length - 1), from_end(end).clamp(-1, length - 1));
            (start, (start - end).max(0).div_ceil_by(step.saturating_neg()))
        }
        0 => return Err(Error::run("Slice has a step of zero")),
    };
    Ok(if count == 0 { (0, 0) } else { (first as usize, count as usize) })
}

/// Division that rounds up; not in the standard library for signed numbers yet.
trait DivCeil {
    fn div_ceil_by(self, divisor: Self) -> Self;
}

impl DivCeil for i64 {
    fn div_ceil_by(self, divisor: Self) -> Self {
        self / divisor + Self::from(self % divisor != 0)
    }
}

/// `Tile`, versions 6 to 13: repeats the tensor so many times along each dimension.
#[derive(Debug)]
struct Tile;

impl Operator for Tile {
    fn run(&self, context: &Context, inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        let repeats = shape::sizes(&inputs, 1)?;
        let tensor = inputs.get(0)?;
        if repeats.len() != tensor.shape().len() {
            let shape = tensor.shape();
            return Err(Error::run(format!(
                "{} repeats do not fit a tensor of shape {shape:?}",
                repeats.len()
            )));
        }
        // Each dimension becomes two, of which the outer one is repeated by broadcasting.
        let single = tensor.shape().iter().flat_map(|&size| [1, size]).collect::<Vec<_>>();
        let double =
            repeats.iter().zip(tensor.shape()).flat_map(|(&times, &size)| [times, size]).collect::<Vec<_>>();
        let sizes = repeats.iter().zip(tensor.shape()).map(|(&times, &size)| times.saturating_mul(size));
        let sizes: Vec<usize> = sizes.collect();
        context.elements(&sizes)?;
        Ok(vec![broadcast::expand(context, &tensor.reshaped(&single)?, &double)?.reshaped(&sizes)?])
    }
}
