//! What a builder of an operator sees of its node: attributes by type, the version, the constant inputs.

use crate::{
    Error, Tensor,
    model::{Attribute, Node, ValueId},
    tensor::{Buffer, Data},
};

/// One node, while its operator is built.
pub(crate) struct Build<'a> {
    node: &'a Node,
    constant: &'a dyn Fn(ValueId) -> Option<Tensor>,
}

impl<'a> Build<'a> {
    pub(super) fn new(node: &'a Node, constant: &'a dyn Fn(ValueId) -> Option<Tensor>) -> Self {
        Self { node, constant }
    }

    /// Returns the version of the operator set.
    pub(super) fn opset(&self) -> i64 {
        self.node.opset
    }

    /// Returns the number of outputs that the node lists.
    pub(super) fn outputs(&self) -> usize {
        self.node.outputs.len()
    }

    /// Returns whether the node gives input `index`.
    pub(super) fn has_input(&self, index: usize) -> bool {
        self.node.input(index).is_some()
    }

    /// Returns input `index` if it does not depend on the graph's inputs.
    pub(super) fn constant(&self, index: usize) -> Option<Tensor> {
        self.node.input(index).and_then(self.constant)
    }

    /// Returns input `index` in memory of its own, if it is constant and of 32-bit floats: what lies in the file
    /// without alignment would be copied in every run.
    pub(super) fn constant_floats(&self, index: usize) -> Option<Tensor> {
        let tensor = self.constant(index)?;
        let Data::F32(elements) = tensor.data() else { return None };
        let elements = Buffer::from_shared(elements.to_owned_storage());
        Some(Tensor::from_data(tensor.shape().to_vec(), Data::F32(elements)))
    }

    /// Returns an integer attribute, or `default` if the node does not have it.
    pub(super) fn int(&self, name: &str, default: i64) -> Result<i64, Error> {
        Ok(self.optional_int(name)?.unwrap_or(default))
    }

    /// Returns an integer attribute.
    pub(super) fn optional_int(&self, name: &str) -> Result<Option<i64>, Error> {
        self.read(
            name,
            "INT",
            |attribute| if let Attribute::Int(value) = attribute { Some(*value) } else { None },
        )
    }

    /// Returns a truth value, which ONNX writes as an integer.
    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool, Error> {
        Ok(self.int(name, i64::from(default))? != 0)
    }

    /// Returns a list of integers.
    pub(super) fn ints(&self, name: &str) -> Result<Option<Vec<i64>>, Error> {
        self.read(name, "INTS", |attribute| {
            if let Attribute::Ints(values) = attribute { Some(values.clone()) } else { None }
        })
    }

    /// Returns a floating-point attribute, or `default` if the node does not have it.
    pub(super) fn float(&self, name: &str, default: f32) -> Result<f32, Error> {
        Ok(self.optional_float(name)?.unwrap_or(default))
    }

    /// Returns a floating-point attribute.
    pub(super) fn optional_float(&self, name: &str) -> Result<Option<f32>, Error> {
        self.read(
            name,
            "FLOAT",
            |attribute| if let Attribute::Float(value) = attribute { Some(*value) } else { None },
        )
    }

    /// Returns a text attribute, or `default` if the node does not have it.
    pub(super) fn text(&self, name: &str, default: &str) -> Result<String, Error> {
        let text = self.read(name, "STRING", |attribute| {
            if let Attribute::String(bytes) = attribute {
                Some(String::from_utf8_lossy(bytes).into_owned())
            } else {
                None
            }
        })?;
        Ok(text.unwrap_or_else(|| default.to_owned()))
    }

    /// Returns any attribute as it is.
    pub(super) fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.node.attribute(name)
    }

    /// Returns a tensor attribute.
    pub(super) fn tensor(&self, name: &str) -> Result<Option<Tensor>, Error> {
        self.read(name, "TENSOR", |attribute| {
            if let Attribute::Tensor(tensor) = attribute { Some(tensor.clone()) } else { None }
        })
    }

    fn read<T>(
        &self,
        name: &str,
        expected: &str,
        value: impl Fn(&Attribute) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(attribute) = self.node.attribute(name) else { return Ok(None) };
        let wrong = || {
            let found = attribute.kind();
            Error::invalid(format!("its attribute {name:?} should be of type {expected}, found {found}"))
        };
        value(attribute).map(Some).ok_or_else(wrong)
    }
}
