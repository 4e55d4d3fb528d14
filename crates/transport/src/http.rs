//! HTTP with explicit limits: one request over reqwest, redirects followed by hand.

use std::{fmt, sync::OnceLock, time::Duration};

use async_trait::async_trait;
use url::Url;

use crate::{
    Error, ErrorKind, Headers, Method, Redirect, Request, Response, Transport,
    body::{self, Pace},
    options::{HttpOptions, InvalidOptions, Proxy},
    redirect, response,
    tls::Tls,
};

/// Redirect bodies up to this many bytes are read, so that the connection can be used again.
const MAX_REDIRECT_BODY: u64 = 16 << 10;

/// The headers that a redirect to another origin carries along. Everything else may be a secret.
const PUBLIC_HEADERS: [&str; 8] = [
    "accept",
    "accept-language",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "range",
];

/// Sends requests over HTTP/1.1 and HTTP/2.
///
/// - Server certificates are checked against the system's roots, and those of the options, with ring as the
///   cryptography; no process-wide default is set or used.
/// - Redirects are followed up to a limit: to `http` and `https` only, never from `https` to `http`, and never
///   from an address on the internet to one on this machine or its private network. Once a redirect leaves the
///   origin, the bearer token and every header that might be a secret stay behind, for good.
/// - A bearer token travels over `https` only, or to this machine.
/// - The answer is asked for as it is (`Accept-Encoding: identity`), unless the request allows gzip; then the
///   limit holds for the unpacked bytes. An answer in another encoding is refused.
/// - An announced length that is over the limit is refused before the body; a body that is shorter than
///   announced ends with [`ErrorKind::Unreachable`].
/// - No cookies are kept and nothing is retried. Environment variables are read only where the options ask for it
///   ([`Proxy::System`]).
///
/// Connections are made, and the system's roots are read, when the first request is sent. It needs a tokio
/// runtime with time and I/O around it.
pub struct HttpTransport {
    options: HttpOptions,
    tls: Tls,
    proxy: Option<reqwest::Proxy>,
    clients: OnceLock<Result<Clients, String>>,
}

struct Clients {
    plain: reqwest::Client,
    gzip: reqwest::Client,
    /// Why no certificate will be trusted, if so.
    no_roots: Option<String>,
}

impl HttpTransport {
    /// Creates a transport; nothing is read or connected to yet.
    ///
    /// # Errors
    ///
    /// If the user agent cannot be a header, or an extra root certificate or the proxy address cannot be read.
    pub fn new(options: HttpOptions) -> Result<Self, InvalidOptions> {
        if options.user_agent.is_empty() || !options.user_agent.bytes().all(|b| (b' '..=b'~').contains(&b)) {
            return Err(InvalidOptions::UserAgent { user_agent: options.user_agent });
        }
        let tls = Tls::new(&options.extra_roots)?;
        let proxy = match &options.proxy {
            Proxy::None | Proxy::System => None,
            Proxy::Url(url) => Some(
                reqwest::Proxy::all(url.clone())
                    .map_err(|error| InvalidOptions::Proxy { source: error.without_url().into() })?,
            ),
        };
        Ok(Self { options, tls, proxy, clients: OnceLock::new() })
    }

    fn clients(&self, url: &Url) -> Result<&Clients, Error> {
        self.clients.get_or_init(|| self.connect().map_err(|error| error.to_string())).as_ref().map_err(
            |problem| {
                Error::new(ErrorKind::Certificate, url).with_detail(format!("cannot set up HTTP: {problem}"))
            },
        )
    }

    fn connect(&self) -> Result<Clients, Box<dyn std::error::Error>> {
        let (tls, no_roots) = self.tls.config()?;
        let client = |gzip| {
            let builder = reqwest::Client::builder()
                .user_agent(&self.options.user_agent)
                .tls_backend_preconfigured(tls.clone())
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                .gzip(gzip)
                .connect_timeout(self.options.connect_timeout)
                .pool_idle_timeout(Duration::from_secs(60));
            let builder = match (&self.proxy, &self.options.proxy) {
                (Some(proxy), _) => builder.no_proxy().proxy(proxy.clone()),
                (None, Proxy::System) => builder,
                (None, _) => builder.no_proxy(),
            };
            builder.build()
        };
        Ok(Clients { plain: client(false)?, gzip: client(true)?, no_roots })
    }

