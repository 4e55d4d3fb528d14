//! JSON as the signer writes it.
//!
//! Keys in order of code points at every level, no white space, ASCII only: everything else is escaped as
//! `\uxxxx` in lower case. Integers are plain and floats have the shortest exponent form (`1E0`), although the
//! server lets no float in. This is what canonicaljson-rs 0.9 does, which differs from its own description.

use crate::{Error, ErrorKind, json::Tape};

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Pieces are collected up to this size, so that a hash is not fed byte by byte.
const PIECE: usize = 8 << 10;

/// Writes a JSON text in canonical form, piece by piece, into `sink`.
///
/// # Errors
///
/// [`ErrorKind::Protocol`] where `json` is not one JSON value, is nested more than 127 deep, has a key twice in one
/// object, a number that does not fit 64 bits, or half of a surrogate pair. Some pieces may be written by then.
///
/// ```
/// let mut text = Vec::new();
/// rs_client::canonical::write(r#"{"b": "é\/\u007f", "a": [1, null]}"#, |piece| text.extend_from_slice(piece))?;
/// assert_eq!(text, br#"{"a":[1,null],"b":"\u00e9/\u007f"}"#);
/// # Ok::<(), rs_client::Error>(())
/// ```
pub fn write(json: &str, sink: impl FnMut(&[u8])) -> Result<(), Error> {
    let mut writer = Writer::new(sink);
    Tape::default().write(json, &mut writer).map_err(|error| {
        Error::new(ErrorKind::Protocol, "the text has no canonical form").with_source(error)
    })?;
    writer.finish();
    Ok(())
}

/// Collects pieces of canonical JSON for a sink.
pub(crate) struct Writer<S> {
    piece: Vec<u8>,
    sink: S,
}

impl<S: FnMut(&[u8])> Writer<S> {
    pub(crate) fn new(sink: S) -> Self {
        Self { piece: Vec::with_capacity(PIECE + 64), sink }
    }

    pub(crate) fn finish(mut self) {
        self.flush();
    }

    /// Writes bytes as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.flush();
        }
    }

    fn flush(&mut self) {
        (self.sink)(&self.piece);
        self.piece.clear();
    }

    /// Writes a float that the reader has accepted.
    pub(crate) fn float(&mut self, written: &str) {
        let number: f64 = written.parse().unwrap_or(f64::NAN);
        self.raw(format!("{number:E}").as_bytes());
    }

    pub(crate) fn string(&mut self, text: &str) {
        self.raw(b"\"");
        let bytes = text.as_bytes();
        let mut plain = 0;
        for (index, character) in text.char_indices() {
            if matches!(character, ' '..='~') && !matches!(character, '"' | '\\') {
                continue;
            }
            self.raw(&bytes[plain..index]);
            plain = index + character.len_utf8();
            match character {
                '"' => self.raw(b"\\\""),
                '\\' => self.raw(b"\\\\"),
                '\u{8}' => self.raw(b"\\b"),
                '\u{c}' => self.raw(b"\\f"),
                '\n' => self.raw(b"\\n"),
                '\r' => self.raw(b"\\r"),
                '\t' => self.raw(b"\\t"),
                _ => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        let digit = |shift: u16| HEX[usize::from(*unit >> shift & 0xf)];
                        self.raw(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
                    }
                }
            }
        }
        self.raw(&bytes[plain..]);
        self.raw(b"\"");
    }
}
