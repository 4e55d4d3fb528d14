//! Loads, optimises, plans and runs ONNX models on the CPU.
//!
//! Layer 2. Knows nothing of where bytes come from: no hub, no store, no tokenizer.
//!
//! A [`Model`] is the checked graph of a file; a [`Session`] is a model that an engine has made ready, with its
//! weights prepared once. Tensors of 32-bit floats lie in candle's storage, so that candle multiplies matrices
//! without a copy; every other kernel is here. See `docs/adding-an-operator.md`.
//!
//! A model's bytes are hostile: what can be refused is refused by [`Model::load`] and [`Session::new`], and
//! [`Limits`] bound memory before it is allocated.
//!
//! ```
//! use runtime::{ErrorKind, LoadOptions, Model, Tensor};
//!
//! let error = Model::load(&b"no model at all"[..], &LoadOptions::default()).expect_err("these are not ONNX bytes");
//! assert_eq!(error.kind(), ErrorKind::InvalidModel);
//! assert_eq!(Tensor::from_f32(&[2], vec![0.5, 1.0])?.shape(), [2]);
//! # Ok::<(), runtime::Error>(())
//! ```

mod dtype;
mod engine;
mod error;
mod kernels;
mod limits;
mod mapped;
mod model;
mod native;
mod ops;
mod optimize;
mod plan;
mod proto;
#[cfg(feature = "candle-onnx")]
mod reference;
mod session;
mod tensor;

pub use self::{
    dtype::DType,
    engine::{EngineKind, ParseEngineError},
    error::{Error, ErrorKind},
    limits::Limits,
    mapped::map_file,
    model::{Dim, LoadOptions, Model, OperatorUse, ValueInfo},
    optimize::Pass,
    session::{RunOptions, Session, SessionOptions},
    tensor::{Element, Tensor},
};
