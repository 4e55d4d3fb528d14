//! Tensors out of nothing: Constant, ConstantOfShape, Range.

use super::{Build, Context, Entry, Inputs, Operator, cast, context::no_kernel, number::Number, onnx, shape};
use crate::{
    Error, ErrorKind, Tensor,
    model::Attribute,
    tensor::{Data, Element, with_data},
};

pub(super) const OPERATORS: &[Entry] = &[
    onnx("Constant", 1, 0..=0, 1..=1, constant),
    onnx("ConstantOfShape", 9, 1..=1, 1..=1, constant_of_shape),
    onnx("Range", 11, 3..=3, 1..=1, |_| Ok(Box::new(Range))),
];

/// `Constant`, versions 1 to 25, but for sparse tensors and text.
#[derive(Debug)]
struct Constant {
    value: Tensor,
}

fn constant(build: &Build<'_>) -> Result<Box<dyn Operator>, Error> {
    const NAMES: [&str; 7] =
        ["value", "value_float", "value_floats", "value_int", "value_ints", "value_string", "value_strings"];
    let mut given = NAMES.iter().filter_map(|name| build.attribute(name));
    let value = match (given.next(), given.next()) {
        (Some(Attribute::Tensor(tensor)), None) => tensor.clone(),
        (Some(Attribute::Float(value)), None) => Tensor::scalar(*value),
        (Some(Attribute::Int(value)), None) => Tensor::scalar(*value),
        (Some(Attribute::Floats(values)), None) => Tensor::build(vec![values.len()], values.clone()),
        (Some(Attribute::Ints(values)), None) => Tensor::build(vec![values.len()], values.clone()),
        (Some(Attribute::String(_) | Attribute::Other("STRINGS")), None) => {
            return Err(Error::new(ErrorKind::Unsupported, "a Constant of text is not supported"));
        }
        (None, None) if build.attribute("sparse_value").is_some() => {
            return Err(Error::new(ErrorKind::Unsupported, "a sparse Constant is not supported"));
        }
        _ => return Err(Error::invalid("a Constant needs exactly one value")),
    };
    Ok(Box::new(Constant { value }))
}

impl Operator for Constant {
    fn run(&self, _: &Context, _: Inputs) -> Result<Vec<Tensor>, Error> {
        Ok(vec![self.value.clone()])
    }
}

/// `ConstantOfShape`, versions 9 to 25.
#[derive(Debug)]
struct ConstantOfShape {
    value: Tensor,
}

fn constant_of_shape(build: &Build<'_>) -> Result<Box<dyn Operator>, Error> {
    let value = build.tensor("value")?.unwrap_or_else(|| Tensor::scalar(0f32));
    if value.len() != 1 {
        return Err(Error::invalid(format!("ConstantOfShape fills with one value, found {}", value.len())));
    }
    Ok(Box::new(ConstantOfShape { value }))
}

impl Operator for ConstantOfShape {
    fn run(&self, context: &Context, inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        let shape = shape::sizes(&inputs, 0)?;
        let count = context.elements(&shape)?;
        fn fill<T: Element>(
            context: &Context,
            shape: Vec<usize>,
            count: usize,
            value: &[T],
        ) -> Result<Tensor, Error> {
            Ok(Tensor::build(shape, context.filled(count, value[0])?))
        }
        with_data!(self.value.data(), value => fill(context, shape, count, value)).map(|tensor| vec![tensor])
    }
}

/// `Range`, versions 11 to 27: numbers from a start, by a step, up to but not including a limit.
#[derive(Debug)]
struct Range;

impl Operator for Range {
    fn run(&self, context: &Context, mut inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        let all = vec![inputs.take(0)?, inputs.take(1)?, inputs.take(2)?];
        let dtype = all[0].dtype();
        if all.iter().any(|tensor| tensor.len() != 1 || tensor.dtype() != dtype) {
            return Err(Error::run("Range takes three scalars of one type"));
        }
        cast::through_f32(context, all, |inputs| {
            let tensor = match inputs[0].data() {
                Data::F32(_) => range::<f32>(context, &inputs),
                Data::F64(_) => range::<f64>(context, &inputs),
                Data::I16(_) => range::<i16>(context, &inputs),
                Data::I32(_) => range::<i32>(context, &inputs),
                Data::I64(_) => range::<i64>(context, &inputs),
                _ => Err(no_kernel(0, dtype)),
            };
            tensor.map(|tensor| vec![tensor])
        })
    }
}

fn range<T: Number>(context: &Context, inputs: &[Tensor]) -> Result<Tensor, Error> {
    let scalar = |index: usize| inputs[index].as_slice::<T>().expect("all inputs are of one type")[0];
    let (start, limit, step) = (scalar(0), scalar(1), scalar(2));
    let count = ((limit.to_f64() - start.to_f64()) / step.to_f64()).ceil();
    if !count.is_finite() {
        return Err(Error::run("a Range needs finite bounds and a step other than zero"));
    }
    // A float out of range becomes the nearest integer, which the limit on elements then refuses.
    let count = context.elements(&[count.max(0.) as usize])?;
    let mut out = context.reserve(count)?;
    out.extend((0..count).map(|n| start.add(step.mul(T::from_f64(n as f64)))));
    Ok(Tensor::build(vec![count], out))
}
