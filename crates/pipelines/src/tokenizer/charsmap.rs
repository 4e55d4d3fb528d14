//! The `precompiled_charsmap` of a SentencePiece normalizer: a double array of byte transitions, and the texts that
//! characters become.
//!
//! Format: the bytes of the array as a little-endian u32, the array of u32 units, then zero-terminated texts. A unit
//! has its label in bits 0-7 and 31, "has a leaf" in bit 8, its offset in bits 9-30 (bit 9: times 256), and as a leaf
//! the place of a text in bits 0-30.

use std::collections::{HashSet, VecDeque};

use base64::{Engine, engine::general_purpose::STANDARD};

use super::json::bad;
use crate::Error;

/// Checks that no text leads outside the map; returns how many times longer a text can become.
///
/// Every state that some bytes lead to is visited, as the normalizer would.
pub(super) fn check(map: &str) -> Result<usize, Error> {
    let broken = |what: &str| bad(format!("precompiled_charsmap {what}"));
    let map = STANDARD.decode(map).map_err(|error| broken("is not base64").with_source(error))?;
    let (length, rest) = map.split_first_chunk().ok_or_else(|| broken("is empty"))?;
    let length = u32::from_le_bytes(*length) as usize;
    let (units, texts) = rest.split_at_checked(length).ok_or_else(|| broken("is shorter than it says"))?;
    let (units, _) = units.as_chunks::<4>();
    let units: Vec<usize> = units.iter().map(|unit| u32::from_le_bytes(*unit) as usize).collect();
    // The tokenizers crate rounds down to whole units, and takes what is left for text.
    let texts = if length.is_multiple_of(4) { texts } else { &rest[units.len() * 4..] };
    let texts =
        str::from_utf8(texts).map_err(|error| broken("has texts that are not UTF-8").with_source(error))?;

    let root = units.first().ok_or_else(|| broken("has no units"))?;
    let mut growth = 1;
    let mut seen = HashSet::from([offset(*root)]);
    let mut waiting = VecDeque::from([(offset(*root), 1)]);
    while let Some((state, depth)) = waiting.pop_front() {
        for byte in 1..=255 {
            let place = state ^ byte;
            let unit = *units.get(place).ok_or_else(|| broken("leads outside itself"))?;
            if unit & (1 << 31 | 0xff) != byte {
                continue;
            }
            let next = place ^ offset(unit);
            if unit >> 8 & 1 == 1 {
                let leaf = units.get(next).ok_or_else(|| broken("leads outside itself"))?;
                let text =
                    texts.get(leaf & ((1 << 31) - 1)..).ok_or_else(|| broken("leads outside its texts"))?;
                let bytes = text.bytes().position(|byte| byte == 0).unwrap_or(text.len());
                growth = growth.max(bytes.div_ceil(depth));
            }
            if seen.insert(next) {
                waiting.push_back((next, depth + 1));
            }
        }
    }
    Ok(growth)
}

fn offset(unit: usize) -> usize {
    unit >> 10 << ((unit & 1 << 9) >> 6)
}
