//! Hubs: where they are, how they lay files out, and the URLs that follow from it.

mod parse;
mod template;

use std::{fmt, str::FromStr};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::{ModelId, RepoPath, Revision};
use template::{Piece, Template};

pub use parse::{ParseUrlError, UrlProblem};

/// All but the unreserved characters is encoded, so that no URL parser sees a delimiter or a dot segment in a
/// name.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a template is made of, for its error.
const WORDS: &str = "words of letters, digits and \"_\" joined by \"/\",";

/// Says how a hub lays files out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HubKind {
    /// `{root}/{model}/resolve/{revision}/{path}`, with a listing.
    HuggingFace,
    /// `{root}/{model}/{revision}/{path}`, without a listing.
    Mozilla,
    /// A template of one's own, without a listing.
    Custom,
}

/// The text names no kind of hub.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown hub {found:?} (allowed: huggingface, mozilla)")]
#[non_exhaustive]
pub struct ParseHubKindError {
    /// The rejected text, cut to its first 80 characters.
    pub found: String,
}

/// A server with models: its root and its layout.
///
/// Every URL it makes has the root's scheme, host and port, and a path below the root's path, whatever the
/// names are; and every such URL reads back as the names that it was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hub {
    kind: HubKind,
    /// The path ends with a slash.
    root: Url,
    template: Template,
}

/// What a file's URL says: the model, the revision, and the file in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FileRef {
    /// The model.
    pub model: ModelId,
    /// The branch, tag or commit.
    pub revision: Revision,
    /// The file.
    pub path: RepoPath,
}

