//! Builds the typed graph from the decoded messages: every name resolved, every node in order.

use std::collections::HashMap;

use super::{Attribute, Graph, Node, ValueId, ValueInfo, constant};
use crate::{
    Error, ErrorKind, Limits,
    proto::{AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto},
};

/// The graph with its inputs and outputs as the user sees them.
pub(super) type Built = (Graph, Vec<ValueInfo>, Vec<ValueInfo>);

pub(super) fn build(model: ModelProto, limits: &Limits) -> Result<Built, Error> {
    let opsets = opsets(&model.opset_import)?;
    let graph = model.graph.ok_or_else(|| Error::invalid("the file is no ONNX model: it has no graph"))?;
    if !graph.sparse_initializer.is_empty() {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "the model has sparse weights, which are not supported",
        ));
    }
    if let Some(function) = model.functions.first() {
        let name = function.name.as_deref().unwrap_or_default();
        let domain = function.domain.as_deref().unwrap_or_default();
        let message = format!(
            "the model defines a function of its own, {name:?} in {domain:?}, which is not supported"
        );
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    Builder { limits, opsets, graph: Graph::default(), by_name: HashMap::new() }.build(graph)
}

fn opsets(imports: &[OperatorSetIdProto]) -> Result<HashMap<String, i64>, Error> {
    let mut opsets = HashMap::new();
    for import in imports {
        let domain = canonical_domain(import.domain.clone());
        let version = import.version.unwrap_or(0);
        if opsets.insert(domain.clone(), version).is_some_and(|other| other != version) {
            return Err(Error::invalid(format!(
                "the model imports two versions of the operators of {domain:?}"
            )));
        }
    }
    Ok(opsets)
}

/// The domain of ONNX itself has two spellings.
fn canonical_domain(domain: Option<String>) -> String {
    domain.filter(|domain| domain != "ai.onnx").unwrap_or_default()
}

struct Builder<'a> {
    limits: &'a Limits,
    opsets: HashMap<String, i64>,
    graph: Graph,
    by_name: HashMap<String, ValueId>,
}

impl Builder<'_> {
    fn build(mut self, proto: GraphProto) -> Result<Built, Error> {
        for initializer in proto.initializer {
            let name = initializer.name.clone().unwrap_or_default();
            let what = format!("the initialiser {name:?}");
            let tensor = constant::decode(initializer, &what, self.limits)?;
            self.define(&name, &what, Some(tensor))?;
        }
        let mut inputs = Vec::new();
        for input in proto.input {
            let info = ValueInfo::decode(input, "the input")?;
            // Before version 4 of the file format every initialiser was listed as an input, too.
            let default = self.by_name.get(&info.name).filter(|id| self.graph.constant(**id).is_some());
            if default.is_some() {
                continue;
            }
            if info.dtype.is_none() {
                return Err(Error::invalid(format!("the input {:?} has no element type", info.name)));
            }
            let id = self.define(&info.name, "the input", None)?;
            self.graph.inputs.push(id);
            inputs.push(info);
        }
        self.nodes(proto.node)?;
        let mut outputs = Vec::<ValueInfo>::new();
        for output in proto.output {
            let info = ValueInfo::decode(output, "the output")?;
            let Some(&id) = self.by_name.get(&info.name) else {
                return Err(Error::invalid(format!("no node makes the output {:?}", info.name)));
            };
            if outputs.iter().any(|other| other.name == info.name) {
                return Err(Error::invalid(format!("the output {:?} is listed twice", info.name)));
            }
            self.graph.outputs.push(id);
            outputs.push(info);
        }
        if outputs.is_empty() {
            return Err(Error::invalid("the graph has no outputs"));
        }
        Ok((self.graph, inputs, outputs))
    }

    /// Adds a value that must not be there yet.
    fn define(&mut self, name: &str, what: &str, constant: Option<crate::Tensor>) -> Result<ValueId, Error> {
        if name.is_empty() {
            return Err(Error::invalid(format!("{what} has no name")));
        }
        if self.by_name.contains_key(name) {
            return Err(Error::invalid(format!("the value {name:?} is defined twice")));
        }
        let id = self.graph.add_value(constant);
        self.by_name.insert(name.to_owned(), id);
        Ok(id)
    }

    fn nodes(&mut self, protos: Vec<NodeProto>) -> Result<(), Error> {
        let mut nodes = Vec::with_capacity(protos.len());
        // Outputs first, so that the nodes' order in the file does not matter.
        for (index, proto) in protos.iter().enumerate() {
            let label = node_name(proto, index);
            self.check_counts(proto).map_err(|error| error.at_node(&label))?;
            let mut outputs = Vec::with_capacity(proto.output.len());
            for name in &proto.output {
                let id = (!name.is_empty()).then(|| self.define(name, "an output", None)).transpose();
                outputs.push(id.map_err(|error| error.at_node(&label))?);
            }
            nodes.push(outputs);
        }
        let mut built = Vec::with_capacity(protos.len());
        for (index, (proto, outputs)) in protos.into_iter().zip(nodes).enumerate() {
            let label = node_name(&proto, index);
            built.push(self.node(proto, &label, outputs).map_err(|error| error.at_node(&label))?);
        }
        self.graph.nodes = sorted(built, self.graph.values.len())?;
        Ok(())
    }

    fn check_counts(&self, proto: &NodeProto) -> Result<(), Error> {
        let count = proto.input.len().max(proto.output.len());
        if count > self.limits.arity {
            let message =
                format!("{count} inputs or outputs are more than the limit of {}", self.limits.arity);
            return Err(Error::limit(message));
        }
        Ok(())
    }

    fn node(&self, proto: NodeProto, name: &str, outputs: Vec<Option<ValueId>>) -> Result<Node, Error> {
        let op_type = proto.op_type.unwrap_or_default();
        if op_type.is_empty() {
            return Err(Error::invalid("it names no operator"));
        }
        let domain = canonical_domain(proto.domain);
        // Keeps files away from the operators that only passes make.
        if domain.contains(char::is_control) {
            return Err(Error::invalid(format!("its operator's domain {domain:?} is no name")));
        }
        // Contributed operators are often used without importing their domain.
        let opset = self.opsets.get(&domain).copied().or((!domain.is_empty()).then_some(1));
        let opset =
            opset.ok_or_else(|| Error::invalid("the model does not say which version of ONNX it uses"))?;
        let mut inputs = Vec::with_capacity(proto.input.len());
        for input in &proto.input {
            let id = (!input.is_empty()).then(|| {
                let missing = || Error::invalid(format!("its input {input:?} is made by no node"));
                self.by_name.get(input).copied().ok_or_else(missing)
            });
            inputs.push(id.transpose()?);
        }
        let mut attributes = Vec::<(String, Attribute)>::with_capacity(proto.attribute.len());
        for attribute in proto.attribute {
            let name = attribute.name.clone().unwrap_or_default();
            if attributes.iter().any(|(other, _)| *other == name) {
                return Err(Error::invalid(format!("it has two attributes {name:?}")));
            }
            let value = self.attribute(attribute, &name)?;
            attributes.push((name, value));
        }
        Ok(Node { name: name.to_owned(), domain, op_type, opset, inputs, outputs, attributes })
    }

    fn attribute(&self, proto: AttributeProto, name: &str) -> Result<Attribute, Error> {
        let missing = || Error::invalid(format!("its attribute {name:?} does not hold what its type says"));
        if proto.ref_attr_name.as_deref().is_some_and(|reference| !reference.is_empty()) {
            return Err(Error::invalid(format!(
                "its attribute {name:?} refers to a function's, outside of one"
            )));
        }
        Ok(match proto.r#type.unwrap_or(0) {
            // A default value is left out by some writers.
            1 => Attribute::Float(proto.f.unwrap_or(0.)),
            2 => Attribute::Int(proto.i.unwrap_or(0)),
            3 => Attribute::String(proto.s.unwrap_or_default()),
            4 => {
                let tensor = proto.t.ok_or_else(missing)?;
                let what = format!("its attribute {name:?}");
                Attribute::Tensor(constant::decode(tensor, &what, self.limits)?)
            }
            5 => proto.g.map(|_| Attribute::Other("GRAPH")).ok_or_else(missing)?,
            6 => Attribute::Floats(proto.floats),
            7 => Attribute::Ints(proto.ints),
            8 => Attribute::Other("STRINGS"),
            9 => Attribute::Other("TENSORS"),
            10 => Attribute::Other("GRAPHS"),
            11 => Attribute::Other("SPARSE_TENSOR"),
            12 => Attribute::Other("SPARSE_TENSORS"),
            13 => Attribute::Other("TYPE_PROTO"),
            14 => Attribute::Other("TYPE_PROTOS"),
            other => {
                return Err(Error::invalid(format!("its attribute {name:?} has the unknown type {other}")));
            }
        })
    }
}

