//! The test servers do what they say: a mistake here would hide one elsewhere.

mod http;
mod hub;
mod onnx;
mod replay;
mod settings;
