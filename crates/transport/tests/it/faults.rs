//! What breaks on the way ends in an error of the right kind, in time.

use std::time::Duration;

use testkit::http::{Fault, FaultKind, HttpServer, Reply, Request as Asked};
use transport::{ErrorKind, HttpTransport, Offline, Request, Transport};

use crate::{http, http_with, url};

static BODY: [u8; 100_000] = [7; 100_000];

fn server(kind: FaultKind) -> HttpServer {
    let server = HttpServer::start(|_: &Asked| Reply::bytes(&BODY[..]));
    server.fault(Fault::new("/", kind));
    server
}

/// Fetches the whole body with short time limits.
async fn fetch(http: &HttpTransport, server: &HttpServer) -> Result<usize, ErrorKind> {
    let response = http.send(Request::get(url(server, "/x"), 1 << 20)).await.map_err(|error| error.kind())?;
    response.bytes().await.map(|body| body.len()).map_err(|error| error.kind())
}

#[tokio::test]
async fn a_body_that_is_cut_is_an_error() {
    for kind in [FaultKind::CutAfter(0), FaultKind::CutAfter(50_000), FaultKind::ResetAfter(50_000)] {
        assert_eq!(fetch(&http(), &server(kind)).await, Err(ErrorKind::Unreachable));
    }
    // Consistent lies pass: only a digest can tell.
    assert_eq!(fetch(&http(), &server(FaultKind::Truncate(10))).await, Ok(10));
    assert_eq!(fetch(&http(), &server(FaultKind::ExtraBytes(5))).await, Ok(100_005));
}

#[tokio::test]
async fn a_server_that_falls_silent_is_given_up() {
    let short = http_with(|options| {
        options.first_byte_timeout = Duration::from_millis(50);
        options.stall_timeout = Duration::from_millis(50);
    });
    for kind in [FaultKind::Hold, FaultKind::StallAfter(0), FaultKind::StallAfter(50_000)] {
        assert_eq!(fetch(&short, &server(kind)).await, Err(ErrorKind::Timeout));
    }
}

#[tokio::test]
async fn a_server_that_is_gone_is_unreachable() {
    let server = server(FaultKind::Delay(Duration::ZERO));
    let http = http();
    assert_eq!(fetch(&http, &server).await, Ok(BODY.len()));
    server.stop();
    let error = http.send(Request::get(url(&server, "/x?secret=1"), 10)).await.expect_err("it is gone");
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    let mut cause: Option<&dyn std::error::Error> = Some(&error);
    while let Some(this) = cause {
        assert!(!this.to_string().contains("secret"), "{this}");
        cause = this.source();
    }
}

#[tokio::test]
async fn dropping_the_body_ends_the_exchange() {
    let server = server(FaultKind::StallAfter(10));
    let response = http().send(Request::get(url(&server, "/x"), 1 << 20)).await.expect("the head arrives");
    drop(response);
    let pending = async { http().send(Request::get(url(&server, "/y"), 1 << 20)).await };
    drop(pending);
    server.stop();
}

#[tokio::test]
async fn offline_makes_no_request() {
    let server = server(FaultKind::status(500));
    let error = Offline::default().send(Request::get(url(&server, "/x"), 10)).await.expect_err("offline");
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Offline, false));
    assert!(error.to_string().contains("no request was made"), "{error}");
    assert!(server.requests().is_empty());
}
