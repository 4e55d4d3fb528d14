//! Arithmetic of two tensors, element by element, with broadcasting: Add, Sub, Mul, Div, Mod, Pow, Min, Max, Sum.

use super::{
    Build, Context, Entry, Inputs, Operator, broadcast, cast,
    context::{no_kernel, wrong_type},
    number::{Number, with_number},
    onnx,
};
use crate::{DType, Error, Tensor, tensor::Buffer};

pub(super) const OPERATORS: &[Entry] = &[
    onnx("Add", 7, 2..=2, 1..=1, |_| binary(Kind::Add)),
    onnx("Sub", 7, 2..=2, 1..=1, |_| binary(Kind::Sub)),
    onnx("Mul", 7, 2..=2, 1..=1, |_| binary(Kind::Mul)),
    onnx("Div", 7, 2..=2, 1..=1, |_| binary(Kind::Div)),
    onnx("Mod", 10, 2..=2, 1..=1, modulo),
    onnx("Pow", 7, 2..=2, 1..=1, |_| Ok(Box::new(Pow))),
    onnx("Min", 6, 1..=usize::MAX, 1..=1, |_| Ok(Box::new(Fold { kind: Kind::Min }))),
    onnx("Max", 6, 1..=usize::MAX, 1..=1, |_| Ok(Box::new(Fold { kind: Kind::Max }))),
    onnx("Sum", 6, 1..=usize::MAX, 1..=1, |_| Ok(Box::new(Fold { kind: Kind::Add }))),
];

/// `Add`, `Sub`, `Mul`, `Div` (versions 7 to 14) and `Mod` (10 to 28) of any number type.
///
/// Integers wrap around; a division of integers truncates towards zero and refuses a divisor of zero.
#[derive(Debug)]
struct Binary {
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Add,
    Sub,
    Mul,
    Div,
    /// The sign follows the divisor.
    Modulo,
    /// The sign follows the dividend.
    Remainder,
    Min,
    Max,
}

fn binary(kind: Kind) -> Result<Box<dyn Operator>, Error> {
    Ok(Box::new(Binary { kind }))
}

fn modulo(build: &Build<'_>) -> Result<Box<dyn Operator>, Error> {
    binary(if build.flag("fmod", false)? { Kind::Remainder } else { Kind::Modulo })
}

impl Operator for Binary {
    fn run(&self, context: &Context, mut inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        let (left, right) = (inputs.take(0)?, inputs.take(1)?);
        combine(context, self.kind, left, right).map(|tensor| vec![tensor])
    }
}

/// Adds two tensors; for operators that end with a sum.
pub(super) fn add(context: &Context, left: Tensor, right: Tensor) -> Result<Tensor, Error> {
    combine(context, Kind::Add, left, right)
}

/// Multiplies two tensors; for operators that end with a product.
pub(super) fn multiply(context: &Context, left: Tensor, right: Tensor) -> Result<Tensor, Error> {
    combine(context, Kind::Mul, left, right)
}

fn combine(context: &Context, kind: Kind, left: Tensor, right: Tensor) -> Result<Tensor, Error> {
    if left.dtype() != right.dtype() {
        return Err(wrong_type(1, left.dtype(), right.dtype()));
    }
    let mut outputs = cast::through_f32(context, vec![left, right], |mut inputs| {
        let right = inputs.pop().expect("two inputs went in");
        let left = inputs.pop().expect("two inputs went in");
        let dtype = left.dtype();
        let combined = with_number!(
            right.data(),
            buffer => typed(context, kind, left, &right, buffer),
            else Err(no_kernel(0, dtype))
        );
        combined.map(|tensor| vec![tensor])
    })?;
    Ok(outputs.remove(0))
}

