//! What an error of a full disk says: how much was to be written, and how much is free.

use super::{layout::Layout, space};
use crate::{Error, ErrorKind};

impl Layout {
    /// Adds the numbers to an error, if it is one of space: what was to be written in all, where that is known, and
    /// what was taken so far.
    pub(super) fn with_numbers(&self, error: Error, needed: Option<u64>, taken: u64) -> Error {
        if error.kind() != ErrorKind::NoSpace {
            return error;
        }
        let needed = match needed {
            Some(needed) => format!("{needed} bytes are needed, of which {taken} were taken"),
            None => format!("{taken} bytes were taken"),
        };
        match space::free(self).ok().flatten() {
            Some(free) => error.with_detail(format!("{needed}; {free} bytes are free")),
            None => error.with_detail(needed),
        }
    }
}
