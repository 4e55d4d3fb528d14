//! Servers, faults and certificates on loopback for tests and the demo.
//!
//! Development only: never a dependency of a shipped crate. It shares no code with what it tests, so that a
//! mistake on one side shows on the other.

pub mod http;
pub mod hub;
pub mod onnx;
pub mod pki;
pub mod replay;
pub mod settings;
pub mod tls;
