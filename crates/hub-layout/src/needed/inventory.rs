//! What is known of the files that a hub has.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::config::ReadFileError;
use crate::{ParseNameError, RepoPath};

/// The longest index of shards, in bytes.
const MAX_INDEX_BYTES: usize = 64 << 20;

/// The most shards of one index.
const MAX_SHARDS: usize = 1000;

/// What is known of the files that a hub has of one revision: all of them, or some answers.
///
/// A hub with a listing gives everything at once ([`Inventory::listed`]). One without is asked file by file: begin
/// with [`Inventory::default`], where nothing is known, and note each answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    present: BTreeSet<RepoPath>,
    absent: BTreeSet<RepoPath>,
    /// Whether what is not known to be there is known not to be.
    complete: bool,
    /// The shards of each index that was read.
    shards: BTreeMap<RepoPath, BTreeSet<RepoPath>>,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Inventory {
    /// Takes a listing of all files.
    pub fn listed(files: impl IntoIterator<Item = RepoPath>) -> Self {
        Self { present: files.into_iter().collect(), complete: true, ..Self::default() }
    }

    /// Notes that the hub has a file, or that it lacks it.
    pub fn note(&mut self, file: RepoPath, is_there: bool) {
        let (into, from) = match is_there {
            true => (&mut self.present, &mut self.absent),
            false => (&mut self.absent, &mut self.present),
        };
        from.remove(&file);
        into.insert(file);
    }

    /// Notes what an index of shards says (`model.safetensors.index.json`), which is then known to be there.
    ///
    /// # Errors
    ///
    /// [`ReadFileError`] if the bytes are more than 64 MiB or not such an index, or if it names no file, more than
    /// 1,000, or one whose name is not safe.
    pub fn note_index(&mut self, index: RepoPath, bytes: &[u8]) -> Result<(), ReadFileError> {
        if bytes.len() > MAX_INDEX_BYTES {
            return Err(ReadFileError::new(index, format!("it is longer than {MAX_INDEX_BYTES} bytes")));
        }
        let read: Index =
            serde_json::from_slice(bytes).map_err(|error| ReadFileError::json(&index, error))?;
        let files: BTreeSet<String> = read.weight_map.into_values().collect();
        if files.is_empty() {
            return Err(ReadFileError::new(index, "it names no file"));
        }
        if files.len() > MAX_SHARDS {
            return Err(ReadFileError::new(index, format!("it names more than {MAX_SHARDS} files")));
        }
        let shards = files.iter().map(|file| index.sibling(file)).collect::<Result<_, ParseNameError>>();
        let shards = shards.map_err(|error| ReadFileError::new(&index, error.to_string()))?;
        self.note(index.clone(), true);
        self.shards.insert(index, shards);
        Ok(())
    }

    /// Returns whether the hub has a file, if that is known.
    pub fn has(&self, file: &RepoPath) -> Option<bool> {
        match self.present.contains(file) {
            true => Some(true),
            false => (self.complete || self.absent.contains(file)).then_some(false),
        }
    }

    /// Returns whether all files are known.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Returns the files that are known to be there, in the order of their names.
    pub fn files(&self) -> impl Iterator<Item = &RepoPath> {
        self.present.iter()
    }

    /// The shards of an index, if it was read.
    pub(super) fn shards(&self, index: &RepoPath) -> Option<&BTreeSet<RepoPath>> {
        self.shards.get(index)
    }
}
