//! Requests as a handler sees them, and its replies.

use std::io::Write as _;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};

/// A request, as the handler sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request {
    /// The method: `GET`, `HEAD`, ...
    pub method: String,
    /// The path and, after a `?`, the query, exactly as sent.
    pub target: String,
    /// The path, exactly as sent (still percent-encoded).
    pub path: String,
    /// What comes after the `?`, exactly as sent; empty without one.
    pub query: String,
    /// Names in lower case, and values, in the order they were sent.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

/// A request, as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoggedRequest {
    /// The method: `GET`, `HEAD`, ...
    pub method: String,
    /// The path and, after a `?`, the query, exactly as sent.
    pub target: String,
    /// Names in lower case, and values, in the order they were sent.
    pub headers: Vec<(String, String)>,
}

/// A request and what was answered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Exchange {
    /// The request.
    pub request: LoggedRequest,
    /// The reply; [`None`] as long as the handler is at work.
    pub reply: Option<Reply>,
}

/// What a handler answers.
///
/// `Content-Length` is added from the body unless the reply has one. The reply to a HEAD request is the one to
/// the same GET request; its body is not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Names and values, in the order they are sent.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

impl Request {
    /// Returns the first value of the header `name`; upper and lower case are the same.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// Returns the percent-decoded value of the query parameter `name`.
    pub fn query_value(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }
}

impl LoggedRequest {
    /// Returns the first value of the header `name`; upper and lower case are the same.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// Returns the path without the query.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(&self.target, |(path, _)| path)
    }
}

impl Reply {
    /// Creates a reply with a status and nothing else.
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    /// Creates a reply of status 200 with a body of unnamed bytes.
    pub fn bytes(body: impl Into<Bytes>) -> Self {
        Self::status(200).header("content-type", "application/octet-stream").body(body)
    }

    /// Creates a reply of status 200 with plain text.
    pub fn text(body: impl Into<String>) -> Self {
        Self::status(200).header("content-type", "text/plain; charset=utf-8").body(body.into())
    }

    /// Creates a reply of status 200 with JSON.
    pub fn json(body: &serde_json::Value) -> Self {
        Self::status(200).header("content-type", "application/json").body(body.to_string())
    }

    /// Sets the status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Compresses the body, and says so.
    #[must_use]
    pub fn gzip(self) -> Self {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        let packed = gzip.write_all(&self.body).and_then(|()| gzip.finish());
        self.header("content-encoding", "gzip").body(packed.expect("memory takes everything"))
    }

    /// Returns the first value of the header `name`; upper and lower case are the same.
    pub fn get(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}
