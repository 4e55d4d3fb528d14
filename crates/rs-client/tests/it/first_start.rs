//! Copies that a program brings along.

use std::{fs, sync::Arc};

use rs_client::{Client, ClientBuilder, Current, ErrorKind, MemoryStorage, Outcome, Packaged, Server};
use serde_json::json;
use testkit::http::{Fault, FaultKind};

use crate::support::{LIST, Pair, ids, list};

/// A client of the same server and roots that has nothing and cannot ask.
fn offline(pair: &Pair) -> ClientBuilder {
    let roots = vec![pair.server.root_hash().parse().expect("the root hash is one")];
    let server = Server::custom(pair.server.url().parse().expect("the address is one"), roots);
    Client::builder(server, Arc::new(transport::Offline::default()), Arc::new(MemoryStorage::new()))
        .clock(pair.clock.clone())
}

/// As [`offline`], but it can ask.
fn fresh(pair: &Pair) -> ClientBuilder {
    crate::support::builder(&pair.server.url(), &pair.server.root_hash(), Arc::new(MemoryStorage::new()))
        .clock(pair.clock.clone())
}

async fn snapshot(pair: &Pair) -> Vec<u8> {
    pair.client.sync(&list()).await.expect("the server is good");
    pair.client.snapshot(&list()).await.expect("the copy is good").expect("there is one").to_vec()
}

fn dump(pair: &Pair) -> (u64, Vec<u8>) {
    let changeset = pair.server.changeset(LIST);
    let timestamp = changeset["timestamp"].as_u64().expect("it is a number");
    (timestamp, json!({"data": changeset["changes"], "timestamp": timestamp}).to_string().into_bytes())
}

#[tokio::test]
async fn a_snapshot_is_loaded_without_a_network_and_long_after_its_certificate_expired() {
    let pair = Pair::new();
    pair.set_each(&["a", "b"]);
    let state = snapshot(&pair).await;
    pair.clock.set(std::time::SystemTime::now() + 1000 * crate::support::DAY);
    let client = offline(&pair).packaged(list(), Packaged::snapshot(state)).build();
    for _ in 0..2 {
        let copy = client.load(&list()).await.expect("it is signed").expect("it was brought along");
        assert_eq!(ids(&copy), ["a", "b"]);
    }
    assert!(matches!(client.current(&list()).await, Ok(Some(Current::Verified(_)))));
    assert_eq!(client.sync(&list()).await.expect_err("there is no network").kind(), ErrorKind::Offline);
}

#[tokio::test]
async fn a_first_sync_after_a_snapshot_fetches_only_what_is_new() {
    let pair = Pair::new();
    pair.set_each(&["a", "b"]);
    let state = snapshot(&pair).await;
    pair.set("c");
    pair.requests();
    let client = fresh(&pair).packaged(list(), Packaged::snapshot(state)).build();
    let report = client.sync(&list()).await.expect("the server is good");
    assert_eq!((report.created, report.repaired), (vec!["c".to_owned()], false));
    assert!(pair.requests()[0].contains("_since="));
    assert_eq!(ids(&client.load(&list()).await.expect("it is good").expect("it is stored")), ["a", "b", "c"]);
}

/// Of a snapshot that is not newer nothing but the timestamp is read.
#[tokio::test]
async fn a_snapshot_that_is_not_newer_is_left_alone() {
    let pair = Pair::new();
    pair.set("a");
    let state = snapshot(&pair).await;
    let text = String::from_utf8(state.clone()).expect("it is text");
    let broken = text.replace("\"records\":[", "\"records\":[garbage");
    pair.set("b");
    pair.client.sync(&list()).await.expect("the server is good");
    let client = pair.builder().packaged(list(), Packaged::snapshot(broken.clone().into_bytes())).build();
    assert_eq!(
        ids(&client.load(&list()).await.expect("the stored one is good").expect("it is there")),
        ["a", "b"]
    );

    let client = fresh(&pair).packaged(list(), Packaged::snapshot(broken.into_bytes())).build();
    let error = client.load(&list()).await.expect_err("here it is all there is");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("packaged snapshot"), "{error}");
    let report = client.sync(&list()).await.expect("the server is good");
    assert_eq!((report.outcome, report.repaired), (Outcome::Updated, false));
}

