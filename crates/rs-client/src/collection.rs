//! A collection, and how changes make a new one of it. Pure.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::{CollectionName, Record, changeset::Changeset, records::Records};

/// The records of a collection at one timestamp.
///
/// Signed only inside of a [`Verified`](crate::Verified). Cloning is cheap.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Collection {
    /// Which collection.
    pub name: CollectionName,
    /// When its records last changed, in milliseconds since 1970, by the server's clock. Signed.
    pub timestamp: u64,
    /// The records by id. Signed.
    pub records: Records,
    /// The collection's attributes as the server last sent them, its signatures included. Not signed.
    pub metadata: Arc<Map<String, Value>>,
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
        let Changeset { timestamp, metadata, changes } = changeset;
        let records = base.map(|base| base.records.clone()).unwrap_or_default().merge(changes);
        Self { name: name.clone(), timestamp, records, metadata }
    }
}

impl Differences {
    pub(crate) fn between(old: Option<&Collection>, new: &Collection) -> Self {
        let none = Records::default();
        let old = old.map_or(&none, |old| &old.records);
        let id = |record: &Record| record.id().to_owned();
        let mut differences = Self::default();
        for record in &new.records {
            match old.get(record.id()) {
                None => differences.created.push(id(record)),
                Some(before) if before != record => differences.updated.push(id(record)),
                Some(_) => {}
            }
        }
        let gone = old.iter().filter(|record| new.records.get(record.id()).is_none());
        differences.deleted = gone.map(id).collect();
        differences
    }
}
