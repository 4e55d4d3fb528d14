//! Between floats and 8-bit integers: DynamicQuantizeLinear, QuantizeLinear, DequantizeLinear.

use super::{
    Build, Context, Entry, Inputs, Operator, cast,
    context::{axis, no_kernel, wrong_type},
    onnx,
};
use crate::{
    DType, Error, ErrorKind, Tensor,
    kernels::{math, rows},
    tensor::{Data, Element},
};

pub(super) const OPERATORS: &[Entry] = &[
    onnx("DynamicQuantizeLinear", 11, 1..=1, 3..=3, |_| Ok(Box::new(DynamicQuantizeLinear))),
    onnx("QuantizeLinear", 10, 2..=3, 1..=1, quantize),
    onnx("DequantizeLinear", 10, 2..=3, 1..=1, dequantize),
];

/// `DynamicQuantizeLinear`, version 11: `u8` with the scale and zero point of the tensor's own range.
#[derive(Debug)]
struct DynamicQuantizeLinear;

impl Operator for DynamicQuantizeLinear {
    fn run(&self, context: &Context, inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        let elements = inputs.elements::<f32>(0)?;
        let (least, most) = rows::range_with_zero(elements);
        // All zeros: any scale does; one is the scale that onnxruntime takes.
        let scale = if least == most { 1. } else { (most - least) / 255. };
        let zero = (-least / scale).clamp(0., 255.).round_ties_even();
        let mut out = context.reserve(elements.len())?;
        out.extend(
            elements.iter().map(|x| math::small_integer((math::round(x / scale) + zero).clamp(0., 255.))),
        );
        let shape = inputs.get(0)?.shape().to_vec();
        Ok(vec![Tensor::build(shape, out), Tensor::scalar(scale), Tensor::scalar(zero as u8)])
    }
}

/// What QuantizeLinear and DequantizeLinear have in common.
#[derive(Debug)]
struct Linear {
    axis: i64,
}

impl Linear {
    fn new(build: &Build<'_>) -> Result<Self, Error> {
        if build.int("block_size", 0)? != 0 {
            return Err(Error::new(ErrorKind::Unsupported, "quantisation in blocks is not supported"));
        }
        Ok(Self { axis: build.int("axis", 1)? })
    }

    /// Returns how many neighbouring elements share a scale, and checks that there are as many scales and zero
    /// points as the axis is long, or one of each.
    fn run_length(&self, shape: &[usize], scales: usize, zeros: Option<usize>) -> Result<usize, Error> {
        if zeros.is_some_and(|zeros| zeros != scales) {
            return Err(Error::run(format!(
                "there are {scales} scales but {} zero points",
                zeros.unwrap_or(0)
            )));
        }
        if scales == 1 {
            return Ok(usize::MAX);
        }
        let axis = axis(self.axis, shape.len())?;
        if shape[axis] != scales {
            return Err(Error::run(format!(
                "{scales} scales do not fit a dimension of size {}",
                shape[axis]
            )));
        }
        Ok(shape[axis + 1..].iter().product::<usize>().max(1))
    }
}

/// Calls `work` with each run of elements that share the scale and zero point of the given number.
fn runs<T>(elements: &[T], length: usize, scales: usize, mut work: impl FnMut(&[T], usize)) {
    let length = length.min(elements.len()).max(1);
    for (run, elements) in elements.chunks(length).enumerate() {
        work(elements, run % scales.max(1));
    }
}

/// `QuantizeLinear`, versions 10 to 23, to 8- and 16-bit integers.
#[derive(Debug)]
struct QuantizeLinear {
    linear: Linear,
    output: Option<DType>,
}

fn quantize(build: &Build<'_>) -> Result<Box<dyn Operator>, Error> {
    let output = match build.int("output_dtype", 0)? {
        0 => None,
        code => Some(DType::from_onnx(i32::try_from(code).unwrap_or(-1)).map_err(|unsupported| {
            Error::new(ErrorKind::Unsupported, format!("QuantizeLinear to {unsupported}"))
        })?),
    };
    Ok(Box::new(QuantizeLinear { linear: Linear::new(build)?, output }))
}

