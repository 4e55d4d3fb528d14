//! A recorded scenario reads back as it was written, and plays on a port of the moment.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use testkit::{
    http::{HttpServer, Reply, Request},
    replay::{Origin, Scenario},
};

fn ask(address: &str, request: &str) -> String {
    let address = address.strip_prefix("http://").expect("an address as servers give it");
    let mut socket = TcpStream::connect(address).expect("the server listens");
    write!(socket, "{request}\r\nhost: {address}\r\nconnection: close\r\n\r\n").expect("the server reads");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("the test's replies are text");
    answer
}

/// Two requests to a server that names its own address in a header and in a body.
fn recorded() -> Scenario {
    let server = HttpServer::start(|request: &Request| {
        let own = format!("http://{}", request.header("host").unwrap_or_default());
        match request.path.as_str() {
            "/moved" => Reply::status(302).header("Location", format!("{own}/here")),
            _ => Reply::text(format!("at {own}, {}", request.header("range").unwrap_or("whole"))),
        }
    });
    let mut scenario = Scenario::new("shows a redirect");
    let addresses = [(Origin::Origin, server.url())];
    for request in
        ["GET /moved HTTP/1.1", "GET /here?b=2&a=1&_expected=7 HTTP/1.1\r\nrange: bytes=0-1\r\nx-noise: 1"]
    {
        ask(&server.url(), request);
        let exchange = server.exchanges().pop().expect("it was just made");
        scenario.push(Origin::Origin, &exchange, &["range"], &addresses);
    }
    scenario
}

#[test]
fn a_scenario_reads_back_as_it_was_written() {
    let folder = tempfile::tempdir().expect("there is room");
    let scenario = recorded();
    scenario.write(folder.path()).expect("the folder is ours");
    assert_eq!(Scenario::read(folder.path()).expect("it was just written"), scenario);
    let text = std::fs::read_to_string(folder.path().join("scenario.toml")).expect("it was just written");
    assert!(
        text.contains("{origin}/here") && !text.contains("127.0.0.1") && !text.contains("noise"),
        "{text}"
    );
    std::fs::write(folder.path().join("scenario.toml"), "about = 1").expect("the folder is ours");
    Scenario::read(folder.path()).expect_err("a damaged description is an error");
}

#[test]
fn a_scenario_plays_on_the_port_of_the_moment() {
    let scenario = recorded();
    let mut server = mockito::Server::new();
    let replay = scenario.replay(&mut server);
    let moved = ask(&server.url(), "GET /moved HTTP/1.1");
    assert!(moved.contains(&format!("location: {}/here", server.url())), "{moved}");
    // The order of parameters and the value of `_expected` do not count; a missing header does.
    let here =
        |query: &str, headers: &str| ask(&server.url(), &format!("GET /here?{query} HTTP/1.1{headers}"));
    let range = "\r\nrange: bytes=0-1";
    assert!(here("_expected=0&a=1&b=2", "").contains(" 501 "));
    assert!(here("_expected=0&a=1&b=2&c=3", range).contains(" 501 "));
    assert!(here("a=1&b=2", range).contains(" 501 "));
    let found = here("_expected=0&a=1&b=2", range);
    assert!(found.ends_with(&format!("at {}, bytes=0-1", server.url())), "{found}");
    replay.assert_all_requested();
}

#[test]
#[should_panic(expected = "/moved")]
fn a_request_that_was_not_made_is_named() {
    let mut server = mockito::Server::new();
    recorded().replay(&mut server).assert_all_requested();
}
