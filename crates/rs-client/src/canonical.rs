//! JSON as the signer writes it.
//!
//! Keys in order of code points at every level, no white space, ASCII only: everything else is escaped as
//! `\uxxxx` in lower case. Integers are plain and floats have the shortest exponent form (`1E0`), although the
//! server lets no float in. This is what canonicaljson-rs 0.9 does, which differs from its own description.

use serde_json::{Map, Number, Value};

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Pieces are collected up to this size, so that a hash is not fed byte by byte.
const PIECE: usize = 8 << 10;

/// Writes `value` in canonical form, piece by piece, into `sink`.
///
/// ```
/// let value = serde_json::json!({"b": "é/\u{7f}", "a": [1, null]});
/// let mut text = Vec::new();
/// rs_client::canonical::write(&value, |piece| text.extend_from_slice(piece));
/// assert_eq!(text, br#"{"a":[1,null],"b":"\u00e9/\u007f"}"#);
/// ```
pub fn write(value: &Value, sink: impl FnMut(&[u8])) {
    let mut writer = Writer::new(sink);
    writer.value(value);
    writer.finish();
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

    /// Values from the parser are at most 128 deep, which bounds the recursion.
    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.raw(b"null"),
            Value::Bool(true) => self.raw(b"true"),
            Value::Bool(false) => self.raw(b"false"),
            Value::Number(number) => self.number(number),
            Value::String(text) => self.string(text),
            Value::Array(items) => {
                self.raw(b"[");
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.raw(b",");
                    }
                    self.value(item);
                }
                self.raw(b"]");
            }
            Value::Object(fields) => self.object(fields),
        }
    }

    pub(crate) fn object(&mut self, fields: &Map<String, Value>) {
        self.raw(b"{");
        if fields.keys().is_sorted() {
            self.fields(fields);
        } else {
            // Another crate of the program may have switched serde_json to keep the order of arrival.
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(key, _)| *key);
            self.fields(fields);
        }
        self.raw(b"}");
    }

    fn fields<'a>(&mut self, fields: impl IntoIterator<Item = (&'a String, &'a Value)>) {
        for (index, (key, value)) in fields.into_iter().enumerate() {
            if index > 0 {
                self.raw(b",");
            }
            self.string(key);
            self.raw(b":");
            self.value(value);
        }
    }

    fn number(&mut self, number: &Number) {
        let text = match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(number), _, _) => number.to_string(),
            (_, Some(number), _) => number.to_string(),
            (_, _, Some(number)) => format!("{number:E}"),
            _ => number.to_string(),
        };
        self.raw(text.as_bytes());
    }

    fn string(&mut self, text: &str) {
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
