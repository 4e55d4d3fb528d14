//! Templates of the part of a URL between a hub's root and the file.

use std::fmt;

use super::InvalidHubError;
use crate::names::excerpt;

/// The longest template, in bytes.
const MAX: usize = 256;

/// One segment of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Word(String),
    Model,
    Revision,
}

/// Segments with one `{model}` and one `{revision}` among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

impl Template {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidHubError> {
        let refuse = |reason| InvalidHubError::Template { found: excerpt(text), reason };
        if text.len() > MAX {
            return Err(refuse("it is longer than 256 characters"));
        }
        let mut pieces = Vec::new();
        for segment in text.split('/') {
            let piece = match segment {
                "{model}" => Piece::Model,
                "{revision}" => Piece::Revision,
                "" => return Err(refuse("a segment is empty")),
                _ if segment.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') => {
                    Piece::Word(segment.to_owned())
                }
                _ if segment.starts_with('{') => return Err(refuse("it has an unknown placeholder")),
                _ => return Err(refuse("a segment is not a word")),
            };
            pieces.push(piece);
        }
        for placeholder in [Piece::Model, Piece::Revision] {
            if pieces.iter().filter(|&piece| *piece == placeholder).count() != 1 {
                return Err(refuse("it lacks or repeats a placeholder"));
            }
        }
        Ok(Self(pieces))
    }

    pub(super) fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// Says whether a word follows `{model}`, so that the length of an id shows in a URL.
    pub(super) fn delimits_model(&self) -> bool {
        let after = self.0.iter().skip_while(|piece| **piece != Piece::Model).nth(1);
        matches!(after, Some(Piece::Word(_)))
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, piece) in self.0.iter().enumerate() {
            f.write_str(if n == 0 { "" } else { "/" })?;
            f.write_str(match piece {
                Piece::Word(word) => word,
                Piece::Model => "{model}",
                Piece::Revision => "{revision}",
            })?;
        }
        Ok(())
    }
}
