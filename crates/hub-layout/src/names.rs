//! Names that come from outside, parsed once: what they share, and the error when one is refused.

mod clash;
mod look_alike;
mod model_id;
mod repo_path;
mod revision;
mod segment;
mod task;

use std::fmt;

pub use clash::{Clash, ClashKind, find_clashes};
pub use model_id::ModelId;
pub use repo_path::RepoPath;
pub use revision::Revision;
pub(crate) use revision::is_release;
pub use task::Task;

/// How much of a rejected text an error keeps, in characters.
const KEPT: usize = 80;

/// Says which sort of name a text was parsed as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NameKind {
    /// A [`ModelId`].
    ModelId,
    /// A [`Revision`].
    Revision,
    /// A [`RepoPath`].
    RepoPath,
    /// A [`Task`].
    Task,
}

/// Says why a name was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NameProblem {
    /// There is no text at all.
    Empty,
    /// The whole or one of its parts is longer than allowed, or it has too many parts.
    TooLong,
    /// Two slashes in a row, or one at the end.
    EmptySegment,
    /// A part is `.` or `..`, or git would read `..` in a revision as a range.
    DotSegment,
    /// It begins with a slash or with a drive letter.
    Absolute,
    /// A backslash, which some platforms and URL parsers take for a slash.
    Backslash,
    /// NUL or another control character.
    ControlCharacter,
    /// A character outside the grammar.
    Character,
    /// A name that Windows keeps for a device, with or without an extension, or git's own folder.
    ReservedName,
    /// A part begins with a space, or ends with a space or a dot, which Windows drops.
    OuterSpaceOrDot,
    /// Not in Unicode normalisation form C, so that a twin with the same look exists.
    NotNormalised,
    /// An invisible character, one that looks like or decays to one with a meaning in paths, or a word that mixes
    /// letters with look-alikes from other scripts.
    LookAlike,
    /// More than two parts, where `org/name` or `name` is expected.
    TooManyParts,
    /// A double hyphen in an id with an organisation.
    DoubleHyphen,
    /// The organisation begins or ends with a hyphen.
    OuterHyphen,
}

/// A text that is not a valid name of its sort.
///
/// Displays the rejected text, the reason and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid {name} {found:?}: {problem} (allowed: {})", name.allowed())]
pub struct ParseNameError {
    name: NameKind,
    problem: NameProblem,
    found: String,
}

impl ParseNameError {
    fn new(name: NameKind, problem: NameProblem, found: &str) -> Self {
        Self { name, problem, found: excerpt(found) }
    }

    /// Returns the sort of name that was expected.
    pub fn name(&self) -> NameKind {
        self.name
    }

    /// Returns why the text was refused.
    pub fn problem(&self) -> NameProblem {
        self.problem
    }

    /// Returns the rejected text, cut to its first 80 characters.
    pub fn found(&self) -> &str {
        &self.found
    }
}

/// Cuts foreign text to what an error message may carry.
pub(crate) fn excerpt(text: &str) -> String {
    text.chars().take(KEPT).collect()
}

impl NameKind {
    fn allowed(self) -> &'static str {
        match self {
            Self::ModelId => {
                "\"org/name\" or \"name\" of letters, digits, \"-\", \"_\" and \".\", \
                 at most 96 characters a part"
            }
            Self::Revision => {
                "a branch, tag or commit of letters, digits, \"-\", \"_\", \".\", \"+\" and \"/\", \
                 at most 200 characters"
            }
            Self::RepoPath => {
                "a relative path with \"/\" between names that are valid on every platform, \
                 at most 1024 bytes"
            }
            Self::Task => "letters, digits, \"-\" and \"_\", at most 64 characters",
        }
    }
}

impl fmt::Display for NameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ModelId => "model id",
            Self::Revision => "revision",
            Self::RepoPath => "file path",
            Self::Task => "task",
        })
    }
}

impl fmt::Display for NameProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "it is empty",
            Self::TooLong => "it is too long",
            Self::EmptySegment => "a part between slashes is empty",
            Self::DotSegment => "\".\" and \"..\" lead out of the model",
            Self::Absolute => "it is absolute",
            Self::Backslash => "a backslash is read as a slash on some platforms",
            Self::ControlCharacter => "it contains a control character",
            Self::Character => "it contains a character that is not allowed",
            Self::ReservedName => "a part is a device name on Windows, or git's own folder",
            Self::OuterSpaceOrDot => "a part begins with a space, or ends with a space or a dot",
            Self::NotNormalised => "it is not in Unicode normalisation form C",
            Self::LookAlike => "it contains a character that is invisible or looks like another one",
            Self::TooManyParts => "it has more than two parts",
            Self::DoubleHyphen => "\"--\" is not allowed beside an organisation",
            Self::OuterHyphen => "the organisation begins or ends with a hyphen",
        })
    }
}

/// Writes what all names have in common, for a tuple struct around a `String` with an associated
/// `fn check(&str) -> Result<(), NameProblem>`.
macro_rules! name_type {
    ($type:ident) => {
        impl $type {
            /// Returns the text that was parsed, unchanged.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::names::ParseNameError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match Self::check(text) {
                    Ok(()) => Ok(Self(text.to_owned())),
                    Err(problem) => {
                        Err($crate::names::ParseNameError::new($crate::names::NameKind::$type, problem, text))
                    }
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
use name_type;
