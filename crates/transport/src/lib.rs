//! Fetches what a URL names, within stated limits: the one HTTP seam of the workspace.
//!
//! Layer 1. The only crate that names an HTTP library. It knows nothing of settings, hubs or models: a
//! [`Transport`] answers one [`Request`] with one [`Response`], and wrappers such as [`Retry`] add policy.
//!
//! ```
//! use transport::{HttpOptions, HttpTransport, Request, Retry, RetryPolicy, Transport};
//!
//! async fn page(url: url::Url) -> Result<bytes::Bytes, Box<dyn std::error::Error>> {
//!     let http = HttpTransport::new(HttpOptions::new("my-app", "1.0"))?;
//!     let transport = Retry::new(http, RetryPolicy::default());
//!     let response = transport.send(Request::get(url, 1 << 20)).await?;
//!     Ok(response.success()?.bytes().await?)
//! }
//! ```

mod body;
mod error;
mod http;
mod options;
mod redirect;
mod request;
mod response;
mod retry;
mod tls;

use std::{fmt, sync::Arc};

use async_trait::async_trait;

pub use error::{Error, ErrorKind};
pub use http::HttpTransport;
pub use options::{HttpOptions, InvalidOptions, Proxy};
pub use request::{Method, Request};
pub use response::{ByteStream, Headers, Redirect, Response};
pub use retry::{Retry, RetryPolicy};

/// Answers one request.
///
/// Any status is an answer: an `Err` means that there was none, or that it broke a limit. Implementations
/// neither retry nor cache; wrap them for that. The body arrives in pieces and never exceeds the request's
/// `max_bytes`. Dropping the future or the body ends the exchange.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Sends `request` and returns as soon as the head of the answer has arrived.
    ///
    /// # Errors
    ///
    /// Of the kinds [`ErrorKind::Unreachable`], [`ErrorKind::Timeout`], [`ErrorKind::Redirect`],
    /// [`ErrorKind::TooLarge`], [`ErrorKind::Certificate`], [`ErrorKind::Protocol`] and [`ErrorKind::Offline`].
    async fn send(&self, request: Request) -> Result<Response, Error>;
}

#[async_trait]
impl<T: Transport + ?Sized> Transport for Arc<T> {
    async fn send(&self, request: Request) -> Result<Response, Error> {
        (**self).send(request).await
    }
}

/// A transport that makes no request: each one fails with [`ErrorKind::Offline`].
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Offline;

#[async_trait]
impl Transport for Offline {
    async fn send(&self, request: Request) -> Result<Response, Error> {
        Err(Error::new(ErrorKind::Offline, request.url()))
    }
}
