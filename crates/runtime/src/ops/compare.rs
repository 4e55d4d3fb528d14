//! Comparison and logic: Equal, Less, Greater and their like, And, Or, Xor, Not, IsNaN, Where.

use super::{
    Context, Entry, Inputs, Operator, broadcast, cast,
    context::{no_kernel, wrong_type},
    number::with_number,
    onnx,
};
use crate::{
    DType, Error, Tensor,
    tensor::{Data, Element, with_data},
};

pub(super) const OPERATORS: &[Entry] = &[
    onnx("Equal", 7, 2..=2, 1..=1, |_| Ok(Box::new(Compare::Equal))),
    onnx("Less", 7, 2..=2, 1..=1, |_| Ok(Box::new(Compare::Less))),
    onnx("LessOrEqual", 12, 2..=2, 1..=1, |_| Ok(Box::new(Compare::LessOrEqual))),
    onnx("Greater", 7, 2..=2, 1..=1, |_| Ok(Box::new(Compare::Greater))),
    onnx("GreaterOrEqual", 12, 2..=2, 1..=1, |_| Ok(Box::new(Compare::GreaterOrEqual))),
    onnx("And", 7, 2..=2, 1..=1, |_| Ok(Box::new(Logic::And))),
    onnx("Or", 7, 2..=2, 1..=1, |_| Ok(Box::new(Logic::Or))),
    onnx("Xor", 7, 2..=2, 1..=1, |_| Ok(Box::new(Logic::Xor))),
    onnx("Not", 1, 1..=1, 1..=1, |_| Ok(Box::new(Not))),
    onnx("IsNaN", 9, 1..=1, 1..=1, |_| Ok(Box::new(IsNaN))),
    onnx("Where", 9, 3..=3, 1..=1, |_| Ok(Box::new(Where))),
];

/// `Equal`, `Less`, `Greater` (versions 7 to 19), `LessOrEqual` and `GreaterOrEqual` (12 to 16), with broadcasting.
#[derive(Debug)]
enum Compare {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operator for Compare {
    fn run(&self, context: &Context, mut inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        let (left, right) = (inputs.take(0)?, inputs.take(1)?);
        if left.dtype() != right.dtype() {
            return Err(wrong_type(1, left.dtype(), right.dtype()));
        }
        if left.dtype() == DType::Bool {
            if !matches!(self, Self::Equal) {
                return Err(no_kernel(0, DType::Bool));
            }
            return Ok(vec![broadcast::zip::<bool, bool>(context, &left, &right, |l, r| l == r)?]);
        }
        cast::through_f32(context, vec![left, right], |inputs| {
            let (left, right) = (&inputs[0], &inputs[1]);
            let dtype = left.dtype();
            with_number!(left.data(), buffer => self.typed(context, left, right, buffer), else Err(no_kernel(0, dtype)))
                .map(|tensor| vec![tensor])
        })
    }
}

impl Compare {
    /// Compares tensors of the type of `_elements`.
    fn typed<T: Element>(
        &self,
        context: &Context,
        left: &Tensor,
        right: &Tensor,
        _elements: &[T],
    ) -> Result<Tensor, Error> {
        match self {
            Self::Equal => broadcast::zip::<T, bool>(context, left, right, |l, r| l == r),
            Self::Less => broadcast::zip::<T, bool>(context, left, right, |l, r| l < r),
            Self::LessOrEqual => broadcast::zip::<T, bool>(context, left, right, |l, r| l <= r),
            Self::Greater => broadcast::zip::<T, bool>(context, left, right, |l, r| l > r),
            Self::GreaterOrEqual => broadcast::zip::<T, bool>(context, left, right, |l, r| l >= r),
        }
    }
}

/// `And`, `Or`, `Xor`, version 7, with broadcasting.
#[derive(Debug)]
enum Logic {
    And,
    Or,
    Xor,
}

impl Operator for Logic {
    fn run(&self, context: &Context, inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        inputs.elements::<bool>(0)?;
        inputs.elements::<bool>(1)?;
        let (left, right) = (inputs.get(0)?, inputs.get(1)?);
        Ok(vec![match self {
            Self::And => broadcast::zip(context, left, right, |l, r| l && r)?,
            Self::Or => broadcast::zip(context, left, right, |l: bool, r| l || r)?,
            Self::Xor => broadcast::zip(context, left, right, |l: bool, r| l != r)?,
        }])
    }
}

/// `Not`, version 1.
#[derive(Debug)]
struct Not;

impl Operator for Not {
    fn run(&self, context: &Context, inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        let elements = inputs.elements::<bool>(0)?;
        let mut out = context.reserve(elements.len())?;
        out.extend(elements.iter().map(|truth| !truth));
        Ok(vec![Tensor::build(inputs.get(0)?.shape().to_vec(), out)])
    }
}

/// `IsNaN`, versions 9 to 20.
#[derive(Debug)]
struct IsNaN;

impl Operator for IsNaN {
    fn run(&self, context: &Context, inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        let tensor = inputs.get(0)?;
        let mut out = context.reserve(tensor.len())?;
        match tensor.data() {
            Data::F32(elements) => out.extend(elements.iter().map(|x| x.is_nan())),
            Data::F64(elements) => out.extend(elements.iter().map(|x| x.is_nan())),
            Data::F16(elements) => out.extend(elements.iter().map(|x| x.is_nan())),
            Data::BF16(elements) => out.extend(elements.iter().map(|x| x.is_nan())),
            _ => return Err(no_kernel(0, tensor.dtype())),
        }
        Ok(vec![Tensor::build(tensor.shape().to_vec(), out)])
    }
}

/// `Where`, versions 9 to 16: elements of the second input where the first is true, else of the third.
#[derive(Debug)]
struct Where;

impl Operator for Where {
    fn run(&self, context: &Context, inputs: Inputs) -> Result<Vec<Tensor>, Error> {
        inputs.elements::<bool>(0)?;
        let (condition, yes, no) = (inputs.get(0)?, inputs.get(1)?, inputs.get(2)?);
        if yes.dtype() != no.dtype() {
            return Err(wrong_type(2, yes.dtype(), no.dtype()));
        }
        let shape = broadcast::shape(yes.shape(), no.shape())?;
        let shape = broadcast::shape(condition.shape(), &shape)?;
        let condition = broadcast::expand(context, condition, &shape)?;
        let yes = broadcast::expand(context, yes, &shape)?;
        let no = broadcast::expand(context, no, &shape)?;
        fn choose<T: Element>(
            context: &Context,
            condition: &Tensor,
            yes: &[T],
            no: &Tensor,
        ) -> Result<Tensor, Error> {
            let truths = condition.as_slice::<bool>().expect("checked above");
            let no = no.as_slice::<T>().expect("checked above");
            let mut out = context.reserve(yes.len())?;
            out.extend(
                truths
                    .iter()
                    .zip(yes.iter().zip(no))
                    .map(|(&truth, (&yes, &no))| if truth { yes } else { no }),
            );
            Ok(Tensor::build(condition.shape().to_vec(), out))
        }
        with_data!(yes.data(), elements => choose(context, &condition, elements, &no))
            .map(|tensor| vec![tensor])
    }
}
