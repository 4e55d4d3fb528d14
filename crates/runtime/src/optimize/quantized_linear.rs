//! Quantised layers: MatMulInteger, its cast, its scale and its bias become one.

use super::matching::Matching;
use crate::{
    DType,
    model::{Attribute, Graph, Node, ValueId},
    ops::FUSED,
};

/// Replaces `Cast(MatMulInteger(a, B, za, zb)) * scale + bias` with constant `B` by one node.
pub(super) fn fuse(graph: &mut Graph) {
    let matching = Matching::new(graph);
    let mut found = Vec::new();
    for index in 0..graph.nodes.len() {
        if let Some(node) = with_bias(&matching, index).or_else(|| without_bias(&matching, index)) {
            found.push((index, node));
        }
    }
    // A node that adds a bias replaces the one before it, which then has no user left and goes with the dead.
    for (index, node) in found {
        graph.nodes[index] = node;
    }
}

/// The parts of the product that ends with a node.
struct Match<'a> {
    product: &'a Node,
    scale: ValueId,
}

fn ends_at<'a>(graph: &Matching<'a>, node: &Node) -> Option<Match<'a>> {
    if !node.is("Mul") {
        return None;
    }
    let sides = [(node.input(0)?, node.input(1)?), (node.input(1)?, node.input(0)?)];
    sides.into_iter().find_map(|(converted, scale)| {
        let cast = graph.made_by(converted, "Cast")?;
        let product = graph.made_by(cast.input(0)?, "MatMulInteger")?;
        let weights = graph.constant(product.input(1)?)?;
        let is_matrix = weights.shape().len() == 2 && matches!(weights.dtype(), DType::I8 | DType::U8);
        let to_float = matches!(cast.attribute("to"), Some(Attribute::Int(1)));
        (is_matrix && to_float).then_some(Match { product, scale })
    })
}

fn without_bias(graph: &Matching<'_>, index: usize) -> Option<Node> {
    let node = graph.node(index);
    Some(fused(node, &ends_at(graph, node)?, None))
}

fn with_bias(graph: &Matching<'_>, index: usize) -> Option<Node> {
    let node = graph.node(index);
    if !node.is("Add") {
        return None;
    }
    let (bias, scaled) = graph.constant_and_other(node)?;
    let found = ends_at(graph, graph.made_by(scaled, "Mul")?)?;
    let columns = graph.constant(found.product.input(1)?)?.shape()[1];
    // A bias of any other shape could broadcast the product.
    let fits = graph.constant(bias)?.shape() == [columns];
    fits.then(|| fused(node, &found, Some(bias)))
}

fn fused(node: &Node, found: &Match<'_>, bias: Option<ValueId>) -> Node {
    let product = found.product;
    let mut inputs =
        vec![product.input(0), product.input(1), product.input(2), product.input(3), Some(found.scale)];
    inputs.extend(bias.map(Some));
    Node {
        name: node.name.clone(),
        domain: FUSED.to_owned(),
        op_type: "QuantizedLinear".to_owned(),
        opset: 1,
        inputs,
        outputs: node.outputs.clone(),
        attributes: Vec::new(),
    }
}
