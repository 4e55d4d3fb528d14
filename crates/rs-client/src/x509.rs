//! What the chain library does not tell of a certificate: its dates, its key, and what it may issue.

use std::time::SystemTime;

use p384::ecdsa::VerifyingKey;

use crate::clock;

const BOOLEAN: u8 = 0x01;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The use "code signing", 1.3.6.1.5.5.7.3.3, in DER.
pub(crate) const CODE_SIGNING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];

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

/// What a certificate says about its subject issuing others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Authority {
    /// Whether it says that the subject is an authority at all.
    pub(crate) is_authority: bool,
    /// How many authorities may stand between it and a leaf, where it says so.
    pub(crate) path_length: Option<usize>,
    /// Whether its key may sign certificates; so it is where nothing is said.
    pub(crate) signs_certificates: bool,
    /// Whether it is meant for signing code; so it is where nothing is said.
    pub(crate) signs_code: bool,
}

impl Dates {
    /// Reads the dates of a certificate in DER; [`None`] where it is no such thing.
    pub(crate) fn of(certificate: &[u8]) -> Option<Self> {
        let mut fields = fields(certificate)?;
        // serial number, signature algorithm, issuer; then the dates
        for _ in 0..3 {
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

impl Authority {
    /// Reads what a certificate in DER says; [`None`] where it is no such thing.
    pub(crate) fn of(certificate: &[u8]) -> Option<Self> {
        let mut found =
            Self { is_authority: false, path_length: None, signs_certificates: true, signs_code: true };
        let mut fields = fields(certificate)?;
        while !fields.is_empty() {
            let (tag, field, rest) = element(fields)?;
            fields = rest;
            if tag == EXTENSIONS {
                let (_, mut extensions, _) = element(field)?;
                while !extensions.is_empty() {
                    let (_, extension, rest) = element(extensions)?;
                    extensions = rest;
                    found.note(extension)?;
                }
            }
        }
        Some(found)
    }

    fn note(&mut self, extension: &[u8]) -> Option<()> {
        let (_, id, rest) = element(extension)?;
        let (tag, value, rest) = element(rest)?;
        // Whether it is critical may stand between.
        let value = if tag == BOOLEAN { element(rest)?.1 } else { value };
        let (_, content, _) = element(value)?;
        match id {
            BASIC_CONSTRAINTS => {
                let (tag, flag, rest) = element(content).unwrap_or_default();
                self.is_authority = tag == BOOLEAN && flag == [0xff];
                if let Some((_, length, _)) = element(rest) {
                    // A number of more bytes is more than any chain has.
                    self.path_length = match length {
                        [length] => Some(usize::from(*length)),
                        _ => None,
                    };
                }
            }
            KEY_USAGE => self.signs_certificates = content.get(1).is_some_and(|bits| bits & 0x04 != 0),
            EXTENDED_KEY_USAGE => {
                self.signs_code = false;
                let mut purposes = content;
                while !purposes.is_empty() {
                    let (_, purpose, rest) = element(purposes)?;
                    purposes = rest;
                    self.signs_code |= purpose == CODE_SIGNING;
                }
            }
            _ => {}
        }
        Some(())
    }
}

/// Returns the fields of a certificate in DER after its version; the first version, which has no extensions and
/// so can say nothing of what it is for, does not state it.
fn fields(certificate: &[u8]) -> Option<&[u8]> {
    let (_, certificate, _) = element(certificate)?;
    let (tag, fields, _) = element(certificate)?;
    let (first, _, fields) = element(fields)?;
    (tag == SEQUENCE && first == VERSION).then_some(fields)
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
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 => 28 + u64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if !(1..=12).contains(&month) || !(1..=last).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // A certificate from before 1970 has been valid for long enough.
    let days = clock::days(year, month, day).unwrap_or(0);
    Some(clock::at(days * 86_400 + hour * 3600 + minute * 60 + second))
}
