//! Unpacks a file in Mozilla's variant of LZ4. Pure.
//!
//! `mozLz40`, a zero byte, the length of what is packed in four bytes, and one LZ4 block.

use crate::{Error, ErrorKind};

const MAGIC: &[u8; 8] = b"mozLz40\0";
/// The most bytes that LZ4 makes of one.
const BEST_RATIO: usize = 255;

/// Unpacks a file of at most `limit` bytes.
///
/// # Errors
///
/// [`ErrorKind::TooLarge`] where it states a greater length; [`ErrorKind::Protocol`] where it is not of the
/// format, or not of the length that it states. Room is made for what it states, and only if the block can hold
/// as much.
pub(super) fn unpack(file: &[u8], limit: u64) -> Result<Vec<u8>, Error> {
    let (length, block) = file
        .strip_prefix(MAGIC)
        .and_then(|rest| rest.split_first_chunk())
        .ok_or_else(|| refuse("is no mozLz4 file"))?;
    let length = u32::from_le_bytes(*length);
    if u64::from(length) > limit {
        let message = format!("the bundle unpacks to {length} bytes, more than the {limit} allowed");
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    let length = length as usize;
    if length / BEST_RATIO > block.len() {
        return Err(refuse("cannot hold as many bytes as it states"));
    }
    let mut unpacked = vec![0; length];
    match lz4_flex::block::decompress_into(block, &mut unpacked) {
        Ok(found) if found == length => Ok(unpacked),
        Ok(_) => Err(refuse("does not unpack to the length it states")),
        Err(error) => Err(refuse("does not unpack to the length it states").with_source(error)),
    }
}

fn refuse(why: &str) -> Error {
    Error::new(ErrorKind::Protocol, format!("the bundle {why}"))
}
