//! Revisions: branches, tags and commits.

use super::{NameProblem, name_type, segment};

/// The longest revision, in bytes.
const MAX: usize = 200;

/// Names a state of a model: a branch, a tag or a commit.
///
/// Letters, digits, `-`, `_`, `.`, `+`, and `/` between parts, so that commits, `v1.2.0-rc1`, `main` and
/// `refs/pr/1` all pass. Refused beyond Firefox's grammar: `..` anywhere (it passes there, and git reads
/// a range), a dot at the end of a part, device names, and more than 200 characters. In a URL a revision
/// is always one segment, with `%2F` for `/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(String);

name_type!(Revision);

impl Revision {
    fn check(text: &str) -> Result<(), NameProblem> {
        if text.is_empty() {
            return Err(NameProblem::Empty);
        }
        if text.len() > MAX {
            return Err(NameProblem::TooLong);
        }
        if text.starts_with('/') {
            return Err(NameProblem::Absolute);
        }
        for part in text.split('/') {
            segment::check(part)?;
            if !part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'+')) {
                return Err(NameProblem::Character);
            }
        }
        if text.contains("..") {
            return Err(NameProblem::DotSegment);
        }
        Ok(())
    }

    /// Says whether this is a full commit id: 40 lower-case hexadecimal digits.
    pub fn is_commit(&self) -> bool {
        self.0.len() == 40 && self.0.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    }

    /// Says whether the hub may give other files for this revision tomorrow.
    ///
    /// `false` for a commit, for a version (`v0.5.0`, `1.2`, `v2-rc1`) and for `refs/tags/...`; `true` for
    /// everything else, `main` first of all. In doubt a revision moves: a needless question costs one
    /// request, a branch taken for a tag would stay old for ever.
    pub fn is_moving(&self) -> bool {
        !(self.is_commit() || self.0.starts_with("refs/tags/") || is_version(&self.0))
    }
}

/// `[v]N[.N]...`, then nothing, a pre-release such as `-rc1`, `.beta.2` or `-pre`, or `+` and a build.
fn is_version(text: &str) -> bool {
    let text = text.strip_prefix('v').unwrap_or(text);
    let text = text.split_once('+').map_or(text, |(version, _)| version);
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let mut parts = text.split(['.', '-']);
    if !parts.next().is_some_and(is_number) {
        return false;
    }
    let mut parts = parts.skip_while(|part| is_number(part));
    let Some(suffix) = parts.next() else { return true };
    let word = suffix.trim_end_matches(|c: char| c.is_ascii_digit());
    matches!(word, "alpha" | "beta" | "pre" | "post" | "rc") && parts.all(is_number)
}

/// As Firefox's options have it: `[v]N[.N[.N]]`, then nothing, or `-` or `.` with `alpha`, `beta`, `pre`, `post` or
/// `rc` and digits.
pub(crate) fn is_release(text: &str) -> bool {
    let text = text.strip_prefix('v').unwrap_or(text);
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let is_suffix = |part: &str| {
        let word = part.trim_end_matches(|c: char| c.is_ascii_digit());
        matches!(word, "alpha" | "beta" | "pre" | "post" | "rc")
    };
    let numbers = match text.rsplit_once(['.', '-']) {
        Some((numbers, suffix)) if is_suffix(suffix) => numbers,
        _ => text,
    };
    numbers.split('.').count() <= 3 && numbers.split('.').all(is_number)
}

/// Firefox's default, and git's: the branch `main`.
impl Default for Revision {
    fn default() -> Self {
        Self("main".to_owned())
    }
}
