//! Functions of one element: Sqrt, Erf, Tanh, Relu, Clip and their like.

use super::{
    Build, Context, Entry, Inputs, Operator, cast,
    context::no_kernel,
    number::{Number, with_number},
    onnx,
};
use crate::{DType, Error, Tensor, kernels::math, tensor::Buffer};

pub(super) const OPERATORS: &[Entry] = &[
    onnx("Sqrt", 6, 1..=1, 1..=1, |_| float(f32::sqrt, Some(f64::sqrt))),
    onnx("Exp", 6, 1..=1, 1..=1, |_| float(f32::exp, Some(f64::exp))),
    onnx("Log", 6, 1..=1, 1..=1, |_| float(f32::ln, Some(f64::ln))),
    onnx("Erf", 9, 1..=1, 1..=1, |_| float(math::erf, None)),
    onnx("Tanh", 6, 1..=1, 1..=1, |_| float(f32::tanh, Some(f64::tanh))),
    onnx("Sigmoid", 6, 1..=1, 1..=1, |_| float(math::sigmoid, Some(|x| 1. / (1. + (-x).exp())))),
    onnx("Sin", 7, 1..=1, 1..=1, |_| float(f32::sin, Some(f64::sin))),
    onnx("Cos", 7, 1..=1, 1..=1, |_| float(f32::cos, Some(f64::cos))),
    onnx("Floor", 6, 1..=1, 1..=1, |_| float(f32::floor, Some(f64::floor))),
    onnx("Ceil", 6, 1..=1, 1..=1, |_| float(f32::ceil, Some(f64::ceil))),
    onnx("Round", 11, 1..=1, 1..=1, |_| float(f32::round_ties_even, Some(f64::round_ties_even))),
    onnx("Reciprocal", 6, 1..=1, 1..=1, |_| float(|x| 1. / x, Some(|x| 1. / x))),
    onnx("Softplus", 1, 1..=1, 1..=1, |_| float(softplus, None)),
    onnx("HardSwish", 14, 1..=1, 1..=1, |_| float(|x| x * (x / 6. + 0.5).clamp(0., 1.), None)),
    onnx("Gelu", 20, 1..=1, 1..=1, gelu),
    onnx("LeakyRelu", 6, 1..=1, 1..=1, |build| {
        with_alpha(build, 0.01, |x, alpha| if x < 0. { alpha * x } else { x })
    }),
    onnx("Elu", 6, 1..=1, 1..=1, |build| {
        with_alpha(build, 1., |x, alpha| if x < 0. { alpha * x.exp_m1() } else { x })
    }),
    onnx("Neg", 6, 1..=1, 1..=1, |_| Ok(Box::new(Numeric::Neg))),
    onnx("Abs", 6, 1..=1, 1..=1, |_| Ok(Box::new(Numeric::Abs))),
    onnx("Sign", 9, 1..=1, 1..=1, |_| Ok(Box::new(Numeric::Sign))),
    onnx("Relu", 6, 1..=1, 1..=1, |_| Ok(Box::new(Numeric::Relu))),
    onnx("Clip", 6, 1..=3, 1..=1, clip),
];

fn softplus(x: f32) -> f32 {
    // ln(1 + e^x) without overflow for large x.
    x.max(0.) + (-x.abs()).exp().ln_1p()
}

/// A function of floats; 16-bit ones are calculated as `f32`.
struct Float<F> {
    single: F,
    double: Option<fn(f64) -> f64>,
}

impl<F> std::fmt::Debug for Float<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Float")
    }
}

/// Builds an operator around a function; generic, so that each gets a loop of its own.
fn float(
    single: impl Fn(f32) -> f32 + Copy + Send + Sync + 'static,
    double: Option<fn(f64) -> f64>,
) -> Result<Box<dyn Operator>, Error> {
    Ok(Box::new(Float { single, double }))
}

impl<F: Fn(f32) -> f32 + Copy + Send + Sync> Operator for Float<F> {
    fn run(&self, context: &Context, mut inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        cast::through_f32(context, vec![inputs.take(0)?], |mut inputs| {
            let tensor = inputs.remove(0);
            let dtype = tensor.dtype();
            match (dtype, self.double) {
                (DType::F32, _) => map(context, tensor, self.single),
                (DType::F64, Some(double)) => map(context, tensor, double),
                _ => Err(no_kernel(0, dtype)),
            }
            .map(|tensor| vec![tensor])
        })
    }
}

/// Replaces each element, in place if nothing else owns them. The elements must be of type `T`.
pub(super) fn map<T: Number>(context: &Context, tensor: Tensor, f: impl Fn(T) -> T) -> Result<Tensor, Error> {
    let shape = tensor.shape().to_vec();
    let mut buffer = T::take(tensor.into_data()).expect("called with the type of the tensor");
    if let Some(elements) = buffer.unique() {
        elements.iter_mut().for_each(|element| *element = f(*element));
        return Ok(Tensor::from_data(shape, T::wrap(buffer)));
    }
    let mut out = context.reserve(buffer.len())?;
    out.extend(buffer.iter().map(|&element| f(element)));
    Ok(Tensor::build(shape, out))
}