impl Operator for QuantizeLinear {
    fn run(&self, context: &Context, inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        let tensor = cast::convert(context, inputs.get(0)?.clone(), DType::F32)?;
        let scales = cast::convert(context, inputs.get(1)?.clone(), DType::F32)?;
        let zeros = inputs.optional(2);
        let to = zeros.map(Tensor::dtype).or(self.output).unwrap_or(DType::U8);
        match to {
            DType::U8 => self.typed::<u8>(context, &tensor, &scales, zeros, |x| x.clamp(0., 255.) as u8),
            DType::I8 => self.typed::<i8>(context, &tensor, &scales, zeros, |x| x.clamp(-128., 127.) as i8),
            DType::U16 => self.typed::<u16>(context, &tensor, &scales, zeros, |x| x.clamp(0., 65535.) as u16),
            DType::I16 => {
                self.typed::<i16>(context, &tensor, &scales, zeros, |x| x.clamp(-32768., 32767.) as i16)
            }
            other => Err(no_kernel(2, other)),
        }
    }
}

impl QuantizeLinear {
    fn typed<T: Element + Into<f32>>(
        &self,
        context: &Context,
        tensor: &Tensor,
        scales: &Tensor,
        zeros: Option<&Tensor>,
        saturate: impl Fn(f32) -> T,
    ) -> Result<Vec<Tensor>, Error> {
        let length = self.linear.run_length(tensor.shape(), scales.len(), zeros.map(Tensor::len))?;
        let scales = scales.as_f32().expect("converted to f32");
        let zeros = zeros.and_then(Tensor::as_slice::<T>);
        let elements = tensor.as_f32().expect("converted to f32");
        let mut out = context.reserve(elements.len())?;
        runs(elements, length, scales.len(), |run, index| {
            let (scale, zero) = (scales[index], zeros.map_or(0., |zeros| zeros[index].into()));
            // Far outside of every integer type, and inside of what `round` is exact for.
            out.extend(
                run.iter().map(|x| saturate(math::round((x / scale).clamp(-131_072., 131_072.)) + zero)),
            );
        });
        Ok(vec![Tensor::build(tensor.shape().to_vec(), out)])
    }
}

/// `DequantizeLinear`, versions 10 to 23, from 8-, 16- and 32-bit integers, to the type of the scale.
#[derive(Debug)]
struct DequantizeLinear {
    linear: Linear,
}

fn dequantize(build: &Build<'_>) -> Result<Box<dyn Operator>, Error> {
    Ok(Box::new(DequantizeLinear { linear: Linear::new(build)? }))
}

impl Operator for DequantizeLinear {
    fn run(&self, context: &Context, inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        let tensor = inputs.get(0)?;
        let scales = inputs.get(1)?;
        let zeros = inputs.optional(2);
        if let Some(zeros) = zeros.filter(|zeros| zeros.dtype() != tensor.dtype()) {
            return Err(wrong_type(2, tensor.dtype(), zeros.dtype()));
        }
        let to = scales.dtype();
        if !to.is_float() {
            return Err(no_kernel(1, to));
        }
        let scales = cast::convert(context, scales.clone(), DType::F32)?;
        let result = match tensor.data() {
            Data::U8(elements) => self.typed(context, tensor, elements, &scales, zeros, i32::from),
            Data::I8(elements) => self.typed(context, tensor, elements, &scales, zeros, i32::from),
            Data::U16(elements) => self.typed(context, tensor, elements, &scales, zeros, i32::from),
            Data::I16(elements) => self.typed(context, tensor, elements, &scales, zeros, i32::from),
            Data::I32(elements) => self.typed(context, tensor, elements, &scales, zeros, |x| x),
            _ => Err(no_kernel(0, tensor.dtype())),
        };
        Ok(vec![cast::convert(context, result?, to)?])
    }
}

impl DequantizeLinear {
    fn typed<T: Element>(
        &self,
        context: &Context,
        tensor: &Tensor,
        elements: &[T],
        scales: &Tensor,
        zeros: Option<&Tensor>,
        widen: impl Fn(T) -> i32,
    ) -> Result<Tensor, Error> {
        let length = self.linear.run_length(tensor.shape(), scales.len(), zeros.map(Tensor::len))?;
        let scales = scales.as_f32().expect("converted to f32");
        let zeros = zeros.and_then(Tensor::as_slice::<T>);
        let mut out = context.reserve(elements.len())?;
        runs(elements, length, scales.len(), |run, index| {
            let (scale, zero) = (scales[index], zeros.map_or(0, |zeros| widen(zeros[index])));
            out.extend(run.iter().map(|&x| widen(x).wrapping_sub(zero) as f32 * scale));
        });
        Ok(Tensor::build(tensor.shape().to_vec(), out))
    }
}
