//! The hubs answer as the real ones do, as far as clients can see.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use serde_json::Value;
use testkit::{
    http::{Fault, FaultKind},
    hub::{HubOptions, HubServer},
};

const MODEL: &str = "org/tiny";
const ONNX: &str = "0123456789";

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("the answer is JSON")
    }
}

fn ask(url: &str, method: &str, target: &str, headers: &str) -> Answer {
    let host = url.strip_prefix("http://").expect("the servers speak HTTP");
    let mut socket = TcpStream::connect(host).expect("the server listens");
    write!(socket, "{method} {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}\r\n")
        .expect("the server reads");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("the answer is text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("the answer has a head");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.get(9..12)?.parse().ok()).expect("it has a status");
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    Answer { status, headers, body: body.to_owned() }
}

fn get(url: &str, target: &str) -> Answer {
    ask(url, "GET", target, "")
}

fn files() -> [(&'static str, &'static str); 3] {
    [("config.json", "{}"), ("onnx/model.onnx", ONNX), ("a b/ü.txt", "x")]
}

#[test]
fn a_hugging_face_hub_lists_pages_with_sizes_and_digests() {
    let mut options = HubOptions::hugging_face();
    options.page_size = 2;
    let hub = HubServer::start(options);
    let commit = hub.add_model(MODEL, "main", files());
    hub.list_also(MODEL, serde_json::json!({ "path": "../x" }));
    let mut target = format!("/api/models/{MODEL}/tree/main?recursive=true");
    let mut paths = Vec::new();
    let mut pages = 0;
    loop {
        let page = get(&hub.url(), &target);
        assert_eq!((page.status, page.header("x-repo-commit")), (200, Some(commit.as_str())));
        let entries = page.json();
        for entry in entries.as_array().expect("a page is a list") {
            paths.push(entry["path"].as_str().expect("an entry has a path").to_owned());
            if entry["path"] == "onnx/model.onnx" {
                assert_eq!(entry["size"], 10);
                assert_eq!(
                    entry["lfs"]["oid"],
                    "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882"
                );
            }
        }
        pages += 1;
        let Some(link) = page.header("link") else { break };
        let next = link.strip_prefix(&format!("<{}", hub.url())).and_then(|link| link.split_once('>'));
        target = next.expect("the link is absolute and in brackets").0.to_owned();
    }
    assert_eq!(paths, ["a b", "a b/ü.txt", "config.json", "onnx", "onnx/model.onnx", "../x"]);
    assert_eq!(pages, 3);
    let top = get(&hub.url(), &format!("/api/models/{MODEL}/tree/{commit}")).json();
    assert_eq!(top[0]["type"], "directory");
    let revision = get(&hub.url(), &format!("/api/models/{MODEL}/revision/main")).json();
    assert_eq!(revision["sha"], commit.as_str());
    assert_eq!(get(&hub.url(), &format!("/api/models/{MODEL}/tree/main?cursor=x")).status, 400);
}

#[test]
fn files_come_whole_in_part_or_not_at_all() {
    for (hub, prefix) in [
        (HubServer::start(HubOptions::hugging_face()), "/org/tiny/resolve/main"),
        (HubServer::start(HubOptions::mozilla()), "/org/tiny/main"),
    ] {
        hub.add_model(MODEL, "main", files());
        let target = format!("{prefix}/onnx/model.onnx");
        let whole = get(&hub.url(), &target);
        assert_eq!((whole.status, whole.body.as_str()), (200, ONNX));
        let etag = whole.header("etag").expect("files have a validator").to_owned();
        let head = ask(&hub.url(), "HEAD", &target, "");
        assert_eq!((head.status, head.header("content-length"), head.body.as_str()), (200, Some("10"), ""));
        assert_eq!(get(&hub.url(), &format!("{prefix}/a%20b/%C3%BC.txt")).body, "x");
        for (headers, status, body) in [
            ("range: bytes=2-4\r\n".to_owned(), 206, "234"),
            (format!("range: bytes=8-\r\nif-range: {etag}\r\n"), 206, "89"),
            ("range: bytes=8-\r\nif-range: \"other\"\r\n".to_owned(), 200, ONNX),
            ("range: bytes=10-\r\n".to_owned(), 416, ""),
            (format!("if-none-match: \"other\", {etag}\r\n"), 304, ""),
        ] {
            let answer = ask(&hub.url(), "GET", &target, &headers);
            assert_eq!((answer.status, answer.body.as_str()), (status, body), "{headers}");
        }
        let part = ask(&hub.url(), "GET", &target, "range: bytes=2-4\r\n");
        assert_eq!(part.header("content-range"), Some("bytes 2-4/10"));
        assert_eq!(get(&hub.url(), &format!("{prefix}/none")).status, 404);
        hub.fault(Fault::new("*/model.onnx", FaultKind::status(500)));
        assert_eq!(get(&hub.url(), &target).status, 500);
    }
}

#[test]
fn commits_stay_and_branches_move() {
    let hub = HubServer::start(HubOptions::hugging_face());
    let first = hub.add_model(MODEL, "main", files());
    let second = hub.add_model(MODEL, "main", [("config.json", "{\"new\":true}")]);
    let config = |revision: &str| get(&hub.url(), &format!("/{MODEL}/resolve/{revision}/config.json"));
    assert_eq!((config(&first).body.as_str(), config("main").body.as_str()), ("{}", "{\"new\":true}"));
    assert_eq!(config("main").header("x-repo-commit"), Some(second.as_str()));
    hub.move_branch(MODEL, "main", &first);
    assert_eq!(config("main").body, "{}");
    let missing = get(&hub.url(), &format!("/{MODEL}/resolve/main/none"));
    assert_eq!((missing.status, missing.header("x-error-code")), (404, Some("EntryNotFound")));
    assert_eq!((config("v2").status, config("v2").header("x-error-code")), (404, Some("RevisionNotFound")));
    hub.remove_model(MODEL);
    assert_eq!((config("main").status, config("main").header("x-error-code")), (401, Some("RepoNotFound")));
}

#[test]
fn redirects_lead_to_storage_and_within_the_hub() {
    let mut options = HubOptions::hugging_face();
    options.redirects = true;
    options.token = Some("secret".to_owned());
    let hub = HubServer::start(options);
    hub.add_model(MODEL, "main", files());
    let target = format!("/{MODEL}/resolve/main/onnx/model.onnx");
    assert_eq!(get(&hub.url(), &target).header("x-error-code"), Some("GatedRepo"));
    let token = "authorization: Bearer secret\r\n";
    let found = ask(&hub.url(), "GET", &target, token);
    let storage = hub.storage().expect("redirects were asked for");
    let target = found.header("location").and_then(|location| location.strip_prefix(&storage.url()));
    assert_eq!((found.status, found.header("x-linked-size")), (302, Some("10")));
    let file = get(&storage.url(), target.expect("it leads to the storage server"));
    assert_eq!(file.body, ONNX);
    assert_ne!(file.header("etag"), found.header("x-linked-etag"));
    assert_eq!(get(&storage.url(), "/storage/0").status, 404);

    let moved = ask(&hub.url(), "GET", &format!("/{MODEL}/resolve/main/config.json"), token);
    assert_eq!(moved.status, 307);
    let location = moved.header("location").expect("it says where");
    assert_eq!(ask(&hub.url(), "GET", location, token).body, "{}");
    hub.stop();
}
