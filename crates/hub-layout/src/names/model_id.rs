//! Ids of models: `org/name`, or `name` alone.

use super::{NameProblem, name_type, segment};

/// The longest part of an id, in bytes.
const MAX_PART: usize = 96;

/// Names a model on a hub: `org/name`, or `name` for the few without an organisation.
///
/// Letters, digits, `-`, `_` and `.` in both parts. With an organisation, `--` is refused anywhere and the
/// organisation neither begins nor ends with `-`. Firefox's two grammars taken together, less what is
/// unsafe: `.` and `..`, a dot at the end, `:` (a stream or drive on Windows), device names, and parts
/// of more than 96 characters. Case is kept and counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelId(String);

name_type!(ModelId);

impl ModelId {
    fn check(text: &str) -> Result<(), NameProblem> {
        if text.is_empty() {
            return Err(NameProblem::Empty);
        }
        if text.starts_with('/') {
            return Err(NameProblem::Absolute);
        }
        let (org, name) = match text.split_once('/') {
            Some((org, name)) => (Some(org), name),
            None => (None, text),
        };
        if name.contains('/') {
            return Err(NameProblem::TooManyParts);
        }
        for part in org.into_iter().chain([name]) {
            if part.len() > MAX_PART {
                return Err(NameProblem::TooLong);
            }
            segment::check(part)?;
            if !part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
                return Err(NameProblem::Character);
            }
        }
        if let Some(org) = org {
            if org.starts_with('-') || org.ends_with('-') {
                return Err(NameProblem::OuterHyphen);
            }
            if text.contains("--") {
                return Err(NameProblem::DoubleHyphen);
            }
        }
        Ok(())
    }

    /// Returns the organisation, if the id has one.
    pub fn org(&self) -> Option<&str> {
        self.0.split_once('/').map(|(org, _)| org)
    }

    /// Returns the part after the organisation.
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or(&*self.0, |(_, name)| name)
    }
}
