//! Layer normalisation: the nine nodes that exporters write become one.

use super::matching::Matching;
use crate::{
    Tensor,
    model::{Attribute, Graph, Node, ValueId},
};

/// Replaces `x - mean`, divided by `sqrt(mean of squares + epsilon)`, scaled and shifted, by LayerNormalization.
///
/// Only over the last dimension, and only where no step in between is used elsewhere.
pub(super) fn fuse(graph: &mut Graph) {
    let matching = Matching::new(graph);
    let found: Vec<(usize, Match)> =
        (0..graph.nodes.len()).filter_map(|index| Some((index, ends_at(&matching, index)?))).collect();
    for (index, Match { input, scale, shift, epsilon }) in found {
        let node = &mut graph.nodes[index];
        *node = Node {
            name: node.name.clone(),
            domain: String::new(),
            op_type: "LayerNormalization".to_owned(),
            // The first version that has the operator, whatever the model imports.
            opset: 17,
            inputs: vec![Some(input), Some(scale), Some(shift)],
            outputs: node.outputs.clone(),
            attributes: vec![
                ("axis".to_owned(), Attribute::Int(-1)),
                ("epsilon".to_owned(), Attribute::Float(epsilon)),
            ],
        };
    }
}

struct Match {
    input: ValueId,
    scale: ValueId,
    shift: ValueId,
    epsilon: f32,
}

/// Returns the parts of the normalisation that ends with this node.
fn ends_at(graph: &Matching<'_>, index: usize) -> Option<Match> {
    let last = graph.node(index);
    if !last.is("Add") {
        return None;
    }
    let (shift, scaled) = graph.constant_and_other(last)?;
    let (scale, divided) = graph.constant_and_other(graph.made_by(scaled, "Mul")?)?;
    let divide = graph.made_by(divided, "Div")?;
    let (centred, deviation) = (divide.input(0)?, divide.input(1)?);
    let subtract = graph.maker(centred, "Sub")?;
    let input = subtract.input(0)?;
    let mean = graph.made_by(subtract.input(1)?, "ReduceMean")?;
    let root = graph.made_by(deviation, "Sqrt")?;
    let (epsilon, variance) = graph.constant_and_other(graph.made_by(root.input(0)?, "Add")?)?;
    let variance = graph.made_by(variance, "ReduceMean")?;
    let last_dimension = is_over_last_dimension(graph, mean) && is_over_last_dimension(graph, variance);
    if mean.input(0)? != input || !last_dimension {
        return None;
    }
    // The difference from the mean is used by the division and by the square, which may be written as a product.
    let squared = variance.input(0)?;
    let is_square = match graph.made_by(squared, "Pow") {
        Some(power) => {
            power.input(0)? == centred && graph.uses(centred) == 2 && graph.is_float(power.input(1)?, 2.)
        }
        None => {
            let product = graph.made_by(squared, "Mul")?;
            product.inputs == [Some(centred), Some(centred)] && graph.uses(centred) == 3
        }
    };
    let row = graph.constant(scale)?.shape();
    let is_row = row.len() == 1 && row[0] > 1 && graph.constant(shift)?.shape() == row;
    let epsilon = graph.float(epsilon)?;
    (is_square && is_row).then_some(Match { input, scale, shift, epsilon })
}

fn is_over_last_dimension(graph: &Matching<'_>, node: &Node) -> bool {
    let keeps = matches!(node.attribute("keepdims"), None | Some(Attribute::Int(1)));
    let axes = match (node.attribute("axes"), node.input(1)) {
        (Some(Attribute::Ints(axes)), None) => Some(&axes[..]),
        (None, Some(id)) => graph.constant(id).and_then(Tensor::as_i64),
        _ => None,
    };
    keeps && axes == Some(&[-1])
}
