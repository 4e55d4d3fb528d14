//! The attributes of a node.

use super::{
    Array, Graph,
    proto::{AttributeProto, TensorProto},
};

/// The value of an attribute.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Attribute {
    /// A float.
    Float(f32),
    /// An integer.
    Int(i64),
    /// A string, which need not be UTF-8.
    String(Vec<u8>),
    /// A tensor, with its elements in `raw_data`.
    Tensor(Array),
    /// A tensor, with its elements in the typed field (`float_data`, `int64_data`, ...).
    TypedTensor(Array),
    /// A graph: a branch or a loop body.
    Graph(Box<Graph>),
    /// Floats.
    Floats(Vec<f32>),
    /// Integers.
    Ints(Vec<i64>),
    /// Strings.
    Strings(Vec<Vec<u8>>),
}

impl Attribute {
    pub(super) fn to_proto(&self, name: &str) -> AttributeProto {
        let empty = AttributeProto { name: name.to_owned(), ..AttributeProto::default() };
        let tensor = |t: TensorProto| AttributeProto { t: Some(t), kind: 4, ..empty.clone() };
        match self {
            Self::Float(f) => AttributeProto { f: *f, kind: 1, ..empty },
            Self::Int(i) => AttributeProto { i: *i, kind: 2, ..empty },
            Self::String(s) => AttributeProto { s: s.clone(), kind: 3, ..empty },
            Self::Tensor(array) => tensor(array.to_raw_proto("")),
            Self::TypedTensor(array) => tensor(array.to_typed_proto("")),
            Self::Graph(g) => AttributeProto { g: Some(Box::new(g.to_graph_proto())), kind: 5, ..empty },
            Self::Floats(floats) => AttributeProto { floats: floats.clone(), kind: 6, ..empty },
            Self::Ints(ints) => AttributeProto { ints: ints.clone(), kind: 7, ..empty },
            Self::Strings(strings) => AttributeProto { strings: strings.clone(), kind: 8, ..empty },
        }
    }
}

macro_rules! from {
    ($($kind:ty => |$value:ident| $make:expr;)*) => {
        $(impl From<$kind> for Attribute {
            fn from($value: $kind) -> Self {
                $make
            }
        })*
    };
}

from! {
    f32 => |value| Self::Float(value);
    i64 => |value| Self::Int(value);
    i32 => |value| Self::Int(value.into());
    &str => |value| Self::String(value.into());
    Array => |value| Self::Tensor(value);
    Graph => |value| Self::Graph(Box::new(value));
    Vec<f32> => |value| Self::Floats(value);
    Vec<i64> => |value| Self::Ints(value);
}

impl<const N: usize> From<[i64; N]> for Attribute {
    fn from(value: [i64; N]) -> Self {
        Self::Ints(value.into())
    }
}

impl<const N: usize> From<[f32; N]> for Attribute {
    fn from(value: [f32; N]) -> Self {
        Self::Floats(value.into())
    }
}
