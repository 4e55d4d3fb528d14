//! What can go wrong between a server and its client.

use std::time::Duration;

use super::{Reply, Request};

/// Something that goes wrong with the requests it matches.
#[derive(Clone, Debug)]
pub struct Fault {
    pattern: String,
    method: Option<String>,
    skip: u64,
    times: Option<u64>,
    kind: FaultKind,
}

/// What goes wrong.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum FaultKind {
    /// Another reply takes the place of the handler's, which is not asked.
    Reply(Reply),
    /// The reply comes later, by this much.
    Delay(Duration),
    /// The reply comes when [`HttpServer::release`](super::HttpServer::release) is called.
    Hold,
    /// The connection closes after this many bytes of the body, of which the full length was announced.
    CutAfter(u64),
    /// As [`CutAfter`](Self::CutAfter), but with a TCP reset: the client may lose bytes that were sent.
    ResetAfter(u64),
    /// Nothing comes after this many bytes of the body until
    /// [`HttpServer::release`](super::HttpServer::release) is called.
    StallAfter(u64),
    /// The byte of the body at this offset has all its bits flipped; nothing happens where there is none.
    FlipByte(u64),
    /// The body ends after this many bytes, and the announced length agrees.
    Truncate(u64),
    /// This many bytes follow the body, and the announced length agrees.
    ExtraBytes(u64),
    /// The reply has none of the headers of this name.
    WithoutHeader(String),
}

impl Fault {
    /// Creates a fault for every request whose path matches `pattern`.
    ///
    /// The pattern is compared with the path as sent, without its query. `*` stands for any characters,
    /// slashes included; a pattern without `*` matches the paths that start with it.
    pub fn new(pattern: impl Into<String>, kind: FaultKind) -> Self {
        Self { pattern: pattern.into(), method: None, skip: 0, times: None, kind }
    }

    /// Matches only requests of this method.
    #[must_use]
    pub fn method(mut self, method: impl Into<String>) -> Self {
        self.method = Some(method.into());
        self
    }

    /// Lets the first `skip` matching requests pass.
    #[must_use]
    pub fn after(mut self, skip: u64) -> Self {
        self.skip = skip;
        self
    }

    /// Ends after `times` requests.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Returns what goes wrong with `request`, and counts it.
    pub(crate) fn apply(&mut self, request: &Request) -> Option<FaultKind> {
        let method = self.method.as_ref().is_none_or(|method| *method == request.method);
        if !method || self.times == Some(0) || !matches(&self.pattern, &request.path) {
            return None;
        }
        if let Some(skip) = self.skip.checked_sub(1) {
            self.skip = skip;
            return None;
        }
        self.times = self.times.map(|times| times - 1);
        Some(self.kind.clone())
    }
}

impl FaultKind {
    /// Answers with a status and a short text.
    pub fn status(status: u16) -> Self {
        Self::Reply(Reply::text(format!("status {status} by fault")).with_status(status))
    }

    /// Answers with a status that asks to wait, in seconds or until a date.
    pub fn retry_after(status: u16, retry_after: impl Into<String>) -> Self {
        Self::Reply(Reply::status(status).header("retry-after", retry_after))
    }

    /// Answers as the log-in page of a captive portal does: status 200, HTML.
    pub fn captive_portal() -> Self {
        let page = "<!doctype html><title>Log in</title><p>Accept our terms to use this network.</p>";
        Self::Reply(Reply::status(200).header("content-type", "text/html; charset=utf-8").body(page))
    }
}

fn matches(pattern: &str, path: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return path.starts_with(pattern) };
    let Some(mut path) = path.strip_prefix(start) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let end = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let Some(at) = path.find(piece) else { return false };
        path = &path[at + piece.len()..];
    }
    path.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_any_characters_and_a_pattern_without_one_is_a_prefix() {
        for (pattern, path) in [
            ("", "/a"),
            ("/a", "/a/b"),
            ("*", "/a"),
            ("/a/*", "/a/b/c"),
            ("*.onnx", "/a/model.onnx"),
            ("/*/resolve/*/x", "/a/resolve/main/x"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in
            [("/b", "/a/b"), ("*.onnx", "/a/model.onnx.txt"), ("/a*a", "/a"), ("/*/resolve/*", "/a/b")]
        {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }
}
