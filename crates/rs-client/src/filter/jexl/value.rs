//! The values that a filter expression works with, and what they are to each other; as in JavaScript.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value as Json;

/// A value. Clones are cheap.
///
/// `Null` is also what JavaScript calls undefined: a field that is not there.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(Arc<str>),
    List(Arc<[Value]>),
    Object(Arc<BTreeMap<String, Value>>),
}

impl Value {
    pub(super) fn is_truthy(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(value) => *value,
            Self::Number(number) => *number != 0.0 && !number.is_nan(),
            Self::Text(text) => !text.is_empty(),
            Self::List(_) | Self::Object(_) => true,
        }
    }

    /// The number that the value counts as in arithmetic and beside a number; not a number where there is none.
    pub(super) fn number(&self) -> f64 {
        match self {
            Self::Bool(value) => f64::from(u8::from(*value)),
            Self::Number(number) => *number,
            Self::Text(text) => number_in(text.trim()),
            Self::Null | Self::List(_) | Self::Object(_) => f64::NAN,
        }
    }

    /// The text that the value counts as beside a text, where it has one.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Bool(value) => Some(value.to_string()),
            Self::Number(number) => Some(number_text(*number)),
            Self::Text(text) => Some(text.to_string()),
            Self::Null | Self::List(_) | Self::Object(_) => None,
        }
    }

    /// Whether `==` holds: texts and numbers by their number, lists and objects by what is in them.
    pub(super) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Text(one), Self::Text(two)) => one == two,
            (Self::List(one), Self::List(two)) => {
                one.len() == two.len() && one.iter().zip(two.iter()).all(|(one, two)| one.is(two))
            }
            (Self::Object(one), Self::Object(two)) => {
                one.len() == two.len()
                    && one.iter().zip(two.iter()).all(|(one, two)| one.0 == two.0 && one.1.is(two.1))
            }
            (Self::Null | Self::List(_) | Self::Object(_), _)
            | (_, Self::Null | Self::List(_) | Self::Object(_)) => false,
            (one, two) => one.number() == two.number(),
        }
    }

    /// Whether both are of one kind and equal.
    pub(super) fn is(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other) && self.equals(other)
    }

    /// Returns a field of an object. A list has the fields of its first item.
    pub(super) fn field(&self, name: &str) -> Self {
        match self {
            Self::Object(fields) => fields.get(name).cloned().unwrap_or(Self::Null),
            Self::List(items) => items.first().map_or(Self::Null, |first| match first {
                Self::Object(fields) => fields.get(name).cloned().unwrap_or(Self::Null),
                _ => Self::Null,
            }),
            _ => Self::Null,
        }
    }

    /// What kind of value it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    /// Returns the value as JSON, with null for what JSON has no word for.
    pub(super) fn to_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => (*value).into(),
            Self::Number(number) => whole(*number).map_or_else(|| Json::from(*number), Json::from),
            Self::Text(text) => text.as_ref().into(),
            Self::List(items) => items.iter().map(Self::to_json).collect(),
            Self::Object(fields) => {
                fields.iter().map(|(name, value)| (name.clone(), value.to_json())).collect()
            }
        }
    }
}

impl From<&Json> for Value {
    fn from(json: &Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => Self::Number(number.as_f64().unwrap_or(f64::NAN)),
            Json::String(text) => Self::Text(text.as_str().into()),
            Json::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            Json::Object(fields) => {
                let fields = fields.iter().map(|(name, value)| (name.clone(), Self::from(value)));
                Self::Object(Arc::new(fields.collect()))
            }
        }
    }
}

/// Reads a text as a number: decimal, with or without a fraction and an exponent; an empty one is zero.
fn number_in(text: &str) -> f64 {
    if text.is_empty() {
        return 0.0;
    }
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    if is_decimal { text.parse().unwrap_or(f64::NAN) } else { f64::NAN }
}

/// Returns the integer that a number is, where it is one that can be told from its neighbours.
fn whole(number: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    (number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0).then_some(number as i64)
}

/// Writes a number as JavaScript does.
pub(super) fn number_text(number: f64) -> String {
    let size = number.abs();
    if let Some(number) = whole(number) {
        number.to_string()
    } else if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else if (1e-6..1e21).contains(&size) {
        number.to_string()
    } else {
        let text = format!("{number:e}");
        if size < 1.0 { text } else { text.replace('e', "e+") }
    }
}
