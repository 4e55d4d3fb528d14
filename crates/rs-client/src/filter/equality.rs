//! Which records have the fields that somebody looks for, and in which order.

use std::cmp::Ordering;

use serde_json::{Map, Number, Value};

use crate::Record;

/// Asks for records by the values of their fields, and for an order.
///
/// A record matches where every named field has the value, or one of the values; a record that lacks the field
/// never matches, not even null. Numbers are equal where they are the same number (`1` and `1.0`), lists and
/// objects where everything in them is. Dots in a name lead to fields of fields. Without anything asked for, every
/// record matches.
///
/// These are the `filters` and the `order` of Firefox's `get()`, where a list means [`Filters::one_of`].
///
/// ```
/// use rs_client::Filters;
///
/// let enabled = Filters::new().equals("enabled", true).one_of("attachment.mimetype", ["text/plain", "text/html"]);
/// let newest_first = enabled.order("-last_modified");
/// # let _ = newest_first;
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filters {
    fields: Vec<(String, Vec<Value>)>,
    order: Option<String>,
}

impl Filters {
    /// Asks for nothing: every record matches.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks that `field` has the value.
    #[must_use]
    pub fn equals(self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        self.one_of(field, [value])
    }

    /// Asks that `field` has one of the values; without any, no record matches.
    #[must_use]
    pub fn one_of<V: Into<Value>>(
        mut self,
        field: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.fields.push((field.into(), values.into_iter().map(Into::into).collect()));
        self
    }

    /// Asks for an order by `field`, upwards, or downwards with a `-` before it.
    ///
    /// Records without the field or with null count as the least; then come false and true, numbers, texts by their
    /// letters, and everything else. Equal ones stay in the order of their ids.
    #[must_use]
    pub fn order(mut self, field: impl Into<String>) -> Self {
        self.order = Some(field.into());
        self
    }

    /// Returns whether the record matches.
    pub fn matches(&self, record: &Record) -> bool {
        self.match_fields(&record.fields())
    }

    /// Returns the records that match, in order.
    pub fn select<'a>(&self, records: impl IntoIterator<Item = &'a Record>) -> Vec<&'a Record> {
        let records = records.into_iter();
        let Some(order) = &self.order else { return records.filter(|record| self.matches(record)).collect() };
        let (field, is_downwards) = match order.strip_prefix('-') {
            Some(field) => (field, true),
            None => (order.as_str(), false),
        };
        let keyed = records.filter_map(|record| {
            let fields = record.fields();
            self.match_fields(&fields).then(|| (field_at(&fields, field).cloned(), record))
        });
        let mut keyed: Vec<_> = keyed.collect();
        keyed.sort_by(|(left, _), (right, _)| {
            let order = compare(left.as_ref(), right.as_ref());
            if is_downwards { order.reverse() } else { order }
        });
        keyed.into_iter().map(|(_, record)| record).collect()
    }

    fn match_fields(&self, fields: &Map<String, Value>) -> bool {
        self.fields.iter().all(|(field, values)| {
            field_at(fields, field).is_some_and(|found| values.iter().any(|value| same(value, found)))
        })
    }
}

/// The field that a name with dots leads to.
fn field_at<'a>(fields: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let mut names = path.split('.');
    let first = fields.get(names.next()?)?;
    names.try_fold(first, |value, name| value.get(name))
}

/// Whether two values are equal, with numbers by what they are worth.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => compare_numbers(left, right).is_eq(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, value)| right.get(name).is_some_and(|other| same(value, other)))
        }
        (left, right) => left == right,
    }
}

fn compare(left: Option<&Value>, right: Option<&Value>) -> Ordering {
    match (left, right) {
        (Some(Value::Bool(left)), Some(Value::Bool(right))) => left.cmp(right),
        (Some(Value::Number(left)), Some(Value::Number(right))) => compare_numbers(left, right),
        (Some(Value::String(left)), Some(Value::String(right))) => left.cmp(right),
        (left, right) => rank(left).cmp(&rank(right)),
    }
}

fn rank(value: Option<&Value>) -> u8 {
    match value {
        None | Some(Value::Null) => 0,
        Some(Value::Bool(_)) => 1,
        Some(Value::Number(_)) => 2,
        Some(Value::String(_)) => 3,
        Some(Value::Array(_) | Value::Object(_)) => 4,
    }
}

/// Compares exactly, integers with floats too: what is not an order would not sort.
fn compare_numbers(left: &Number, right: &Number) -> Ordering {
    let float = |number: &Number| number.as_f64().unwrap_or_default();
    let order = float(left).partial_cmp(&float(right)).unwrap_or(Ordering::Equal);
    // Rounded to floats, neighbours among the integers can be equal. Floats of that size are integers.
    order.then_with(|| integer(left).cmp(&integer(right)))
}

fn integer(number: &Number) -> i128 {
    #[expect(clippy::cast_possible_truncation, reason = "only compared where the whole numbers decide")]
    let rounded = || number.as_f64().unwrap_or_default() as i128;
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from)).unwrap_or_else(rounded)
}
