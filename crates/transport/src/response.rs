//! What a server answered.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use bytes::{Bytes, BytesMut};
use futures::{TryStreamExt, stream::BoxStream};
use url::Url;

use crate::{Error, ErrorKind};

/// The most that is set aside for a body before it has come, whatever its length is said to be: 64 MiB.
const MOST_AHEAD: usize = 64 << 20;

/// A body that arrives in pieces.
pub type ByteStream = BoxStream<'static, Result<Bytes, Error>>;

/// Response headers; names are compared without regard to case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

/// A redirect that was followed on the way to the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Redirect {
    /// The address that redirected.
    pub url: Url,
    /// Its status, 301 to 308.
    pub status: u16,
    /// Its headers.
    pub headers: Headers,
}

/// An answer: its head, and a body still to be read.
#[non_exhaustive]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The address that answered, after redirects.
    pub url: Url,
    /// The headers of the answer.
    pub headers: Headers,
    /// The redirects followed, first to last.
    pub redirects: Vec<Redirect>,
    /// The body; it ends with [`ErrorKind::TooLarge`] rather than exceed the request's limit.
    pub body: ByteStream,
}

impl Headers {
    /// Returns the first value of `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Returns all names and values in the order they were sent.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns how long `Retry-After` asks to wait, from seconds or from a date compared with `now`; without it, when
    /// `RateLimit` says that there will be requests left again, if there are none now.
    pub fn retry_after(&self, now: SystemTime) -> Option<Duration> {
        let Some(value) = self.get("retry-after").map(str::trim) else { return self.rate_limit() };
        match value.parse() {
            Ok(seconds) => Some(Duration::from_secs(seconds)),
            Err(_) => {
                let date = httpdate::parse_http_date(value).ok()?;
                Some(date.duration_since(now).unwrap_or_default())
            }
        }
    }
}

impl Headers {
    /// Reads `RateLimit: "api";r=0;t=55`: the longest time of those policies that leave no request.
    fn rate_limit(&self) -> Option<Duration> {
        let seconds = |policy: &str| {
            let parameter = |name: &str| {
                let mut parameters = policy.split(';').skip(1).filter_map(|it| it.trim().split_once('='));
                parameters.find(|(key, _)| *key == name)?.1.parse::<u64>().ok()
            };
            if parameter("r") == Some(0) { parameter("t") } else { None }
        };
        self.get("ratelimit")?.split(',').filter_map(seconds).max().map(Duration::from_secs)
    }
}

impl FromIterator<(String, String)> for Headers {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(headers: I) -> Self {
        Self(headers.into_iter().collect())
    }
}

impl Response {
    /// Creates an answer that came without redirects.
    pub fn new(status: u16, url: Url, headers: Headers, body: ByteStream) -> Self {
        Self { status, url, headers, redirects: Vec::new(), body }
    }

    /// Returns the answer if its status is in 200..=299.
    ///
    /// # Errors
    ///
    /// The error that the status stands for, with `Retry-After` as sent.
    pub fn success(self) -> Result<Self, Error> {
        if (200..=299).contains(&self.status) {
            return Ok(self);
        }
        let retry_after = self.headers.retry_after(SystemTime::now());
        Err(Error::from_status(self.status, &self.url).with_retry_after(retry_after))
    }

    /// Reads the whole body into memory; the request's limit bounds it.
    ///
    /// # Errors
    ///
    /// As the body: [`ErrorKind::Unreachable`], [`ErrorKind::Timeout`], [`ErrorKind::TooLarge`], or
    /// [`ErrorKind::Protocol`] where what was compressed cannot be unpacked.
    pub async fn bytes(mut self) -> Result<Bytes, Error> {
        let Some(first) = self.body.try_next().await? else { return Ok(Bytes::new()) };
        let Some(second) = self.body.try_next().await? else { return Ok(first) };
        // As long as announced, where that is known, so that nothing is moved while it grows.
        let announced = self.headers.get("content-length").and_then(|length| length.parse().ok());
        let capacity = announced.unwrap_or(0).min(MOST_AHEAD).max(first.len() + second.len());
        let mut whole = BytesMut::with_capacity(capacity);
        whole.extend_from_slice(&first);
        whole.extend_from_slice(&second);
        while let Some(piece) = self.body.try_next().await? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("url", &self.url.as_str())
            .field("headers", &self.headers)
            .field("redirects", &self.redirects)
            .finish_non_exhaustive()
    }
}

/// Creates the error for an answer of more than `max` bytes.
pub(crate) fn too_large(url: &Url, max: u64) -> Error {
    Error::new(ErrorKind::TooLarge, url).with_detail(format!("the limit is {max} bytes"))
}

/// Passes `body` through, and ends it with [`ErrorKind::TooLarge`] before a piece would take it past `max`
/// bytes.
pub(crate) fn limited(body: ByteStream, max: u64, url: Url) -> ByteStream {
    Box::pin(futures::stream::try_unfold((body, max, url), move |(mut body, left, url)| async move {
        let Some(piece) = body.try_next().await? else { return Ok(None) };
        match left.checked_sub(piece.len() as u64) {
            Some(left) => Ok(Some((piece, (body, left, url)))),
            None => Err(too_large(&url, max)),
        }
    }))
}
