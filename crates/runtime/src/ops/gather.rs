//! Picking by index: Gather, GatherElements.

use super::{Context, Entry, Inputs, Operator, context::axis, onnx};
use crate::{
    Error, Tensor,
    tensor::{Element, with_data},
};

pub(super) const OPERATORS: &[Entry] = &[
    onnx("Gather", 1, 2..=2, 1..=1, |build| Ok(Box::new(Gather { axis: build.int("axis", 0)? }))),
    onnx("GatherElements", 11, 2..=2, 1..=1, |build| {
        Ok(Box::new(GatherElements { axis: build.int("axis", 0)? }))
    }),
];

/// `Gather`, versions 1 to 13: slices along an axis; indices of `i32` or `i64`, which may count from the end.
#[derive(Debug)]
struct Gather {
    axis: i64,
}

impl Operator for Gather {
    fn run(&self, context: &Context, inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        let (data, indices) = (inputs.get(0)?, inputs.get(1)?);
        let axis = axis(self.axis, data.shape().len())?;
        let positions = positions(context, &inputs, data.shape()[axis])?;
        let mut shape = data.shape()[..axis].to_vec();
        shape.extend(indices.shape());
        shape.extend(&data.shape()[axis + 1..]);
        let count = context.elements(&shape)?;
        fn pick<T: Element>(
            context: &Context,
            elements: &[T],
            positions: &[usize],
            (size, inner, count): (usize, usize, usize),
        ) -> Result<Vec<T>, Error> {
            let mut out = context.reserve(count)?;
            if count > 0 {
                for block in elements.chunks_exact(size * inner) {
                    for &position in positions {
                        out.extend_from_slice(&block[position * inner..(position + 1) * inner]);
                    }
                }
            }
            Ok(out)
        }
        let inner = context.elements(&data.shape()[axis + 1..])?;
        let sizes = (data.shape()[axis], inner, count);
        with_data!(data.data(), elements => {
            Ok(vec![Tensor::build(shape, pick(context, elements, &positions, sizes)?)])
        })
    }
}

/// Reads the second input as positions below `size`.
fn positions(context: &Context, inputs: &Inputs, size: usize) -> Result<Vec<usize>, Error> {
    let indices = inputs.get(1)?;
    let mut positions = context.reserve(indices.len())?;
    for index in inputs.indices(1, usize::MAX)? {
        let position = if index < 0 { index.checked_add(size as i64) } else { Some(index) };
        match position.and_then(|position| usize::try_from(position).ok()).filter(|&position| position < size)
        {
            Some(position) => positions.push(position),
            None => {
                return Err(Error::run(format!(
                    "the index {index} is outside of a dimension of size {size}"
                )));
            }
        }
    }
    Ok(positions)
}

/// `GatherElements`, versions 11 to 13: one element for each index.
#[derive(Debug)]
struct GatherElements {
    axis: i64,
}

impl Operator for GatherElements {
    fn run(&self, context: &Context, inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        let (data, indices) = (inputs.get(0)?, inputs.get(1)?);
        let rank = data.shape().len();
        let axis = axis(self.axis, rank)?;
        let fits = |dim: usize| dim == axis || indices.shape()[dim] <= data.shape()[dim];
        if indices.shape().len() != rank || !(0..rank).all(fits) {
            let (indices, data) = (indices.shape(), data.shape());
            return Err(Error::run(format!(
                "indices of shape {indices:?} do not fit data of shape {data:?}"
            )));
        }
        let positions = positions(context, &inputs, data.shape()[axis])?;
        let strides = super::strided::dense(data.shape());
        let shape = indices.shape().to_vec();
        let offset = |flat: usize, position: usize| {
            let mut rest = flat;
            let mut offset = 0;
            for dim in (0..rank).rev() {
                let index = if dim == axis { position } else { rest % shape[dim] };
                rest /= shape[dim];
                offset += index * strides[dim] as usize;
            }
            offset
        };
        with_data!(data.data(), elements => {
            let mut out = context.reserve(positions.len())?;
            out.extend(positions.iter().enumerate().map(|(flat, &position)| elements[offset(flat, position)]));
            Ok(vec![Tensor::build(shape.clone(), out)])
        })
    }
}
