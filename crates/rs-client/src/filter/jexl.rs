//! Which records are meant for the program that reads them: the JEXL expressions in `filter_expression`.

mod evaluate;
mod parse;
mod token;
mod transforms;
mod value;

use std::{collections::BTreeMap, fmt};

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use self::{evaluate::Evaluation, value::Value};
use crate::{Limits, Record};

/// What a record says of who it is meant for.
#[derive(Deserialize)]
struct Meant {
    #[serde(default)]
    filter_expression: Option<Json>,
}

/// What filter expressions can ask about the program and the machine: the object `env`.
///
/// A field that is not set is not there, and comparing it with anything is false. Nothing is found out by itself.
///
/// # Expressions
///
/// The language is [JEXL](https://github.com/mozilla/mozjexl) as Firefox evaluates it for Remote Settings, since
/// that is where authors try their expressions out:
///
/// - a record is shown where the value is truthy: anything but false, null, zero, not-a-number and empty text. It
///   is hidden where the expression is wrong, or cannot be evaluated within [the limits](Limits);
/// - without an expression, or with an empty one, a record is shown. One that is not text hides it;
/// - texts and numbers are compared as numbers (`env.version < 116`), texts with each other by their letters; use
///   `versionCompare` for versions;
/// - `&&` and `||` have the same precedence, and are taken from the left: `a || b && c` is `(a || b) && c`. What
///   follows a `?` reaches to the end;
/// - `!`, `in`, `intersect`, `//`, `^`, negative numbers, `list[.field == value]`, and the transforms
///   `versionCompare`, `keys`, `values`, `length`, `mapToProperty`, `stableSample` and `bucketSample`.
///
/// It differs in that lists and objects are equal where what is in them is, and that sampling over nothing or over
/// an object is refused. Left out, because they ask for something that only a browser has: the transforms `date`,
/// `preferenceValue`, `preferenceIsUserSet` and `preferenceExists`; because they run a foreign pattern:
/// `regExpMatch`. A record that asks for one of these is hidden, and the explanation names it.
///
/// The limits make sure that no expression takes the process down or keeps it busy.
///
/// ```
/// use rs_client::FilterEnvironment;
/// use serde_json::json;
///
/// let environment = FilterEnvironment::new().version("128.0").os_name("Linux").custom("distribution", "demo");
/// let env = json!({
///     "version": "128.0",
///     "os": { "name": "Linux", "isWindows": false, "isMac": false, "isLinux": true },
///     "appinfo": { "OS": "Linux" },
///     "distribution": "demo",
/// });
/// assert_eq!(environment.to_json(), env);
/// ```
#[derive(Clone, Debug, Default)]
pub struct FilterEnvironment {
    env: Map<String, Json>,
    limits: Limits,
}

/// The records of a collection in two heaps, each in order of ids.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Visible<'a> {
    /// The records that are meant for the environment.
    pub shown: Vec<&'a Record>,
    /// The other ones, and why.
    pub hidden: Vec<Hidden>,
}

/// Why a record is not meant for an environment.
///
/// Prints as a sentence.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Hidden {
    /// The record.
    pub id: String,
    /// Its filter expression, up to [`Limits::filter_bytes`].
    pub expression: String,
    /// What came of it.
    pub reason: HiddenReason,
    /// The fields of the environment that the expression looked at, with what it found; null for one that the
    /// environment lacks.
    pub read: BTreeMap<String, Json>,
}

/// What came of the filter expression of a hidden record.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum HiddenReason {
    /// It is false.
    False,
    /// It is neither true nor false, but counts as false: null, zero or empty text.
    NotTrue(Json),
    /// It cannot be evaluated.
    Error(String),
}

impl FilterEnvironment {
    /// Returns an environment that says nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `env.version`: the version of the program, in [Mozilla's format](crate::ToolkitVersion).
    #[must_use]
    pub fn version(self, version: impl Into<String>) -> Self {
        self.custom("version", version.into())
    }

    /// Sets `env.channel`: how the program is delivered, such as `release`, `beta` or `nightly`.
    #[must_use]
    pub fn channel(self, channel: impl Into<String>) -> Self {
        self.custom("channel", channel.into())
    }

    /// Sets `env.locale`: the language of the program as a BCP 47 tag, such as `en-US`.
    #[must_use]
    pub fn locale(self, locale: impl Into<String>) -> Self {
        self.custom("locale", locale.into())
    }

    /// Sets `env.os.name` and `env.appinfo.OS`: the operating system, as Firefox calls it: `WINNT`, `Darwin`,
    /// `Linux`, `Android` or `iOS`. With it go `env.os.isWindows`, `isMac` and `isLinux`. There is no
    /// `env.appinfo.os`, which only some clients know.
    #[must_use]
    pub fn os_name(self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.custom("os.isWindows", name == "WINNT")
            .custom("os.isMac", name == "Darwin")
            .custom("os.isLinux", name == "Linux")
            .custom("appinfo.OS", name.as_str())
            .custom("os.name", name)
    }

