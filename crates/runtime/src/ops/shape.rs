//! Shapes without a change of elements: Shape, Size, Reshape, Flatten, Squeeze, Unsqueeze, Expand.

use super::{
    Build, Context, Entry, Inputs, Operator, broadcast,
    context::{axes, axis},
    onnx,
};
use crate::{Error, Tensor};

pub(super) const OPERATORS: &[Entry] = &[
    onnx("Shape", 1, 1..=1, 1..=1, shape),
    onnx("Size", 1, 1..=1, 1..=1, |_| Ok(Box::new(Size))),
    onnx("Reshape", 5, 2..=2, 1..=1, reshape),
    onnx("Flatten", 1, 1..=1, 1..=1, |build| Ok(Box::new(Flatten { axis: build.int("axis", 1)? }))),
    onnx("Squeeze", 1, 1..=2, 1..=1, |build| Ok(Box::new(Squeeze { axes: axes_of(build)? }))),
    onnx("Unsqueeze", 1, 1..=2, 1..=1, unsqueeze),
    onnx("Expand", 8, 2..=2, 1..=1, |_| Ok(Box::new(Expand))),
];

/// More dimensions than any tensor may have.
const MANY: usize = 64;

/// `Shape`, versions 1 to 25, with `start` and `end` since 15.
#[derive(Debug)]
struct Shape {
    start: i64,
    end: i64,
}

fn shape(build: &Build<'_>) -> Result<Box<dyn Operator>, Error> {
    if build.opset() < 15 {
        return Ok(Box::new(Shape { start: 0, end: i64::MAX }));
    }
    Ok(Box::new(Shape { start: build.int("start", 0)?, end: build.int("end", i64::MAX)? }))
}

impl Operator for Shape {
    fn run(&self, context: &Context, inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        let shape = inputs.get(0)?.shape();
        let rank = shape.len() as i64;
        let place =
            |index: i64| if index < 0 { index.saturating_add(rank) } else { index }.clamp(0, rank) as usize;
        let (start, end) = (place(self.start), place(self.end));
        let mut sizes = context.reserve(end.saturating_sub(start))?;
        sizes.extend(shape.get(start..end).unwrap_or_default().iter().map(|&size| size as i64));
        Ok(vec![Tensor::build(vec![sizes.len()], sizes)])
    }
}

/// `Size`, versions 1 to 25: the number of elements.
#[derive(Debug)]
struct Size;

impl Operator for Size {
    fn run(&self, _: &Context, inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        Ok(vec![Tensor::scalar(inputs.get(0)?.len() as i64)])
    }
}

/// `Reshape`, versions 5 to 25: 0 copies a dimension unless `allowzero` is set, and one -1 takes the rest.
#[derive(Debug)]
struct Reshape {
    allow_zero: bool,
}

fn reshape(build: &Build<'_>) -> Result<Box<dyn Operator>, Error> {
    Ok(Box::new(Reshape { allow_zero: build.opset() >= 14 && build.flag("allowzero", false)? }))
}

impl Operator for Reshape {
    fn run(&self, context: &Context, mut inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        let wanted = inputs.indices(1, MANY)?;
        let tensor = inputs.take(0)?;
        let refused =
            || Error::run(format!("a tensor of shape {:?} cannot take the shape {wanted:?}", tensor.shape()));
        let mut shape = Vec::with_capacity(wanted.len());
        let mut rest = None;
        for (dim, &size) in wanted.iter().enumerate() {
            shape.push(match size {
                0 if !self.allow_zero => *tensor.shape().get(dim).ok_or_else(refused)?,
                -1 if rest.is_none() => {
                    rest = Some(dim);
                    1
                }
                size => usize::try_from(size).map_err(|_| refused())?,
            });
        }
        if let Some(dim) = rest {
            let others = context.elements(&shape)?;
            if others == 0 || tensor.len() % others != 0 {
                return Err(refused());
            }
            shape[dim] = tensor.len() / others;
        }
        context.elements(&shape)?;
        Ok(vec![tensor.reshaped(&shape).map_err(|_| refused())?])
    }
}

