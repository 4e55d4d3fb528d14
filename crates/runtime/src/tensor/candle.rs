//! Tensors to and from candle, and candle's own storage behind the 32-bit floats.

use candle_core::CpuStorage;

use super::{Buffer, Data, Owned, Tensor, with_data};
use crate::{Error, ErrorKind};

/// 32-bit floats in candle's storage type, so that candle's matrix product takes and gives them without a copy.
#[derive(Clone, Debug)]
pub(crate) struct FloatStorage(CpuStorage);

impl FloatStorage {
    pub(crate) fn as_candle(&self) -> &CpuStorage {
        &self.0
    }
}

impl Owned<f32> for FloatStorage {
    fn from_vec(elements: Vec<f32>) -> Self {
        Self(CpuStorage::F32(elements))
    }

    fn slice(&self) -> &[f32] {
        match &self.0 {
            CpuStorage::F32(elements) => elements,
            _ => &[],
        }
    }

    fn slice_mut(&mut self) -> &mut [f32] {
        match &mut self.0 {
            CpuStorage::F32(elements) => elements,
            _ => &mut [],
        }
    }

    fn into_vec(self) -> Vec<f32> {
        match self.0 {
            CpuStorage::F32(elements) => elements,
            _ => Vec::new(),
        }
    }
}

/// Copies into a candle tensor on the CPU.
///
/// candle has no type for some elements: `i8` becomes `i16`, `u16` becomes `u32`, and truth values become `u8`.
///
/// # Errors
///
/// [`ErrorKind::Unsupported`] for `u64` elements.
impl TryFrom<&Tensor> for candle_core::Tensor {
    type Error = Error;

    fn try_from(tensor: &Tensor) -> Result<Self, Error> {
        let device = &candle_core::Device::Cpu;
        let shape = tensor.shape();
        match tensor.data() {
            Data::F32(data) => Self::from_slice(data, shape, device),
            Data::F64(data) => Self::from_slice(data, shape, device),
            Data::F16(data) => Self::from_slice(data, shape, device),
            Data::BF16(data) => Self::from_slice(data, shape, device),
            Data::I8(data) => Self::from_vec(data.iter().map(|&x| i16::from(x)).collect(), shape, device),
            Data::I16(data) => Self::from_slice(data, shape, device),
            Data::I32(data) => Self::from_slice(data, shape, device),
            Data::I64(data) => Self::from_slice(data, shape, device),
            Data::U8(data) => Self::from_slice(data, shape, device),
            Data::U16(data) => Self::from_vec(data.iter().map(|&x| u32::from(x)).collect(), shape, device),
            Data::U32(data) => Self::from_slice(data, shape, device),
            Data::Bool(data) => Self::from_vec(data.iter().map(|&x| u8::from(x)).collect(), shape, device),
            Data::U64(_) => return Err(Error::new(ErrorKind::Unsupported, "candle has no u64 tensors")),
        }
        .map_err(|source| failed("could not make a candle tensor").with_source(source))
    }
}

/// Copies a candle tensor, from whatever device it is on.
///
/// # Errors
///
/// [`ErrorKind::Unsupported`] for element types of fewer than 16 floating-point bits.
impl TryFrom<&candle_core::Tensor> for Tensor {
    type Error = Error;

    fn try_from(tensor: &candle_core::Tensor) -> Result<Self, Error> {
        use candle_core::DType;
        let shape = tensor.dims().to_vec();
        let dtype = tensor.dtype();
        let flat = tensor.flatten_all().map_err(|source| failed("could not flatten").with_source(source))?;
        let data = match dtype {
            DType::F32 => flat.to_vec1().map(|data| Data::F32(Buffer::owned(data))),
            DType::F64 => flat.to_vec1().map(|data| Data::F64(Buffer::owned(data))),
            DType::F16 => flat.to_vec1().map(|data| Data::F16(Buffer::owned(data))),
            DType::BF16 => flat.to_vec1().map(|data| Data::BF16(Buffer::owned(data))),
            DType::I16 => flat.to_vec1().map(|data| Data::I16(Buffer::owned(data))),
            DType::I32 => flat.to_vec1().map(|data| Data::I32(Buffer::owned(data))),
            DType::I64 => flat.to_vec1().map(|data| Data::I64(Buffer::owned(data))),
            DType::U8 => flat.to_vec1().map(|data| Data::U8(Buffer::owned(data))),
            DType::U32 => flat.to_vec1().map(|data| Data::U32(Buffer::owned(data))),
            other => {
                let message = format!("no tensor of candle's element type {other:?}");
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
        };
        let data = data.map_err(|source| failed("could not read a candle tensor").with_source(source))?;
        debug_assert!(with_data!(&data, buffer => buffer.len()) == tensor.elem_count());
        Ok(Self::from_data(shape, data))
    }
}

fn failed(message: &str) -> Error {
    Error::new(ErrorKind::Run, message)
}
