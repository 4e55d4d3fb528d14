//! Convolutions as products of matrices: Conv, ConvInteger; and the average over all positions.

use super::{
    Build, Context, Entry, Inputs, Operator, cast,
    context::{no_kernel, wrong_type},
    onnx,
    window::{Geometry, Window},
};
use crate::{
    DType, Error, Tensor,
    kernels::{
        product::{Matrices, floats},
        rows,
    },
    tensor::{Data, FloatStorage, Owned},
};

pub(super) const OPERATORS: &[Entry] = &[
    onnx("Conv", 1, 2..=3, 1..=1, conv),
    onnx("ConvInteger", 10, 2..=4, 1..=1, conv_integer),
    onnx("GlobalAveragePool", 1, 1..=1, 1..=1, |_| Ok(Box::new(GlobalAveragePool))),
];

/// So many products of differences of 8-bit numbers add up exactly in 32-bit floats: 256 * 255 * 255 < 2^24.
const EXACT: usize = 256;

/// `Conv`, versions 1 to 22, over one or two spatial dimensions.
#[derive(Debug)]
struct Conv {
    window: Window,
    filters: Option<Tensor>,
}

fn conv(build: &Build<'_>) -> Result<Box<dyn Operator>, Error> {
    Ok(Box::new(Conv { window: Window::new(build)?, filters: build.constant_floats(1) }))
}

impl Operator for Conv {
    fn run(&self, context: &Context, mut inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        let filters = self.filters.clone().map_or_else(|| inputs.take(1), Ok)?;
        let mut tensors = vec![inputs.take(0)?, filters];
        if inputs.optional(2).is_some() {
            tensors.push(inputs.take(2)?);
        }
        cast::through_f32(context, tensors, |tensors| {
            let bias = tensors.get(2);
            Ok(vec![convolve(context, &self.window, &tensors[0], &tensors[1], bias)?])
        })
    }

    fn has_prepared(&self, position: usize) -> bool {
        position == 1 && self.filters.is_some()
    }
}

fn convolve(
    context: &Context,
    window: &Window,
    input: &Tensor,
    filters: &Tensor,
    bias: Option<&Tensor>,
) -> Result<Tensor, Error> {
    let geometry = window.over(input.shape(), filters.shape())?;
    let storage = |index: usize, tensor: &Tensor| match tensor.data() {
        Data::F32(elements) => Ok(elements.to_owned_storage()),
        _ => Err(no_kernel(index, tensor.dtype())),
    };
    let (input, filters) = (storage(0, input)?, storage(1, filters)?);
    let mut out =
        products(context, &geometry, &input, &filters, usize::MAX, |out: &mut f32, sum| *out += sum)?;
    if let Some(bias) = bias {
        let elements = bias.as_f32().ok_or_else(|| wrong_type(2, DType::F32, bias.dtype()))?;
        if bias.shape() != [geometry.shape[1]] {
            return Err(Error::run(format!(
                "its bias of shape {:?} is not one for each filter",
                bias.shape()
            )));
        }
        let planes = out.chunks_exact_mut(geometry.positions().max(1));
        for (plane, bias) in planes.zip(elements.iter().cycle()) {
            plane.iter_mut().for_each(|sum| *sum += bias);
        }
    }
    Ok(Tensor::build(geometry.shape, out))
}

/// Multiplies the filters of each group by the elements under its windows: `[batch, filters, positions]`.
///
/// At most `most` products are summed up as floats; `add` adds such sums.
fn products<S: Copy + Default>(
    context: &Context,
    geometry: &Geometry,
    input: &FloatStorage,
    filters: &FloatStorage,
    most: usize,
    add: impl Fn(&mut S, f32),
) -> Result<Vec<S>, Error> {
    let (inner, positions) = (geometry.inner(), geometry.positions());
    let count = context.elements(&geometry.shape)?;
    let size = context.elements(&[inner, positions])?;
    let mut out: Vec<S> = context.reserve(count)?;
    context.account(geometry.filters.saturating_mul(positions), size_of::<f32>())?;
    let mut columns =
        if geometry.is_pointwise() { None } else { Some(FloatStorage::from_vec(context.filled(size, 0.)?)) };
    for image in 0..geometry.batch * geometry.groups {
        let start = image * geometry.image();
        let (right, offset) = match &mut columns {
            None => (input, start),
            Some(columns) => {
                geometry.columns(&input.slice()[start..start + geometry.image()], columns.slice_mut());
                (&*columns, 0)
            }
        };
        let first = image % geometry.groups * geometry.filters * inner;
        let begin = out.len();
        out.resize(begin + geometry.filters * positions, S::default());
        let mut done = 0;
        while done < inner {
            let part = most.min(inner - done);
            let left = Matrices { columns: part, ..Matrices::dense(first + done, geometry.filters, inner) };
            let rows = Matrices::dense(offset + done * positions, part, positions);
            let sums = floats(1, (filters, left), (right, rows))?;
            out[begin..].iter_mut().zip(sums).for_each(|(out, sum)| add(out, sum));
            done += part;
        }
    }
    Ok(out)
}