    /// Sends one request to `url`, without following where the answer may lead.
    async fn hop(&self, request: &Request, url: &Url, home: bool) -> Result<reqwest::Response, Error> {
        let clients = self.clients(url)?;
        let client = if request.accepts_gzip() { &clients.gzip } else { &clients.plain };
        let mut builder = match request.method() {
            Method::Get => client.get(url.clone()),
            Method::Head => client.head(url.clone()),
        };
        if !request.accepts_gzip() {
            builder = builder.header("accept-encoding", "identity");
        }
        for (name, value) in request.headers() {
            let public = PUBLIC_HEADERS.iter().any(|public| name.eq_ignore_ascii_case(public));
            if home || public {
                builder = builder.header(name, value);
            }
        }
        if let (true, Some(token)) = (home, request.bearer_token()) {
            builder = builder.bearer_auth(token);
        }
        let sent = tokio::time::timeout(self.options.first_byte_timeout, builder.send()).await;
        let Ok(sent) = sent else {
            let seconds = self.options.first_byte_timeout.as_secs_f32();
            return Err(Error::new(ErrorKind::Timeout, url)
                .with_detail(format!("no answer within {seconds} s, the limit of this client")));
        };
        sent.map_err(|error| {
            let error = body::network_error(error, url);
            match &clients.no_roots {
                Some(why) if error.kind() == ErrorKind::Certificate => error.with_detail(why),
                _ => error,
            }
        })
    }

    fn pace(&self) -> Pace {
        Pace { stall: self.options.stall_timeout, min_rate: self.options.min_bytes_per_second }
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, request: Request) -> Result<Response, Error> {
        let mut url = request.url().clone();
        check_start(&request)?;
        let mut home = true;
        let mut redirects = Vec::new();
        loop {
            let answer = self.hop(&request, &url, home).await?;
            let status = answer.status().as_u16();
            let headers = headers(&answer);
            let next = match headers.get("location") {
                Some(location) if matches!(status, 301 | 302 | 303 | 307 | 308) => {
                    redirect::target(&url, location)?
                }
                _ => return self.finish(&request, url, redirects, headers, answer),
            };
            if redirects.len() >= self.options.max_redirects {
                return Err(Error::new(ErrorKind::Redirect, &url)
                    .with_detail(format!("more than {} redirects", self.options.max_redirects)));
            }
            drain(answer, self.pace(), &url).await;
            home = home && next.origin() == url.origin();
            redirects.push(Redirect { url: std::mem::replace(&mut url, next), status, headers });
        }
    }
}

impl HttpTransport {
    fn finish(
        &self,
        request: &Request,
        url: Url,
        redirects: Vec<Redirect>,
        headers: Headers,
        answer: reqwest::Response,
    ) -> Result<Response, Error> {
        let status = answer.status().as_u16();
        let mut response = Response::new(status, url, headers, body::empty());
        response.redirects = redirects;
        if request.method() == Method::Head {
            return Ok(response);
        }
        if (200..=299).contains(&status) {
            if let Some(encoding) = response.headers.get("content-encoding").filter(|it| *it != "identity") {
                return Err(Error::new(ErrorKind::Protocol, &response.url)
                    .with_detail(format!("the answer is encoded as {encoding:?}, which was not asked for")));
            }
            let announced = response.headers.get("content-length").and_then(|length| length.parse().ok());
            if announced.is_some_and(|length: u64| length > request.max_bytes()) {
                return Err(response::too_large(&response.url, request.max_bytes()));
            }
        }
        let body = body::paced(answer, self.pace(), response.url.clone());
        response.body = response::limited(body, request.max_bytes(), response.url.clone());
        Ok(response)
    }
}

/// Refuses a request that would give a secret away.
fn check_start(request: &Request) -> Result<(), Error> {
    let url = request.url();
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Error::new(ErrorKind::Protocol, url).with_detail("only http and https are spoken"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::new(ErrorKind::Protocol, url)
            .with_detail("a user name or password in an address ends up in logs; use a bearer token"));
    }
    if request.bearer_token().is_some() && url.scheme() == "http" && !redirect::is_loopback(url) {
        return Err(Error::new(ErrorKind::Protocol, url).with_detail("a token is sent over https only"));
    }
    Ok(())
}

fn headers(answer: &reqwest::Response) -> Headers {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    answer.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes()))).collect()
}

/// Reads a short body to its end; a connection with an unread body cannot be used again.
async fn drain(answer: reqwest::Response, pace: Pace, url: &Url) {
    if answer.content_length().is_some_and(|length| length <= MAX_REDIRECT_BODY) {
        let body = body::paced(answer, pace, url.clone());
        // What matters of a redirect is in its head.
        let _ = Response::new(200, url.clone(), Headers::default(), body).bytes().await;
    }
}

impl fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpTransport").field("options", &self.options).finish_non_exhaustive()
    }
}
