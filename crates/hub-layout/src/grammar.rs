//! Firefox's two grammars of names: what its hub accepts, and what its options accept.

use std::fmt;

use crate::{
    ModelId, ParseNameError, RepoPath, Revision, Task,
    names::{excerpt, is_release},
};

/// Says by which of Firefox's rules a name is read.
///
/// The names themselves ([`ModelId`], [`Revision`], [`RepoPath`], [`Task`]) accept what either rule does and more, as
/// far as it is safe. These are for a program that must accept what Firefox does and nothing else. What Firefox
/// accepts although it is not safe (`..`, device names, a dot at the end) is refused here as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Grammar {
    /// What the hub checks before it fetches or stores a file.
    Hub,
    /// What the options of a pipeline are checked against, and so the fields of a record.
    Options,
}

/// A name that Firefox refuses, or that is not safe.
///
/// Displays the field, the rejected text and what is allowed. [`source`](std::error::Error::source) is the
/// [`ParseNameError`] where Firefox would accept it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid {field} {found:?} (allowed: {})", self.allowed())]
pub struct GrammarError {
    grammar: Grammar,
    field: GrammarField,
    found: String,
    #[source]
    source: Option<ParseNameError>,
}

/// Says which field a name was meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GrammarField {
    /// `modelId`, and also `tokenizerId` and `processorId`.
    Model,
    /// `modelRevision`, and also `tokenizerRevision` and `processorRevision`.
    Revision,
    /// `modelFile`, or the file of a request.
    File,
    /// `taskName`.
    Task,
}

impl Grammar {
    /// Reads the id of a model: `org/name` or `name`.
    ///
    /// Hub: an organisation has letters, digits and `-`, none of them at its ends, and no `--` is in the whole id
    /// beside one; a name has letters, digits, `-`, `_` and `.`. Options: letters, digits and `_.:-` in both; of
    /// these, an id with `:` is refused all the same, because no hub has one and Windows takes it for a drive.
    ///
    /// # Errors
    ///
    /// [`GrammarError`].
    pub fn model(self, text: &str) -> Result<ModelId, GrammarError> {
        let (org, name) = text.split_once('/').map_or((None, text), |(org, name)| (Some(org), name));
        let is_accepted = match self {
            Self::Hub => {
                let is_outer = |org: &str| org.starts_with('-') || org.ends_with('-');
                org.is_none_or(|org| is_word(org, "-") && !is_outer(org) && !text.contains("--"))
                    && is_word(name, "-_.")
            }
            Self::Options => org.is_none_or(|org| is_word(org, "_.:-")) && is_word(name, "_.:-"),
        };
        self.read(GrammarField::Model, text, text, is_accepted)
    }

    /// Reads a revision.
    ///
    /// Hub: letters, digits, `.` and `-`, so also a commit. Options: `main`, or a version `v1.2.3` of one to three
    /// numbers, perhaps with `-` or `.` and `alpha`, `beta`, `pre`, `post` or `rc` and digits behind it.
    ///
    /// # Errors
    ///
    /// [`GrammarError`].
    pub fn revision(self, text: &str) -> Result<Revision, GrammarError> {
        let is_accepted = match self {
            Self::Hub => is_word(text, ".-"),
            Self::Options => text == "main" || is_release(text),
        };
        self.read(GrammarField::Revision, text, text, is_accepted)
    }

    /// Reads the path of a file: parts of letters, digits, `-`, `_` and `.`, joined by `/`. One slash may stand before
    /// all, and is dropped.
    ///
    /// # Errors
    ///
    /// [`GrammarError`].
    pub fn file(self, text: &str) -> Result<RepoPath, GrammarError> {
        let path = text.strip_prefix('/').unwrap_or(text);
        self.read(GrammarField::File, text, path, path.split('/').all(|part| is_word(part, "-_.")))
    }

    /// Reads a task: letters, digits, `_` and `-`.
    ///
    /// # Errors
    ///
    /// [`GrammarError`].
    pub fn task(self, text: &str) -> Result<Task, GrammarError> {
        self.read(GrammarField::Task, text, text, is_word(text, "_-"))
    }

    /// Parses `name`, which `text` stands for, if the grammar accepts it.
    fn read<T: std::str::FromStr<Err = ParseNameError>>(
        self,
        field: GrammarField,
        text: &str,
        name: &str,
        is_accepted: bool,
    ) -> Result<T, GrammarError> {
        let refused = |source| GrammarError { grammar: self, field, found: excerpt(text), source };
        match is_accepted {
            true => name.parse().map_err(|error| refused(Some(error))),
            false => Err(refused(None)),
        }
    }
}

impl GrammarError {
    /// Returns the grammar.
    pub fn grammar(&self) -> Grammar {
        self.grammar
    }

    /// Returns the field that the text was meant for.
    pub fn field(&self) -> GrammarField {
        self.field
    }

    /// Returns the rejected text, cut to its first 80 characters.
    pub fn found(&self) -> &str {
        &self.found
    }

    fn allowed(&self) -> &'static str {
        match (self.field, self.grammar) {
            (GrammarField::Model, Grammar::Hub) => {
                "\"org/name\" or \"name\", an org of letters, digits and \"-\", a name also of \"_\" and \".\""
            }
            (GrammarField::Model, Grammar::Options) => {
                "\"org/name\" or \"name\" of letters, digits, \"_\", \".\" and \"-\""
            }
            (GrammarField::Revision, Grammar::Hub) => "letters, digits, \".\" and \"-\"",
            (GrammarField::Revision, Grammar::Options) => {
                "\"main\" or a version such as \"v1.2.3\" or \"1.2-rc1\""
            }
            (GrammarField::File, _) => "names of letters, digits, \"-\", \"_\" and \".\", joined by \"/\"",
            (GrammarField::Task, _) => "letters, digits, \"_\" and \"-\"",
        }
    }
}

impl fmt::Display for GrammarField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Model => "model id",
            Self::Revision => "revision",
            Self::File => "file name",
            Self::Task => "task name",
        })
    }
}

/// Letters and digits of ASCII, and some marks; not nothing.
fn is_word(text: &str, marks: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || marks.contains(c))
}
