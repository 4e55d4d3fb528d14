//! Tests of the program itself: the real binary against servers on loopback.

mod config;
#[cfg(feature = "candle-onnx")]
mod engines;
mod exit_codes;
mod help;
mod input;
mod moving;
mod program;
mod space;
mod story;
