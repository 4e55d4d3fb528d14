//! Any status is an answer; headers, encodings and limits are as stated.

use mockito::Server;
use testkit::http::{HttpServer, Reply, Request as Asked};
use transport::{ErrorKind, HttpOptions, HttpTransport, InvalidOptions, Proxy, Request, Transport};

use crate::{http, http_with, url};

#[tokio::test]
async fn every_status_is_an_answer_and_stands_for_one_kind_of_error() {
    let mut server = Server::new_async().await;
    for (status, kind, transient) in [
        (200, None, false),
        (206, None, false),
        (304, Some(ErrorKind::Protocol), false),
        (400, Some(ErrorKind::Protocol), false),
        (401, Some(ErrorKind::Denied), false),
        (403, Some(ErrorKind::Denied), false),
        (404, Some(ErrorKind::NotFound), false),
        (408, Some(ErrorKind::Timeout), true),
        (410, Some(ErrorKind::NotFound), false),
        (429, Some(ErrorKind::Backoff), true),
        (500, Some(ErrorKind::Server), true),
        (502, Some(ErrorKind::Server), true),
        (503, Some(ErrorKind::Backoff), true),
    ] {
        let path = format!("/{status}?secret=1");
        let mock = server
            .mock("GET", path.as_str())
            .with_status(status)
            .with_header("retry-after", "7")
            .create_async()
            .await;
        let address = format!("{}{path}", server.url()).parse().expect("it is a URL");
        let response = http().send(Request::get(address, 100)).await.expect("any status is an answer");
        assert_eq!(usize::from(response.status), status);
        match (response.success(), kind) {
            (Ok(_), None) => {}
            (Err(error), Some(kind)) => {
                assert_eq!((error.kind(), error.is_transient()), (kind, transient), "{status}");
                assert_eq!(error.status().map(usize::from), Some(status));
                assert_eq!(error.retry_after().map(|after| after.as_secs()), Some(7));
                assert!(!error.to_string().contains("secret"), "{error}");
            }
            (outcome, _) => panic!("{status}: {outcome:?}"),
        }
        mock.assert_async().await;
    }
}

#[tokio::test]
async fn a_request_is_sent_as_built() {
    let server = HttpServer::start(|_: &Asked| Reply::text("hello").header("X-Answer", "yes"));
    let request =
        Request::get(url(&server, "/a%20b?c=d"), 5).header("If-None-Match", "\"1\"").range(2, Some(4));
    let response = http().send(request).await.expect("the server answers");
    assert_eq!(response.headers.get("x-ANSWER"), Some("yes"));
    assert_eq!(response.url, url(&server, "/a%20b?c=d"));
    assert_eq!(response.bytes().await.expect("it fits").as_ref(), b"hello");
    let head = http().send(Request::head(url(&server, "/h"))).await.expect("the server answers");
    assert_eq!(head.headers.get("content-length"), Some("5"));
    assert!(head.bytes().await.expect("no body").is_empty());

    let log = server.requests();
    assert_eq!((log[0].method.as_str(), log[0].target.as_str()), ("GET", "/a%20b?c=d"));
    for (name, value) in [
        ("user-agent", "transport-test/1.2.3"),
        ("accept-encoding", "identity"),
        ("if-none-match", "\"1\""),
        ("range", "bytes=2-4"),
    ] {
        assert_eq!(log[0].header(name), Some(value), "{name}");
    }
    assert_eq!(log[0].header("authorization"), None);
    assert_eq!(log[1].method, "HEAD");
}

/// "hello, world" by gzip.
const HELLO_GZIP: &[u8] =
    b"\x1f\x8b\x08\0\0\0\0\0\x02\xff\xcbH\xcd\xc9\xc9\xd7Q(\xcf/\xcaI\x01\0:r\xab\xff\x0c\0\0\0";

