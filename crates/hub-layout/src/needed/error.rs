//! The error when a model lacks what a task needs.

use std::fmt;

use super::{FileRequest, Inventory};
use crate::{Dtype, FileKind, RepoPath, Task, WeightsFormat};

/// How many of the hub's files an error names.
const SHOWN: usize = 12;

/// A file that the task needs is not on the hub, or nothing says which one it is.
///
/// Displays the file, the number format that was asked for, and what is there instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingFileError {
    missing: Missing,
    task: Task,
    dtype: Option<Dtype>,
    present: Vec<RepoPath>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Missing {
    /// This file is not listed.
    File(RepoPath),
    /// One file of a sort must be named.
    Choice { sort: &'static str, listed: bool },
}

impl MissingFileError {
    pub(super) fn not_listed(
        file: RepoPath,
        request: &FileRequest,
        dtype: Option<Dtype>,
        known: &Inventory,
    ) -> Self {
        let is_onnx = |path: &&RepoPath| {
            matches!(FileKind::of(path), FileKind::Weights { format: WeightsFormat::Onnx, .. })
        };
        let present = known.files().filter(is_onnx).cloned().collect();
        Self { missing: Missing::File(file), task: request.task.clone(), dtype, present }
    }

    pub(super) fn not_chosen(
        sort: &'static str,
        request: &FileRequest,
        listed: bool,
        present: Vec<&RepoPath>,
    ) -> Self {
        let missing = Missing::Choice { sort, listed };
        let present = present.into_iter().cloned().collect();
        Self { missing, task: request.task.clone(), dtype: request.dtype, present }
    }

    /// Returns the file that the hub lacks, or `None` if one had to be named and was not.
    pub fn file(&self) -> Option<&RepoPath> {
        match &self.missing {
            Missing::File(file) => Some(file),
            Missing::Choice { .. } => None,
        }
    }

    /// Returns the task that needs it.
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// Returns the number format that was asked for.
    pub fn dtype(&self) -> Option<Dtype> {
        self.dtype
    }

    /// Returns the files of the same sort that the hub has: ONNX graphs, or those to choose from.
    pub fn present(&self) -> &[RepoPath] {
        &self.present
    }

    fn is_graph(&self) -> bool {
        self.file().is_some_and(|file| matches!(FileKind::of(file), FileKind::Weights { .. }))
    }
}

impl fmt::Display for MissingFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match &self.missing {
            Missing::File(file) => {
                write!(f, "the hub lacks {file}, which {} needs", self.task)?;
                if !self.is_graph() {
                    return Ok(());
                }
                match self.dtype {
                    Some(dtype) => write!(f, ", or another format of it ({dtype} was asked for)")?,
                    None => write!(f, ", or another format of it ({} is the default)", Dtype::default())?,
                }
                "ONNX files"
            }
            Missing::Choice { sort, listed } => {
                write!(f, "{} needs the name of its {sort} file", self.task)?;
                if !listed {
                    return f.write_str("; the hub has no listing to choose from");
                }
                "files of that sort"
            }
        };
        match self.present.as_slice() {
            [] => write!(f, "; the hub has no {what}"),
            some => {
                write!(f, "; {what} there: ")?;
                for (n, path) in some.iter().take(SHOWN).enumerate() {
                    write!(f, "{}{path}", if n == 0 { "" } else { ", " })?;
                }
                f.write_str(if some.len() > SHOWN { ", ..." } else { "" })
            }
        }
    }
}

impl std::error::Error for MissingFileError {}
