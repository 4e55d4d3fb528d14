//! Dead node elimination: what nothing uses is not computed.

use crate::model::Graph;

/// Removes each node none of whose outputs is used, and forgets constants that nothing uses.
pub(super) fn remove(graph: &mut Graph) {
    let mut used = vec![false; graph.values.len()];
    for id in &graph.outputs {
        used[id.index()] = true;
    }
    let nodes = std::mem::take(&mut graph.nodes);
    for node in nodes.into_iter().rev() {
        if node.outputs.iter().flatten().any(|id| used[id.index()]) {
            for id in node.inputs.iter().flatten() {
                used[id.index()] = true;
            }
            graph.nodes.push(node);
        }
    }
    graph.nodes.reverse();
    for (value, used) in graph.values.iter_mut().zip(used) {
        if !used {
            value.constant = None;
        }
    }
}
