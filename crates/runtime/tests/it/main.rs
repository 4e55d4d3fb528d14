//! Integration tests of the runtime: recorded models, operators, passes, sessions, hostile files.

mod convolutions;
#[cfg(feature = "candle-onnx")]
mod differential;
mod hostile;
mod models;
mod mutations;
mod operators;
mod operators_8bit;
mod operators_layout;
mod operators_linear;
mod passes;
mod properties;
mod session;
mod support;
