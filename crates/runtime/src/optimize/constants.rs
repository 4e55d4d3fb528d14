//! Constant folding: what does not depend on the inputs is computed once.

use crate::{
    Limits,
    model::Graph,
    ops::{self, Context, Inputs},
};

/// The largest results that are kept, in bytes: one of them, and all together. A node that makes more out of less
/// than it is given, such as a large fill, is computed again in each run rather than kept.
const LARGEST: u64 = 16 << 20;
const ALL: u64 = 256 << 20;

/// Replaces each node whose inputs are all constants, and whose results are not too large, by its results.
pub(super) fn fold(graph: &mut Graph, limits: &Limits) {
    let limits = Limits { run_bytes: limits.run_bytes.min(4 * LARGEST), ..limits.clone() };
    let mut kept = 0;
    let nodes = std::mem::take(&mut graph.nodes);
    for node in nodes {
        let inputs: Option<Vec<_>> = node
            .inputs
            .iter()
            .map(|id| id.map_or(Some(None), |id| graph.constant(id).cloned().map(Some)))
            .collect();
        let results = inputs.and_then(|inputs| {
            let operator = ops::build(&node, &|id| graph.constant(id).cloned()).ok()?;
            let inputs = inputs.into_iter().enumerate();
            let inputs = inputs.map(|(position, tensor)| tensor.filter(|_| !operator.has_prepared(position)));
            // A node that fails here will fail when it runs, with its own error; or never run at all.
            let results = operator.run(&Context::new(&limits), Inputs::new(inputs.collect())).ok()?;
            let bytes: u64 = results.iter().map(crate::Tensor::byte_len).sum();
            (bytes <= LARGEST && kept + bytes <= ALL).then(|| {
                kept += bytes;
                results
            })
        });
        match results {
            Some(results) => {
                for (id, tensor) in node.outputs.iter().zip(results) {
                    if let Some(id) = id {
                        graph.values[id.index()].constant = Some(tensor);
                    }
                }
            }
            None => graph.nodes.push(node),
        }
    }
}
