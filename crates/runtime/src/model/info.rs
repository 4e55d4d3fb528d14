//! What can be read of a model before it runs: its inputs, outputs and operators.

use std::fmt;

use crate::{DType, Error, ErrorKind, proto::DimensionValue, proto::ValueInfoProto};

/// The name, type and shape of an input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ValueInfo {
    /// The name by which [`Session::run`](crate::Session::run) takes or gives the tensor.
    pub name: String,
    /// The element type, where the model states it; inputs always have one.
    pub dtype: Option<DType>,
    /// The dimensions, outermost first, where the model states them.
    pub shape: Option<Vec<Dim>>,
}

/// One dimension of a [`ValueInfo`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dim {
    /// Always this size.
    Fixed(usize),
    /// Any size, but the same wherever the name stands.
    Symbol(String),
    /// Any size.
    Unknown,
}

/// An operator that a model uses.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OperatorUse {
    /// The operator's domain; empty for ONNX itself.
    pub domain: String,
    /// The operator's name.
    pub name: String,
    /// The version of the operator set that the model imports.
    pub opset: i64,
    /// How many nodes use it.
    pub nodes: usize,
    /// Whether the native engine has it.
    pub supported: bool,
}

impl ValueInfo {
    /// Reads a graph input or output; a type that no tensor here can have is an error.
    pub(super) fn decode(proto: ValueInfoProto, what: &str) -> Result<Self, Error> {
        let name = proto.name.unwrap_or_default();
        if name.is_empty() {
            return Err(Error::invalid(format!("{what} of the graph has no name")));
        }
        let Some(r#type) = proto.r#type else {
            return Ok(Self { name, dtype: None, shape: None });
        };
        let Some(tensor) = r#type.tensor_type else {
            let message = format!("{what} {name:?} is no dense tensor, which is not supported");
            return Err(Error::new(ErrorKind::Unsupported, message));
        };
        let dtype = match tensor.elem_type.unwrap_or(0) {
            0 => None,
            code => Some(DType::from_onnx(code).map_err(|unsupported| {
                let known = unsupported.is_known();
                let kind = if known { ErrorKind::Unsupported } else { ErrorKind::InvalidModel };
                Error::new(kind, format!("{what} {name:?} has {unsupported}"))
            })?),
        };
        let shape = match tensor.shape {
            None => None,
            Some(shape) => {
                let dims = shape.dim.into_iter().map(|dim| match dim.value {
                    Some(DimensionValue::Value(size)) => {
                        usize::try_from(size).map(Dim::Fixed).map_err(|_| {
                            Error::invalid(format!(
                                "{what} {name:?} has a dimension of the negative size {size}"
                            ))
                        })
                    }
                    Some(DimensionValue::Param(symbol)) if !symbol.is_empty() => Ok(Dim::Symbol(symbol)),
                    _ => Ok(Dim::Unknown),
                });
                Some(dims.collect::<Result<Vec<_>, _>>()?)
            }
        };
        Ok(Self { name, dtype, shape })
    }
}

impl fmt::Display for ValueInfo {
    /// Writes `name: f32[batch, 384]`, with `?` for what the model does not state.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.name)?;
        match self.dtype {
            Some(dtype) => write!(f, "{dtype}")?,
            None => f.write_str("?")?,
        }
        let Some(shape) = &self.shape else { return f.write_str("[..]") };
        f.write_str("[")?;
        for (index, dim) in shape.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            match dim {
                Dim::Fixed(size) => write!(f, "{size}")?,
                Dim::Symbol(symbol) => f.write_str(symbol)?,
                Dim::Unknown => f.write_str("?")?,
            }
        }
        f.write_str("]")
    }
}
