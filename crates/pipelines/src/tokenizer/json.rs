//! Small steps through a JSON value, with errors that name the place.

use serde_json::Value;

use super::FILE;
use crate::Error;

/// A JSON object.
pub(super) type Object = serde_json::Map<String, Value>;

/// Reads one part of a section, by its type, and returns what is kept of it.
pub(super) type Read<'a> = &'a mut dyn FnMut(&str, &Object) -> Result<Object, Error>;

/// Returns the error that `what` in `tokenizer.json` is wrong.
pub(super) fn bad(what: impl AsRef<str>) -> Error {
    Error::invalid(format!("{FILE}: {}", what.as_ref()))
}

pub(super) fn object<'a>(value: &'a Value, what: &str) -> Result<&'a Object, Error> {
    value.as_object().ok_or_else(|| bad(format!("{what} is not an object")))
}

pub(super) fn array<'a>(value: &'a Value, what: &str) -> Result<&'a Vec<Value>, Error> {
    value.as_array().ok_or_else(|| bad(format!("{what} is not a list")))
}

/// Returns the string under `key`.
pub(super) fn string<'a>(part: &'a Object, key: &str, what: &str) -> Result<&'a str, Error> {
    part.get(key)
        .and_then(Value::as_str)
        .ok_or_else(|| bad(format!("{what} has no {key}, or not as a string")))
}

/// Returns the string under `key`, if there is one, refusing one of more than `max` bytes.
pub(super) fn short<'a>(
    part: &'a Object,
    key: &str,
    max: usize,
    what: &str,
) -> Result<Option<&'a str>, Error> {
    match part.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() <= max => Ok(Some(text)),
        Some(Value::String(_)) => Err(bad(format!("{key} of {what} is longer than {max} bytes"))),
        Some(_) => Err(bad(format!("{key} of {what} is not a string"))),
    }
}

/// Returns a token id: an integer of at most 31 bits.
pub(super) fn token_id(value: &Value, what: &str) -> Result<u32, Error> {
    let id = value.as_u64().filter(|id| *id <= i32::MAX as u64).and_then(|id| u32::try_from(id).ok());
    id.ok_or_else(|| bad(format!("{what} has a token id that is not a number below 2^31")))
}

/// Copies the type and the named fields, so that nothing else reaches the tokenizers crate.
pub(super) fn only(part: &Object, fields: &[&str]) -> Object {
    let kept = part.iter().filter(|(key, _)| *key == "type" || fields.contains(&key.as_str()));
    kept.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Counts the parts of one section and how deep they are nested.
///
/// Sections may contain sections; the tokenizers crate tries several readings at each level, and recurses.
#[derive(Debug)]
pub(super) struct Parts {
    section: &'static str,
    count: usize,
    depth: usize,
}

impl Parts {
    const MAX_COUNT: usize = 64;
    const MAX_DEPTH: usize = 4;

    pub(super) fn new(section: &'static str) -> Self {
        Self { section, count: 0, depth: 0 }
    }

    /// Reads one part of the section, or a list of them with `list` naming their field.
    pub(super) fn part(&mut self, value: &Value, list: &str, read: Read<'_>) -> Result<Value, Error> {
        self.count += 1;
        if self.count > Self::MAX_COUNT || self.depth > Self::MAX_DEPTH {
            return Err(bad(format!("{} has too many parts, or too deeply nested ones", self.section)));
        }
        let part = object(value, self.section)?;
        let kind = string(part, "type", self.section)?;
        if kind != "Sequence" {
            return read(kind, part).map(Value::Object);
        }
        self.depth += 1;
        let parts =
            part.get(list).ok_or_else(|| bad(format!("a sequence in {} has no {list}", self.section)))?;
        let parts = array(parts, list)?.iter().map(|part| self.part(part, list, read));
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        self.depth -= 1;
        Ok(Value::Object(Object::from_iter([
            ("type".to_owned(), Value::from("Sequence")),
            (list.to_owned(), Value::from(parts)),
        ])))
    }
}
