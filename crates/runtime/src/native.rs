//! The native engine: optimise, plan, run.

use std::{cell::Cell, time::Instant};

use crate::{
    Error, ErrorKind, Limits, Model, RunOptions, SessionOptions, Tensor,
    engine::{Engine, Prepared},
    ops::{self, Context, Inputs},
    optimize::optimize,
    plan::{Plan, Source, Step},
};

/// This crate's own engine.
#[derive(Debug)]
pub(crate) struct Native;

impl Engine for Native {
    fn prepare(&self, model: &Model, options: &SessionOptions) -> Result<Box<dyn Prepared>, Error> {
        let mut graph = model.graph().clone();
        for node in &graph.nodes {
            ops::check(node).map_err(|error| error.at_node(node.label()))?;
        }
        optimize(&mut graph, &options.passes, model.limits())?;
        Ok(Box::new(NativeSession { plan: Plan::new(&graph)?, limits: model.limits().clone() }))
    }
}

#[derive(Debug)]
struct NativeSession {
    plan: Plan,
    limits: Limits,
}

impl Prepared for NativeSession {
    fn run(&self, inputs: Vec<Tensor>, options: &RunOptions) -> Result<Vec<Tensor>, Error> {
        let context = Context::new(&self.limits);
        let mut slots: Vec<Option<Tensor>> = vec![None; self.plan.slots];
        for (&slot, tensor) in self.plan.inputs.iter().zip(inputs) {
            slots[slot] = Some(tensor);
        }
        for step in &self.plan.steps {
            if options.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                let message = "the deadline passed before this node";
                return Err(Error::new(ErrorKind::Deadline, message).at_node(&step.label));
            }
            run_step(step, &mut slots, &context).map_err(|error| error.at_node(&step.label))?;
        }
        let take = |source: &Source| source.tensor(&mut slots).expect("the plan makes every output");
        Ok(self.plan.outputs.iter().map(take).collect())
    }
}

/// Runs one node, and keeps count of the memory that the values in the slots take.
fn run_step(step: &Step, slots: &mut [Option<Tensor>], context: &Context) -> Result<(), Error> {
    // What is moved out of a slot for the last time and owned by nobody else is freed, or becomes the output.
    let mut held = Vec::with_capacity(step.inputs.len());
    let mut inputs = Vec::with_capacity(step.inputs.len());
    for source in &step.inputs {
        let tensor = source.tensor(slots);
        if let Some(tensor) = &tensor {
            let freed = matches!(source, Source::Slot { last: true, .. }) && tensor.data().is_unique();
            held.push((tensor.data().address(), freed.then(|| tensor.byte_len())));
        }
        inputs.push(tensor);
    }
    let outputs = step.operator.run(context, Inputs::new(inputs))?;
    let freed: u64 = held.iter().filter_map(|(_, bytes)| *bytes).sum();
    let mut made = 0;
    for (slot, tensor) in step.outputs.iter().zip(outputs) {
        let Some(slot) = *slot else { continue };
        let address = tensor.data().address();
        let shared = held.iter().any(|(other, freed)| *other == address && freed.is_none());
        if !shared {
            made += tensor.byte_len();
        }
        slots[slot] = Some(tensor);
    }
    context.settle(made, freed);
    Ok(())
}

/// What one run may still allocate.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: u64,
    /// Taken by values in slots.
    live: Cell<u64>,
    /// Allocated by the node that is running.
    pending: Cell<u64>,
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, live: Cell::new(0), pending: Cell::new(0) }
    }

    /// Counts memory that is about to be allocated, or refuses it.
    pub(crate) fn reserve(&self, bytes: u64) -> Result<(), Error> {
        let pending = self.pending.get().saturating_add(bytes);
        if self.live.get().saturating_add(pending) > self.limit {
            let message = format!(
                "it needs {bytes} bytes more than the {} in use, over the limit of {} for one run",
                self.live.get().saturating_add(self.pending.get()),
                self.limit
            );
            return Err(Error::limit(message));
        }
        self.pending.set(pending);
        Ok(())
    }

    /// Closes the account of one node.
    pub(crate) fn settle(&self, made: u64, freed: u64) {
        self.live.set(self.live.get().saturating_add(made).saturating_sub(freed));
        self.pending.set(0);
    }
}
