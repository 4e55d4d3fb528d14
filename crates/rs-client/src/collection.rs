//! A collection, and how changes make a new one of it. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{
    CollectionName, Record,
    changeset::{Change, Changeset},
};

/// The records of a collection at one timestamp.
///
/// Signed only inside of a [`Verified`](crate::Verified).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Collection {
    /// Which collection.
    pub name: CollectionName,
    /// When its records last changed, in milliseconds since 1970, by the server's clock. Signed.
    pub timestamp: u64,
    /// The records by id. Signed.
    pub records: BTreeMap<String, Record>,
    /// The collection's attributes as the server last sent them, its signatures included. Not signed.
    pub metadata: Map<String, Value>,
}

/// Which records differ between two states of a collection, each list in order of ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Differences {
    pub(crate) created: Vec<String>,
    pub(crate) updated: Vec<String>,
    pub(crate) deleted: Vec<String>,
}

impl Collection {
    /// Applies a changeset to `base`, or to nothing.
    ///
    /// Records are replaced or added by id; a deleted record goes, and an unknown one was gone already.
    pub fn merge(base: Option<&Self>, name: &CollectionName, changeset: Changeset) -> Self {
        let mut records = base.map(|base| base.records.clone()).unwrap_or_default();
        for change in changeset.changes {
            match change {
                Change::Put(record) => {
                    records.insert(record.id().to_owned(), record);
                }
                Change::Delete(id) => {
                    records.remove(&id);
                }
            }
        }
        Self { name: name.clone(), timestamp: changeset.timestamp, records, metadata: changeset.metadata }
    }
}

impl Differences {
    pub(crate) fn between(old: Option<&Collection>, new: &Collection) -> Self {
        let none = BTreeMap::new();
        let old = old.map_or(&none, |old| &old.records);
        let mut differences = Self::default();
        for (id, record) in &new.records {
            match old.get(id) {
                None => differences.created.push(id.clone()),
                Some(before) if before != record => differences.updated.push(id.clone()),
                Some(_) => {}
            }
        }
        differences.deleted = old.keys().filter(|id| !new.records.contains_key(*id)).cloned().collect();
        differences
    }
}
