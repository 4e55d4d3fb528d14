//! Walks tensors whose elements do not lie one after the other: broadcast, transposed or sliced.

use super::Context;
use crate::{Error, tensor::Element};

/// One dimension of a walk: how often, and how far apart in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step<const N: usize> {
    pub(super) size: usize,
    pub(super) strides: [isize; N],
}

/// Returns how far apart neighbours along each dimension of a dense tensor are.
pub(super) fn dense(shape: &[usize]) -> Vec<isize> {
    let mut strides = vec![0; shape.len()];
    let mut stride = 1isize;
    for (slot, &size) in strides.iter_mut().zip(shape).rev() {
        *slot = stride;
        stride = stride.saturating_mul(size as isize);
    }
    strides
}

/// Joins neighbouring dimensions that can be walked as one and drops those of size one.
pub(super) fn collapse<const N: usize>(steps: impl IntoIterator<Item = Step<N>>) -> Vec<Step<N>> {
    let mut joined: Vec<Step<N>> = Vec::new();
    for step in steps {
        if step.size == 1 {
            continue;
        }
        if let Some(outer) = joined.last_mut() {
            let size = step.size as isize;
            if (0..N).all(|n| outer.strides[n] == step.strides[n].wrapping_mul(size)) {
                outer.size *= step.size;
                outer.strides = step.strides;
                continue;
            }
        }
        joined.push(step);
    }
    joined
}

/// Calls `row` with the starting offsets of every innermost row of a walk, in row-major order.
///
/// The innermost dimension itself is `row`'s to walk. Nothing is called if any size is zero.
pub(super) fn rows<const N: usize>(outer: &[Step<N>], start: [isize; N], mut row: impl FnMut([usize; N])) {
    if outer.iter().any(|step| step.size == 0) {
        return;
    }
    let mut index = vec![0usize; outer.len()];
    let mut offset = start;
    loop {
        row(offset.map(|offset| usize::try_from(offset).expect("a walk stays inside its source")));
        let mut dim = outer.len();
        loop {
            if dim == 0 {
                return;
            }
            dim -= 1;
            let step = &outer[dim];
            index[dim] += 1;
            if index[dim] < step.size {
                for (offset, stride) in offset.iter_mut().zip(step.strides) {
                    *offset += stride;
                }
                break;
            }
            for (offset, stride) in offset.iter_mut().zip(step.strides) {
                *offset -= stride * (step.size as isize - 1);
            }
            index[dim] = 0;
        }
    }
}

/// Copies the elements of a walk over `source` that starts at `start` into a dense list.
pub(super) fn copy<T: Element>(
    context: &Context,
    source: &[T],
    start: isize,
    shape: &[usize],
    strides: &[isize],
) -> Result<Vec<T>, Error> {
    let count = context.elements(shape)?;
    let mut out = context.reserve(count)?;
    if count == 0 {
        return Ok(out);
    }
    let steps = shape.iter().zip(strides).map(|(&size, &stride)| Step { size, strides: [stride] });
    let mut steps = collapse(steps);
    let inner = steps.pop().unwrap_or(Step { size: 1, strides: [1] });
    rows(&steps, [start], |[offset]| match inner.strides[0] {
        1 => out.extend_from_slice(&source[offset..offset + inner.size]),
        0 => out.extend(std::iter::repeat_n(source[offset], inner.size)),
        stride @ 2.. => out.extend(source[offset..].iter().step_by(stride as usize).take(inner.size)),
        stride => {
            out.extend((0..inner.size).map(|n| source[offset.wrapping_add_signed(stride * n as isize)]))
        }
    });
    Ok(out)
}
