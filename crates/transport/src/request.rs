//! What to ask of a server.

use std::fmt;

use url::Url;

/// The two methods this project uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// The resource.
    Get,
    /// Only what the answer's head would be.
    Head,
}

/// One request: an address, headers, and the most bytes the answer may have.
#[derive(Clone)]
pub struct Request {
    method: Method,
    url: Url,
    headers: Vec<(String, String)>,
    bearer: Option<String>,
    gzip: bool,
    max_bytes: u64,
}

impl Request {
    /// Asks for what `url` names; an answer of more than `max_bytes` is refused.
    pub fn get(url: Url, max_bytes: u64) -> Self {
        Self { method: Method::Get, url, headers: Vec::new(), bearer: None, gzip: false, max_bytes }
    }

    /// Asks for the head of what `url` names.
    pub fn head(url: Url) -> Self {
        Self { method: Method::Head, ..Self::get(url, 0) }
    }

    /// Adds a header; a redirect to another origin carries none along but the conditional ones, `Range`, `Accept`
    /// and `Accept-Language`.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Asks for the bytes from `first` to `last`, both included, or to the end.
    #[must_use]
    pub fn range(self, first: u64, last: Option<u64>) -> Self {
        let last = last.map(|last| last.to_string()).unwrap_or_default();
        self.header("range", format!("bytes={first}-{last}"))
    }

    /// Sends `token` as a bearer token, to the origin of the request's URL and to no other.
    #[must_use]
    pub fn bearer(mut self, token: impl Into<String>) -> Self {
        self.bearer = Some(token.into());
        self
    }

    /// Allows the answer to be compressed on the way; the limit holds for the unpacked bytes.
    ///
    /// Good for text. Content that is checked against a digest or a length is better asked for as it is.
    #[must_use]
    pub fn gzip(mut self) -> Self {
        self.gzip = true;
        self
    }

    /// Returns the method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Returns the address.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Returns the headers in the order they were added.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// Returns the bearer token.
    pub fn bearer_token(&self) -> Option<&str> {
        self.bearer.as_deref()
    }

    /// Returns whether the answer may be compressed on the way.
    pub fn accepts_gzip(&self) -> bool {
        self.gzip
    }

    /// Returns the most bytes the body of the answer may have.
    pub fn max_bytes(&self) -> u64 {
        self.max_bytes
    }
}

/// Shows everything but the token.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("url", &self.url.as_str())
            .field("headers", &self.headers)
            .field("bearer", &self.bearer.as_ref().map(|_| "(secret)"))
            .field("gzip", &self.gzip)
            .field("max_bytes", &self.max_bytes)
            .finish()
    }
}
