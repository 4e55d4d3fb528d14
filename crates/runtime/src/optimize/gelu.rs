//! GELU: the five nodes with the error function that exporters write become one.

use super::matching::Matching;
use crate::model::{Graph, Node, ValueId};

/// Replaces `x * (erf(x / sqrt(2)) + 1) * 0.5`, in any of its orders, by Gelu.
pub(super) fn fuse(graph: &mut Graph) {
    let matching = Matching::new(graph);
    let found: Vec<(usize, ValueId)> =
        (0..graph.nodes.len()).filter_map(|index| Some((index, ends_at(&matching, index)?))).collect();
    for (index, input) in found {
        let node = &mut graph.nodes[index];
        *node = Node {
            name: node.name.clone(),
            domain: String::new(),
            op_type: "Gelu".to_owned(),
            // The first version that has the operator, whatever the model imports.
            opset: 20,
            inputs: vec![Some(input)],
            outputs: node.outputs.clone(),
            attributes: Vec::new(),
        };
    }
}

/// Returns the input of the GELU that ends with this node.
fn ends_at(graph: &Matching<'_>, index: usize) -> Option<ValueId> {
    let last = graph.node(index);
    if !last.is("Mul") {
        return None;
    }
    let sides = [(last.input(0)?, last.input(1)?), (last.input(1)?, last.input(0)?)];
    sides.into_iter().find_map(|(one, other)| {
        // x * (erf + 1) times 0.5
        let whole =
            graph.is_float(one, 0.5).then(|| graph.made_by(other, "Mul")).flatten().and_then(|product| {
                let sides = [(product.input(0)?, product.input(1)?), (product.input(1)?, product.input(0)?)];
                sides.into_iter().find(|&(x, sum)| erf_plus_one(graph, sum) == Some(x)).map(|(x, _)| x)
            });
        // (x * 0.5) times (erf + 1)
        whole.or_else(|| {
            let half = graph.made_by(one, "Mul")?;
            let x = graph.times(half, 0.5)?;
            (erf_plus_one(graph, other)? == x).then_some(x)
        })
    })
}

/// Returns x if the value is `erf(x / sqrt(2)) + 1`.
fn erf_plus_one(graph: &Matching<'_>, id: ValueId) -> Option<ValueId> {
    let sum = graph.made_by(id, "Add")?;
    let erf = match (sum.input(0)?, sum.input(1)?) {
        (one, erf) if graph.is_float(one, 1.) => erf,
        (erf, one) if graph.is_float(one, 1.) => erf,
        _ => return None,
    };
    let scaled = graph.made_by(erf, "Erf")?.input(0)?;
    if let Some(divide) = graph.made_by(scaled, "Div") {
        return graph.is_float(divide.input(1)?, std::f32::consts::SQRT_2).then_some(divide.input(0)?);
    }
    graph.times(graph.made_by(scaled, "Mul")?, std::f32::consts::FRAC_1_SQRT_2)
}
