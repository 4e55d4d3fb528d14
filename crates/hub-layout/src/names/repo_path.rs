//! Paths of files inside a model.

use unicode_normalization::UnicodeNormalization;

use super::{NameProblem, name_type, segment};

/// The longest path, in bytes.
const MAX: usize = 1024;

/// The most parts of a path.
const MAX_SEGMENTS: usize = 32;

/// Names a file inside one revision of a model: parts joined by `/`, such as `onnx/model.onnx`.
///
/// Every character is allowed that is safe on every platform, which is more than Firefox's grammar (hubs
/// carry spaces, brackets and Chinese names) and less than git's. Refused, in any part:
///
/// - nothing at all, `.`, `..`, a slash or a drive letter at the beginning, a backslash;
/// - control characters, and `<`, `>`, `:`, `"`, `|`, `?`, `*`;
/// - names of Windows devices (`nul`, `com1.txt`), git's own folder, a space at the beginning, a space or dot
///   at the end;
/// - text that is not in Unicode normalisation form C, because some file systems would rename it;
/// - invisible characters, characters of private use, look-alikes of slashes, words that mix ASCII letters with
///   look-alikes from other scripts (`сonfig` with a Cyrillic `с`), and any character whose compatibility form
///   breaks one of these rules (a full-width colon or full stop);
/// - more than 255 bytes a part, 1024 bytes or 32 parts in all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoPath(String);

name_type!(RepoPath);

impl RepoPath {
    fn check(text: &str) -> Result<(), NameProblem> {
        if text.is_empty() {
            return Err(NameProblem::Empty);
        }
        if text.len() > MAX || text.split('/').count() > MAX_SEGMENTS {
            return Err(NameProblem::TooLong);
        }
        if text.starts_with('/') || matches!(text.as_bytes(), [b'A'..=b'Z' | b'a'..=b'z', b':', ..]) {
            return Err(NameProblem::Absolute);
        }
        text.split('/').try_for_each(segment::check)
    }

    /// Returns the parts between slashes; there is always at least one.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// Returns the last part.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// Returns the folder the file is in, or `None` at the top.
    pub fn parent(&self) -> Option<&str> {
        self.0.rsplit_once('/').map(|(parent, _)| parent)
    }

    /// Returns the path of the file `name` in the same folder.
    ///
    /// # Errors
    ///
    /// As for parsing: the name, or the whole path with it, is not safe.
    pub fn sibling(&self, name: &str) -> Result<Self, super::ParseNameError> {
        match self.parent() {
            Some(parent) => format!("{parent}/{name}").parse(),
            None => name.parse(),
        }
    }

    /// Returns a key that is equal for two paths that some file system takes for one.
    ///
    /// [`find_clashes`](crate::find_clashes) compares all paths of a model.
    ///
    /// Compatibility forms are resolved and case is dropped: `README.md` and `Readme.MD` share a key. For
    /// comparing only; the key itself need not be a valid path.
    pub fn folded(&self) -> String {
        fold(&self.0)
    }
}

/// Resolves compatibility forms and drops case.
pub(super) fn fold(text: &str) -> String {
    // Upper case first, so that letters with several lower-case forms (ß and ẞ, σ and ς) meet.
    text.nfkc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfkc().collect()
}
