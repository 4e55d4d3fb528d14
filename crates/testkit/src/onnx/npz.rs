//! A reader of NumPy's `.npz` files: recorded inputs and outputs, by name.
//!
//! An `.npz` file is a ZIP archive of `.npy` files. Only stored entries are read (`numpy.savez`), in row-major order.

use std::collections::BTreeMap;

use super::{Array, DataType};

/// Says what is wrong with an `.npz` file.
#[derive(Debug, thiserror::Error)]
#[error("not an npz file as this reader knows it: {0}")]
#[non_exhaustive]
pub struct NpzError(&'static str);

/// Reads every array of an `.npz` file, by its name without `.npy`.
///
/// # Errors
///
/// For a file that is not a ZIP archive of stored `.npy` files of numbers or booleans.
pub fn read_npz(file: &[u8]) -> Result<BTreeMap<String, Array>, NpzError> {
    const END_OF_DIRECTORY: &[u8] = b"PK\x05\x06";
    const DIRECTORY_ENTRY: &[u8] = b"PK\x01\x02";

    let end = file.windows(4).rposition(|window| window == END_OF_DIRECTORY);
    let end = end.ok_or(NpzError("there is no end-of-directory record"))?;
    let count = number(file, end + 10, 2)?;
    let mut at = number(file, end + 16, 4)?;
    let mut arrays = BTreeMap::new();
    for _ in 0..count {
        if part(file, at, 4)? != DIRECTORY_ENTRY {
            return Err(NpzError("a directory entry is broken"));
        }
        if number(file, at + 10, 2)? != 0 {
            return Err(NpzError("an entry is compressed"));
        }
        let size = number(file, at + 24, 4)?;
        let name_length = number(file, at + 28, 2)?;
        let name = part(file, at + 46, name_length)?;
        let name = str::from_utf8(name).map_err(|_| NpzError("an entry's name is not UTF-8"))?;
        let local = number(file, at + 42, 4)?;
        let content = local + 30 + number(file, local + 26, 2)? + number(file, local + 28, 2)?;
        let array = read_npy(part(file, content, size)?)?;
        arrays.insert(name.strip_suffix(".npy").unwrap_or(name).to_owned(), array);
        at += 46 + name_length + number(file, at + 30, 2)? + number(file, at + 32, 2)?;
    }
    Ok(arrays)
}

/// Reads one `.npy` file.
fn read_npy(file: &[u8]) -> Result<Array, NpzError> {
    let rest = file.strip_prefix(b"\x93NUMPY").ok_or(NpzError("an entry is not an npy file"))?;
    let wide = usize::from(*rest.first().ok_or(NpzError("an entry ends early"))? > 1);
    let start = 4 + 2 * wide;
    let length = number(rest, 2, 2 + 2 * wide)?;
    let header = str::from_utf8(part(rest, start, length)?).map_err(|_| NpzError("a header is not text"))?;
    let data = &rest[start + length..];

    if value_of(header, "fortran_order")?.starts_with("True") {
        return Err(NpzError("an array is in column-major order"));
    }
    let descr = value_of(header, "descr")?;
    let data_type = match descr.trim_start_matches('\'').split('\'').next().unwrap_or_default() {
        "<f4" => DataType::F32,
        "<f8" => DataType::F64,
        "<f2" => DataType::F16,
        "<i8" => DataType::I64,
        "<i4" => DataType::I32,
        "<i2" => DataType::I16,
        "|i1" => DataType::I8,
        "<u8" => DataType::U64,
        "<u4" => DataType::U32,
        "<u2" => DataType::U16,
        "|u1" => DataType::U8,
        "|b1" => DataType::Bool,
        _ => return Err(NpzError("an array has another element type")),
    };
    let shape = value_of(header, "shape")?.trim_start_matches('(');
    let shape = shape.split(')').next().unwrap_or_default();
    let dims = shape.split(',').map(str::trim).filter(|dim| !dim.is_empty()).map(str::parse);
    let dims: Vec<i64> =
        dims.collect::<Result<_, _>>().map_err(|_| NpzError("a shape is not a tuple of sizes"))?;
    let elements = dims.iter().try_fold(1_usize, |all, dim| all.checked_mul(usize::try_from(*dim).ok()?));
    if elements.and_then(|elements| elements.checked_mul(data_type.width())) != Some(data.len()) {
        return Err(NpzError("an array's shape does not fit its data"));
    }
    Ok(Array::raw(data_type, dims, data.to_vec()))
}

/// Returns what follows `'key': ` in the Python dictionary of a header.
fn value_of<'a>(header: &'a str, key: &str) -> Result<&'a str, NpzError> {
    let (_, value) = header
        .split_once(&format!("'{key}':"))
        .ok_or(NpzError("a header lacks descr, fortran_order or shape"))?;
    Ok(value.trim_start())
}

fn part(file: &[u8], start: usize, length: usize) -> Result<&[u8], NpzError> {
    file.get(start..).and_then(|rest| rest.get(..length)).ok_or(NpzError("it ends early"))
}

/// Reads a little-endian number of `width` bytes.
fn number(file: &[u8], start: usize, width: usize) -> Result<usize, NpzError> {
    Ok(part(file, start, width)?.iter().rev().fold(0, |value, byte| value << 8 | usize::from(*byte)))
}
