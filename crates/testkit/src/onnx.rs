//! Builds ONNX models and reads recorded inputs and outputs.
