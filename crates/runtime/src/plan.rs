//! The schedule of a graph: operators built, weights prepared, and the last use of every value known.

use crate::{
    Error, Tensor,
    model::{Graph, ValueId},
    ops::{self, Operator},
};

/// What a run does, step by step.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
    pub(crate) slots: usize,
    /// The slots of the graph's inputs.
    pub(crate) inputs: Vec<usize>,
    pub(crate) outputs: Vec<Source>,
}

/// One node with its operator.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) label: String,
    pub(crate) operator: Box<dyn Operator>,
    pub(crate) inputs: Vec<Source>,
    /// The slots that take the outputs; `None` for one that nothing uses.
    pub(crate) outputs: Vec<Option<usize>>,
}

/// Where an input comes from.
#[derive(Debug)]
pub(crate) enum Source {
    /// Left out, or kept by the operator in a form of its own.
    Nothing,
    Constant(Tensor),
    /// A value of this run; `last` says that nothing uses it afterwards.
    Slot {
        slot: usize,
        last: bool,
    },
}

impl Source {
    /// Returns the tensor; out of its slot if this is its last use, so that the operator may change it in place.
    pub(crate) fn tensor(&self, slots: &mut [Option<Tensor>]) -> Option<Tensor> {
        match self {
            Self::Nothing => None,
            Self::Constant(tensor) => Some(tensor.clone()),
            Self::Slot { slot, last: true } => slots[*slot].take(),
            Self::Slot { slot, last: false } => slots[*slot].clone(),
        }
    }
}

impl Plan {
    /// Builds the operators of a graph whose nodes are in order.
    pub(crate) fn new(graph: &Graph) -> Result<Self, Error> {
        let slots = Slots::new(graph);
        let mut steps = Vec::with_capacity(graph.nodes.len());
        for (index, node) in graph.nodes.iter().enumerate() {
            let operator = ops::build(node, &|id| graph.constant(id).cloned());
            let operator = operator.map_err(|error| error.at_node(node.label()))?;
            let mut inputs = Vec::with_capacity(node.inputs.len());
            for (position, id) in node.inputs.iter().enumerate() {
                inputs.push(match id {
                    None => Source::Nothing,
                    Some(_) if operator.has_prepared(position) => Source::Nothing,
                    Some(id) => match graph.constant(*id) {
                        Some(tensor) => Source::Constant(tensor.clone()),
                        None => {
                            let again = node.inputs[position + 1..].contains(&Some(*id));
                            let last = !again && slots.last_use[id.index()] == LastUse::Node(index);
                            Source::Slot { slot: slots.number[id.index()], last }
                        }
                    },
                });
            }
            let slot = |id: &Option<ValueId>| {
                id.filter(|id| slots.last_use[id.index()] != LastUse::Never)
                    .map(|id| slots.number[id.index()])
            };
            let outputs = node.outputs.iter().map(slot).collect();
            steps.push(Step { label: node.label(), operator, inputs, outputs });
        }
        let outputs = graph.outputs.iter().map(|id| match graph.constant(*id) {
            Some(tensor) => Source::Constant(tensor.clone()),
            None => Source::Slot { slot: slots.number[id.index()], last: false },
        });
        let inputs = graph.inputs.iter().map(|id| slots.number[id.index()]).collect();
        Ok(Self { steps, slots: slots.count, inputs, outputs: outputs.collect() })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LastUse {
    Never,
    Node(usize),
    /// A graph output lives until the end.
    Output,
}

/// A slot for every value that a run makes, and when each is used for the last time.
struct Slots {
    number: Vec<usize>,
    last_use: Vec<LastUse>,
    count: usize,
}

impl Slots {
    fn new(graph: &Graph) -> Self {
        let mut last_use = vec![LastUse::Never; graph.values.len()];
        for (index, node) in graph.nodes.iter().enumerate() {
            for id in node.inputs.iter().flatten() {
                last_use[id.index()] = LastUse::Node(index);
            }
        }
        for id in &graph.outputs {
            last_use[id.index()] = LastUse::Output;
        }
        let mut number = vec![usize::MAX; graph.values.len()];
        let mut count = 0;
        let made = graph.nodes.iter().flat_map(|node| node.outputs.iter().flatten());
        for id in graph.inputs.iter().chain(made) {
            number[id.index()] = count;
            count += 1;
        }
        Self { number, last_use, count }
    }
}