/// `Gelu`, version 20.
fn gelu(build: &Build<'_>) -> Result<Box<dyn Operator>, Error> {
    match build.text("approximate", "none")?.as_str() {
        "none" => float(math::gelu, None),
        "tanh" => float(math::gelu_tanh, None),
        other => Err(Error::invalid(format!("Gelu has no approximation {other:?}"))),
    }
}

fn with_alpha(build: &Build<'_>, default: f32, f: fn(f32, f32) -> f32) -> Result<Box<dyn Operator>, Error> {
    let alpha = build.float("alpha", default)?;
    float(move |x| f(x, alpha), None)
}

/// `Neg`, `Abs`, `Relu` (versions 6 to 14) and `Sign` (9 to 13) of any number type.
#[derive(Debug)]
enum Numeric {
    Neg,
    Abs,
    Sign,
    Relu,
}

impl Operator for Numeric {
    fn run(&self, context: &Context, mut inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        cast::through_f32(context, vec![inputs.take(0)?], |mut inputs| {
            let tensor = inputs.remove(0);
            let dtype = tensor.dtype();
            // Only the type of the empty buffers is used: the tensor itself is taken apart by `map`.
            let result = match dtype {
                DType::F32 => self.typed::<f32>(context, tensor),
                DType::F64 => self.typed::<f64>(context, tensor),
                DType::I8 => self.typed::<i8>(context, tensor),
                DType::I16 => self.typed::<i16>(context, tensor),
                DType::I32 => self.typed::<i32>(context, tensor),
                DType::I64 => self.typed::<i64>(context, tensor),
                DType::U8 => self.typed::<u8>(context, tensor),
                DType::U16 => self.typed::<u16>(context, tensor),
                DType::U32 => self.typed::<u32>(context, tensor),
                DType::U64 => self.typed::<u64>(context, tensor),
                DType::F16 | DType::BF16 | DType::Bool => Err(no_kernel(0, dtype)),
            };
            result.map(|tensor| vec![tensor])
        })
    }
}

impl Numeric {
    fn typed<T: Number>(&self, context: &Context, tensor: Tensor) -> Result<Tensor, Error> {
        let zero = T::default();
        match self {
            Self::Neg if T::INTEGER => map(context, tensor, |x: T| zero.sub(x)),
            // Not zero minus x, which would turn 0 into 0 and not into -0.
            Self::Neg => map(context, tensor, |x: T| x.mul(T::from_f64(-1.))),
            Self::Abs => map(context, tensor, |x: T| if x < zero { zero.sub(x) } else { x }),
            Self::Sign => map(context, tensor, |x: T| {
                if x > zero {
                    T::from_f64(1.)
                } else if x < zero {
                    T::from_f64(-1.)
                } else {
                    x
                }
            }),
            Self::Relu => map(context, tensor, |x: T| if x < zero { zero } else { x }),
        }
    }
}

/// `Clip`: bounds as attributes (version 6), or as inputs that may be left out (versions 11 to 13).
#[derive(Debug)]
struct Clip {
    bounds: Option<(f32, f32)>,
}

fn clip(build: &Build<'_>) -> Result<Box<dyn Operator>, Error> {
    let bounds = if build.opset() < 11 {
        Some((build.float("min", f32::NEG_INFINITY)?, build.float("max", f32::INFINITY)?))
    } else {
        None
    };
    Ok(Box::new(Clip { bounds }))
}

impl Operator for Clip {
    fn run(&self, context: &Context, mut inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        let tensor = inputs.take(0)?;
        let bound = |index: usize| {
            let bound = inputs.optional(index);
            if bound.is_some_and(|bound| bound.len() != 1 || bound.dtype() != tensor.dtype()) {
                return Err(Error::run(format!("its input {index} should be one {}", tensor.dtype())));
            }
            Ok(bound.cloned())
        };
        let (least, most) = (bound(1)?, bound(2)?);
        let mut all = vec![tensor];
        let has_least = least.is_some();
        all.extend(least);
        all.extend(most);
        cast::through_f32(context, all, |mut inputs| {
            let tensor = inputs.remove(0);
            let dtype = tensor.dtype();
            let least = has_least.then(|| inputs.remove(0));
            let most = inputs.pop();
            let result = with_number!(
                tensor.data(),
                buffer => self.typed(context, tensor.clone(), buffer, least, most),
                else Err(no_kernel(0, dtype))
            );
            result.map(|tensor| vec![tensor])
        })
    }
}

impl Clip {
    fn typed<T: Number>(
        &self,
        context: &Context,
        tensor: Tensor,
        _elements: &Buffer<T>,
        least: Option<Tensor>,
        most: Option<Tensor>,
    ) -> Result<Tensor, Error> {
        let scalar = |tensor: Option<Tensor>| tensor.and_then(|tensor| Some(tensor.as_slice::<T>()?[0]));
        let (mut least, mut most) = (scalar(least), scalar(most));
        if let Some((low, high)) = self.bounds {
            least = (low > f32::NEG_INFINITY).then(|| T::from_f64(f64::from(low)));
            most = (high < f32::INFINITY).then(|| T::from_f64(f64::from(high)));
        }
        map(context, tensor, |x: T| {
            let x = if least.is_some_and(|least| x < least) { least.unwrap_or(x) } else { x };
            if most.is_some_and(|most| x > most) { most.unwrap_or(x) } else { x }
        })
    }
}
