//! The two fields of a certificate that the chain library does not tell: its dates and its key.

use std::time::SystemTime;

use p384::ecdsa::VerifyingKey;

use crate::clock;

const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Everything of a P-384 key's description before the key itself: the algorithm, the curve, and the header of
/// 97 bytes of uncompressed point.
const P384_HEADER: [u8; 23] = [
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81,
    0x04, 0x00, 0x22, 0x03, 0x62, 0x00,
];

/// When a certificate is valid, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dates {
    pub(crate) not_before: SystemTime,
    pub(crate) not_after: SystemTime,
}

impl Dates {
    /// Reads the dates of a certificate in DER; [`None`] where it is no such thing.
    pub(crate) fn of(certificate: &[u8]) -> Option<Self> {
        let (_, certificate, _) = element(certificate)?;
        let (tag, mut fields, _) = element(certificate)?;
        if tag != SEQUENCE {
            return None;
        }
        // version, serial number, signature algorithm, issuer; then the dates
        for _ in 0..4 {
            (_, _, fields) = element(fields)?;
        }
        let (tag, dates, _) = element(fields)?;
        let (first_tag, first, rest) = element(dates)?;
        let (last_tag, last, rest) = element(rest)?;
        if tag != SEQUENCE || !rest.is_empty() {
            return None;
        }
        Some(Self { not_before: time(first_tag, first)?, not_after: time(last_tag, last)? })
    }
}

/// Reads a key description in DER as a P-384 key.
pub(crate) fn p384_key(description: &[u8]) -> Option<VerifyingKey> {
    let point = description.strip_prefix(&P384_HEADER)?;
    VerifyingKey::from_sec1_bytes(point).ok()
}

/// Splits the first element off: its tag, its content, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, length], rest) = der.split_first_chunk::<2>()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81 | 0x82 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

fn time(tag: u8, text: &[u8]) -> Option<SystemTime> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let digits = text.len();
    if !text.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let (year, rest) = match (tag, digits) {
        (UTC_TIME, 12) => {
            let year = number(0, 2)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, 2)
        }
        (GENERALIZED_TIME, 14) => (number(0, 4)?, 4),
        _ => return None,
    };
    let field = |index: usize| number(rest + 2 * index, rest + 2 * index + 2);
    let (month, day) = (field(0)?, field(1)?);
    let (hour, minute, second) = (field(2)?, field(3)?, field(4)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // A certificate from before 1970 has been valid for long enough.
    let days = clock::days(year, month, day).unwrap_or(0);
    Some(clock::at(days * 86_400 + hour * 3600 + minute * 60 + second))
}
