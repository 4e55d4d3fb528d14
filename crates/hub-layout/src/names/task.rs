//! Tasks: what the user wants done.

use super::{NameProblem, name_type, segment};

/// The longest task, in bytes.
const MAX: usize = 64;

/// Names what a model is wanted for, such as `feature-extraction`.
///
/// Letters, digits, `-` and `_`, at most 64; device names of Windows are refused, because a task also
/// names pins. That a text parses does not mean that anything can perform it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Task(String);

name_type!(Task);

impl Task {
    fn check(text: &str) -> Result<(), NameProblem> {
        if text.is_empty() {
            return Err(NameProblem::Empty);
        }
        if text.len() > MAX {
            return Err(NameProblem::TooLong);
        }
        segment::check(text)?;
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
            return Err(NameProblem::Character);
        }
        Ok(())
    }
}
