//! A reader that walks over JSON text and says where its parts are.

use std::fmt;

use super::string::{Form, Text, plain, unescape};

/// Walks over one JSON text, from its start to its end.
///
/// Whatever it hands out has been checked, but for keys that occur twice in one object; a [`Tape`](super::Tape)
/// finds these.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    deepest: usize,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `null`, `true`, `false` or an integer: its canonical form is the form it has.
    Literal,
    Float,
    String(Form),
    Array,
    Object,
}

/// Takes note of values as they are read.
pub(crate) trait Nodes {
    /// A value that holds no others, or the key of a field.
    fn leaf(&mut self, kind: Kind, start: usize, end: usize);
    /// The start of an array or object; the number comes back with its end.
    fn open(&mut self, kind: Kind, start: usize) -> usize;
    fn close(&mut self, opened: usize, end: usize);
}

/// Takes no note.
struct Unnoted;

/// Why a text is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JsonError {
    at: usize,
    what: &'static str,
}

impl JsonError {
    pub(crate) fn new(at: usize, what: &'static str) -> Self {
        Self { at, what }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.at)
    }
}

impl std::error::Error for JsonError {}

impl<'a> Reader<'a> {
    /// Starts at the beginning of `json`; values may be nested `deepest` deep, and never more than
    /// [`DEEPEST`](super::DEEPEST).
    pub(crate) fn new(json: &'a [u8], deepest: usize) -> Result<Self, JsonError> {
        let text = std::str::from_utf8(json)
            .map_err(|error| JsonError { at: error.valid_up_to(), what: "there is no UTF-8 character" })?;
        Self::of_text(text, deepest)
    }

    pub(crate) fn of_text(text: &'a str, deepest: usize) -> Result<Self, JsonError> {
        // Places are noted in 32 bits.
        if text.len() > u32::MAX as usize {
            return Err(JsonError::new(text.len(), "the text is longer than 4 GiB"));
        }
        Ok(Self { text, at: 0, depth: 0, deepest: deepest.min(super::DEEPEST) })
    }

    /// Where the next value begins.
    pub(crate) fn position(&mut self) -> usize {
        self.space();
        self.at
    }

