//! The element types and the storage that is generic over them.

use std::fmt;

use half::{bf16, f16};

use super::{
    buffer::{Buffer, Owned},
    candle::FloatStorage,
};
use crate::DType;

/// The typed elements of a tensor.
#[derive(Clone)]
pub(crate) enum Data {
    F32(Buffer<f32>),
    F64(Buffer<f64>),
    F16(Buffer<f16>),
    BF16(Buffer<bf16>),
    I8(Buffer<i8>),
    I16(Buffer<i16>),
    I32(Buffer<i32>),
    I64(Buffer<i64>),
    U8(Buffer<u8>),
    U16(Buffer<u16>),
    U32(Buffer<u32>),
    U64(Buffer<u64>),
    Bool(Buffer<bool>),
}

/// Runs one expression with the buffer of whatever type the data has.
macro_rules! with_data {
    ($data:expr, $buffer:ident => $body:expr) => {
        match $data {
            $crate::tensor::Data::F32($buffer) => $body,
            $crate::tensor::Data::F64($buffer) => $body,
            $crate::tensor::Data::F16($buffer) => $body,
            $crate::tensor::Data::BF16($buffer) => $body,
            $crate::tensor::Data::I8($buffer) => $body,
            $crate::tensor::Data::I16($buffer) => $body,
            $crate::tensor::Data::I32($buffer) => $body,
            $crate::tensor::Data::I64($buffer) => $body,
            $crate::tensor::Data::U8($buffer) => $body,
            $crate::tensor::Data::U16($buffer) => $body,
            $crate::tensor::Data::U32($buffer) => $body,
            $crate::tensor::Data::U64($buffer) => $body,
            $crate::tensor::Data::Bool($buffer) => $body,
        }
    };
}
pub(crate) use with_data;

impl Data {
    pub(crate) fn dtype(&self) -> DType {
        fn of<T: Element>(_: &Buffer<T>) -> DType {
            T::DTYPE
        }
        with_data!(self, buffer => of(buffer))
    }

    pub(crate) fn len(&self) -> usize {
        with_data!(self, buffer => buffer.len())
    }

    pub(crate) fn is_unique(&self) -> bool {
        with_data!(self, buffer => buffer.is_unique())
    }

    pub(crate) fn address(&self) -> usize {
        with_data!(self, buffer => buffer.address())
    }
}

/// A type that the elements of a tensor can have; implemented for the types of [`DType`] and for no other.
#[allow(private_bounds, reason = "sealed: how elements are stored is this crate's own business")]
pub trait Element: Stored {
    /// The name of the type.
    const DTYPE: DType;
}

/// How the elements of one type are stored.
pub(crate) trait Stored:
    Copy + Default + PartialEq + PartialOrd + fmt::Debug + Send + Sync + 'static
{
    /// The owned storage.
    type Owned: Owned<Self>;

    fn wrap(buffer: Buffer<Self>) -> Data
    where
        Self: Element;
    fn unwrap(data: &Data) -> Option<&Buffer<Self>>
    where
        Self: Element;
    fn take(data: Data) -> Option<Buffer<Self>>
    where
        Self: Element;
    fn from_le_bytes(bytes: &[u8]) -> Self;
    /// Shows bytes as elements if the machine could have written them so and they are aligned.
    fn view(_bytes: &[u8]) -> Option<&[Self]> {
        None
    }
}

/// Implements [`Element`]: the type, its variant, how it is kept, and whether any bytes are valid elements.
macro_rules! element {
    ($type:ty, $variant:ident, $owned:ty, $from:expr $(, $view:ident)?) => {
        impl Element for $type {
            const DTYPE: DType = DType::$variant;
        }

        impl Stored for $type {
            type Owned = $owned;

            fn wrap(buffer: Buffer<Self>) -> Data {
                Data::$variant(buffer)
            }

            fn unwrap(data: &Data) -> Option<&Buffer<Self>> {
                if let Data::$variant(buffer) = data { Some(buffer) } else { None }
            }

            fn take(data: Data) -> Option<Buffer<Self>> {
                if let Data::$variant(buffer) = data { Some(buffer) } else { None }
            }

            fn from_le_bytes(bytes: &[u8]) -> Self {
                $from(bytes.try_into().expect("called with the bytes of one element"))
            }

            $(fn view(bytes: &[u8]) -> Option<&[Self]> {
                bytemuck::$view(bytes).ok()
            })?
        }
    };
}

element!(f32, F32, FloatStorage, f32::from_le_bytes, try_cast_slice);
element!(f64, F64, Vec<f64>, f64::from_le_bytes, try_cast_slice);
element!(f16, F16, Vec<f16>, f16::from_le_bytes);
element!(bf16, BF16, Vec<bf16>, bf16::from_le_bytes);
element!(i8, I8, Vec<i8>, i8::from_le_bytes, try_cast_slice);
element!(i16, I16, Vec<i16>, i16::from_le_bytes, try_cast_slice);
element!(i32, I32, Vec<i32>, i32::from_le_bytes, try_cast_slice);
element!(i64, I64, Vec<i64>, i64::from_le_bytes, try_cast_slice);
element!(u8, U8, Vec<u8>, u8::from_le_bytes, try_cast_slice);
element!(u16, U16, Vec<u16>, u16::from_le_bytes, try_cast_slice);
element!(u32, U32, Vec<u32>, u32::from_le_bytes, try_cast_slice);
element!(u64, U64, Vec<u64>, u64::from_le_bytes, try_cast_slice);
element!(bool, Bool, Vec<bool>, |bytes: [u8; 1]| bytes[0] != 0);
