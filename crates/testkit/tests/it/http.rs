//! The loopback server answers, logs, misbehaves as told, and is gone when stopped.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::Duration,
};

use testkit::http::{Fault, FaultKind, HttpServer, Reply, Request};

const BODY: &str = "0123456789";

fn server() -> HttpServer {
    HttpServer::start(|request: &Request| match request.path.as_str() {
        "/none" => Reply::status(404),
        "/echo" => Reply::bytes(request.body.clone()).header("x-query", request.query.clone()),
        _ => Reply::text(BODY),
    })
}

/// Sends one request and reads to the end of the connection: head, body, and how it ended.
fn fetch(server: &HttpServer, method: &str, target: &str, body: &str) -> (String, String, Option<ErrorKind>) {
    let mut socket = TcpStream::connect(server.address()).expect("the server listens");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout can be set");
    write!(
        socket,
        "{method} {target} HTTP/1.1\r\nhost: x\r\nX-Probe: yes\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("the server reads");
    let mut answer = Vec::new();
    let end = socket.read_to_end(&mut answer).err().map(|error| error.kind());
    let answer = String::from_utf8(answer).expect("the test's replies are text");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    (head.to_lowercase(), body.to_owned(), end)
}

fn get(server: &HttpServer, target: &str) -> (String, String, Option<ErrorKind>) {
    fetch(server, "GET", target, "")
}

/// Waits until a request has arrived.
fn arrived(server: &HttpServer) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
    runtime.block_on(server.until_requests(1));
}

#[test]
fn it_answers_and_logs_in_order() {
    let server = server();
    let (head, body, end) = fetch(&server, "POST", "/echo?a=b%20c", "hello");
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(head.contains("x-query: a=b%20c"), "{head}");
    assert_eq!((body.as_str(), end), ("hello", None));
    let (head, body, _) = fetch(&server, "HEAD", "/x", "");
    assert!(head.contains("content-length: 10"), "{head}");
    assert_eq!(body, "");
    assert!(get(&server, "/none").0.starts_with("http/1.1 404"));

    let log = server.requests();
    let lines: Vec<String> = log.iter().map(|entry| format!("{} {}", entry.method, entry.target)).collect();
    assert_eq!(lines, ["POST /echo?a=b%20c", "HEAD /x", "GET /none"]);
    assert_eq!(log[0].path(), "/echo");
    assert_eq!(log[0].header("x-PROBE"), Some("yes"));
    let last = server.exchanges().pop().and_then(|exchange| exchange.reply).expect("it was answered");
    assert_eq!(last.status, 404);
}

#[test]
fn faults_apply_in_order_as_often_as_told() {
    let server = server();
    server.fault(Fault::new("/a", FaultKind::status(503)).method("GET").after(1).times(1));
    server.fault(Fault::new("/a/*", FaultKind::retry_after(429, "3")));
    let statuses: Vec<String> =
        ["/a", "/a", "/a", "/a/b"].iter().map(|target| get(&server, target).0[9..12].to_owned()).collect();
    assert_eq!(statuses, ["200", "503", "200", "429"]);
    assert!(get(&server, "/a/b").0.contains("retry-after: 3"));
    server.clear_faults();
    assert_eq!(get(&server, "/a/b").1, BODY);
}

#[test]
fn a_cut_body_is_announced_whole_and_ends_early() {
    let server = server();
    server.fault(Fault::new("/", FaultKind::CutAfter(4)).times(1));
    let (head, body, end) = get(&server, "/x");
    assert!(head.contains("content-length: 10"), "{head}");
    assert_eq!((body.as_str(), end), ("0123", None));
    assert_eq!(get(&server, "/x").1, BODY);

    server.fault(Fault::new("/", FaultKind::ResetAfter(4)));
    assert_eq!(get(&server, "/x").2, Some(ErrorKind::ConnectionReset));
}

#[test]
fn bodies_are_changed_as_told() {
    for (kind, length, expected) in [
        (FaultKind::Truncate(3), 3, "012"),
        (FaultKind::ExtraBytes(2), 12, "0123456789xx"),
        (FaultKind::FlipByte(99), 10, BODY),
    ] {
        let server = server();
        server.fault(Fault::new("/", kind));
        let (head, body, end) = get(&server, "/x");
        assert!(head.contains(&format!("content-length: {length}")), "{head}");
        assert_eq!((body.as_str(), end), (expected, None));
    }
    let server = HttpServer::start(|_: &Request| Reply::bytes(vec![!b'a', b'b']));
    server.fault(Fault::new("/", FaultKind::FlipByte(0)));
    assert_eq!(get(&server, "/").1, "ab");
}

#[test]
fn a_held_answer_comes_when_released() {
    let server = server();
    for kind in [FaultKind::Hold, FaultKind::StallAfter(4)] {
        server.clear_faults();
        server.forget_requests();
        server.fault(Fault::new("/", kind));
        std::thread::scope(|scope| {
            let answer = scope.spawn(|| get(&server, "/x"));
            arrived(&server);
            assert!(!answer.is_finished());
            server.release();
            // A stalled body may start to wait after the release above; one more lets it go.
            while !answer.is_finished() {
                server.release();
                std::thread::yield_now();
            }
            assert_eq!(answer.join().expect("the client does not panic").1, BODY);
        });
    }
}

#[test]
fn a_stopped_server_refuses_and_breaks_what_is_open() {
    let server = server();
    server.fault(Fault::new("/", FaultKind::Hold));
    std::thread::scope(|scope| {
        let answer = scope.spawn(|| get(&server, "/x"));
        arrived(&server);
        server.stop();
        assert_eq!(answer.join().expect("the client does not panic").1, "");
    });
    let refused = TcpStream::connect(server.address()).expect_err("the port is closed");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    server.stop();
}

#[test]
fn a_restarted_server_has_its_address_its_log_and_its_faults() {
    let server = server();
    server.restart(); // a running one stays as it is
    get(&server, "/before");
    server.fault(Fault::new("/none", FaultKind::status(418)));
    server.stop();
    server.restart();
    assert_eq!(get(&server, "/after").1, BODY);
    assert!(get(&server, "/none").0.contains("418"));
    let targets: Vec<String> = server.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(targets, ["/before", "/after", "/none"]);
}
