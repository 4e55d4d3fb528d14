//! Mozilla's toolkit version order, by which records say for which versions they are.

use std::{cmp::Ordering, fmt};

use serde::{Deserialize, Serialize};

/// A version in Mozilla's toolkit format, ordered as that format says.
///
/// The text is cut at dots into parts, and each part into a number, a word, a second number and a rest, any of
/// which may be missing: `5`, `0a1`, `1pre2-x`. Missing numbers count as zero and missing parts as `0`, so
/// `5` equals `5.0`. A part with a word comes before the same part without one, so that pre-releases come first:
/// `5.0a1 < 5.0b2 < 5.0 < 5.0.1`. `1+` means `2pre`, and `*` is above every number.
///
/// Every text is a version; comparing is by this order and not by text, so two versions that are equal may
/// print differently.
///
/// ```
/// use rs_client::ToolkitVersion;
///
/// let order = ["5.0a1", "5.0b2", "5.0", "5.0.1", "5.*"].map(ToolkitVersion::new);
/// assert!(order.is_sorted());
/// assert_eq!(ToolkitVersion::new("5"), ToolkitVersion::new("5.0.0"));
/// ```
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(transparent)]
pub struct ToolkitVersion(String);

/// One part, between two dots. The order of the fields is the order of comparison.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Part<'a> {
    number: i64,
    word: Suffix<'a>,
    second: i64,
    rest: Suffix<'a>,
}

/// Text that comes before its absence.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Suffix<'a> {
    Text(&'a str),
    Absent,
}

impl ToolkitVersion {
    /// Takes `text` as a version.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether the version belongs to a major from `first` to `last`, pre-releases of it included.
    pub fn is_of_majors(&self, first: u32, last: u32) -> bool {
        let low = Self(format!("{first}.0a"));
        let high = Self(format!("{}.0a", u64::from(last) + 1));
        low <= *self && *self < high
    }
}

impl<'a> Suffix<'a> {
    fn new(text: &'a str) -> Self {
        if text.is_empty() { Self::Absent } else { Self::Text(text) }
    }
}

impl<'a> Part<'a> {
    const MISSING: Part<'static> = Part { number: 0, word: Suffix::Absent, second: 0, rest: Suffix::Absent };

    fn new(text: &'a str) -> Self {
        if text == "*" {
            return Self { number: i64::MAX, ..Self::MISSING };
        }
        let (number, tail) = split_number(text);
        if tail.starts_with('+') {
            return Self { number: number.saturating_add(1), word: Suffix::Text("pre"), ..Self::MISSING };
        }
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '+' || c == '-').unwrap_or(tail.len());
        let (word, tail) = tail.split_at(end);
        let (second, rest) = split_number(tail);
        Self {
            number,
            // Without a word, a second number can still follow a sign: the word is then present but empty.
            word: if tail.is_empty() { Suffix::new(word) } else { Suffix::Text(word) },
            second,
            rest: Suffix::new(rest),
        }
    }
}

/// Splits an integer, with an optional sign, off the start of `text`; zero where there is none.
fn split_number(text: &str) -> (i64, &str) {
    let digits_from = usize::from(text.starts_with(['+', '-']));
    let digits = &text[digits_from..];
    let end = digits_from + digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    if end == digits_from {
        return (0, text);
    }
    let (number, rest) = text.split_at(end);
    let most = if text.starts_with('-') { i64::MIN } else { i64::MAX };
    (number.parse().unwrap_or(most), rest)
}

impl Ord for ToolkitVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        let (mut left, mut right) = (self.0.split('.').map(Part::new), other.0.split('.').map(Part::new));
        loop {
            let (left, right) = (left.next(), right.next());
            if left.is_none() && right.is_none() {
                return Ordering::Equal;
            }
            let order = left.unwrap_or(Part::MISSING).cmp(&right.unwrap_or(Part::MISSING));
            if order.is_ne() {
                return order;
            }
        }
    }
}

impl PartialOrd for ToolkitVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ToolkitVersion {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for ToolkitVersion {}

impl fmt::Display for ToolkitVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
