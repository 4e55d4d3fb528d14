//! A loaded model: checked once, shared by any number of sessions.

mod build;
mod constant;
mod graph;
mod info;

use std::{
    collections::BTreeMap,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use bytes::Bytes;
use prost::Message;

pub(crate) use self::graph::{Attribute, Graph, Node, ValueId};
pub use self::info::{Dim, OperatorUse, ValueInfo};
use crate::{Error, ErrorKind, Limits, ops, proto};

/// A checked ONNX model, cheap to clone.
///
/// Weights that are stored as raw data are slices of the given bytes where the machine can read them there; so for
/// a mapped file they take no memory until they are used.
#[derive(Clone)]
pub struct Model(Arc<Inner>);

struct Inner {
    bytes: Bytes,
    graph: Graph,
    inputs: Vec<ValueInfo>,
    outputs: Vec<ValueInfo>,
    ir_version: i64,
    producer: String,
    limits: Limits,
}

/// How [`Model::load`] reads a model.
#[derive(Clone, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "built with struct update syntax from its default")]
pub struct LoadOptions {
    /// Bounds on the model and on each run of it.
    pub limits: Limits,
}

impl Model {
    /// Reads and checks the ONNX model in `bytes`.
    ///
    /// What the graph says about itself is checked here: names, order, attributes, the types, shapes and lengths of
    /// weights. Whether an engine has all the operators, and whether each has as many inputs as it takes, is decided
    /// by [`Session::new`](crate::Session::new).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidModel`] if the bytes are no ONNX model or contradict themselves,
    /// [`ErrorKind::Unsupported`] if it needs something that this crate does not have (weights outside the file,
    /// element types such as strings), [`ErrorKind::LimitExceeded`] if it is larger than the limits allow.
    pub fn load(bytes: impl Into<Bytes>, options: &LoadOptions) -> Result<Self, Error> {
        let bytes = bytes.into();
        no_panic("loading the model", || Self::load_unguarded(bytes, &options.limits))
    }

    fn load_unguarded(bytes: Bytes, limits: &Limits) -> Result<Self, Error> {
        if bytes.len() as u64 > limits.file_bytes {
            let message =
                format!("the model has {} bytes, more than the limit of {}", bytes.len(), limits.file_bytes);
            return Err(Error::limit(message));
        }
        if let Some(format) = other_format(&bytes) {
            return Err(Error::invalid(format!("the file is no ONNX model but {format}")));
        }
        proto::scan(&bytes, limits)?;
        let proto = proto::ModelProto::decode(bytes.clone()).map_err(|source| {
            Error::invalid("the file is no ONNX model, or it is damaged").with_source(source)
        })?;
        let ir_version = proto.ir_version.unwrap_or(0);
        let version = proto.producer_version.clone().unwrap_or_default();
        let producer =
            format!("{} {version}", proto.producer_name.clone().unwrap_or_default()).trim().to_owned();
        let (graph, inputs, outputs) = build::build(proto, limits)?;
        let limits = limits.clone();
        Ok(Self(Arc::new(Inner { bytes, graph, inputs, outputs, ir_version, producer, limits })))
    }

    /// Returns the inputs that a run needs, in the model's order; inputs with a default value are not listed.
    pub fn inputs(&self) -> &[ValueInfo] {
        &self.0.inputs
    }

    /// Returns the outputs of a run, in the model's order.
    pub fn outputs(&self) -> &[ValueInfo] {
        &self.0.outputs
    }

    /// Returns the operators that the model uses, by domain and name.
    pub fn operators(&self) -> Vec<OperatorUse> {
        let mut uses = BTreeMap::<(&str, &str), (i64, usize)>::new();
        for node in &self.0.graph.nodes {
            uses.entry((&node.domain, &node.op_type)).or_insert((node.opset, 0)).1 += 1;
        }
        let describe = |((domain, name), (opset, nodes)): ((&str, &str), (i64, usize))| OperatorUse {
            domain: domain.to_owned(),
            name: name.to_owned(),
            opset,
            nodes,
            supported: ops::find(domain, name, opset).is_some(),
        };
        uses.into_iter().map(describe).collect()
    }

    /// Returns the version of the ONNX file format.
    pub fn ir_version(&self) -> i64 {
        self.0.ir_version
    }

    /// Returns the name and version of the program that wrote the file; empty if it does not say.
    pub fn producer(&self) -> &str {
        &self.0.producer
    }

    /// Returns the limits that the model was loaded with.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Returns the file, for engines that read it themselves.
    #[cfg_attr(
        not(feature = "candle-onnx"),
        allow(dead_code, reason = "only the reference engine reads the file again")
    )]
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.0.bytes
    }

    pub(crate) fn graph(&self) -> &Graph {
        &self.0.graph
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("producer", &self.0.producer)
            .field("nodes", &self.0.graph.nodes.len())
            .field("inputs", &self.0.inputs)
            .field("outputs", &self.0.outputs)
            .finish_non_exhaustive()
    }
}

/// Runs `work` and turns a panic into an error: the last net, for bugs that no check has caught.
pub(crate) fn no_panic<T>(what: &str, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    // Nothing that a panic could leave half-changed outlives the call: what `work` makes is dropped with it.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        Err(Error::new(ErrorKind::Internal, format!("a bug stopped {what}: {text}")))
    })
}

/// Returns what the file is, if its first bytes say that it is something else.
fn other_format(bytes: &[u8]) -> Option<&'static str> {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    if bytes.is_empty() {
        Some("empty")
    } else if starts(b"GGUF") {
        Some("a GGUF file")
    } else if starts(b"PK\x03\x04") {
        Some("a zip archive (PyTorch saves those)")
    } else if starts(b"\x89HDF") {
        Some("an HDF5 file (TensorFlow)")
    } else if starts(b"version https://git-lfs") {
        Some("a Git LFS pointer: the file itself was never fetched")
    } else if starts(b"<!") || starts(b"<html") {
        Some("a web page")
    } else if bytes.len() > 9 && bytes[8] == b'{' && bytes[5..8] == [0; 3] {
        Some("a safetensors file")
    } else {
        None
    }
}