/// Returns the node's name, or a name made from its place and operator.
fn node_name(proto: &NodeProto, index: usize) -> String {
    match proto.name.as_deref() {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => format!("#{index} {}", proto.op_type.as_deref().unwrap_or_default()),
    }
}

/// Orders nodes so that each comes after those whose values it uses; keeps the file's order where that is free.
fn sorted(nodes: Vec<Node>, values: usize) -> Result<Vec<Node>, Error> {
    let mut made_by = vec![None; values];
    for (index, node) in nodes.iter().enumerate() {
        for id in node.outputs.iter().flatten() {
            made_by[id.index()] = Some(index);
        }
    }
    let producers = |node: &Node| -> Vec<usize> {
        node.inputs.iter().flatten().filter_map(|id| made_by[id.index()]).collect()
    };
    let in_order = |(index, node): (usize, &Node)| producers(node).iter().all(|&producer| producer < index);
    if nodes.iter().enumerate().all(in_order) {
        return Ok(nodes);
    }
    let mut waiting = vec![0usize; nodes.len()];
    let mut users = vec![Vec::new(); nodes.len()];
    for (index, node) in nodes.iter().enumerate() {
        for producer in producers(node) {
            waiting[index] += 1;
            users[producer].push(index);
        }
    }
    let ready = (0..nodes.len()).filter(|&index| waiting[index] == 0);
    let mut ready: std::collections::BTreeSet<usize> = ready.collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(index) = ready.pop_first() {
        order.push(index);
        for &user in &users[index] {
            waiting[user] -= 1;
            if waiting[user] == 0 {
                ready.insert(user);
            }
        }
    }
    if order.len() < nodes.len() {
        let stuck = waiting.iter().position(|&count| count > 0).map(|index| nodes[index].label());
        return Err(Error::invalid("it needs its own output: the graph has a cycle")
            .at_node(stuck.unwrap_or_default()));
    }
    let mut nodes: Vec<Option<Node>> = nodes.into_iter().map(Some).collect();
    Ok(order.into_iter().filter_map(|index| nodes[index].take()).collect())
}