    /// Sets `env.os.version`: the version of the operating system.
    #[must_use]
    pub fn os_version(self, version: impl Into<String>) -> Self {
        self.custom("os.version", version.into())
    }

    /// Sets `env.appinfo.ID`: the identity of the program, such as a GUID.
    #[must_use]
    pub fn app_id(self, id: impl Into<String>) -> Self {
        self.custom("appinfo.ID", id.into())
    }

    /// Sets `env.formFactor`: `desktop`, `phone` or `tablet`.
    #[must_use]
    pub fn form_factor(self, form_factor: impl Into<String>) -> Self {
        self.custom("formFactor", form_factor.into())
    }

    /// Sets `env.country`: where the user is, as an ISO 3166-1 code of two letters.
    #[must_use]
    pub fn country(self, country: impl Into<String>) -> Self {
        self.custom("country", country.into())
    }

    /// Sets any other field of `env`, in the place of what it was; dots lead to fields of fields.
    #[must_use]
    pub fn custom(mut self, field: &str, value: impl Into<Json>) -> Self {
        let mut path = field.split('.').rev();
        let last = path.next().unwrap_or_default().to_owned();
        let mut fields = &mut self.env;
        for name in path.rev() {
            let inner = fields.entry(name).or_insert_with(|| Json::Object(Map::new()));
            if !inner.is_object() {
                *inner = Json::Object(Map::new());
            }
            match inner {
                Json::Object(inner) => fields = inner,
                _ => unreachable!("it was made an object"),
            }
        }
        fields.insert(last, value.into());
        self
    }

    /// Sets how much an expression may ask for: `filter_bytes`, `filter_depth` and `filter_steps`.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Returns the object that expressions know as `env`.
    pub fn to_json(&self) -> Json {
        Json::Object(self.env.clone())
    }

    /// Returns why `record` is not meant for this environment; nothing where it is.
    pub fn explain(&self, record: &Record) -> Option<Hidden> {
        self.explain_in(&self.context(), record)
    }

    /// Sorts records into those that are meant for this environment and those that are not.
    pub fn split<'a>(&self, records: impl IntoIterator<Item = &'a Record>) -> Visible<'a> {
        let context = self.context();
        let mut visible = Visible::default();
        for record in records {
            match self.explain_in(&context, record) {
                None => visible.shown.push(record),
                Some(hidden) => visible.hidden.push(hidden),
            }
        }
        visible
    }

    fn context(&self) -> Value {
        Value::from(&Json::Object(Map::from_iter([("env".to_owned(), self.to_json())])))
    }

    fn explain_in(&self, context: &Value, record: &Record) -> Option<Hidden> {
        let not_read = |reason: &str, expression: &str| {
            Some(self.hidden(record, expression, HiddenReason::Error(reason.to_owned())))
        };
        let expression = match record.decode() {
            Ok(Meant { filter_expression: None }) => return None,
            Ok(Meant { filter_expression: Some(Json::String(expression)) }) => expression,
            Ok(Meant { filter_expression: Some(other) }) => {
                return not_read("the expression is not text", &other.to_string());
            }
            Err(_) => return not_read("the record cannot be read", ""),
        };
        let expression = expression.as_str();
        if expression.trim().is_empty() {
            return None;
        }
        let tree = match parse::parse(expression, &self.limits) {
            Ok(tree) => tree,
            Err(error) => return Some(self.hidden(record, expression, HiddenReason::Error(error))),
        };
        let mut evaluation = Evaluation::new(&tree, context, &self.limits);
        let reason = match evaluation.run() {
            Ok(value) if value.is_truthy() => return None,
            Ok(Value::Bool(_)) => HiddenReason::False,
            Ok(value) => HiddenReason::NotTrue(value.to_json()),
            Err(error) => HiddenReason::Error(error),
        };
        Some(Hidden { read: evaluation.read, ..self.hidden(record, expression, reason) })
    }

    fn hidden(&self, record: &Record, expression: &str, reason: HiddenReason) -> Hidden {
        let expression = expression[..expression.floor_char_boundary(self.limits.filter_bytes)].to_owned();
        Hidden { id: record.id().to_owned(), expression, reason, read: BTreeMap::new() }
    }
}

impl fmt::Display for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, expression, reason, read } = self;
        write!(f, "{id} is hidden, because {expression:?} ")?;
        match reason {
            HiddenReason::False => f.write_str("is false")?,
            HiddenReason::NotTrue(value) => write!(f, "is {value}, which counts as false")?,
            HiddenReason::Error(error) => write!(f, "cannot be evaluated: {error}")?,
        }
        for (index, (field, value)) in read.iter().enumerate() {
            let before = if index == 0 { "; here" } else { "," };
            match value {
                Json::Null => write!(f, "{before} {field} is not known")?,
                value => write!(f, "{before} {field} is {value}")?,
            }
        }
        Ok(())
    }
}