fn typed<T: Number>(
    context: &Context,
    kind: Kind,
    left: Tensor,
    right: &Tensor,
    elements: &Buffer<T>,
) -> Result<Tensor, Error> {
    let divides = matches!(kind, Kind::Div | Kind::Modulo | Kind::Remainder);
    if T::INTEGER && divides && elements.contains(&T::default()) {
        return Err(Error::run("an integer is divided by zero"));
    }
    let right = right.clone();
    match kind {
        Kind::Add => zip(context, left, right, T::add),
        Kind::Sub => zip(context, left, right, T::sub),
        Kind::Mul => zip(context, left, right, T::mul),
        Kind::Div => zip(context, left, right, T::div),
        Kind::Modulo => zip(context, left, right, T::modulo),
        Kind::Remainder => zip(context, left, right, T::rem),
        Kind::Min => zip(context, left, right, T::smaller),
        Kind::Max => zip(context, left, right, T::larger),
    }
}

/// Combines two tensors in the place of either, if it has the output's shape and is free.
fn zip<T: Number>(
    context: &Context,
    left: Tensor,
    right: Tensor,
    f: impl Fn(T, T) -> T + Copy,
) -> Result<Tensor, Error> {
    let fits_right = right.data().is_unique() && !(left.data().is_unique() && left.len() >= right.len());
    if fits_right && broadcast::shape(left.shape(), right.shape())? == right.shape() {
        return broadcast::zip_same(context, right, &left, |right, left| f(left, right));
    }
    broadcast::zip_same(context, left, &right, f)
}

/// `Min`, `Max` (versions 6 to 13) and `Sum` (6 to 13) of any number of tensors.
#[derive(Debug)]
struct Fold {
    kind: Kind,
}

impl Operator for Fold {
    fn run(&self, context: &Context, mut inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        let mut result = inputs.take(0)?;
        for index in 1..inputs.len() {
            result = combine(context, self.kind, result, inputs.take(index)?)?;
        }
        Ok(vec![result])
    }
}

/// `Pow`, versions 7 to 15; the exponent may be of another number type than the base, which gives the result's.
#[derive(Debug)]
struct Pow;

impl Operator for Pow {
    fn run(&self, context: &Context, mut inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        let (base, exponent) = (inputs.take(0)?, inputs.take(1)?);
        let exponent = cast::convert(context, exponent, DType::F64)?;
        cast::through_f32(context, vec![base, exponent], |mut inputs| {
            let exponent = inputs.pop().expect("two inputs went in");
            let base = inputs.pop().expect("two inputs went in");
            let dtype = base.dtype();
            let shape = broadcast::shape(base.shape(), exponent.shape())?;
            let power = with_number!(
                base.data(),
                buffer => power(context, base.clone(), &exponent, &shape, buffer),
                else Err(no_kernel(0, dtype))
            );
            power.map(|tensor| vec![tensor])
        })
    }
}

fn power<T: Number>(
    context: &Context,
    base: Tensor,
    exponent: &Tensor,
    shape: &[usize],
    elements: &Buffer<T>,
) -> Result<Tensor, Error> {
    let exponents = exponent.as_slice::<f64>().expect("converted to f64");
    let mut out = context.reserve::<T>(context.elements(shape)?)?;
    if let ([exponent], true) = (exponents, shape == base.shape()) {
        // Squares and square roots are most of what models ask for.
        let exponent = *exponent;
        if exponent == 2. {
            out.extend(elements.iter().map(|&x| x.mul(x)));
        } else if exponent == 0.5 && !T::INTEGER {
            out.extend(elements.iter().map(|&x| T::from_f64(x.to_f64().sqrt())));
        } else {
            out.extend(elements.iter().map(|&x| x.power(exponent)));
        }
    } else {
        let base = broadcast::expand(context, &base, shape)?;
        let exponent = broadcast::expand(context, exponent, shape)?;
        let pairs =
            base.as_slice::<T>().into_iter().flatten().zip(exponent.as_slice::<f64>().into_iter().flatten());
        out.extend(pairs.map(|(&x, &exponent)| x.power(exponent)));
    }
    Ok(Tensor::build(shape.to_vec(), out))
}
