//! ONNX models and recorded tensors for tests: a builder, small ready-made models, a reader of `.npz` files.
//!
//! The protobuf messages are written here a second time on purpose: a field that the runtime reads wrongly must not
//! be written wrongly in the same way.
//!
//! ```
//! use testkit::onnx::{Array, DataType, Graph, Node};
//!
//! let bytes = Graph::new(17)
//!     .input("x", DataType::F32, ["batch".into(), 2.into()])
//!     .initializer("b", Array::f32([2], [0.5, -0.5]))
//!     .node(Node::new("Add", ["x", "b"], ["y"]))
//!     .output("y", DataType::F32, ["batch".into(), 2.into()])
//!     .build();
//! assert!(!bytes.is_empty());
//! ```

mod array;
mod attribute;
mod bert;
mod graph;
mod npz;
mod proto;
mod tiny;
mod tokenizer;

pub use array::{Array, DataType};
pub use attribute::Attribute;
pub use bert::{BertSize, Weights, bert};
pub use graph::{Dim, Graph, Node};
pub use npz::{NpzError, read_npz};
pub use tiny::{TINY_WORDS, embedding_model, embedding_model_int8, tiny_model, tiny_model_with_seed};
pub use tokenizer::{tokenizer_config_json, tokenizer_json};