#[tokio::test]
async fn gzip_only_when_asked_for() {
    let server = HttpServer::start(|request: &Asked| match request.path.as_str() {
        "/br" => Reply::bytes(HELLO_GZIP).header("content-encoding", "br"),
        "/bad" => Reply::bytes("not gzip at all").header("content-encoding", "gzip"),
        _ => Reply::bytes(HELLO_GZIP).header("content-encoding", "gzip"),
    });
    let get = |target, max| Request::get(url(&server, target), max);

    let response = http().send(get("/", 12).gzip()).await.expect("gzip was asked for");
    assert_eq!(response.bytes().await.expect("it fits").as_ref(), b"hello, world");
    assert_eq!(server.requests()[0].header("accept-encoding"), Some("gzip"));

    let response = http().send(get("/", 11).gzip()).await.expect("the head says nothing of the length");
    let error = response.bytes().await.expect_err("unpacked, it is 12 bytes");
    assert_eq!(error.kind(), ErrorKind::TooLarge);

    let response = http().send(get("/bad", 100).gzip()).await.expect("the head is fine");
    let error = response.bytes().await.expect_err("the body is not");
    assert_eq!(error.kind(), ErrorKind::Protocol);

    for request in [get("/", 100), get("/br", 100).gzip()] {
        let error = http().send(request).await.expect_err("nobody asked for this");
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert!(error.to_string().contains("encoded"), "{error}");
    }
}

#[tokio::test]
async fn an_answer_over_the_limit_is_refused_before_or_while_it_arrives() {
    let server = HttpServer::start(|request: &Asked| match request.path.as_str() {
        "/chunked" => Reply::bytes(vec![0; 1000]).header("transfer-encoding", "chunked"),
        "/404" => Reply::bytes(vec![0; 1000]).with_status(404),
        _ => Reply::bytes(vec![0; 1000]),
    });
    let send = async |target, max| http().send(Request::get(url(&server, target), max)).await;
    let error = send("/", 999).await.expect_err("the length is announced");
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.to_string().contains("999 bytes"), "{error}");
    let response = send("/chunked", 999).await.expect("the length is not announced");
    assert_eq!(response.bytes().await.expect_err("it is too long").kind(), ErrorKind::TooLarge);
    for target in ["/", "/chunked"] {
        let response = send(target, 1000).await.expect("it fits");
        assert_eq!(response.bytes().await.expect("it fits").len(), 1000);
    }
    // The status of a failure counts, not the length of the page that comes with it.
    let error = send("/404", 10).await.expect("any status is an answer").success().expect_err("404");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn secrets_and_other_schemes_are_refused_before_anything_is_sent() {
    let server = HttpServer::start(|_: &Asked| Reply::text("hello"));
    let get = |address: &str| Request::get(address.parse().expect("it is a URL"), 10);
    let with_user = server.url().replace("http://", "http://me:canary@");
    for (request, why) in [
        (get(&with_user), "user name"),
        (get("ftp://127.0.0.1/"), "only http and https"),
        (get("http://hub.invalid/").bearer("canary"), "https only"),
    ] {
        assert!(!format!("{:?}", http().send(request.clone()).await).contains("canary"));
        let error = http().send(request).await.expect_err(why);
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert!(error.to_string().contains(why), "{error}");
    }
    assert!(server.requests().is_empty());
    let request = Request::get(url(&server, "/"), 10).bearer("canary");
    assert!(!format!("{request:?}").contains("canary"));
    http().send(request).await.expect("loopback is fine");
    assert_eq!(server.requests()[0].header("authorization"), Some("Bearer canary"));
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let mut options = HttpOptions::new("a\nb", "1");
    assert!(matches!(HttpTransport::new(options.clone()), Err(InvalidOptions::UserAgent { .. })));
    options.user_agent = "a/1".to_owned();
    for pem in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        options.extra_roots = vec![pem.as_bytes().to_vec()];
        assert!(matches!(
            HttpTransport::new(options.clone()),
            Err(InvalidOptions::ExtraRoot { index: 0, .. })
        ));
    }
    options.extra_roots.clear();
    options.proxy = Proxy::Url("http://me:canary@[".to_owned());
    let error = HttpTransport::new(options.clone()).expect_err("no address");
    assert!(matches!(error, InvalidOptions::Proxy { .. }));
    assert!(!format!("{options:?} {error:?}").contains("canary"));
}

#[tokio::test]
async fn a_proxy_is_used_only_when_named() {
    let server = HttpServer::start(|_: &Asked| Reply::text("from the proxy"));
    let http = http_with(|options| options.proxy = Proxy::Url(server.url()));
    let address = "http://hub.invalid/x".parse().expect("it is a URL");
    let response = http.send(Request::get(address, 100)).await.expect("the proxy answers");
    assert_eq!(response.bytes().await.expect("it fits").as_ref(), b"from the proxy");
    assert_eq!(server.requests()[0].header("host"), Some("hub.invalid"));
}