/// Why a root or a template makes no hub.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidHubError {
    /// The root is not `http` or `https`, or carries a user, a query or a fragment, or an empty path segment.
    #[error("invalid hub root {found:?}: {reason}")]
    #[non_exhaustive]
    Root {
        /// The root, without what may be a password.
        found: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The template is not segments joined by `/`, each a word or one of `{model}` and `{revision}`.
    #[error(
        "invalid url template {found:?}: {reason} (allowed: {WORDS} with {{model}} and {{revision}} once each)"
    )]
    #[non_exhaustive]
    Template {
        /// The template, cut to its first 80 characters.
        found: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl FileRef {
    /// Puts the three names together.
    pub fn new(model: ModelId, revision: Revision, path: RepoPath) -> Self {
        Self { model, revision, path }
    }
}

impl Hub {
    /// Returns Mozilla's hub, `https://model-hub.mozilla.org/`.
    pub fn mozilla() -> Self {
        Self::known(HubKind::Mozilla, "https://model-hub.mozilla.org/")
    }

    /// Returns Hugging Face, `https://huggingface.co/`.
    pub fn hugging_face() -> Self {
        Self::known(HubKind::HuggingFace, "https://huggingface.co/")
    }

    fn known(kind: HubKind, root: &str) -> Self {
        let root = Url::parse(root).expect("a constant URL is valid");
        Self::new(kind, root).expect("a constant root is valid")
    }

    /// Returns a hub with one of the two well-known layouts at `root`, such as a mirror.
    ///
    /// The root may have a path; a missing slash at its end is added.
    ///
    /// # Errors
    ///
    /// [`InvalidHubError::Root`]; [`InvalidHubError::Template`] for [`HubKind::Custom`], which needs
    /// [`Hub::custom`].
    pub fn new(kind: HubKind, root: Url) -> Result<Self, InvalidHubError> {
        let template = match kind {
            HubKind::HuggingFace => "{model}/resolve/{revision}",
            HubKind::Mozilla => "{model}/{revision}",
            HubKind::Custom => "",
        };
        Ok(Self { kind, root: check_root(root)?, template: Template::parse(template)? })
    }

    /// Returns a hub at `root` that puts files below `template`, such as `{model}/x/{revision}`.
    ///
    /// # Errors
    ///
    /// [`InvalidHubError::Root`] and [`InvalidHubError::Template`].
    pub fn custom(root: Url, template: &str) -> Result<Self, InvalidHubError> {
        Ok(Self { kind: HubKind::Custom, root: check_root(root)?, template: Template::parse(template)? })
    }

    /// Returns the layout.
    pub fn kind(&self) -> HubKind {
        self.kind
    }

    /// Returns the root; its path ends with a slash.
    pub fn root(&self) -> &Url {
        &self.root
    }

    /// Returns the template of the part between the root and the file.
    pub fn template(&self) -> String {
        self.template.to_string()
    }

    /// Returns the name under which manifests know this hub: host, port unless it is the scheme's own, path.
    ///
    /// For example `huggingface.co` or `127.0.0.1:8080/prefix`. The layout is no part of it: one server lays
    /// out its files in one way.
    pub fn id(&self) -> String {
        let host = self.root.host_str().unwrap_or_default();
        let path = self.root.path().trim_end_matches('/');
        match self.root.port() {
            Some(port) => format!("{host}:{port}{path}"),
            None => format!("{host}{path}"),
        }
    }

    /// Returns the URL of a file.
    ///
    /// Each name is percent-encoded for itself, and a revision is one segment (`refs%2Fpr%2F1`). A model id
    /// without an organisation would sometimes read back as half of another (`bert/main/a/b` is the file `b`
    /// of `bert/main` on Mozilla's layout); there its first letter is percent-encoded too, which servers take
    /// for the same URL and [`Hub::parse_file_url`] knows.
    pub fn file_url(&self, model: &ModelId, revision: &Revision, path: &RepoPath) -> Url {
        let url = self.build(model, revision, path, false);
        let is_clear = |read: FileRef| (&read.model, &read.revision, &read.path) == (model, revision, path);
        if model.org().is_some() || self.parse_file_url(&url).is_ok_and(is_clear) {
            return url;
        }
        self.build(model, revision, path, true)
    }

    fn build(&self, model: &ModelId, revision: &Revision, path: &RepoPath, mark: bool) -> Url {
        let mut text = self.root.path().to_owned();
        for piece in self.template.pieces() {
            match piece {
                Piece::Word(word) => text.push_str(word),
                Piece::Model if mark => text.push_str(&parse::mark(model.as_str())),
                // The characters of an id need no encoding.
                Piece::Model => text.push_str(model.as_str()),
                Piece::Revision => text.extend(utf8_percent_encode(revision.as_str(), SEGMENT)),
            }
            text.push('/');
        }
        for (n, segment) in path.segments().enumerate() {
            text.push_str(if n == 0 { "" } else { "/" });
            text.extend(utf8_percent_encode(segment, SEGMENT));
        }
        let mut url = self.root.clone();
        url.set_path(&text);
        url
    }

    /// Reads back the names in a file's URL.
    ///
    /// The URL is compared by its parsed origin and by whole segments. A query is refused, except for
    /// `download=true`, which Firefox adds.
    ///
    /// # Errors
    ///
    /// [`ParseUrlError`]: another scheme, host or port, a user, a path outside the root or of another layout,
    /// a segment that is not UTF-8 or hides a slash, or a name that is not valid.
    pub fn parse_file_url(&self, url: &Url) -> Result<FileRef, ParseUrlError> {
        parse::file_url(self, url)
    }

    /// Returns the URL that says which commit a revision stands for, if the layout has one.
    ///
    /// Only Hugging Face's has: `{root}/api/models/{model}/revision/{revision}`.
    pub fn revision_url(&self, model: &ModelId, revision: &Revision) -> Option<Url> {
        self.api_url(model, "revision", revision)
    }

    /// Returns the URL that lists all files of a revision, if the layout has one.
    ///
    /// Only Hugging Face's has: `{root}/api/models/{model}/tree/{revision}?recursive=true`, in pages that are
    /// linked by the `Link` header.
    pub fn listing_url(&self, model: &ModelId, revision: &Revision) -> Option<Url> {
        let mut url = self.api_url(model, "tree", revision)?;
        url.set_query(Some("recursive=true"));
        Some(url)
    }

    fn api_url(&self, model: &ModelId, what: &str, revision: &Revision) -> Option<Url> {
        if self.kind != HubKind::HuggingFace {
            return None;
        }
        let revision = utf8_percent_encode(revision.as_str(), SEGMENT);
        let mut url = self.root.clone();
        url.set_path(&format!("{}api/models/{model}/{what}/{revision}", self.root.path()));
        Some(url)
    }
}

fn check_root(mut root: Url) -> Result<Url, InvalidHubError> {
    let problem = if !matches!(root.scheme(), "http" | "https") {
        Some("its scheme is not http or https")
    } else if !root.username().is_empty() || root.password().is_some() {
        Some("it carries a user or password")
    } else if root.query().is_some() || root.fragment().is_some() {
        Some("it has a query or a fragment")
    } else if !matches!(root.host(), Some(Host::Ipv4(_) | Host::Ipv6(_) | Host::Domain(_))) {
        Some("it has no host")
    } else if root.path().contains("//") {
        Some("its path has an empty segment")
    } else {
        None
    };
    if let Some(reason) = problem {
        let shown = format!("{}://{}{}", root.scheme(), root.host_str().unwrap_or_default(), root.path());
        return Err(InvalidHubError::Root { found: crate::names::excerpt(&shown), reason });
    }
    if !root.path().ends_with('/') {
        let path = format!("{}/", root.path());
        root.set_path(&path);
    }
    Ok(root)
}

impl fmt::Display for HubKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::HuggingFace => "huggingface",
            Self::Mozilla => "mozilla",
            Self::Custom => "custom",
        })
    }
}

/// Reads Firefox's names of its two hubs, `huggingface` and `mozilla`.
impl FromStr for HubKind {
    type Err = ParseHubKindError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "huggingface" => Ok(Self::HuggingFace),
            "mozilla" => Ok(Self::Mozilla),
            _ => Err(ParseHubKindError { found: crate::names::excerpt(text) }),
        }
    }
}
