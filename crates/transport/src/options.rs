//! What a program decides about HTTP.

use std::time::Duration;

/// What a program decides about HTTP; see [`HttpTransport`](crate::HttpTransport).
///
/// ```
/// use std::time::Duration;
/// use transport::{HttpOptions, HttpTransport};
///
/// let mut options = HttpOptions::new("my-app", "1.0");
/// options.stall_timeout = Duration::from_secs(5);
/// let transport = HttpTransport::new(options)?;
/// # Ok::<(), transport::InvalidOptions>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HttpOptions {
    /// The `User-Agent` of every request: printable ASCII.
    pub user_agent: String,
    /// The longest time to wait for a connection, TLS included. Default: 10 s.
    pub connect_timeout: Duration,
    /// The longest time from sending a request to the head of its answer, per redirect. Default: 30 s.
    pub first_byte_timeout: Duration,
    /// The longest time without a byte of the body. Default: 20 s.
    pub stall_timeout: Duration,
    /// The least speed of a body in bytes per second, on average over each `stall_timeout` that is spent
    /// waiting. 0 switches it off. Default: 512.
    pub min_bytes_per_second: u64,
    /// The most redirects followed for one request. Default: 5.
    pub max_redirects: usize,
    /// Root certificates in PEM to trust besides the system's. Default: none.
    pub extra_roots: Vec<Vec<u8>>,
    /// How connections are made. Default: [`Proxy::None`].
    pub proxy: Proxy,
}

/// How connections are made.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proxy {
    /// Directly.
    #[default]
    None,
    /// As the environment (`HTTPS_PROXY`, ...) or the system's settings say.
    System,
    /// Through the proxy at this address: `http`, `https`, `socks5` or `socks5h`.
    Url(String),
}

/// An option that makes no sense.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidOptions {
    /// The user agent is empty or has characters that a header cannot have.
    #[error("user agent {user_agent:?} is not a line of printable ASCII")]
    #[non_exhaustive]
    UserAgent {
        /// The rejected text.
        user_agent: String,
    },
    /// An extra root is not one or more certificates in PEM.
    #[error("extra root certificate {index} is not a certificate in PEM")]
    #[non_exhaustive]
    ExtraRoot {
        /// Its place in [`HttpOptions::extra_roots`], from 0.
        index: usize,
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The address of the proxy cannot be read.
    #[error("the proxy's address cannot be used")]
    #[non_exhaustive]
    Proxy {
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl HttpOptions {
    /// Creates options with the defaults, for requests in the name of `program` and its `version`.
    pub fn new(program: &str, version: &str) -> Self {
        Self {
            user_agent: format!("{program}/{version}"),
            connect_timeout: Duration::from_secs(10),
            first_byte_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(20),
            min_bytes_per_second: 512,
            max_redirects: 5,
            extra_roots: Vec::new(),
            proxy: Proxy::None,
        }
    }
}

/// Shows no proxy address: it may hold a password.
impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::System => "System",
            Self::Url(_) => "Url(..)",
        })
    }
}
