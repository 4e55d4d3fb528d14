//! Passes that make a graph cheaper and keep its meaning; each can be left out.

mod constants;
mod dead;
mod gelu;
mod identity;
mod layer_norm;
mod matching;
mod quantized_linear;

use crate::{Error, Limits, model::Graph};

/// One optimisation of the native engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Pass {
    /// Computes what does not depend on the inputs once.
    ConstantFolding,
    /// Removes nodes that give their input back as it is.
    IdentityRemoval,
    /// Makes one node of the nine that exporters write for a layer normalisation.
    LayerNormFusion,
    /// Makes one node of the five that exporters write for a GELU with the error function.
    GeluFusion,
    /// Makes one node of an 8-bit matrix product, its cast, its scale and its bias.
    QuantizedLinearFusion,
    /// Removes nodes whose results nothing uses.
    DeadNodes,
}

impl Pass {
    /// All passes, in the order in which they are applied.
    pub const ALL: &[Self] = &[
        Self::IdentityRemoval,
        Self::ConstantFolding,
        Self::LayerNormFusion,
        Self::GeluFusion,
        Self::QuantizedLinearFusion,
        Self::DeadNodes,
    ];

    fn apply(self, graph: &mut Graph, limits: &Limits) -> Result<(), Error> {
        match self {
            Self::ConstantFolding => constants::fold(graph, limits),
            Self::IdentityRemoval => identity::remove(graph),
            Self::LayerNormFusion => layer_norm::fuse(graph),
            Self::GeluFusion => gelu::fuse(graph),
            Self::QuantizedLinearFusion => quantized_linear::fuse(graph),
            Self::DeadNodes => dead::remove(graph),
        }
        Ok(())
    }
}

/// Applies the chosen passes, each once, in the order of [`Pass::ALL`].
pub(crate) fn optimize(graph: &mut Graph, passes: &[Pass], limits: &Limits) -> Result<(), Error> {
    for pass in Pass::ALL {
        if passes.contains(pass) {
            pass.apply(graph, limits)?;
        }
    }
    Ok(())
}
