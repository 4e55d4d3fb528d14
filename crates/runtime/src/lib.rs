//! Loads, optimises, plans and runs ONNX models on candle.
