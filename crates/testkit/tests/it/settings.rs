//! The settings server answers as the real ones do, and signs what it says it signs.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use testkit::settings::{ApiVersion, SettingsOptions, SettingsServer, canonical};

const LIST: &str = "ml-inference-options";

fn server(version: ApiVersion) -> SettingsServer {
    let mut options = SettingsOptions::default();
    (options.version, options.timestamps_from) = (version, Some(1_000_000));
    let server = SettingsServer::start(options);
    for id in ["a", "b"] {
        server.set_record(LIST, json!({"id": id}));
    }
    server.delete_record(LIST, "a");
    server
}

/// Returns the status, the head and the body of the answer to a GET.
fn get(server: &SettingsServer, target: &str) -> (u16, String, String) {
    let mut socket = TcpStream::connect(server.http().address()).expect("the server listens");
    write!(socket, "GET {target} HTTP/1.1\r\nhost: settings.test\r\nconnection: close\r\n\r\n")
        .expect("the server reads");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("the answer is text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("the answer has a head");
    let status =
        head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("the head has a status");
    (status, head.to_ascii_lowercase(), body.to_owned())
}

fn changes(body: &str) -> Vec<Value> {
    let body: Value = serde_json::from_str(body).expect("the body is JSON");
    body["changes"].as_array().expect("there are changes").clone()
}

/// The table of situations in which versions 1 and 2 differ.
#[test]
fn each_situation_has_the_status_of_its_version() {
    let (v1, v2) = (server(ApiVersion::V1), server(ApiVersion::V2));
    let monitor = "/buckets/monitor/collections/changes/changeset";
    let list = &format!("/buckets/main/collections/{LIST}/changeset");
    let known = v1.timestamp(LIST) - 1000;
    for (path, query, first, second) in [
        ("", "", 307, 307),
        ("/", "", 200, 200),
        (monitor, "", 400, 422),
        (list, "", 400, 422),
        (monitor, "?_expected=%225%22", 307, 422),
        (list, "?_expected=%225%22", 200, 422),
        (list, "?_expected=abc", 200, 422),
        (list, &format!("?_expected=0&_since={known}"), 200, 200),
        (list, &format!("?_expected=0&_since=%22{known}%22"), 200, 422),
        (monitor, "?_expected=5&_since=6", 204, 400),
        (list, "?_expected=5&_since=6", 200, 400),
        (list, "?_expected=0&_since=5", 200, 307),
        (list, "?_expected=0&_since=99999999", 200, 307),
        ("/buckets/main/collections/none/changeset", "?_expected=0", 401, 404),
        ("/nowhere", "", 404, 404),
    ] {
        assert_eq!(get(&v1, &format!("/v1{path}{query}")).0, first, "/v1{path}{query}");
        assert_eq!(get(&v2, &format!("/v2{path}{query}")).0, second, "/v2{path}{query}");
    }
    let (_, head, _) = get(&v2, &format!("/v2{list}?_expected=0&_since=5"));
    assert!(head.contains(&format!("location: /v2{list}?_expected=0\r\n")), "{head}");
}

#[test]
fn differences_have_tombstones_and_whole_collections_have_none() {
    let server = server(ApiVersion::V1);
    let list = format!("/v1/buckets/main/collections/{LIST}/changeset?_expected=0");
    let whole = changes(&get(&server, &list).2);
    assert_eq!(whole.len(), 1);
    assert_eq!(whole[0]["id"], "b");
    let since = server.timestamp(LIST) - 1000;
    let [tombstone] = &changes(&get(&server, &format!("{list}&_since={since}")).2)[..] else {
        panic!("one record changed")
    };
    assert_eq!(*tombstone, json!({"id": "a", "deleted": true, "last_modified": since + 1000}));
    assert!(changes(&get(&server, &format!("{list}&_since={}", since + 1000)).2).is_empty());
}

#[test]
fn the_list_of_changes_names_every_collection_newest_first() {
    let server = server(ApiVersion::V2);
    let body = get(&server, "/v2/buckets/monitor/collections/changes/changeset?_expected=0").2;
    let changes = changes(&body);
    assert_eq!(changes.len(), 3);
    assert_eq!(changes[0]["collection"], LIST);
    assert_eq!(changes[0]["last_modified"], server.timestamp(LIST));
    assert!(changes.is_sorted_by_key(|change| std::cmp::Reverse(change["last_modified"].as_u64())));
}

/// The signature is 96 bytes, changes with each refresh, and names a chain that is there.
#[test]
fn signatures_name_a_chain_that_can_be_fetched() {
    let server = server(ApiVersion::V1);
    let signature = || server.changeset(LIST)["metadata"]["signature"].clone();
    let first = signature();
    let bytes = URL_SAFE_NO_PAD.decode(first["signature"].as_str().expect("it is text"));
    assert_eq!(bytes.expect("it is base64").len(), 96);
    server.refresh_signature(LIST);
    assert_ne!(signature()["signature"], first["signature"]);
    assert_eq!(signature()["x5u"], first["x5u"]);
    server.rotate_leaf();
    assert_ne!(signature()["x5u"], first["x5u"]);
    for chain in ["/chains/0.chain", "/chains/1.chain"] {
        let (status, _, pem) = get(&server, chain);
        assert_eq!((status, pem.matches("BEGIN CERTIFICATE").count()), (200, 3));
    }
    assert_eq!(get(&server, "/chains/2.chain").0, 404);
}

#[test]
fn an_attachment_lies_where_its_record_says() {
    let server = server(ApiVersion::V1);
    server.set_attachment(LIST, "b", "file.txt", "content");
    let changeset = server.changeset(LIST);
    let attachment = &changeset["changes"][0]["attachment"];
    let location = attachment["location"].as_str().expect("it is text");
    let info: Value = serde_json::from_str(&get(&server, "/v1/").2).expect("it is JSON");
    assert_eq!(info["capabilities"]["attachments"]["base_url"], "http://settings.test/attachments/");
    assert_eq!(get(&server, &format!("/attachments/{location}")).2, "content");
    assert_eq!(attachment["size"], 7);
    assert_eq!(attachment["hash"], content_id::ContentId::of(b"content").digest.to_string());
}

#[test]
fn the_signed_message_is_canonical_and_in_order() {
    let records = [json!({"id": "b", "é": "\u{7f}"}), json!({"z": 1, "id": "a"})];
    let message = canonical::signed_message(&records, 7);
    let expected = "Content-Signature:\0{\"data\":[{\"id\":\"a\",\"z\":1},\
                    {\"id\":\"b\",\"\\u00e9\":\"\\u007f\"}],\"last_modified\":\"7\"}";
    assert_eq!(String::from_utf8(message).expect("it is ASCII"), expected);
}
