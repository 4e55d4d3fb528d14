//! Putting together and taking apart: Concat, Split.

use super::{
    Build, Context, Entry, Inputs, Operator,
    context::{axis, wrong_type},
    onnx,
};
use crate::{
    Error, Tensor,
    tensor::{Element, with_data},
};

pub(super) const OPERATORS: &[Entry] =
    &[onnx("Concat", 4, 1..=usize::MAX, 1..=1, concat), onnx("Split", 2, 1..=2, 1..=usize::MAX, split)];

/// `Concat`, versions 4 to 13.
#[derive(Debug)]
struct Concat {
    axis: i64,
}

fn concat(build: &Build<'_>) -> Result<Box<dyn Operator>, Error> {
    let axis = build.optional_int("axis")?.ok_or_else(|| Error::invalid("Concat lacks its axis"))?;
    Ok(Box::new(Concat { axis }))
}

impl Operator for Concat {
    fn run(&self, context: &Context, inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        let tensors = (0..inputs.len()).map(|index| inputs.get(index)).collect::<Result<Vec<_>, _>>()?;
        let first = inputs.get(0)?;
        let axis = axis(self.axis, first.shape().len())?;
        let mut shape = first.shape().to_vec();
        for (index, tensor) in tensors.iter().enumerate().skip(1) {
            let other = tensor.shape();
            if tensor.dtype() != first.dtype() {
                return Err(wrong_type(index, first.dtype(), tensor.dtype()));
            }
            let same = other.len() == shape.len()
                && (0..other.len()).all(|dim| dim == axis || other[dim] == shape[dim]);
            if !same {
                return Err(Error::run(format!(
                    "the shapes {:?} and {other:?} cannot be joined",
                    first.shape()
                )));
            }
            shape[axis] = shape[axis].saturating_add(other[axis]);
        }
        let count = context.elements(&shape)?;
        fn join<T: Element>(
            context: &Context,
            tensors: &[&Tensor],
            _first: &[T],
            axis: usize,
            (shape, count): (Vec<usize>, usize),
        ) -> Result<Tensor, Error> {
            let mut out = context.reserve::<T>(count)?;
            if count > 0 {
                let parts: Vec<(&[T], usize)> = tensors
                    .iter()
                    .map(|tensor| {
                        let size = tensor.shape()[axis..].iter().product();
                        (tensor.as_slice().expect("all inputs are of one type"), size)
                    })
                    .collect();
                for block in 0..shape[..axis].iter().product() {
                    for (elements, size) in &parts {
                        out.extend_from_slice(&elements[block * size..(block + 1) * size]);
                    }
                }
            }
            Ok(Tensor::build(shape, out))
        }
        with_data!(first.data(), elements => join(context, &tensors, elements, axis, (shape, count)))
            .map(|tensor| vec![tensor])
    }
}

/// `Split`: sizes as an attribute (version 2), as an input (13), or equal but for a smaller last part (18).
#[derive(Debug)]
struct Split {
    axis: i64,
    sizes: Option<Vec<i64>>,
    parts: usize,
    /// The last part may be smaller.
    uneven: bool,
}

fn split(build: &Build<'_>) -> Result<Box<dyn Operator>, Error> {
    let sizes = if build.opset() < 13 { build.ints("split")? } else { None };
    let mut parts = build.outputs();
    if let (true, Some(count)) = (build.opset() >= 18, build.optional_int("num_outputs")?) {
        parts = usize::try_from(count).ok().filter(|&count| count >= parts && count <= 1 << 16).ok_or_else(
            || Error::invalid(format!("Split has {parts} outputs but says that it has {count}")),
        )?;
    }
    Ok(Box::new(Split { axis: build.int("axis", 0)?, sizes, parts, uneven: build.opset() >= 18 }))
}

impl Split {
    fn part_sizes(&self, inputs: &Inputs, size: usize) -> Result<Vec<usize>, Error> {
        let given = match &self.sizes {
            Some(sizes) => Some(sizes.clone()),
            None if inputs.optional(1).is_some() => Some(inputs.indices(1, 1 << 16)?),
            None => None,
        };
        let Some(given) = given else {
            if !size.is_multiple_of(self.parts) && !self.uneven {
                return Err(Error::run(format!("a dimension of {size} has no {} equal parts", self.parts)));
            }
            let part = size.div_ceil(self.parts);
            return Ok((0..self.parts).map(|n| part.min(size.saturating_sub(n * part))).collect());
        };
        let sizes: Option<Vec<usize>> = given.iter().map(|&size| usize::try_from(size).ok()).collect();
        let sum = |sizes: &Vec<usize>| sizes.iter().try_fold(0usize, |sum, &size| sum.checked_add(size));
        sizes.filter(|sizes| sum(sizes) == Some(size) && sizes.len() >= self.parts).ok_or_else(|| {
            Error::run(format!("parts of the sizes {given:?} do not make up a dimension of {size}"))
        })
    }
}

impl Operator for Split {
    fn run(&self, context: &Context, inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        let tensor = inputs.get(0)?;
        let axis = axis(self.axis, tensor.shape().len())?;
        let size = tensor.shape()[axis];
        let inner: usize = context.elements(&tensor.shape()[axis + 1..])?;
        let mut start = 0;
        let mut parts = Vec::new();
        for part in self.part_sizes(&inputs, size)? {
            let mut shape = tensor.shape().to_vec();
            shape[axis] = part;
            let count = context.elements(&shape)?;
            fn cut<T: Element>(
                context: &Context,
                elements: &[T],
                (block, from, to): (usize, usize, usize),
                count: usize,
            ) -> Result<Vec<T>, Error> {
                let mut out = context.reserve(count)?;
                if count > 0 {
                    elements.chunks_exact(block).for_each(|block| out.extend_from_slice(&block[from..to]));
                }
                Ok(out)
            }
            let places = (size * inner, start * inner, (start + part) * inner);
            parts.push(with_data!(tensor.data(), elements => {
                Tensor::build(shape, cut(context, elements, places, count)?)
            }));
            start += part;
        }
        Ok(parts)
    }
}
