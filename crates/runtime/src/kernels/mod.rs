//! Loops over plain slices: what operators compute with, without knowing of graphs or tensors.

pub(crate) mod integer;
pub(crate) mod math;
pub(crate) mod product;
pub(crate) mod rows;
