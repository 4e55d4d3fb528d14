//! Reductions along dimensions: ReduceMean, ReduceSum, ReduceMax, ReduceMin, ReduceProd and their like.

use super::{
    Build, Context, Entry, Inputs, Operator, cast,
    context::{axes, no_kernel},
    number::Number,
    onnx,
    permute::transposed,
};
use crate::{Error, Tensor, kernels::rows, tensor::Data};

pub(super) const OPERATORS: &[Entry] = &[
    onnx("ReduceMean", 1, 1..=2, 1..=1, |build| reduce(build, Kind::Mean)),
    onnx("ReduceSum", 1, 1..=2, 1..=1, |build| reduce(build, Kind::Sum)),
    onnx("ReduceMax", 1, 1..=2, 1..=1, |build| reduce(build, Kind::Max)),
    onnx("ReduceMin", 1, 1..=2, 1..=1, |build| reduce(build, Kind::Min)),
    onnx("ReduceProd", 1, 1..=2, 1..=1, |build| reduce(build, Kind::Product)),
    onnx("ReduceSumSquare", 1, 1..=2, 1..=1, |build| reduce(build, Kind::SumOfSquares)),
    onnx("ReduceL2", 1, 1..=2, 1..=1, |build| reduce(build, Kind::Length)),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Mean,
    Sum,
    Max,
    Min,
    Product,
    SumOfSquares,
    Length,
}

/// A reduction; axes are an attribute, and since version 18 (13 for `ReduceSum`) an input.
#[derive(Debug)]
struct Reduce {
    kind: Kind,
    axes: Option<Vec<i64>>,
    keep: bool,
    /// No axes means no reduction, rather than one over all dimensions.
    empty_is_none: bool,
}

fn reduce(build: &Build<'_>, kind: Kind) -> Result<Box<dyn Operator>, Error> {
    let as_input = build.opset() >= if kind == Kind::Sum { 13 } else { 18 };
    if !as_input && build.has_input(1) {
        return Err(Error::invalid(format!("version {} takes its axes as an attribute", build.opset())));
    }
    Ok(Box::new(Reduce {
        kind,
        axes: if as_input { None } else { build.ints("axes")? },
        keep: build.flag("keepdims", true)?,
        empty_is_none: build.flag("noop_with_empty_axes", false)?,
    }))
}

impl Operator for Reduce {
    fn run(&self, context: &Context, mut inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        let given = match &self.axes {
            Some(axes) => axes.clone(),
            None if inputs.optional(1).is_some() => inputs.indices(1, 64)?,
            None => Vec::new(),
        };
        let tensor = inputs.take(0)?;
        let rank = tensor.shape().len();
        let reduced = match given[..] {
            [] if self.empty_is_none => Vec::new(),
            [] => (0..rank).collect(),
            _ => axes(&given, rank)?,
        };
        let shape: Vec<usize> = (0..rank)
            .filter_map(|dim| match (reduced.contains(&dim), self.keep) {
                (false, _) => Some(tensor.shape()[dim]),
                (true, true) => Some(1),
                (true, false) => None,
            })
            .collect();
        // Rows to reduce lie one after the other once the reduced dimensions are the last ones.
        let size = reduced.iter().map(|&dim| tensor.shape()[dim]).product();
        let kept = (0..rank).filter(|dim| !reduced.contains(dim));
        let order: Vec<usize> = kept.chain(reduced.iter().copied()).collect();
        let rows = if order.is_sorted() { tensor } else { transposed(context, &tensor, &order)? };
        cast::through_f32(context, vec![rows], |inputs| {
            let dtype = inputs[0].dtype();
            let result = match inputs[0].data() {
                Data::F32(elements) => self.rows(context, elements, size, shape, self.floats()),
                Data::F64(elements) => self.rows(context, elements, size, shape, self.plain()),
                Data::I32(elements) => self.rows(context, elements, size, shape, self.plain()),
                Data::I64(elements) => self.rows(context, elements, size, shape, self.plain()),
                Data::U32(elements) => self.rows(context, elements, size, shape, self.plain()),
                Data::U64(elements) => self.rows(context, elements, size, shape, self.plain()),
                Data::I8(elements) => self.rows(context, elements, size, shape, self.plain()),
                Data::U8(elements) => self.rows(context, elements, size, shape, self.plain()),
                _ => Err(no_kernel(0, dtype)),
            };
            result.map(|tensor| vec![tensor])
        })
    }
}

impl Reduce {
    fn rows<T: Number>(
        &self,
        context: &Context,
        elements: &[T],
        size: usize,
        shape: Vec<usize>,
        row: impl Fn(&[T]) -> T,
    ) -> Result<Tensor, Error> {
        let count = context.elements(&shape)?;
        let mut out = context.reserve(count)?;
        if size == 0 {
            if count > 0 && matches!(self.kind, Kind::Max | Kind::Min | Kind::Mean) && T::INTEGER {
                return Err(Error::run("there is no largest, smallest or mean integer of none"));
            }
            out.resize(count, row(&[]));
        } else {
            out.extend(elements.chunks_exact(size).map(row));
        }
        Ok(Tensor::build(shape, out))
    }

    /// The kernel for 32-bit floats, in a fixed order that can be vectorised.
    fn floats(&self) -> impl Fn(&[f32]) -> f32 + use<'_> {
        move |row| match self.kind {
            Kind::Mean => rows::sum(row) / row.len() as f32,
            Kind::Sum => rows::sum(row),
            _ => self.plain()(row),
        }
    }

    fn plain<T: Number>(&self) -> impl Fn(&[T]) -> T + use<'_, T> {
        move |row| {
            let zero = T::default();
            let sum = |row: &[T]| row.iter().fold(zero, |sum, &x| sum.add(x));
            let squares = |row: &[T]| row.iter().fold(zero, |sum, &x| sum.add(x.mul(x)));
            match self.kind {
                Kind::Sum => sum(row),
                Kind::Mean => sum(row).div(T::from_f64(row.len() as f64)),
                Kind::Product => row.iter().fold(T::from_f64(1.), |product, &x| product.mul(x)),
                Kind::SumOfSquares => squares(row),
                Kind::Length => T::from_f64(squares(row).to_f64().sqrt()),
                Kind::Max => row.iter().copied().fold(T::from_f64(f64::NEG_INFINITY), T::larger),
                Kind::Min => row.iter().copied().fold(T::from_f64(f64::INFINITY), T::smaller),
            }
        }
    }
}