#[tokio::test]
async fn a_snapshot_counts_only_if_it_is_signed_for_this_client() {
    let pair = Pair::new();
    pair.set("a");
    let state = snapshot(&pair).await;
    let text = String::from_utf8(state.clone()).expect("it is text");
    let forged = text.replace("feature-extraction", "something-else-xxx");
    let client = offline(&pair).packaged(list(), Packaged::snapshot(forged.into_bytes())).build();
    assert_eq!(client.load(&list()).await.expect_err("it is forged").kind(), ErrorKind::Corrupt);

    let other = Pair::new();
    let client = offline(&other).packaged(list(), Packaged::snapshot(state.clone())).build();
    assert_eq!(client.load(&list()).await.expect_err("another root signed it").kind(), ErrorKind::Corrupt);

    let name: rs_client::CollectionName = "main/another".parse().expect("it is a name");
    let client = offline(&pair).packaged(name.clone(), Packaged::snapshot(state)).build();
    assert_eq!(client.load(&name).await.expect_err("it is of another collection").kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn a_server_that_is_older_than_the_snapshot_is_refused() {
    let pair = Pair::new();
    pair.set_each(&["a", "b"]);
    let state = snapshot(&pair).await;
    pair.server.roll_back(LIST, 1);
    let client = fresh(&pair).packaged(list(), Packaged::snapshot(state)).build();
    assert_eq!(client.sync(&list()).await.expect_err("it is older").kind(), ErrorKind::Rollback);
    assert_eq!(ids(&client.load(&list()).await.expect("it is good").expect("it stays")), ["a", "b"]);
}

#[tokio::test]
async fn a_dump_is_current_but_never_verified_until_the_first_sync_brings_a_signature() {
    let pair = Pair::new();
    pair.set_each(&["a", "b"]);
    let (timestamp, json) = dump(&pair);
    pair.requests();
    let client = fresh(&pair).packaged(list(), Packaged::dump(timestamp, json)).build();
    assert!(client.load(&list()).await.expect("there is nothing wrong").is_none());
    let current = client.current(&list()).await.expect("the dump is good").expect("it is there");
    assert!(matches!(current, Current::Unsigned(_)));
    assert_eq!(ids(&current), ["a", "b"]);
    assert_eq!(pair.requests().len(), 0);

    let report = client.sync(&list()).await.expect("the server is good");
    assert_eq!(report.outcome, Outcome::Updated);
    let requests = pair.requests();
    assert!(requests[0].contains("_since="), "{requests:?}");
    assert_eq!(requests.len(), 2, "what is new, and the chain: {requests:?}");
    assert_eq!(ids(&client.load(&list()).await.expect("it is good").expect("it is stored")), ["a", "b"]);
    assert!(matches!(client.current(&list()).await, Ok(Some(Current::Verified(_)))));
}

#[tokio::test]
async fn a_dump_that_is_not_what_was_signed_is_replaced_as_a_whole() {
    let pair = Pair::new();
    pair.set_each(&["a", "b"]);
    let (timestamp, json) = dump(&pair);
    let json =
        String::from_utf8(json).expect("it is text").replace("feature-extraction", "something-else-xxx");
    pair.set("c");
    let client = fresh(&pair).packaged(list(), Packaged::dump(timestamp, json.into_bytes())).build();
    let report = client.sync(&list()).await.expect("the server is good");
    assert_eq!(ids(&report.collection), ["a", "b", "c"]);
    let task = report.collection.records["a"].get("taskName");
    assert_eq!(task, Some(json!("feature-extraction")));
}

/// A server that answers 204 says that nothing is new, but a dump has no signature.
#[tokio::test]
async fn nothing_new_is_not_enough_for_a_dump() {
    let pair = Pair::new();
    pair.set("a");
    let (timestamp, json) = dump(&pair);
    pair.server
        .fault(Fault::new("*/changeset", FaultKind::Reply(testkit::http::Reply::status(204))).times(1));
    let client = fresh(&pair).packaged(list(), Packaged::dump(timestamp, json)).build();
    let report = client.sync(&list()).await.expect("the server is good");
    assert_eq!(ids(&report.collection), ["a"]);
}

#[tokio::test]
async fn a_damaged_dump_is_an_error_and_a_sync_mends_it() {
    let pair = Pair::new();
    pair.set("a");
    let (timestamp, json) = dump(&pair);
    for (timestamp, json) in [(timestamp, b"{}".to_vec()), (timestamp, b"[".to_vec()), (timestamp + 1, json)]
    {
        let client = fresh(&pair).packaged(list(), Packaged::dump(timestamp, json)).build();
        let error = client.current(&list()).await.expect_err("it is damaged");
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        client.sync(&list()).await.expect("the server is good");
        client.current(&list()).await.expect("it is mended").expect("it is there");
    }
}

#[tokio::test]
async fn a_folder_of_packaged_copies_is_read_when_it_is_needed() {
    let pair = Pair::new();
    pair.set("a");
    let state = snapshot(&pair).await;
    let (timestamp, json) = dump(&pair);
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let client = offline(&pair).packaged_folder(folder.path().join("packaged")).build();
    assert!(client.current(&list()).await.expect("nothing is wrong").is_none());

    let bucket = folder.path().join("packaged/main");
    fs::create_dir_all(&bucket).expect("there is room");
    let file = |extension: &str| bucket.join(format!("{LIST}.{extension}"));
    fs::write(file("json"), json).expect("there is room");
    fs::write(file("timestamp"), "soon").expect("there is room");
    let error = client.current(&list()).await.expect_err("it is no timestamp");
    assert_eq!(error.kind(), ErrorKind::Storage);
    fs::write(file("timestamp"), format!("{timestamp}\n")).expect("there is room");
    let current = client.current(&list()).await.expect("the dump is good").expect("it is there");
    assert!(matches!(current, Current::Unsigned(_)));

    fs::write(file("snapshot"), state).expect("there is room");
    let copy = client.load(&list()).await.expect("it is signed").expect("it is there");
    assert_eq!(ids(&copy), ["a"]);
}
