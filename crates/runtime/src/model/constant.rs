//! Turns a `TensorProto` into a tensor, with every length checked before it is believed.

use half::{bf16, f16};

use crate::{
    DType, Error, ErrorKind, Limits, Tensor,
    proto::{EXTERNAL, TensorProto},
    tensor::{Buffer, Data, Element, product},
};

/// Decodes a tensor; `what` names it in errors.
///
/// # Errors
///
/// `InvalidModel` if its parts contradict each other, `Unsupported` for external data and for element types that
/// tensors here do not have, `LimitExceeded` if it is too large.
pub(crate) fn decode(proto: TensorProto, what: &str, limits: &Limits) -> Result<Tensor, Error> {
    let code = proto.data_type.unwrap_or(0);
    let dtype = DType::from_onnx(code).map_err(|unsupported| {
        let kind = if unsupported.is_known() { ErrorKind::Unsupported } else { ErrorKind::InvalidModel };
        Error::new(kind, format!("{what} has {unsupported}"))
    })?;
    let shape = shape(&proto.dims, what, limits)?;
    let count = product(&shape).expect("checked with the shape");
    // External data will be resolved here: by the location's name in the model's manifest, never as a path.
    if proto.data_location == Some(EXTERNAL) || !proto.external_data.is_empty() {
        let location = proto.external_data.iter().find(|entry| entry.key.as_deref() == Some("location"));
        let location = location.and_then(|entry| entry.value.as_deref()).unwrap_or("no location given");
        let message =
            format!("{what} is kept outside the model file ({location:?}), which is not supported yet");
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    Ok(Tensor::from_data(shape, elements(proto, dtype, count, what)?))
}

fn shape(dims: &[i64], what: &str, limits: &Limits) -> Result<Vec<usize>, Error> {
    if dims.len() > limits.rank {
        let message = format!("{what} has {} dimensions, more than the limit of {}", dims.len(), limits.rank);
        return Err(Error::limit(message));
    }
    let invalid = |reason: &str| Error::invalid(format!("{what} has the shape {dims:?}, {reason}"));
    let mut shape = Vec::with_capacity(dims.len());
    for &dim in dims {
        shape.push(usize::try_from(dim).map_err(|_| invalid("which has a negative dimension"))?);
    }
    // Checked even beside a zero: a shape that cannot be counted is a lie in any case.
    let nonzero =
        shape.iter().filter(|&&dim| dim != 0).try_fold(1usize, |count, &dim| count.checked_mul(dim));
    let count = nonzero.ok_or_else(|| invalid("whose element count overflows"))?;
    if count as u64 > limits.elements {
        let message =
            format!("{what} has the shape {dims:?}, more than the limit of {} elements", limits.elements);
        return Err(Error::limit(message));
    }
    Ok(shape)
}

/// The fields that can hold a tensor's elements; exactly one may be filled.
fn filled_fields(proto: &TensorProto) -> Vec<(&'static str, usize)> {
    let fields = [
        ("float_data", proto.float_data.len()),
        ("int32_data", proto.int32_data.len()),
        ("string_data", proto.string_data.len()),
        ("int64_data", proto.int64_data.len()),
        ("double_data", proto.double_data.len()),
        ("uint64_data", proto.uint64_data.len()),
        ("raw_data", proto.raw_data.as_ref().map_or(0, bytes::Bytes::len)),
    ];
    fields.into_iter().filter(|(_, length)| *length > 0).collect()
}

fn elements(proto: TensorProto, dtype: DType, count: usize, what: &str) -> Result<Data, Error> {
    let filled = filled_fields(&proto);
    let invalid = |reason: String| Error::invalid(format!("{what} {reason}"));
    let (field, length) = match filled[..] {
        [] if count == 0 => return Ok(empty(dtype)),
        [] => return Err(invalid(format!("has no data for its {count} elements"))),
        [only] => only,
        [(first, _), (second, _), ..] => {
            return Err(invalid(format!("has data in both {first} and {second}")));
        }
    };
    if field == "raw_data" {
        let expected = count.checked_mul(dtype.size()).filter(|&expected| expected == length);
        if expected.is_none() {
            return Err(invalid(format!("has {length} bytes for {count} elements of type {dtype}")));
        }
        return Ok(raw(&proto.raw_data.unwrap_or_default(), dtype));
    }
    if field != typed_field(dtype) {
        return Err(invalid(format!("is of type {dtype} but has its data in {field}")));
    }
    if length != count {
        return Err(invalid(format!("has {length} elements in {field} for a shape of {count}")));
    }
    typed(proto, dtype).ok_or_else(|| invalid(format!("has a number in {field} that is no {dtype}")))
}

fn typed_field(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 => "float_data",
        DType::F64 => "double_data",
        DType::I64 => "int64_data",
        DType::U32 | DType::U64 => "uint64_data",
        _ => "int32_data",
    }
}