/// `Flatten`, versions 1 to 25: a matrix of the dimensions before the axis by those from it on.
#[derive(Debug)]
struct Flatten {
    axis: i64,
}

impl Operator for Flatten {
    fn run(&self, context: &Context, mut inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        let tensor = inputs.take(0)?;
        let rank = tensor.shape().len();
        // The axis may be the rank itself: then the matrix has one column.
        let split = if self.axis == rank as i64 { rank } else { axis(self.axis, rank)? };
        let (rows, columns) = tensor.shape().split_at(split);
        let shape = [context.elements(rows)?, context.elements(columns)?];
        Ok(vec![tensor.reshaped(&shape)?])
    }
}

/// The axes of Squeeze and Unsqueeze: an attribute until version 12, then an input.
fn axes_of(build: &Build<'_>) -> Result<Option<Vec<i64>>, Error> {
    if build.opset() < 13 { build.ints("axes") } else { Ok(None) }
}

/// `Squeeze`, versions 1 to 25: drops dimensions of size one.
#[derive(Debug)]
struct Squeeze {
    axes: Option<Vec<i64>>,
}

impl Operator for Squeeze {
    fn run(&self, _: &Context, mut inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        let given = match &self.axes {
            Some(axes) => Some(axes.clone()),
            None if inputs.optional(1).is_some() => Some(inputs.indices(1, MANY)?),
            None => None,
        };
        let tensor = inputs.take(0)?;
        let old = tensor.shape();
        let dropped = match given {
            Some(given) => axes(&given, old.len())?,
            None => (0..old.len()).filter(|&dim| old[dim] == 1).collect(),
        };
        if let Some(&dim) = dropped.iter().find(|&&dim| old[dim] != 1) {
            return Err(Error::run(format!("dimension {dim} of the shape {old:?} is not of size one")));
        }
        let kept = old.iter().enumerate().filter(|(dim, _)| !dropped.contains(dim));
        let shape: Vec<usize> = kept.map(|(_, &size)| size).collect();
        Ok(vec![tensor.reshaped(&shape)?])
    }
}

/// `Unsqueeze`, versions 1 to 25: inserts dimensions of size one, at places in the output.
#[derive(Debug)]
struct Unsqueeze {
    axes: Option<Vec<i64>>,
}

fn unsqueeze(build: &Build<'_>) -> Result<Box<dyn Operator>, Error> {
    let axes = axes_of(build)?;
    if axes.is_none() && !build.has_input(1) {
        return Err(Error::invalid("Unsqueeze lacks its axes"));
    }
    Ok(Box::new(Unsqueeze { axes }))
}

impl Operator for Unsqueeze {
    fn run(&self, context: &Context, mut inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        let given = match &self.axes {
            Some(axes) => axes.clone(),
            None => inputs.indices(1, MANY)?,
        };
        let tensor = inputs.take(0)?;
        let rank = tensor.shape().len() + given.len();
        let added = axes(&given, rank)?;
        let mut old = tensor.shape().iter();
        let size = |dim| if added.contains(&dim) { 1 } else { *old.next().unwrap_or(&1) };
        let shape: Vec<usize> = (0..rank).map(size).collect();
        context.elements(&shape)?;
        Ok(vec![tensor.reshaped(&shape)?])
    }
}

/// `Expand`, versions 8 to 13: repeats by broadcasting with a shape.
#[derive(Debug)]
struct Expand;

impl Operator for Expand {
    fn run(&self, context: &Context, mut inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        let wanted = sizes(&inputs, 1)?;
        let tensor = inputs.take(0)?;
        let target = broadcast::shape(tensor.shape(), &wanted)?;
        Ok(vec![broadcast::expand(context, &tensor, &target)?])
    }
}

/// Reads input `index` as the sizes of a shape.
pub(super) fn sizes(inputs: &Inputs, index: usize) -> Result<Vec<usize>, Error> {
    let sizes = inputs.indices(index, MANY)?;
    let size = |&size: &i64| {
        usize::try_from(size).map_err(|_| Error::run(format!("the shape {sizes:?} has a negative dimension")))
    };
    sizes.iter().map(size).collect()
}
