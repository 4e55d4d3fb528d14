//! From a file's URL back to its names.

use std::fmt;

use percent_encoding::percent_decode_str;
use url::Url;

use super::{FileRef, Hub, template::Piece};
use crate::names::{ParseNameError, excerpt};

/// Says why a URL is not that of a file on a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UrlProblem {
    /// Another scheme, host or port.
    OtherOrigin,
    /// It carries a user or a password.
    Credentials,
    /// It has a fragment, or a query other than `download=true`.
    Query,
    /// The path is not below the hub's root.
    OutsideRoot,
    /// The path does not follow the hub's template.
    OtherLayout,
    /// A segment is not UTF-8 once decoded, or hides a slash where none may be.
    Encoding,
    /// A segment is not a valid name; [`std::error::Error::source`] says why.
    Name,
}

/// A URL that is not that of a file on this hub.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the url of a file on {hub}: {found:?}: {problem}")]
pub struct ParseUrlError {
    hub: String,
    found: String,
    problem: UrlProblem,
    #[source]
    name: Option<ParseNameError>,
}

impl ParseUrlError {
    /// Returns why the URL was refused.
    pub fn problem(&self) -> UrlProblem {
        self.problem
    }

    /// Returns the rejected URL without user, query and fragment, cut to its first 80 characters.
    pub fn found(&self) -> &str {
        &self.found
    }
}

impl fmt::Display for UrlProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherOrigin => "its scheme, host or port is another",
            Self::Credentials => "it carries a user or password",
            Self::Query => "it has a fragment, or a query other than download=true",
            Self::OutsideRoot => "its path is not below the hub's root",
            Self::OtherLayout => "its path does not follow the hub's layout",
            Self::Encoding => "a segment is not UTF-8 or hides a slash",
            Self::Name => "a segment is not a valid name",
        })
    }
}

/// What went wrong, before the URL and the hub are added.
struct Problem(UrlProblem, Option<ParseNameError>);

impl From<UrlProblem> for Problem {
    fn from(problem: UrlProblem) -> Self {
        Self(problem, None)
    }
}

impl From<ParseNameError> for Problem {
    fn from(error: ParseNameError) -> Self {
        Self(UrlProblem::Name, Some(error))
    }
}

/// Percent-encodes the first letter of a model id, which says that the id has no second part.
pub(super) fn mark(model: &str) -> String {
    let (first, rest) = model.split_at(1);
    first.bytes().map(|b| format!("%{b:02X}")).chain([rest.to_owned()]).collect()
}

pub(super) fn file_url(hub: &Hub, url: &Url) -> Result<FileRef, ParseUrlError> {
    read(hub, url).map_err(|Problem(problem, name)| {
        let shown = format!("{}://{}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path());
        ParseUrlError { hub: hub.id(), found: excerpt(&shown), problem, name }
    })
}

fn read(hub: &Hub, url: &Url) -> Result<FileRef, Problem> {
    let same_host =
        url.host() == hub.root.host() && url.port_or_known_default() == hub.root.port_or_known_default();
    if url.scheme() != hub.root.scheme() || !same_host {
        return Err(UrlProblem::OtherOrigin.into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlProblem::Credentials.into());
    }
    if url.fragment().is_some() || !matches!(url.query(), None | Some("download=true")) {
        return Err(UrlProblem::Query.into());
    }
    // The root ends with a slash, so this cuts between segments.
    let below = url.path().strip_prefix(hub.root.path()).ok_or(UrlProblem::OutsideRoot)?;
    let segments: Vec<&str> = below.split('/').collect();

    // An id has two parts, unless its first one is marked or the template shows that it is alone.
    let two = names(hub, &segments, 2);
    let may_be_alone =
        hub.template.delimits_model() || model_at(hub, &segments).is_some_and(|s| s.starts_with('%'));
    match two {
        Err(_) if may_be_alone => names(hub, &segments, 1).or(two),
        _ => two,
    }
}

/// Returns the first segment of the model id.
fn model_at<'a>(hub: &Hub, segments: &[&'a str]) -> Option<&'a str> {
    let at = hub.template.pieces().iter().position(|piece| *piece == Piece::Model)?;
    segments.get(at).copied()
}

/// Reads segments with an id of so many parts.
fn names(hub: &Hub, segments: &[&str], parts: usize) -> Result<FileRef, Problem> {
    let mut rest = segments.iter().copied();
    let mut next = || rest.next().ok_or(UrlProblem::OtherLayout);
    let (mut model, mut revision) = (String::new(), String::new());
    for piece in hub.template.pieces() {
        match piece {
            Piece::Word(word) if decode(next()?)? == *word => (),
            Piece::Word(_) => return Err(UrlProblem::OtherLayout.into()),
            Piece::Revision => revision = decode(next()?)?,
            Piece::Model => {
                for part in 0..parts {
                    let segment = next()?;
                    // A mark says that the id has one part.
                    if parts > 1 && part == 0 && segment.starts_with('%') {
                        return Err(UrlProblem::OtherLayout.into());
                    }
                    model.push_str(if part == 0 { "" } else { "/" });
                    model.push_str(&without_slash(segment)?);
                }
            }
        }
    }
    let path = rest.map(without_slash).collect::<Result<Vec<_>, _>>()?;
    if path.is_empty() {
        return Err(UrlProblem::OtherLayout.into());
    }
    Ok(FileRef { model: model.parse()?, revision: revision.parse()?, path: path.join("/").parse()? })
}

fn decode(segment: &str) -> Result<String, UrlProblem> {
    let text = percent_decode_str(segment).decode_utf8().map_err(|_| UrlProblem::Encoding)?;
    Ok(text.into_owned())
}

fn without_slash(segment: &str) -> Result<String, UrlProblem> {
    decode(segment).and_then(|text| if text.contains('/') { Err(UrlProblem::Encoding) } else { Ok(text) })
}
