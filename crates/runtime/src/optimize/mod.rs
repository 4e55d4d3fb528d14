//! Passes that make a graph cheaper and keep its meaning; each can be left out.

mod constants;
mod dead;
mod identity;

use crate::{Error, Limits, model::Graph};

/// One optimisation of the native engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Pass {
    /// Computes what does not depend on the inputs once.
    ConstantFolding,
    /// Removes nodes that give their input back as it is.
    IdentityRemoval,
    /// Removes nodes whose results nothing uses.
    DeadNodes,
}

impl Pass {
    /// All passes, in the order in which they are applied.
    pub const ALL: &[Self] = &[Self::IdentityRemoval, Self::ConstantFolding, Self::DeadNodes];

    fn apply(self, graph: &mut Graph, limits: &Limits) -> Result<(), Error> {
        match self {
            Self::ConstantFolding => constants::fold(graph, limits),
            Self::IdentityRemoval => identity::remove(graph),
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
