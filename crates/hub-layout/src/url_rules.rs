//! Which URLs may be fetched: allow and deny rules, and the reason of each verdict.

use std::{fmt, str::FromStr};

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::names::excerpt;

/// A rule: an origin, and a path under it.
///
/// Written as an `http` or `https` URL such as `https://model-hub.mozilla.org/mozilla/`. Compared by parsed
/// parts, so that `https://model-hub.mozilla.org.evil.example/` is another host and `/mozilla-evil/` another
/// folder. ASCII case counts neither in the host nor in the path, as in Firefox. It keeps the text it was
/// parsed from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlPrefix {
    text: String,
    url: Url,
}

/// The text is no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid url prefix {found:?}: {reason} (allowed: an http or https url without user, query and fragment)"
)]
#[non_exhaustive]
pub struct ParsePrefixError {
    /// The rejected text, cut to its first 80 characters.
    pub found: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// Which URLs may be fetched.
///
/// In this order, as in Firefox:
///
/// 1. A URL that a deny rule matches is refused.
/// 2. The loopback (`localhost`, `127.0.0.0/8`, `[::1]`; any port) is allowed.
/// 3. A URL that an allow rule matches is allowed.
/// 4. Everything else is refused, so that no rules at all leave the loopback only.
///
/// Where a URL can be read in two ways (`%2F`, `//`, a dot at the end of the host) a deny rule matches if
/// either reading does, an allow rule if both do. An allow rule ends at a slash whether or not that is
/// written; a deny rule without one also covers longer names, as its text does. A deny rule for the loopback
/// without a port covers all ports. Ask again for the target of a redirect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UrlRules {
    allow: Vec<UrlPrefix>,
    deny: Vec<UrlPrefix>,
    allow_all: bool,
}

/// What the rules say about a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verdict {
    /// Whether it may be fetched.
    pub allowed: bool,
    /// Which sort of refusal it is, if it is one.
    pub rejection: Option<Rejection>,
    /// The rule that decided, if one did.
    pub rule: Option<UrlPrefix>,
    /// Why, in one sentence without its stop.
    pub reason: String,
}

/// Says why a URL was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rejection {
    /// A deny rule matches.
    Denied,
    /// No allow rule matches, or the URL is not of a sort that any could match.
    NotAllowed,
}

impl UrlPrefix {
    /// Returns the text that was parsed.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for UrlPrefix {
    type Err = ParsePrefixError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |reason| ParsePrefixError { found: excerpt(text), reason };
        // The URL parser drops these without a word.
        if text.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\') {
            return Err(refuse("it contains a space, a control character or a backslash"));
        }
        let url = Url::parse(text).map_err(|_| refuse("it is not a url"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refuse("its scheme is not http or https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("it carries a user or password"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("it has a query or a fragment"));
        }
        Ok(Self { text: text.to_owned(), url })
    }
}

impl UrlRules {
    /// Puts rules together.
    pub fn new(allow: Vec<UrlPrefix>, deny: Vec<UrlPrefix>) -> Self {
        Self { allow, deny, allow_all: false }
    }

    /// Allows every `http` and `https` URL that no rule denies: no protection against a wrong record.
    pub fn dangerously_allow_all_but(deny: Vec<UrlPrefix>) -> Self {
        Self { allow: Vec::new(), deny, allow_all: true }
    }

    /// Judges a URL.
    pub fn verdict(&self, url: &Url) -> Verdict {
        let shown =
            excerpt(&format!("{}://{}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path()));
        let refused = |rejection, rule: Option<&UrlPrefix>, why: String| Verdict {
            allowed: false,
            rejection: Some(rejection),
            rule: rule.cloned(),
            reason: format!("{shown} is refused: {why}"),
        };
        let allowed = |rule: Option<&UrlPrefix>, why: String| Verdict {
            allowed: true,
            rejection: None,
            rule: rule.cloned(),
            reason: format!("{shown} is allowed: {why}"),
        };
        if let Some(rule) = self.deny.iter().find(|rule| denies(rule, url)) {
            return refused(Rejection::Denied, Some(rule), format!("the deny rule {rule} matches"));
        }
        if !matches!(url.scheme(), "http" | "https") {
            return refused(Rejection::NotAllowed, None, "its scheme is not http or https".to_owned());
        }
        if is_loopback(url) {
            return allowed(None, "it is on this machine, and no deny rule matches".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refused(Rejection::NotAllowed, None, "it carries a user or password".to_owned());
        }
        if let Some(rule) = self.allow.iter().find(|rule| allows(rule, url)) {
            return allowed(Some(rule), format!("the allow rule {rule} matches"));
        }
        if self.allow_all {
            return allowed(None, "all is allowed that is not denied".to_owned());
        }
        let why = if self.allow.is_empty() { "there are no allow rules" } else { "no allow rule matches" };
        refused(Rejection::NotAllowed, None, why.to_owned())
    }
}

fn allows(rule: &UrlPrefix, url: &Url) -> bool {
    let same_origin = rule.url.scheme() == url.scheme()
        && rule.url.host() == url.host()
        && rule.url.port_or_known_default() == url.port_or_known_default();
    let folder = |read: fn(&Url) -> Vec<String>| {
        let mut prefix = read(&rule.url);
        prefix.pop_if(|last| last.is_empty());
        read(url).starts_with(&prefix)
    };
    same_origin && folder(as_written) && folder(as_opened)
}

fn denies(rule: &UrlPrefix, url: &Url) -> bool {
    let any_port = is_loopback(&rule.url) && rule.url.port().is_none();
    let same_origin = rule.url.scheme() == url.scheme()
        && host_without_dot(&rule.url) == host_without_dot(url)
        && (any_port || rule.url.port_or_known_default() == url.port_or_known_default());
    let covers = |read: fn(&Url) -> Vec<String>| {
        let (prefix, path) = (read(&rule.url).join("/"), read(url).join("/"));
        // A folder is covered itself, as an allow rule covers it.
        path.starts_with(&prefix) || prefix.strip_suffix('/') == Some(&*path)
    };
    same_origin && (covers(as_written) || covers(as_opened))
}

/// The segments as the URL has them, each decoded, in lower case.
fn as_written(url: &Url) -> Vec<String> {
    let path = url.path();
    path.strip_prefix('/').unwrap_or(path).split('/').map(decode).collect()
}

/// The segments as a careless server may see them: decoded first, then split and resolved.
fn as_opened(url: &Url) -> Vec<String> {
    let text = decode(url.path());
    let mut segments = Vec::new();
    for segment in text.split(['/', '\\']) {
        match segment {
            "" | "." => (),
            ".." => drop(segments.pop()),
            _ => segments.push(segment.to_owned()),
        }
    }
    // What names a folder keeps its slash, so that it does not cover longer names.
    if text.ends_with('/') && !segments.is_empty() {
        segments.push(String::new());
    }
    segments
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().to_ascii_lowercase()
}

fn host_without_dot(url: &Url) -> Option<&str> {
    url.host_str().map(|host| host.strip_suffix('.').unwrap_or(host))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl fmt::Display for UrlPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl Serialize for UrlPrefix {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for UrlPrefix {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <std::borrow::Cow<'de, str>>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
