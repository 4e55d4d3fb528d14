//! The transport against servers on loopback that answer, redirect, stall, cut and lie.

mod answers;
mod faults;
mod redirects;
mod retry;
mod tls;

use std::time::Duration;

use testkit::http::HttpServer;
use transport::{HttpOptions, HttpTransport};
use url::Url;

/// A transport with limits short enough for tests.
fn http() -> HttpTransport {
    http_with(|_| {})
}

fn http_with(change: impl FnOnce(&mut HttpOptions)) -> HttpTransport {
    let mut options = HttpOptions::new("transport-test", "1.2.3");
    options.connect_timeout = Duration::from_secs(5);
    options.first_byte_timeout = Duration::from_secs(5);
    options.stall_timeout = Duration::from_secs(5);
    change(&mut options);
    HttpTransport::new(options).expect("the options make sense")
}

fn url(server: &HttpServer, target: &str) -> Url {
    format!("{}{target}", server.url()).parse().expect("a server's address is a URL")
}