fn raw(bytes: &bytes::Bytes, dtype: DType) -> Data {
    match dtype {
        DType::F32 => Data::F32(Buffer::from_le_bytes(bytes)),
        DType::F64 => Data::F64(Buffer::from_le_bytes(bytes)),
        DType::F16 => Data::F16(Buffer::from_le_bytes(bytes)),
        DType::BF16 => Data::BF16(Buffer::from_le_bytes(bytes)),
        DType::I8 => Data::I8(Buffer::from_le_bytes(bytes)),
        DType::I16 => Data::I16(Buffer::from_le_bytes(bytes)),
        DType::I32 => Data::I32(Buffer::from_le_bytes(bytes)),
        DType::I64 => Data::I64(Buffer::from_le_bytes(bytes)),
        DType::U8 => Data::U8(Buffer::from_le_bytes(bytes)),
        DType::U16 => Data::U16(Buffer::from_le_bytes(bytes)),
        DType::U32 => Data::U32(Buffer::from_le_bytes(bytes)),
        DType::U64 => Data::U64(Buffer::from_le_bytes(bytes)),
        DType::Bool => Data::Bool(Buffer::from_le_bytes(bytes)),
    }
}

fn empty(dtype: DType) -> Data {
    raw(&bytes::Bytes::new(), dtype)
}

/// Returns the elements of the typed field, or `None` if one does not fit the type.
fn typed(proto: TensorProto, dtype: DType) -> Option<Data> {
    fn narrow<T: Element + TryFrom<i32>>(numbers: &[i32]) -> Option<Data> {
        let elements = numbers.iter().map(|&number| T::try_from(number).ok()).collect::<Option<Vec<T>>>()?;
        Some(T::wrap(Buffer::owned(elements)))
    }
    fn half<T: Element>(numbers: &[i32], from_bits: fn(u16) -> T) -> Option<Data> {
        let bits = |&number: &i32| u16::try_from(number).ok().map(from_bits);
        Some(T::wrap(Buffer::owned(numbers.iter().map(bits).collect::<Option<Vec<T>>>()?)))
    }
    let ints = &proto.int32_data;
    match dtype {
        DType::F32 => Some(Data::F32(Buffer::owned(proto.float_data))),
        DType::F64 => Some(Data::F64(Buffer::owned(proto.double_data))),
        DType::I64 => Some(Data::I64(Buffer::owned(proto.int64_data))),
        DType::U64 => Some(Data::U64(Buffer::owned(proto.uint64_data))),
        DType::U32 => {
            let numbers = proto.uint64_data.iter().map(|&number| u32::try_from(number).ok());
            Some(Data::U32(Buffer::owned(numbers.collect::<Option<Vec<u32>>>()?)))
        }
        DType::I32 => Some(Data::I32(Buffer::owned(proto.int32_data))),
        DType::I8 => narrow::<i8>(ints),
        DType::I16 => narrow::<i16>(ints),
        DType::U8 => narrow::<u8>(ints),
        DType::U16 => narrow::<u16>(ints),
        DType::F16 => half(ints, f16::from_bits),
        DType::BF16 => half(ints, bf16::from_bits),
        DType::Bool => {
            let truths = ints.iter().map(|&number| (0..=1).contains(&number).then_some(number == 1));
            Some(Data::Bool(Buffer::owned(truths.collect::<Option<Vec<bool>>>()?)))
        }
    }
}
