//! ONNX's multidirectional broadcasting: shapes are aligned at their ends, and dimensions of size one are repeated.

use super::{
    Context,
    strided::{self, Step, collapse, dense, rows},
};
use crate::{
    Error, Tensor,
    tensor::{Buffer, Element, with_data},
};

/// Returns the shape that both shapes broadcast to.
pub(super) fn shape(left: &[usize], right: &[usize]) -> Result<Vec<usize>, Error> {
    let rank = left.len().max(right.len());
    let size = |shape: &[usize], dim: usize| {
        let missing = rank - shape.len();
        if dim < missing { 1 } else { shape[dim - missing] }
    };
    (0..rank)
        .map(|dim| match (size(left, dim), size(right, dim)) {
            (1, size) | (size, 1) => Ok(size),
            (one, other) if one == other => Ok(one),
            _ => Err(Error::run(format!("the shapes {left:?} and {right:?} do not broadcast"))),
        })
        .collect()
}

/// Returns the strides that repeat a tensor of `shape` over `target`, which it must broadcast to.
fn strides(shape: &[usize], target: &[usize]) -> Vec<isize> {
    let mut strides = vec![0; target.len() - shape.len()];
    strides.extend(
        dense(shape).into_iter().zip(shape).map(|(stride, &size)| if size == 1 { 0 } else { stride }),
    );
    strides
}

/// Combines two tensors element by element.
///
/// If `left` has the output's shape and nothing else owns its elements, the result takes their place.
pub(super) fn zip_same<T: Element>(
    context: &Context,
    left: Tensor,
    right: &Tensor,
    combine: impl Fn(T, T) -> T + Copy,
) -> Result<Tensor, Error> {
    let shape = shape(left.shape(), right.shape())?;
    if shape != left.shape() {
        return zip(context, &left, right, combine);
    }
    let left_shape = left.shape().to_vec();
    let mut buffer = T::take(left.into_data()).expect("called with the type of the left side");
    let right_elements = right.as_slice::<T>().expect("called with the type of both sides");
    let Some(elements) = buffer.unique() else {
        let left = Tensor::from_data(left_shape, T::wrap(buffer));
        return zip(context, &left, right, combine);
    };
    if elements.is_empty() {
        return Ok(Tensor::from_data(left_shape, T::wrap(buffer)));
    }
    let (steps, inner) = plan(&shape, &left_shape, right.shape());
    rows(&steps, [0, 0], |[l, r]| {
        let row = &mut elements[l..l + inner.size];
        if inner.strides[1] == 0 {
            let other = right_elements[r];
            row.iter_mut().for_each(|element| *element = combine(*element, other));
        } else {
            let others = &right_elements[r..r + inner.size];
            row.iter_mut().zip(others).for_each(|(element, &other)| *element = combine(*element, other));
        }
    });
    Ok(Tensor::from_data(left_shape, T::wrap(buffer)))
}

/// Combines two tensors of the same type element by element into a new one.
pub(super) fn zip<T: Element, O: Element>(
    context: &Context,
    left: &Tensor,
    right: &Tensor,
    combine: impl Fn(T, T) -> O + Copy,
) -> Result<Tensor, Error> {
    let shape = shape(left.shape(), right.shape())?;
    let count = context.elements(&shape)?;
    let mut out = context.reserve::<O>(count)?;
    if count > 0 {
        let lefts = left.as_slice::<T>().expect("called with the type of both sides");
        let rights = right.as_slice::<T>().expect("called with the type of both sides");
        let (steps, inner) = plan(&shape, left.shape(), right.shape());
        let size = inner.size;
        rows(&steps, [0, 0], |[l, r]| match inner.strides {
            [0, 0] => out.extend(std::iter::repeat_n(combine(lefts[l], rights[r]), size)),
            [_, 0] => out.extend(lefts[l..l + size].iter().map(|&left| combine(left, rights[r]))),
            [0, _] => out.extend(rights[r..r + size].iter().map(|&right| combine(lefts[l], right))),
            [_, _] => {
                let pairs = lefts[l..l + size].iter().zip(&rights[r..r + size]);
                out.extend(pairs.map(|(&left, &right)| combine(left, right)));
            }
        });
    }
    Ok(Tensor::build(shape, out))
}

/// Splits a broadcast into outer rows and the innermost one, whose strides are one or zero.
fn plan(shape: &[usize], left: &[usize], right: &[usize]) -> (Vec<Step<2>>, Step<2>) {
    let strides = strides(left, shape).into_iter().zip(strides(right, shape));
    let steps = shape.iter().zip(strides).map(|(&size, (l, r))| Step { size, strides: [l, r] });
    let mut steps = collapse(steps);
    let inner = steps.pop().unwrap_or(Step { size: 1, strides: [1, 1] });
    (steps, inner)
}

/// Repeats a tensor over a shape that it broadcasts to.
pub(super) fn expand(context: &Context, tensor: &Tensor, target: &[usize]) -> Result<Tensor, Error> {
    if tensor.shape() == target {
        return Ok(tensor.clone());
    }
    context.elements(target)?;
    let strides = strides(tensor.shape(), target);
    fn copy<T: Element>(
        context: &Context,
        buffer: &Buffer<T>,
        shape: &[usize],
        strides: &[isize],
    ) -> Result<Tensor, Error> {
        Ok(Tensor::build(shape.to_vec(), strided::copy(context, buffer, 0, shape, strides)?))
    }
    with_data!(tensor.data(), buffer => copy(context, buffer, target, &strides))
}
