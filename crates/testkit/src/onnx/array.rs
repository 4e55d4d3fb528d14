//! A tensor as plain bytes: what an initialiser, an attribute or an `.npy` file holds.

use super::proto::TensorProto;

/// The element types of ONNX, with their numbers in `TensorProto.DataType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names are the types")]
pub enum DataType {
    F32 = 1,
    U8 = 2,
    I8 = 3,
    U16 = 4,
    I16 = 5,
    I32 = 6,
    I64 = 7,
    String = 8,
    Bool = 9,
    F16 = 10,
    F64 = 11,
    U32 = 12,
    U64 = 13,
    BF16 = 16,
}

impl DataType {
    /// Returns the number that stands for this type in an ONNX file.
    pub fn number(self) -> i32 {
        self as i32
    }

    /// Returns the bytes of one element; 0 for strings.
    pub fn width(self) -> usize {
        match self {
            Self::String => 0,
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 | Self::F16 | Self::BF16 => 2,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F64 | Self::I64 | Self::U64 => 8,
        }
    }
}

/// A tensor: element type, dimensions, little-endian elements in row-major order.
///
/// Nothing here checks that the dimensions fit the data: broken models are built with it too.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Array {
    /// The element type.
    pub data_type: DataType,
    /// The dimensions; none for a scalar. A broken model may have negative ones.
    pub dims: Vec<i64>,
    /// The elements; empty for strings.
    pub bytes: Vec<u8>,
    /// The elements of a string tensor.
    pub strings: Vec<Vec<u8>>,
}

macro_rules! typed {
    ($($make:ident $read:ident $kind:ty, $data_type:ident;)*) => {
        $(
            #[doc = concat!("Makes a tensor of `", stringify!($kind), "` elements.")]
            pub fn $make(dims: impl Into<Vec<i64>>, values: impl AsRef<[$kind]>) -> Self {
                let bytes = values.as_ref().iter().flat_map(|value| value.to_le_bytes()).collect();
                Self::raw(DataType::$data_type, dims, bytes)
            }

            #[doc = concat!("Returns the elements as `", stringify!($kind), "`.\n\n# Panics\n\nIf the tensor has another type.")]
            pub fn $read(&self) -> Vec<$kind> {
                assert_eq!(self.data_type, DataType::$data_type, "asked for the wrong element type");
                let (chunks, _) = self.bytes.as_chunks();
                chunks.iter().map(|chunk| <$kind>::from_le_bytes(*chunk)).collect()
            }
        )*
    };
}

impl Array {
    /// Makes a tensor of any type from its little-endian bytes, unchecked.
    pub fn raw(data_type: DataType, dims: impl Into<Vec<i64>>, bytes: Vec<u8>) -> Self {
        Self { data_type, dims: dims.into(), bytes, strings: Vec::new() }
    }

    /// Makes a tensor of booleans.
    pub fn bool(dims: impl Into<Vec<i64>>, values: impl AsRef<[bool]>) -> Self {
        Self::raw(DataType::Bool, dims, values.as_ref().iter().map(|value| u8::from(*value)).collect())
    }

    /// Makes a tensor of strings.
    pub fn strings(dims: impl Into<Vec<i64>>, values: &[&str]) -> Self {
        let strings = values.iter().map(|value| value.as_bytes().to_vec()).collect();
        Self { strings, ..Self::raw(DataType::String, dims, Vec::new()) }
    }

    typed! {
        f32 as_f32 f32, F32;
        f64 as_f64 f64, F64;
        u8 as_u8 u8, U8;
        i8 as_i8 i8, I8;
        u16 as_u16 u16, U16;
        i16 as_i16 i16, I16;
        u32 as_u32 u32, U32;
        i32 as_i32 i32, I32;
        u64 as_u64 u64, U64;
        i64 as_i64 i64, I64;
    }

    /// Returns the dimensions as sizes.
    ///
    /// # Panics
    ///
    /// If one is negative.
    pub fn shape(&self) -> Vec<usize> {
        self.dims
            .iter()
            .map(|dim| usize::try_from(*dim).expect("a whole tensor has no negative size"))
            .collect()
    }

    /// Returns the message with the elements in `raw_data`, as exporters write it.
    pub(super) fn to_raw_proto(&self, name: &str) -> TensorProto {
        TensorProto {
            name: name.to_owned(),
            dims: self.dims.clone(),
            data_type: self.data_type.number(),
            raw_data: self.bytes.clone(),
            string_data: self.strings.clone(),
            ..TensorProto::default()
        }
    }

    /// Returns the message with the elements in the typed field that ONNX prescribes for their type.
    pub(super) fn to_typed_proto(&self, name: &str) -> TensorProto {
        let mut proto = self.to_raw_proto(name);
        proto.raw_data = Vec::new();
        match self.data_type {
            DataType::String => {}
            DataType::F32 => proto.float_data = self.as_f32(),
            DataType::F64 => proto.double_data = self.as_f64(),
            DataType::I64 => proto.int64_data = self.as_i64(),
            DataType::U64 => proto.uint64_data = self.as_u64(),
            DataType::U32 => proto.uint64_data = self.as_u32().into_iter().map(u64::from).collect(),
            DataType::I32 => proto.int32_data = self.as_i32(),
            DataType::I16 => proto.int32_data = self.as_i16().into_iter().map(i32::from).collect(),
            DataType::I8 => proto.int32_data = self.as_i8().into_iter().map(i32::from).collect(),
            DataType::U8 | DataType::Bool => {
                proto.int32_data = self.bytes.iter().copied().map(i32::from).collect();
            }
            DataType::U16 | DataType::F16 | DataType::BF16 => {
                let (chunks, _) = self.bytes.as_chunks();
                proto.int32_data = chunks.iter().map(|chunk| i32::from(u16::from_le_bytes(*chunk))).collect();
            }
        }
        proto
    }
}
