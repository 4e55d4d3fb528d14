//! The native engine against the reference engine, candle-onnx, wherever that one can run the graph.

mod case;
mod faults;
mod models;
mod properties;
mod refusals;
mod table;
