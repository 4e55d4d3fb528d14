//! Identity removal: users of a node that changes nothing use its input instead.

use crate::model::{Graph, ValueId};

/// Bypasses Identity and Dropout nodes, but for those that make an output of the graph.
pub(super) fn remove(graph: &mut Graph) {
    let mut source: Vec<Option<ValueId>> = vec![None; graph.values.len()];
    let outputs = graph.outputs.clone();
    // Nodes are in order, so a chain of identities is resolved from its start.
    for node in &mut graph.nodes {
        for id in node.inputs.iter_mut().flatten() {
            *id = source[id.index()].unwrap_or(*id);
        }
        let plain = node.is("Identity") || (node.is("Dropout") && node.input(2).is_none());
        let (Some(input), [Some(output)]) = (node.input(0), &node.outputs[..]) else { continue };
        if plain && !outputs.contains(output) {
            source[output.index()] = Some(input);
        }
    }
}
