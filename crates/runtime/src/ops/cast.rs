//! Cast: converts elements to another type.

use half::{bf16, f16};

use super::{Build, Context, Entry, Inputs, Operator, onnx};
use crate::{
    DType, Error, ErrorKind, Tensor,
    tensor::{Data, Element},
};

pub(super) const OPERATORS: &[Entry] =
    &[onnx("Cast", 6, 1..=1, 1..=1, cast), onnx("CastLike", 15, 2..=2, 1..=1, |_| Ok(Box::new(CastLike)))];

/// `Cast`, versions 6 to 25, between numbers and truth values.
///
/// A float becomes an integer by dropping its fraction; what is out of the integer's range, which ONNX leaves
/// open, becomes the nearest integer, and NaN zero. Integers wrap around.
#[derive(Debug)]
struct Cast {
    to: DType,
}

fn cast(build: &Build<'_>) -> Result<Box<dyn Operator>, Error> {
    let code = build.optional_int("to")?.ok_or_else(|| Error::invalid("Cast lacks its attribute \"to\""))?;
    let to = DType::from_onnx(i32::try_from(code).unwrap_or(-1)).map_err(|unsupported| {
        let kind = if unsupported.is_known() { ErrorKind::Unsupported } else { ErrorKind::InvalidModel };
        Error::new(kind, format!("Cast to {unsupported}"))
    })?;
    Ok(Box::new(Cast { to }))
}

impl Operator for Cast {
    fn run(&self, context: &Context, mut inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        Ok(vec![convert(context, inputs.take(0)?, self.to)?])
    }
}

/// `CastLike`, versions 15 to 25: a cast to the second input's type.
#[derive(Debug)]
struct CastLike;

impl Operator for CastLike {
    fn run(&self, context: &Context, mut inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        let to = inputs.get(1)?.dtype();
        Ok(vec![convert(context, inputs.take(0)?, to)?])
    }
}

/// Converts a tensor; one that is of the type already is returned as it is.
pub(super) fn convert(context: &Context, tensor: Tensor, to: DType) -> Result<Tensor, Error> {
    if tensor.dtype() == to {
        return Ok(tensor);
    }
    /// Converts from a type that Rust itself can convert to every number.
    macro_rules! from {
        ($elements:expr, $type:ty, $is_true:expr) => {
            match to {
                DType::F32 => map(context, &tensor, $elements, |x: $type| x as f32),
                DType::F64 => map(context, &tensor, $elements, |x: $type| x as f64),
                DType::F16 => map(context, &tensor, $elements, |x: $type| f16::from_f64(x as f64)),
                DType::BF16 => map(context, &tensor, $elements, |x: $type| bf16::from_f64(x as f64)),
                DType::I8 => map(context, &tensor, $elements, |x: $type| x as i8),
                DType::I16 => map(context, &tensor, $elements, |x: $type| x as i16),
                DType::I32 => map(context, &tensor, $elements, |x: $type| x as i32),
                DType::I64 => map(context, &tensor, $elements, |x: $type| x as i64),
                DType::U8 => map(context, &tensor, $elements, |x: $type| x as u8),
                DType::U16 => map(context, &tensor, $elements, |x: $type| x as u16),
                DType::U32 => map(context, &tensor, $elements, |x: $type| x as u32),
                DType::U64 => map(context, &tensor, $elements, |x: $type| x as u64),
                DType::Bool => map(context, &tensor, $elements, $is_true),
            }
        };
    }
    match tensor.data() {
        Data::F32(x) => from!(x, f32, |x: f32| x != 0.),
        Data::F64(x) => from!(x, f64, |x: f64| x != 0.),
        Data::I8(x) => from!(x, i8, |x: i8| x != 0),
        Data::I16(x) => from!(x, i16, |x: i16| x != 0),
        Data::I32(x) => from!(x, i32, |x: i32| x != 0),
        Data::I64(x) => from!(x, i64, |x: i64| x != 0),
        Data::U8(x) => from!(x, u8, |x: u8| x != 0),
        Data::U16(x) => from!(x, u16, |x: u16| x != 0),
        Data::U32(x) => from!(x, u32, |x: u32| x != 0),
        Data::U64(x) => from!(x, u64, |x: u64| x != 0),
        Data::Bool(x) => {
            let bytes = map(context, &tensor, x, u8::from)?;
            convert(context, bytes, to)
        }
        // Every number of these types is one of f32, too.
        Data::F16(x) => {
            let floats = map(context, &tensor, x, f16::to_f32)?;
            convert(context, floats, to)
        }
        Data::BF16(x) => {
            let floats = map(context, &tensor, x, bf16::to_f32)?;
            convert(context, floats, to)
        }
    }
}

fn map<A: Element, B: Element>(
    context: &Context,
    tensor: &Tensor,
    elements: &[A],
    convert: impl Fn(A) -> B,
) -> Result<Tensor, Error> {
    let mut out = context.reserve(elements.len())?;
    out.extend(elements.iter().map(|&element| convert(element)));
    Ok(Tensor::build(tensor.shape().to_vec(), out))
}

/// Returns whether a type has no arithmetic of its own, and is calculated with as `f32`.
pub(super) fn is_half(dtype: DType) -> bool {
    matches!(dtype, DType::F16 | DType::BF16)
}

/// Runs `work` on inputs in which 16-bit floats have become `f32`, and turns its `f32` results back.
pub(super) fn through_f32(
    context: &Context,
    mut inputs: Vec<Tensor>,
    work: impl FnOnce(Vec<Tensor>) -> Result<Vec<Tensor>, Error>,
) -> Result<Vec<Tensor>, Error> {
    let Some(half) = inputs.iter().map(Tensor::dtype).find(|&dtype| is_half(dtype)) else {
        return work(inputs);
    };
    for input in &mut inputs {
        if input.dtype() == half {
            *input = convert(context, input.clone(), DType::F32)?;
        }
    }
    let outputs = work(inputs)?.into_iter();
    let back = |tensor: Tensor| match tensor.dtype() {
        DType::F32 => convert(context, tensor, half),
        _ => Ok(tensor),
    };
    outputs.map(back).collect()
}
