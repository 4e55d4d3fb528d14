//! Views of a collection: typed records, records by their fields, and records that are meant for the reader.
//!
//! None of them changes what is stored or signed.

mod equality;
#[cfg(feature = "jexl")]
mod jexl;

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

pub use self::equality::Filters;
#[cfg(feature = "jexl")]
pub use self::jexl::{FilterEnvironment, Hidden, HiddenReason, Visible};
use crate::{Collection, Error, Record};

/// Records read as a type, and those that cannot be.
#[derive(Debug)]
#[non_exhaustive]
pub struct Decoded<T> {
    /// By id, the records that are a `T`.
    pub good: BTreeMap<String, T>,
    /// By id, what is wrong with the other ones.
    pub errors: BTreeMap<String, Error>,
}

impl<T: DeserializeOwned> Decoded<T> {
    /// Reads each record as a `T`.
    ///
    /// One record that does not fit takes nothing away from the other ones.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut decoded = Self { good: BTreeMap::new(), errors: BTreeMap::new() };
        for record in records {
            match record.decode() {
                Ok(value) => drop(decoded.good.insert(record.id().to_owned(), value)),
                Err(error) => drop(decoded.errors.insert(record.id().to_owned(), error)),
            }
        }
        decoded
    }

    /// Returns the records, or what is wrong with the first one that is not a `T`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`](crate::ErrorKind::Protocol) where a record is not a `T`.
    pub fn all(self) -> Result<BTreeMap<String, T>, Error> {
        match self.errors.into_values().next() {
            None => Ok(self.good),
            Some(error) => Err(error),
        }
    }
}

impl Collection {
    /// Reads every record as a `T`; those that cannot be are told apart.
    ///
    /// ```
    /// # use rs_client::{Changeset, Collection, Filters, Limits};
    /// # let json = r#"{"timestamp": 1, "metadata": {}, "changes": [
    /// #     {"id": "a", "task": "translate", "weight": 1}, {"id": "b", "task": "summarise", "weight": 5}]}"#;
    /// # let changeset = Changeset::parse(json, &Limits::default())?;
    /// # let collection = Collection::merge(None, &"main/list".parse()?, changeset);
    /// #[derive(serde::Deserialize)]
    /// struct Choice {
    ///     task: String,
    /// }
    /// let choices = collection.decode_all::<Choice>();
    /// assert!(choices.errors.is_empty());
    /// assert_eq!(choices.good["a"].task, "translate");
    /// # Ok::<(), rs_client::Error>(())
    /// ```
    pub fn decode_all<T: DeserializeOwned>(&self) -> Decoded<T> {
        Decoded::of(&self.records)
    }

    /// Returns the records that have the fields asked for, in the order asked for, otherwise in that of their ids.
    ///
    /// ```
    /// # use rs_client::{Changeset, Collection, Filters, Limits};
    /// # let json = r#"{"timestamp": 1, "metadata": {}, "changes": [
    /// #     {"id": "a", "task": "translate", "weight": 1}, {"id": "b", "task": "translate", "weight": 5}]}"#;
    /// # let changeset = Changeset::parse(json, &Limits::default())?;
    /// # let collection = Collection::merge(None, &"main/list".parse()?, changeset);
    /// let heaviest_first = Filters::new().equals("task", "translate").order("-weight");
    /// assert_eq!(collection.matching(&heaviest_first)[0].id(), "b");
    /// # Ok::<(), rs_client::Error>(())
    /// ```
    pub fn matching(&self, filters: &Filters) -> Vec<&Record> {
        filters.select(&self.records)
    }

    /// Sorts the records by their filter expressions into those that are meant for `environment` and those that
    /// are not.
    ///
    /// Without the feature `jexl`, filter expressions mean nothing to this crate: every record is there.
    ///
    /// ```
    /// # use rs_client::{Changeset, Collection, FilterEnvironment, Limits};
    /// # let json = r#"{"timestamp": 1, "metadata": {}, "changes": [{"id": "all"},
    /// #     {"id": "new", "filter_expression": "env.version|versionCompare('130.0a1') >= 0"}]}"#;
    /// # let changeset = Changeset::parse(json, &Limits::default())?;
    /// # let collection = Collection::merge(None, &"main/list".parse()?, changeset);
    /// let visible = collection.visible(&FilterEnvironment::new().version("128.0"));
    /// assert_eq!(visible.shown[0].id(), "all");
    /// assert_eq!(
    ///     visible.hidden[0].to_string(),
    ///     "new is hidden, because \"env.version|versionCompare('130.0a1') >= 0\" is false; here env.version is \"128.0\""
    /// );
    /// # Ok::<(), rs_client::Error>(())
    /// ```
    #[cfg(feature = "jexl")]
    pub fn visible(&self, environment: &FilterEnvironment) -> Visible<'_> {
        environment.split(&self.records)
    }
}
