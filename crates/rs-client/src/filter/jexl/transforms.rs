//! What can stand behind a `|` in a filter expression.

use std::cmp::Ordering;

use content_id::ContentId;

use super::value::Value;
use crate::ToolkitVersion;

/// Applies the transform `name` to `subject`.
pub(super) fn apply(name: &str, subject: &Value, arguments: &[Value]) -> Result<Value, String> {
    match (name, arguments) {
        ("versionCompare", [other]) => compare_versions(subject, other),
        ("keys", []) => Ok(match subject {
            Value::Object(fields) => fields.keys().map(|name| Value::Text(name.as_str().into())).collect(),
            // As in JavaScript, where a list's keys are its indices.
            Value::List(items) => {
                (0..items.len()).map(|index| Value::Text(index.to_string().into())).collect()
            }
            _ => Value::Null,
        }),
        ("values", []) => Ok(match subject {
            Value::Object(fields) => fields.values().cloned().collect(),
            Value::List(_) => subject.clone(),
            _ => Value::Null,
        }),
        ("length", []) => Ok(match subject {
            #[expect(clippy::cast_precision_loss, reason = "no list is that long")]
            Value::List(items) => Value::Number(items.len() as f64),
            _ => Value::Null,
        }),
        ("mapToProperty", [Value::Text(property)]) => Ok(match subject {
            Value::List(items) => items.iter().map(|item| property_of(item, property)).collect(),
            _ => Value::Null,
        }),
        ("stableSample", [Value::Number(rate)]) => {
            Ok(Value::Bool(sample_point(subject)? < key_of_fraction(*rate)?))
        }
        ("bucketSample", [Value::Number(start), Value::Number(count), Value::Number(total)]) => {
            is_in_buckets(sample_point(subject)?, *start, *count, *total).map(Value::Bool)
        }
        (
            "versionCompare" | "keys" | "values" | "length" | "mapToProperty" | "stableSample"
            | "bucketSample",
            _,
        ) => Err(format!("the transform {name:?} is used with the wrong arguments")),
        _ => Err(format!("there is no transform {name:?}")),
    }
}

impl FromIterator<Value> for Value {
    fn from_iter<I: IntoIterator<Item = Value>>(items: I) -> Self {
        Self::List(items.into_iter().collect())
    }
}

/// The field of an item; unlike [`Value::field`], a list has none.
fn property_of(item: &Value, property: &str) -> Value {
    match item {
        Value::Object(_) => item.field(property),
        _ => Value::Null,
    }
}

/// Below, at or above zero, in Mozilla's toolkit version order.
fn compare_versions(left: &Value, right: &Value) -> Result<Value, String> {
    let version = |value: &Value| {
        let text = value.text().ok_or_else(|| format!("versionCompare is given {}", value.kind()))?;
        Ok::<_, String>(ToolkitVersion::new(text))
    };
    Ok(Value::Number(match version(left)?.cmp(&version(right)?) {
        Ordering::Less => -1.0,
        Ordering::Equal => 0.0,
        Ordering::Greater => 1.0,
    }))
}

/// The largest sample point: 48 bits.
const LAST_KEY: u64 = (1 << 48) - 1;

/// Where a value lies among all samples: the first 48 bits of the SHA-256 of its JSON.
fn sample_point(value: &Value) -> Result<u64, String> {
    if !is_sampled(value) {
        return Err(format!("{} cannot be sampled over", value.kind()));
    }
    let digest = ContentId::of(json_text(value).as_bytes()).digest.to_string();
    digest
        .get(..12)
        .and_then(|first| u64::from_str_radix(first, 16).ok())
        .ok_or_else(|| "no digest".to_owned())
}

/// Whether every client writes a value as the same JSON. Nothing at all is everywhere the same sample, and the
/// order of an object's fields is nobody's promise.
fn is_sampled(value: &Value) -> bool {
    match value {
        Value::Null | Value::Object(_) => false,
        Value::List(items) => items.iter().all(|item| matches!(item, Value::Null) || is_sampled(item)),
        _ => true,
    }
}

fn json_text(value: &Value) -> String {
    match value {
        Value::List(items) => format!("[{}]", items.iter().map(json_text).collect::<Vec<_>>().join(",")),
        Value::Number(number) if number.is_finite() => value.text().unwrap_or_default(),
        Value::Text(text) => serde_json::Value::from(text.as_ref()).to_string(),
        Value::Bool(value) => value.to_string(),
        _ => "null".to_owned(),
    }
}

fn key_of_fraction(fraction: f64) -> Result<u64, String> {
    if !(0.0..=1.0).contains(&fraction) {
        return Err(format!("{fraction} is no share between 0 and 1"));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "48 bits fit a float, and the product lies between zero and them"
    )]
    Ok((fraction * LAST_KEY as f64).floor() as u64)
}

/// Whether a point lies in `count` of `total` buckets from `start`, around the end.
fn is_in_buckets(point: u64, start: f64, count: f64, total: f64) -> Result<bool, String> {
    let is_between = |first: f64, end: f64| {
        Ok::<_, String>((key_of_fraction(first / total)?..key_of_fraction(end / total)?).contains(&point))
    };
    let start = start % total;
    let end = start + count;
    if end > total {
        Ok(is_between(0.0, end % total)? || is_between(start, total)?)
    } else {
        is_between(start, end)
    }
}
