//! The records of a collection.

use std::{fmt, sync::Arc};

use crate::{Record, record::Change};

/// The records of a collection, in order of their ids.
///
/// Cloning is cheap: clones share the records.
#[derive(Clone, Default)]
pub struct Records(Arc<Vec<Record>>);

impl Records {
    /// Applies changes, which are in order of ids and name no record twice.
    pub(crate) fn merge(&self, changes: Vec<Change>) -> Self {
        if changes.is_empty() {
            return self.clone();
        }
        let mut merged = Vec::with_capacity(self.len() + changes.len());
        let mut old = self.iter().peekable();
        for change in changes {
            while let Some(record) = old.next_if(|record| record.id_bytes() < change.id()) {
                merged.push(record.clone());
            }
            old.next_if(|record| record.id_bytes() == change.id());
            if let Change::Put(record) = change {
                merged.push(record);
            }
        }
        merged.extend(old.cloned());
        Self(Arc::new(merged))
    }

    /// Returns the record with this id.
    pub fn get(&self, id: &str) -> Option<&Record> {
        let place = self.0.binary_search_by(|record| record.id_bytes()[..].cmp(id.as_bytes()));
        place.ok().map(|place| &self.0[place])
    }

    /// Returns the number of records.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the records in order of their ids.
    pub fn iter(&self) -> std::slice::Iter<'_, Record> {
        self.0.iter()
    }

    /// Returns the ids in order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.iter().map(Record::id)
    }
}

impl PartialEq for Records {
    fn eq(&self, other: &Self) -> bool {
        // After a sync with nothing new they are the same ones.
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

/// Returns the record with this id.
///
/// # Panics
///
/// Panics where there is none, as other maps do; [`Records::get`] does not.
impl std::ops::Index<&str> for Records {
    type Output = Record;

    fn index(&self, id: &str) -> &Record {
        self.get(id).expect("there is a record with this id")
    }
}

impl<'a> IntoIterator for &'a Records {
    type Item = &'a Record;
    type IntoIter = std::slice::Iter<'a, Record>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}