/// `ConvInteger`, version 10: a convolution of `u8` or `i8`, each less its zero point, with sums of `i32`.
///
/// The tensor has one zero point; the filters have one, or one each. Padding is zero after the zero point is taken
/// off. Sums wrap around at 32 bits.
#[derive(Debug)]
struct ConvInteger {
    window: Window,
}

fn conv_integer(build: &Build<'_>) -> Result<Box<dyn Operator>, Error> {
    Ok(Box::new(ConvInteger { window: Window::new(build)? }))
}

impl Operator for ConvInteger {
    fn run(&self, context: &Context, inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        let (input, filters) = (inputs.get(0)?, inputs.get(1)?);
        let geometry = self.window.over(input.shape(), filters.shape())?;
        let input = differences(context, &inputs, (0, 2), 1)?;
        let filters = differences(context, &inputs, (1, 3), geometry.shape[1])?;
        let sums = products(context, &geometry, &input, &filters, EXACT, |out: &mut i32, sum| {
            *out = out.wrapping_add(sum as i32);
        })?;
        Ok(vec![Tensor::build(geometry.shape, sums)])
    }
}

/// Takes the zero points off an input: one, or one for each of `count` equal parts.
fn differences(
    context: &Context,
    inputs: &Inputs,
    (index, zero): (usize, usize),
    count: usize,
) -> Result<FloatStorage, Error> {
    let small = |index: usize| {
        let tensor = inputs.get(index)?;
        let mut list = context.reserve::<f32>(tensor.len())?;
        match tensor.data() {
            Data::U8(elements) => list.extend(elements.iter().map(|&element| f32::from(element))),
            Data::I8(elements) => list.extend(elements.iter().map(|&element| f32::from(element))),
            _ => return Err(no_kernel(index, tensor.dtype())),
        }
        Ok((tensor.dtype(), list))
    };
    let (dtype, mut list) = small(index)?;
    if inputs.optional(zero).is_some() {
        let (found, zeros) = small(zero)?;
        if found != dtype {
            return Err(wrong_type(zero, dtype, found));
        }
        if zeros.len() != 1 && zeros.len() != count {
            let found = zeros.len();
            return Err(Error::run(format!(
                "its input {zero} has {found} zero points, expected 1 or {count}"
            )));
        }
        let part = list.len() / zeros.len();
        for (part, zero) in list.chunks_exact_mut(part.max(1)).zip(&zeros) {
            part.iter_mut().for_each(|element| *element -= zero);
        }
    }
    Ok(FloatStorage::from_vec(list))
}

/// `GlobalAveragePool`, versions 1 to 22: the mean of each channel over all positions, of floats.
#[derive(Debug)]
struct GlobalAveragePool;

impl Operator for GlobalAveragePool {
    fn run(&self, context: &Context, mut inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        cast::through_f32(context, vec![inputs.take(0)?], |tensors| {
            let tensor = &tensors[0];
            let elements = tensor.as_f32().ok_or_else(|| no_kernel(0, tensor.dtype()))?;
            let (&[batch, channels, ref spatial @ ..], false) = (tensor.shape(), tensor.is_empty()) else {
                return Err(Error::run(format!("a tensor of shape {:?} has no positions", tensor.shape())));
            };
            let size: usize = spatial.iter().product();
            let mut out = context.reserve(batch * channels)?;
            out.extend(elements.chunks_exact(size).map(|plane| rows::sum(plane) / size as f32));
            let mut shape = vec![batch, channels];
            shape.resize(tensor.shape().len(), 1);
            Ok(vec![Tensor::build(shape, out)])
        })
    }
}
