//! The client without an async runtime around it.

use std::sync::Arc;

use rs_client::{ErrorKind, FileStorage, Outcome, blocking};

use crate::support::{LIST, builder, ids, list};
use testkit::settings::{SettingsOptions, SettingsServer};

#[test]
fn threads_share_a_client_that_waits() {
    let server = SettingsServer::start(SettingsOptions::default());
    server.set_record(LIST, serde_json::json!({"id": "a"}));
    server.set_attachment("ml-onnx-runtime", "x", "x.wasm", "bytes of a file");
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let storage = Arc::new(FileStorage::open(folder.path()));
    let client = builder(&server.url(), &server.root_hash(), storage).build();
    let client = blocking::Client::new(client).expect("there are few files open");
    assert_eq!(client.sync(&list()).expect("the server is good").outcome, Outcome::Updated);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let copy = client.load(&list()).expect("the copy is good").expect("it is there");
                assert_eq!(ids(&copy), ["a"]);
                assert_eq!(client.sync(&list()).expect("the server is good").outcome, Outcome::UpToDate);
            });
        }
    });
    let files = "main/ml-onnx-runtime".parse().expect("it is a name");
    let results = client.sync_all(&[list(), files]).expect("the server is good");
    let report = results[1].1.as_ref().expect("it is signed");
    let file = report.collection.records["x"].attachment().expect("it is described").expect("it has one");
    let mut bytes = Vec::new();
    client.wait(async |client| client.download_attachment(&file, &mut bytes).await).expect("it is there");
    assert_eq!(bytes, b"bytes of a file");

    server.stop();
    assert_eq!(client.sync(&list()).expect_err("it is gone").kind(), ErrorKind::Unavailable);
    assert!(client.snapshot(&list()).expect("the copy is good").is_some());
    client.reset(&list()).expect("it can be removed");
    assert!(client.current(&list()).expect("nothing is wrong").is_none());
}

#[tokio::test]
async fn a_client_that_waits_can_be_dropped_where_waiting_is_not_allowed() {
    let storage = Arc::new(rs_client::MemoryStorage::new());
    let client = builder("http://127.0.0.1:9/v1", &"00".repeat(32), storage).build();
    drop(blocking::Client::new(client).expect("there are few files open"));
}
