//! The builder: nodes, inputs, outputs and initialisers to the bytes of an ONNX file.

use prost::Message;

use super::{
    Array, Attribute, DataType,
    proto::{
        Dimension, DimensionValue, Entry, GraphProto, Model, NodeProto, OperatorSet, Shape, TensorProto,
        TensorType, TypeProto, ValueInfo,
    },
};

/// One dimension of an input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dim {
    /// A fixed size; a broken model may have a negative one.
    Size(i64),
    /// A size that every run chooses, under a name.
    Named(String),
    /// A size about which nothing is said.
    Unknown,
}

impl From<i64> for Dim {
    fn from(size: i64) -> Self {
        Self::Size(size)
    }
}

impl From<&str> for Dim {
    fn from(name: &str) -> Self {
        Self::Named(name.to_owned())
    }
}

/// A node: an operator with inputs, outputs and attributes.
#[derive(Clone, Debug)]
pub struct Node {
    proto: NodeProto,
}

impl Node {
    /// Makes a node of the default domain; an empty name stands for an input or output left out.
    pub fn new<'a>(
        operator: &str,
        inputs: impl IntoIterator<Item = &'a str>,
        outputs: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let names = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        Self {
            proto: NodeProto {
                op_type: operator.to_owned(),
                input: names(inputs.into_iter().collect()),
                output: names(outputs.into_iter().collect()),
                ..NodeProto::default()
            },
        }
    }

    /// Sets an attribute.
    #[must_use]
    pub fn attr(mut self, name: &str, value: impl Into<Attribute>) -> Self {
        self.proto.attribute.push(value.into().to_proto(name));
        self
    }

    /// Gives the node a name, by which errors can speak of it.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.proto.name = name.to_owned();
        self
    }

    /// Takes the operator from another domain, such as `com.microsoft`.
    #[must_use]
    pub fn domain(mut self, domain: &str) -> Self {
        self.proto.domain = domain.to_owned();
        self
    }
}

/// A graph under construction; every method that adds something returns the graph.
///
/// Nothing is checked: broken models are built with it too.
#[derive(Clone, Debug)]
pub struct Graph {
    ir_version: i64,
    opsets: Vec<OperatorSet>,
    graph: GraphProto,
    typed_data: bool,
    values: usize,
}

impl Graph {
    /// Starts a graph that imports `opset` of the default domain.
    pub fn new(opset: i64) -> Self {
        Self {
            ir_version: 8,
            opsets: vec![OperatorSet { domain: String::new(), version: opset }],
            graph: GraphProto { name: "test".to_owned(), ..GraphProto::default() },
            typed_data: false,
            values: 0,
        }
    }

    /// Sets the version of the file format.
    pub fn ir_version(&mut self, version: i64) -> &mut Self {
        self.ir_version = version;
        self
    }

    /// Imports the operators of another domain.
    pub fn opset(&mut self, domain: &str, version: i64) -> &mut Self {
        self.opsets.push(OperatorSet { domain: domain.to_owned(), version });
        self
    }

    /// Writes the initialisers added from here on into typed fields (`float_data`, ...) rather than `raw_data`.
    pub fn typed_data(&mut self, typed: bool) -> &mut Self {
        self.typed_data = typed;
        self
    }

    /// Adds an input.
    pub fn input(&mut self, name: &str, kind: DataType, dims: impl IntoIterator<Item = Dim>) -> &mut Self {
        self.graph.input.push(value_info(name, kind, Some(dims.into_iter().collect())));
        self
    }

    /// Adds an output.
    pub fn output(&mut self, name: &str, kind: DataType, dims: impl IntoIterator<Item = Dim>) -> &mut Self {
        self.graph.output.push(value_info(name, kind, Some(dims.into_iter().collect())));
        self
    }

    /// Adds an output about whose shape nothing is said.
    pub fn output_of_any_shape(&mut self, name: &str, kind: DataType) -> &mut Self {
        self.graph.output.push(value_info(name, kind, None));
        self
    }

    /// Adds an initialiser: a constant tensor, mostly a weight.
    pub fn initializer(&mut self, name: &str, array: Array) -> &mut Self {
        let proto = if self.typed_data { array.to_typed_proto(name) } else { array.to_raw_proto(name) };
        self.graph.initializer.push(proto);
        self
    }

    /// Adds an initialiser whose bytes are outside the file, where `entries` (`location`, `offset`, `length`) say.
    pub fn external_initializer(
        &mut self,
        name: &str,
        kind: DataType,
        dims: impl Into<Vec<i64>>,
        entries: &[(&str, &str)],
    ) -> &mut Self {
        let entry =
            |(key, value): &(&str, &str)| Entry { key: (*key).to_owned(), value: (*value).to_owned() };
        self.graph.initializer.push(TensorProto {
            name: name.to_owned(),
            dims: dims.into(),
            data_type: kind.number(),
            data_location: 1,
            external_data: entries.iter().map(entry).collect(),
            ..TensorProto::default()
        });
        self
    }

    /// Adds a node.
    pub fn node(&mut self, node: Node) -> &mut Self {
        self.graph.node.push(node.proto);
        self
    }

    /// Adds a node with one output under a new name, and returns that name.
    pub fn op(&mut self, operator: &str, inputs: &[&str], attributes: &[(&str, Attribute)]) -> String {
        self.values += 1;
        let output = format!("{operator}_{}", self.values);
        let mut node =
            Node::new(operator, inputs.iter().copied(), [output.as_str()]).named(&format!("/{output}"));
        for (name, value) in attributes {
            node = node.attr(name, value.clone());
        }
        self.node(node);
        output
    }

    /// Adds an initialiser under a new name, and returns that name.
    pub fn constant(&mut self, array: Array) -> String {
        self.values += 1;
        let name = format!("constant_{}", self.values);
        self.initializer(&name, array);
        name
    }

    /// Gives the last node further outputs.
    ///
    /// # Panics
    ///
    /// If the graph has no node.
    pub fn more_outputs(&mut self, names: &[&str]) -> &mut Self {
        let node = self.graph.node.last_mut().expect("the graph has a node");
        node.output.extend(names.iter().map(|name| (*name).to_owned()));
        self
    }

    /// Gives the last node's output another name.
    ///
    /// # Panics
    ///
    /// If the graph has no node with an output.
    pub fn rename_last(&mut self, name: &str) -> &mut Self {
        let output = self.graph.node.last_mut().and_then(|node| node.output.first_mut());
        *output.expect("the graph has a node with an output") = name.to_owned();
        self
    }

    /// Returns the ONNX file.
    pub fn build(&self) -> Vec<u8> {
        Model {
            ir_version: self.ir_version,
            producer_name: "testkit".to_owned(),
            graph: Some(self.graph.clone()),
            opset_import: self.opsets.clone(),
        }
        .encode_to_vec()
    }

    pub(super) fn to_graph_proto(&self) -> GraphProto {
        self.graph.clone()
    }
}

fn value_info(name: &str, kind: DataType, dims: Option<Vec<Dim>>) -> ValueInfo {
    let dimension = |dim: Dim| Dimension {
        value: match dim {
            Dim::Size(size) => Some(DimensionValue::Value(size)),
            Dim::Named(name) => Some(DimensionValue::Param(name)),
            Dim::Unknown => None,
        },
    };
    let shape = dims.map(|dims| Shape { dim: dims.into_iter().map(dimension).collect() });
    let tensor = TensorType { elem_type: kind.number(), shape };
    ValueInfo { name: name.to_owned(), kind: Some(TypeProto { tensor: Some(tensor) }) }
}
