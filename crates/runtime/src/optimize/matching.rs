//! What the fusions ask of a graph while they look for their patterns.

use crate::{
    Tensor,
    model::{Graph, Node, ValueId},
};

/// A graph with the maker and the number of users of each value.
pub(super) struct Matching<'a> {
    graph: &'a Graph,
    producers: Vec<Option<usize>>,
    uses: Vec<usize>,
}

impl<'a> Matching<'a> {
    pub(super) fn new(graph: &'a Graph) -> Self {
        Self { graph, producers: graph.producers(), uses: graph.use_counts() }
    }

    pub(super) fn node(&self, index: usize) -> &'a Node {
        &self.graph.nodes[index]
    }

    pub(super) fn constant(&self, id: ValueId) -> Option<&'a Tensor> {
        self.graph.constant(id)
    }

    /// Returns how many nodes and graph outputs use a value.
    pub(super) fn uses(&self, id: ValueId) -> usize {
        self.uses[id.index()]
    }

    /// Returns the node that makes a value, if it is the given operator and nothing else uses the value: then the
    /// node can go once its only user is replaced.
    pub(super) fn made_by(&self, id: ValueId, op_type: &str) -> Option<&'a Node> {
        (self.uses(id) == 1).then(|| self.maker(id, op_type)).flatten()
    }

    /// Returns the node that makes a value, if it is the given operator.
    pub(super) fn maker(&self, id: ValueId, op_type: &str) -> Option<&'a Node> {
        Some(self.node(self.producers[id.index()]?)).filter(|node| node.is(op_type))
    }

    /// Splits the inputs of a commutative node into one that is a constant and one that is not.
    pub(super) fn constant_and_other(&self, node: &Node) -> Option<(ValueId, ValueId)> {
        let (left, right) = (node.input(0)?, node.input(1)?);
        match (self.constant(left), self.constant(right)) {
            (Some(_), None) => Some((left, right)),
            (None, Some(_)) => Some((right, left)),
            _ => None,
        }
    }

    /// Returns whether a value is one constant float close to the given one.
    ///
    /// A constant of more than one dimension would change the shape of what it is combined with.
    pub(super) fn is_float(&self, id: ValueId, value: f32) -> bool {
        self.float(id).is_some_and(|found| (found - value).abs() <= value.abs() * 1e-6)
    }

    /// Returns a constant scalar of 32-bit floats.
    pub(super) fn float(&self, id: ValueId) -> Option<f32> {
        let tensor = self.constant(id)?;
        match tensor.as_f32()? {
            [value] if tensor.shape().is_empty() => Some(*value),
            _ => None,
        }
    }

    /// Returns what a node multiplies by the given constant float.
    pub(super) fn times(&self, node: &Node, value: f32) -> Option<ValueId> {
        let (constant, other) = self.constant_and_other(node)?;
        (node.is("Mul") && self.is_float(constant, value)).then_some(other)
    }
}