    /// Where the last value ended.
    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    /// Reads an object field by field; `field` reads each value.
    pub(crate) fn object<E: From<JsonError>>(
        &mut self,
        mut field: impl FnMut(&mut Self, Text<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.expect(b'{', "there is no object")?;
        self.enter()?;
        if !self.take(b'}') {
            loop {
                let key = self.string()?;
                self.expect(b':', "a field has no colon")?;
                field(self, key)?;
                if self.take(b'}') {
                    break;
                }
                self.expect(b',', "an object does not go on")?;
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Reads an array item by item; `item` reads each value.
    pub(crate) fn array<E: From<JsonError>>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.expect(b'[', "there is no array")?;
        self.enter()?;
        if !self.take(b']') {
            loop {
                item(self)?;
                if self.take(b']') {
                    break;
                }
                self.expect(b',', "an array does not go on")?;
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Reads a string.
    pub(crate) fn string(&mut self) -> Result<Text<'a>, JsonError> {
        self.expect(b'"', "there is no string")?;
        let start = self.at;
        let form = self.rest_of_string()?;
        Ok(Text { raw: &self.text[start..self.at - 1], form })
    }

    /// Reads an integer from 0 to 2^64 - 1.
    pub(crate) fn integer(&mut self) -> Result<u64, JsonError> {
        let start = self.position();
        let raw = self.skip()?;
        raw.parse().map_err(|_| JsonError { at: start, what: "there is no non-negative integer" })
    }

    /// Passes over any value and returns it as it is written.
    pub(crate) fn skip(&mut self) -> Result<&'a str, JsonError> {
        let start = self.position();
        self.value(&mut Unnoted)?;
        Ok(&self.text[start..self.at])
    }

    /// Checks that nothing follows.
    pub(crate) fn end(&mut self) -> Result<(), JsonError> {
        self.space();
        if self.at == self.text.len() { Ok(()) } else { Err(self.error("there is more after the end")) }
    }

    /// Reads any value.
    pub(crate) fn value(&mut self, nodes: &mut impl Nodes) -> Result<(), JsonError> {
        self.space();
        let start = self.at;
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                let form = self.rest_of_string()?;
                nodes.leaf(Kind::String(form), start, self.at);
            }
            Some(b'{') => {
                let opened = nodes.open(Kind::Object, start);
                self.at += 1;
                self.enter()?;
                if !self.take(b'}') {
                    loop {
                        self.space();
                        let key = self.at;
                        self.expect(b'"', "a field has no name")?;
                        let form = self.rest_of_string()?;
                        nodes.leaf(Kind::String(form), key, self.at);
                        self.expect(b':', "a field has no colon")?;
                        self.value(nodes)?;
                        if self.take(b'}') {
                            break;
                        }
                        self.expect(b',', "an object does not go on")?;
                    }
                }
                self.depth -= 1;
                nodes.close(opened, self.at);
            }
            Some(b'[') => {
                let opened = nodes.open(Kind::Array, start);
                self.at += 1;
                self.enter()?;
                if !self.take(b']') {
                    loop {
                        self.value(nodes)?;
                        if self.take(b']') {
                            break;
                        }
                        self.expect(b',', "an array does not go on")?;
                    }
                }
                self.depth -= 1;
                nodes.close(opened, self.at);
            }
            Some(b'-' | b'0'..=b'9') => {
                let kind = self.number()?;
                nodes.leaf(kind, start, self.at);
            }
            _ => {
                let rest = &self.text.as_bytes()[self.at..];
                let Some(word) =
                    [&b"null"[..], b"true", b"false"].into_iter().find(|it| rest.starts_with(it))
                else {
                    return Err(self.error("there is no value"));
                };
                self.at += word.len();
                nodes.leaf(Kind::Literal, start, self.at);
            }
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Kind, JsonError> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        let first = self.at;
        self.digits()?;
        if self.at - first > 1 && self.text.as_bytes()[first] == b'0' {
            return Err(JsonError { at: first, what: "a number begins with 0" });
        }
        let mut float = false;
        if self.peek() == Some(b'.') {
            float = true;
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            float = true;
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        let written = &self.text[start..self.at];
        let too_large = JsonError { at: start, what: "a number is too large to be read exactly" };
        // Servers and clients read `-0` as a float, which keeps its sign.
        if float || written == "-0" {
            return match written.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Kind::Float),
                _ => Err(too_large),
            };
        }
        if written.len() > 18 && written.parse::<u64>().is_err() && written.parse::<i64>().is_err() {
            return Err(too_large);
        }
        Ok(Kind::Literal)
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let rest = &self.text.as_bytes()[self.at..];
        let count = rest.iter().take_while(|digit| digit.is_ascii_digit()).count();
        self.at += count;
        if count == 0 { Err(self.error("a number lacks a digit")) } else { Ok(()) }
    }

    /// Reads on from behind the opening quote to behind the closing one.
    fn rest_of_string(&mut self) -> Result<Form, JsonError> {
        let bytes = self.text.as_bytes();
        let mut form = Form::Plain;
        loop {
            self.at += plain(&bytes[self.at..]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(form);
                }
                Some(b'\\') => {
                    form = Form::Escaped;
                    self.at += 1;
                    self.escape()?;
                }
                Some(0..=0x1f) => return Err(self.error("a string holds a control character")),
                Some(_) => {
                    if form == Form::Plain {
                        form = Form::Unescaped;
                    }
                    self.at += 1;
                }
                None => return Err(self.error("a string does not end")),
            }
        }
    }

    /// Checks what follows a backslash.
    fn escape(&mut self) -> Result<(), JsonError> {
        let (character, length) = unescape(&self.text.as_bytes()[self.at..]);
        match character {
            Some(_) => {
                self.at += length;
                Ok(())
            }
            None => Err(self.error("a string holds an escape that is no character")),
        }
    }

    fn enter(&mut self) -> Result<(), JsonError> {
        self.depth += 1;
        if self.depth > self.deepest { Err(self.error("values are nested too deep")) } else { Ok(()) }
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        self.space();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), JsonError> {
        if self.take(byte) { Ok(()) } else { Err(self.error(what)) }
    }

    fn error(&self, what: &'static str) -> JsonError {
        JsonError { at: self.at, what }
    }
}

impl Nodes for Unnoted {
    fn leaf(&mut self, _: Kind, _: usize, _: usize) {}
    fn open(&mut self, _: Kind, _: usize) -> usize {
        0
    }
    fn close(&mut self, _: usize, _: usize) {}
}
