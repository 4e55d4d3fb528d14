//! The typed graph: values by index, nodes with their operator and its version, constants decoded once.

use std::fmt;

use bytes::Bytes;

use crate::Tensor;

/// The index of a value in [`Graph::values`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ValueId(u32);

impl ValueId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A graph in which every value is made once and every node comes after the nodes whose values it uses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    pub(crate) values: Vec<Value>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) inputs: Vec<ValueId>,
    pub(crate) outputs: Vec<ValueId>,
}

/// A place for a tensor.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    /// The tensor, where it does not depend on the inputs.
    pub(crate) constant: Option<Tensor>,
}

/// One use of an operator.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    /// Empty for the operators of ONNX itself.
    pub(crate) domain: String,
    pub(crate) op_type: String,
    /// The version of the operator set that the model imports for the domain.
    pub(crate) opset: i64,
    /// `None` where an optional input is left out.
    pub(crate) inputs: Vec<Option<ValueId>>,
    /// `None` where an optional output is not wanted.
    pub(crate) outputs: Vec<Option<ValueId>>,
    pub(crate) attributes: Vec<(String, Attribute)>,
}

/// The value of an attribute.
#[derive(Clone, Debug)]
pub(crate) enum Attribute {
    Float(f32),
    Int(i64),
    String(Bytes),
    Tensor(Tensor),
    Floats(Vec<f32>),
    Ints(Vec<i64>),
    /// A kind that no operator here reads, by its name in ONNX.
    Other(&'static str),
}

impl Graph {
    /// Adds a value and returns its index.
    pub(crate) fn add_value(&mut self, constant: Option<Tensor>) -> ValueId {
        let id = u32::try_from(self.values.len())
            .expect("the limits on nodes and arity keep the count below 2^32");
        self.values.push(Value { constant });
        ValueId(id)
    }

    pub(crate) fn constant(&self, id: ValueId) -> Option<&Tensor> {
        self.values[id.index()].constant.as_ref()
    }

    /// Returns, for each value, how many nodes and graph outputs use it.
    pub(crate) fn use_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.values.len()];
        let used = self.nodes.iter().flat_map(|node| node.inputs.iter().flatten()).chain(&self.outputs);
        for id in used {
            counts[id.index()] += 1;
        }
        counts
    }

    /// Returns, for each value, the index of the node that makes it.
    pub(crate) fn producers(&self) -> Vec<Option<usize>> {
        let mut producers = vec![None; self.values.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            for id in node.outputs.iter().flatten() {
                producers[id.index()] = Some(index);
            }
        }
        producers
    }
}

impl Node {
    /// Returns whether this is the operator of ONNX itself with this name.
    pub(crate) fn is(&self, op_type: &str) -> bool {
        self.domain.is_empty() && self.op_type == op_type
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|(found, _)| found == name).map(|(_, attribute)| attribute)
    }

    /// Returns input `index`, unless it is left out.
    pub(crate) fn input(&self, index: usize) -> Option<ValueId> {
        self.inputs.get(index).copied().flatten()
    }

    /// Returns the node's name and operator, for errors.
    pub(crate) fn label(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ({})", self.name, self.op_type)
    }
}

impl Attribute {
    /// Returns the name that ONNX gives to the kind of the value.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Float(_) => "FLOAT",
            Self::Int(_) => "INT",
            Self::String(_) => "STRING",
            Self::Tensor(_) => "TENSOR",
            Self::Floats(_) => "FLOATS",
            Self::Ints(_) => "INTS",
            Self::Other(kind) => kind,
        }
    }
}
