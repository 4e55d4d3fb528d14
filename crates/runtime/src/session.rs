//! A model made ready to run.

use std::{fmt, sync::Arc, time::Instant};

use crate::{
    Dim, EngineKind, Error, ErrorKind, Model, Pass, Tensor, ValueInfo,
    engine::{Prepared, engine},
    model::no_panic,
};

/// A model that an engine has made ready: run it as often and from as many threads as you like.
///
/// Cheap to clone; clones share the prepared weights.
///
/// ```no_run
/// use runtime::{LoadOptions, Model, Session, SessionOptions, Tensor, map_file};
///
/// let model = Model::load(map_file("model.onnx")?, &LoadOptions::default())?;
/// let session = Session::new(&model, &SessionOptions::default())?;
/// let ids = Tensor::from_i64(&[1, 3], vec![101, 7592, 102])?;
/// for (name, tensor) in session.run(&[("input_ids", ids)])? {
///     println!("{name}: {tensor:?}");
/// }
/// # Ok::<(), runtime::Error>(())
/// ```
#[derive(Clone)]
pub struct Session {
    model: Model,
    engine: EngineKind,
    prepared: Arc<dyn Prepared>,
}

/// How [`Session::new`] prepares a model.
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_structs, reason = "built with struct update syntax from its default")]
pub struct SessionOptions {
    /// The engine that computes. Default [`EngineKind::Native`].
    pub engine: EngineKind,
    /// The optimisations that the native engine applies, in its own order. Default [`Pass::ALL`].
    pub passes: Vec<Pass>,
}

/// Bounds on one run.
#[derive(Clone, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "built with struct update syntax from its default")]
pub struct RunOptions {
    /// When to give up, with [`ErrorKind::Deadline`]. Looked at before each node, so that one long node can pass it.
    pub deadline: Option<Instant>,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self { engine: EngineKind::default(), passes: Pass::ALL.to_vec() }
    }
}

impl Session {
    /// Optimises the model, plans its computation and prepares its weights, all once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UnsupportedOperator`] if the engine lacks an operator (the text names it),
    /// [`ErrorKind::Unsupported`] if this build lacks the engine, [`ErrorKind::InvalidModel`] if a node has wrong
    /// attributes or too few inputs, [`ErrorKind::LimitExceeded`].
    pub fn new(model: &Model, options: &SessionOptions) -> Result<Self, Error> {
        let prepared = no_panic("preparing the model", || engine(options.engine)?.prepare(model, options))?;
        Ok(Self { model: model.clone(), engine: options.engine, prepared: Arc::from(prepared) })
    }

    /// Returns the inputs that a run needs, in the model's order.
    pub fn inputs(&self) -> &[ValueInfo] {
        self.model.inputs()
    }

    /// Returns the outputs of a run, in the model's order.
    pub fn outputs(&self) -> &[ValueInfo] {
        self.model.outputs()
    }

    /// Returns the model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Returns the engine that computes.
    pub fn engine(&self) -> EngineKind {
        self.engine
    }

    /// Computes all outputs from the named inputs, in any order; see [`Session::run_with`].
    ///
    /// # Errors
    ///
    /// As [`Session::run_with`].
    pub fn run(&self, inputs: &[(&str, Tensor)]) -> Result<Vec<(String, Tensor)>, Error> {
        self.run_with(inputs, &RunOptions::default())
    }

    /// Computes all outputs from the named inputs within the given bounds.
    ///
    /// The outputs come with their names, in the model's order.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if an input is missing, given twice, unknown, or not of the type and shape that
    /// the model states; [`ErrorKind::LimitExceeded`] if the intermediate values would take more than
    /// [`Limits::run_bytes`](crate::Limits::run_bytes); [`ErrorKind::Deadline`]; [`ErrorKind::Run`] if a node cannot
    /// be computed (the error names it).
    pub fn run_with(
        &self,
        inputs: &[(&str, Tensor)],
        options: &RunOptions,
    ) -> Result<Vec<(String, Tensor)>, Error> {
        let inputs = ordered(self.inputs(), inputs)?;
        let tensors = no_panic("running the model", || self.prepared.run(inputs, options))?;
        Ok(self.outputs().iter().map(|info| info.name.clone()).zip(tensors).collect())
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("engine", &self.engine)
            .field("model", &self.model)
            .field("prepared", &self.prepared)
            .finish()
    }
}

/// Checks the given tensors against what the model states and puts them in the model's order.
fn ordered(infos: &[ValueInfo], given: &[(&str, Tensor)]) -> Result<Vec<Tensor>, Error> {
    let invalid = |message: String| Error::new(ErrorKind::InvalidInput, message);
    let names = || infos.iter().map(|info| info.name.as_str()).collect::<Vec<_>>().join(", ");
    for (index, (name, _)) in given.iter().enumerate() {
        if !infos.iter().any(|info| info.name == *name) {
            return Err(invalid(format!("the model has no input {name:?}; it has {}", names())));
        }
        if given[..index].iter().any(|(other, _)| other == name) {
            return Err(invalid(format!("the input {name:?} is given twice")));
        }
    }
    let mut symbols = Vec::<(&str, usize)>::new();
    let mut tensors = Vec::with_capacity(infos.len());
    for info in infos {
        let Some((_, tensor)) = given.iter().find(|(name, _)| *name == info.name) else {
            return Err(invalid(format!(
                "the input {:?} is missing; the model needs {}",
                info.name,
                names()
            )));
        };
        if info.dtype.is_some_and(|dtype| dtype != tensor.dtype()) {
            return Err(invalid(format!("expected the input {info}, found {}", tensor.dtype())));
        }
        if !fits(info, tensor.shape(), &mut symbols) {
            return Err(invalid(format!("expected the input {info}, found the shape {:?}", tensor.shape())));
        }
        tensors.push(tensor.clone());
    }
    Ok(tensors)
}

/// Returns whether the shape is one that the model states; a symbol must mean the same size everywhere.
fn fits<'a>(info: &'a ValueInfo, shape: &[usize], symbols: &mut Vec<(&'a str, usize)>) -> bool {
    let Some(dims) = &info.shape else { return true };
    dims.len() == shape.len()
        && dims.iter().zip(shape).all(|(dim, &size)| match dim {
            Dim::Fixed(expected) => *expected == size,
            Dim::Unknown => true,
            Dim::Symbol(symbol) => match symbols.iter().find(|(known, _)| known == symbol) {
                Some((_, expected)) => *expected == size,
                None => {
                    symbols.push((symbol, size));
                    true
                }
            },
        })
}
