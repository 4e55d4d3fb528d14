//! What an operator sees while it runs: its inputs, and the memory it may still take.

use crate::{
    DType, Error, Limits, Tensor,
    native::Budget,
    tensor::{Element, product},
};

/// The bounds of the run that a node is part of.
#[derive(Debug)]
pub(crate) struct Context {
    budget: Budget,
    rank: usize,
    elements: u64,
}

impl Context {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { budget: Budget::new(limits.run_bytes), rank: limits.rank, elements: limits.elements }
    }

    /// Returns the number of elements of an output's shape if a tensor may be that large.
    pub(super) fn elements(&self, shape: &[usize]) -> Result<usize, Error> {
        if shape.len() > self.rank {
            let message =
                format!("its output has {} dimensions, more than the limit of {}", shape.len(), self.rank);
            return Err(Error::limit(message));
        }
        let count = product(shape).filter(|&count| count as u64 <= self.elements);
        count.ok_or_else(|| {
            Error::limit(format!("its output of shape {shape:?} has more than {} elements", self.elements))
        })
    }

    /// Returns an empty list with room for `count` elements, counted against the run's memory.
    pub(super) fn reserve<T>(&self, count: usize) -> Result<Vec<T>, Error> {
        let bytes = (count as u64).saturating_mul(size_of::<T>() as u64);
        self.budget.reserve(bytes)?;
        let mut list = Vec::new();
        list.try_reserve_exact(count)
            .map_err(|source| Error::limit(format!("no memory for {bytes} bytes")).with_source(source))?;
        Ok(list)
    }

    /// Counts memory that a kernel below will allocate by itself.
    pub(super) fn account(&self, count: usize, size: usize) -> Result<(), Error> {
        self.budget.reserve((count as u64).saturating_mul(size as u64))
    }

    /// Returns `count` copies of a value, counted against the run's memory.
    pub(super) fn filled<T: Copy>(&self, count: usize, value: T) -> Result<Vec<T>, Error> {
        let mut list = self.reserve(count)?;
        list.resize(count, value);
        Ok(list)
    }

    /// Closes the account of one node: what its outputs take, and what its inputs took.
    pub(crate) fn settle(&self, made: u64, freed: u64) {
        self.budget.settle(made, freed);
    }
}

/// The inputs of one node.
#[derive(Debug)]
pub(crate) struct Inputs {
    tensors: Vec<Option<Tensor>>,
}

impl Inputs {
    pub(crate) fn new(tensors: Vec<Option<Tensor>>) -> Self {
        Self { tensors }
    }

    /// Returns the number of inputs, with those left out.
    pub(super) fn len(&self) -> usize {
        self.tensors.len()
    }

    /// Returns input `index`, which the operator cannot do without.
    pub(super) fn get(&self, index: usize) -> Result<&Tensor, Error> {
        self.optional(index).ok_or_else(|| Error::run(format!("its input {index} is missing")))
    }

    /// Returns input `index`, unless it is left out.
    pub(super) fn optional(&self, index: usize) -> Option<&Tensor> {
        self.tensors.get(index).and_then(Option::as_ref)
    }

    /// Takes input `index`: if nothing else owns its elements they may be changed in place.
    pub(super) fn take(&mut self, index: usize) -> Result<Tensor, Error> {
        let tensor = self.tensors.get_mut(index).and_then(Option::take);
        tensor.ok_or_else(|| Error::run(format!("its input {index} is missing")))
    }

    /// Returns the elements of input `index`, which must be of one type.
    pub(super) fn elements<T: Element>(&self, index: usize) -> Result<&[T], Error> {
        let tensor = self.get(index)?;
        tensor.as_slice().ok_or_else(|| wrong_type(index, T::DTYPE, tensor.dtype()))
    }

    /// Returns the elements of input `index` as integers for shapes, axes and the like: at most `most` of them.
    pub(super) fn indices(&self, index: usize, most: usize) -> Result<Vec<i64>, Error> {
        let tensor = self.get(index)?;
        if tensor.len() > most {
            return Err(Error::run(format!(
                "its input {index} has {} elements, at most {most} fit",
                tensor.len()
            )));
        }
        if let Some(elements) = tensor.as_slice::<i32>() {
            return Ok(elements.iter().map(|&element| i64::from(element)).collect());
        }
        self.elements::<i64>(index).map(<[i64]>::to_vec)
    }
}

/// The error for an input of a wrong type.
pub(super) fn wrong_type(index: usize, expected: DType, found: DType) -> Error {
    Error::run(format!("its input {index} should be of type {expected}, found {found}"))
}

/// The error for an input of a type that the operator does not take.
pub(super) fn no_kernel(index: usize, found: DType) -> Error {
    Error::run(format!("its input {index} has the type {found}, which is not supported here"))
}

/// Turns an axis that may count from the end into an index below `rank`.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize, Error> {
    let rank_signed = rank as i64;
    let index = if axis < 0 { axis.checked_add(rank_signed) } else { Some(axis) };
    match index {
        Some(index) if (0..rank_signed).contains(&index) => Ok(index as usize),
        _ => Err(Error::run(format!("its axis {axis} is outside of a tensor with {rank} dimensions"))),
    }
}

/// Turns axes into sorted indices below `rank`, each at most once.
pub(super) fn axes(given: &[i64], rank: usize) -> Result<Vec<usize>, Error> {
    let mut indices = given.iter().map(|&one| axis(one, rank)).collect::<Result<Vec<_>, _>>()?;
    indices.sort_unstable();
    if indices.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Error::run(format!("its axes {given:?} name one dimension twice")));
    }
    Ok(indices)
}
