//! Operators that give their input back as it is: Identity, and Dropout outside of training.

use super::{Build, Context, Entry, Inputs, Operator, onnx};
use crate::{Error, ErrorKind, Tensor};

pub(super) const OPERATORS: &[Entry] = &[
    onnx("Identity", 1, 1..=1, 1..=1, |_| Ok(Box::new(Identity))),
    onnx("Dropout", 7, 1..=3, 1..=2, dropout),
];

/// `Identity`, versions 1 to 25.
#[derive(Debug)]
pub(super) struct Identity;

impl Operator for Identity {
    fn run(&self, _: &Context, mut inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        Ok(vec![inputs.take(0)?])
    }
}

/// `Dropout`, versions 7 to 22: the identity when a model is used and not trained.
fn dropout(build: &Build<'_>) -> Result<Box<dyn Operator>, Error> {
    let trains = build.has_input(2)
        && build
            .constant(2)
            .and_then(|tensor| tensor.as_slice::<bool>().map(|mode| mode != [false]))
            .unwrap_or(true);
    if trains {
        return Err(Error::new(ErrorKind::Unsupported, "Dropout in training mode is not supported"));
    }
    Ok(Box::new(Dropout))
}

#[derive(Debug)]
struct Dropout;

impl Operator for Dropout {
    fn run(&self, context: &Context, mut inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        let data = inputs.take(0)?;
        let mask = Tensor::build(data.shape().to_vec(), context.filled(data.len(), true)?);
        Ok(vec![data, mask])
    }
}
