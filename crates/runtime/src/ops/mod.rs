//! The operators: a registry by domain, name and version, and one small file for each family.
//!
//! `docs/adding-an-operator.md` says how to add one.

mod arithmetic;
mod broadcast;
mod build;
mod cast;
mod compare;
mod context;
mod convolution;
mod gather;
mod generate;
mod identity;
mod integer_matmul;
mod join;
mod matmul;
mod norm;
mod number;
mod permute;
mod quantize;
mod reduce;
mod shape;
mod strided;
mod unary;
mod window;

use std::{fmt, ops::RangeInclusive};

pub(crate) use self::{
    build::Build,
    context::{Context, Inputs},
};
use crate::{
    Error, ErrorKind, Tensor,
    model::{Node, ValueId},
};

/// The newest version of ONNX's own operator set whose changes the operators here know.
const NEWEST_OPSET: i64 = 28;
/// The oldest version of ONNX's own operator set that the operators here know.
const OLDEST_OPSET: i64 = 7;
/// The domain of the operators that only this crate's own passes make; a model's file cannot name it.
pub(crate) const FUSED: &str = "\0fused";

/// A node's operator, with its attributes read and its constant inputs prepared.
pub(crate) trait Operator: fmt::Debug + Send + Sync {
    /// Computes the outputs of one node.
    ///
    /// At least as many outputs must be returned as the node has; those beyond are dropped. Every input's number,
    /// type and shape is the model's choice: whatever does not fit must be an error, never a panic. Memory for
    /// outputs comes from [`Context::reserve`] or [`Context::filled`], which keep the limits. An input taken with
    /// [`Inputs::take`] may be changed in place if nothing else owns its elements.
    fn run(&self, context: &Context, inputs: Inputs) -> Result<Vec<Tensor>, Error>;

    /// Returns whether the operator keeps the constant input at `position` in a form of its own. Runs then leave
    /// that input out, and its first form can be freed.
    fn has_prepared(&self, _position: usize) -> bool {
        false
    }
}

/// One line of the registry.
#[derive(Debug)]
pub(crate) struct Entry {
    domain: &'static str,
    name: &'static str,
    /// The first version of the operator set that has the operator as it is implemented here.
    since: i64,
    inputs: RangeInclusive<usize>,
    outputs: RangeInclusive<usize>,
    build: Builder,
}

/// Makes an operator for one node.
type Builder = fn(&Build<'_>) -> Result<Box<dyn Operator>, Error>;

/// An operator of ONNX itself.
const fn onnx(
    name: &'static str,
    since: i64,
    inputs: RangeInclusive<usize>,
    outputs: RangeInclusive<usize>,
    build: Builder,
) -> Entry {
    Entry { domain: "", name, since, inputs, outputs, build }
}

/// All operators, by family.
const FAMILIES: &[&[Entry]] = &[
    arithmetic::OPERATORS,
    cast::OPERATORS,
    compare::OPERATORS,
    convolution::OPERATORS,
    gather::OPERATORS,
    generate::OPERATORS,
    identity::OPERATORS,
    integer_matmul::OPERATORS,
    join::OPERATORS,
    matmul::OPERATORS,
    norm::OPERATORS,
    permute::OPERATORS,
    quantize::OPERATORS,
    reduce::OPERATORS,
    shape::OPERATORS,
    unary::OPERATORS,
];

/// Looks an operator up by its domain, its name and the version of its operator set.
pub(crate) fn find(domain: &str, name: &str, opset: i64) -> Option<&'static Entry> {
    if domain.is_empty() && !(OLDEST_OPSET..=NEWEST_OPSET).contains(&opset) {
        return None;
    }
    named(domain, name).find(|entry| entry.since <= opset)
}

fn named(domain: &str, name: &str) -> impl Iterator<Item = &'static Entry> {
    FAMILIES.iter().copied().flatten().filter(move |entry| entry.domain == domain && entry.name == name)
}

/// Refuses a node whose operator is not here, or whose inputs and outputs are not as many as it has.
pub(crate) fn check(node: &Node) -> Result<&'static Entry, Error> {
    let entry = find(&node.domain, &node.op_type, node.opset).ok_or_else(|| unsupported(node))?;
    let counts =
        [("inputs", node.inputs.len(), &entry.inputs), ("outputs", node.outputs.len(), &entry.outputs)];
    for (what, found, expected) in counts {
        if !expected.contains(&found) {
            let (least, most) = (expected.start(), expected.end());
            let expected = match (*least, *most) {
                (least, most) if least == most => least.to_string(),
                (least, usize::MAX) => format!("at least {least}"),
                (least, most) => format!("{least} to {most}"),
            };
            return Err(Error::invalid(format!("{} takes {expected} {what}, found {found}", entry.name)));
        }
    }
    if node.inputs.iter().take(*entry.inputs.start()).any(Option::is_none) {
        return Err(Error::invalid(format!("{} lacks one of its inputs", entry.name)));
    }
    Ok(entry)
}

fn unsupported(node: &Node) -> Error {
    let Node { op_type, domain, opset, .. } = node;
    let shown = if domain.is_empty() { "ai.onnx" } else { domain };
    let reason = match named(domain, op_type).map(|entry| entry.since).min() {
        None => "the native engine does not have it".to_owned(),
        Some(_) if domain.is_empty() && !(OLDEST_OPSET..=NEWEST_OPSET).contains(opset) => {
            format!("the native engine knows the versions {OLDEST_OPSET} to {NEWEST_OPSET}")
        }
        Some(since) => format!("the native engine has it from version {since} on"),
    };
    let message = format!("operator {op_type} of {shown}, version {opset}, is not supported: {reason}");
    Error::new(ErrorKind::UnsupportedOperator, message)
}

/// Builds the operator of a node; `constant` gives the inputs that are known before a run.
pub(crate) fn build(
    node: &Node,
    constant: &dyn Fn(ValueId) -> Option<Tensor>,
) -> Result<Box<dyn Operator>, Error> {
    let entry = check(node)?;
    (entry.build)(&Build::new(node, constant))
}
