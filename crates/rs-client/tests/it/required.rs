//! What a program requires of records, because signatures do not name their collection.

use rs_client::{ErrorKind, Packaged};
use serde::Deserialize;
use serde_json::json;
use testkit::http::{Fault, FaultKind, Reply};

use crate::support::{LIST, Pair, ids, list};

#[derive(Deserialize)]
struct InferenceOption {
    #[serde(rename = "taskName")]
    _task: String,
}

#[tokio::test]
async fn signed_records_of_another_collection_are_refused() {
    let pair = Pair::new();
    let client = pair.builder().require_records::<InferenceOption>(list()).build();
    pair.set("a");
    client.sync(&list()).await.expect("the records are as required");
    let before = pair.stored().await;
    // What another collection holds, validly signed and newer, with the metadata of the one asked for.
    pair.server.set_record("ml-onnx-runtime", json!({"id": "x", "name": "ort.wasm", "version": "1.0"}));
    let mut other = pair.server.changeset("ml-onnx-runtime");
    other["metadata"]["id"] = json!(LIST);
    pair.server.fault(Fault::new("*/changeset", FaultKind::Reply(Reply::json(&other))).times(3));
    let error = client.sync(&list()).await.expect_err("it is another collection");
    assert_eq!(error.kind(), ErrorKind::Schema, "{error}");
    assert_eq!(pair.stored().await, before);

    let fresh = pair.restarted();
    fresh.reset(&list()).await.expect("memory can be written");
    let error = client.sync(&list()).await.expect_err("it is another collection");
    assert_eq!(error.kind(), ErrorKind::Schema);
    let source = std::error::Error::source(&error).expect("it says which record").to_string();
    assert!(source.contains("record x") && source.contains("taskName"), "{source}");
    // Nobody required anything: this is what a signature alone is worth.
    pair.server.fault(Fault::new("*/changeset", FaultKind::Reply(Reply::json(&other))).times(1));
    assert_eq!(ids(&fresh.sync(&list()).await.expect("it is signed").collection), ["x"]);
}

#[tokio::test]
async fn a_stored_copy_that_does_not_fit_is_not_loaded_and_the_next_sync_replaces_it() {
    let pair = Pair::new();
    pair.set("a");
    pair.client.sync(&list()).await.expect("the server is good");
    let required = || {
        pair.builder().require(list(), |collection| {
            let fits = collection.records.iter().all(|record| record.get("modelId").is_some());
            if fits { Ok(()) } else { Err("a record has no modelId".to_owned()) }
        })
    };
    let error = required().build().load(&list()).await.expect_err("it does not fit");
    assert_eq!(error.kind(), ErrorKind::Schema);
    assert_eq!(
        required().build().sync(&list()).await.expect_err("nor does the server").kind(),
        ErrorKind::Schema
    );
    pair.server.set_record(LIST, json!({"id": "a", "modelId": "m"}));
    let report = required().build().sync(&list()).await.expect("now it fits");
    assert!(report.repaired);
    // What is stored without being loaded still keeps older states out.
    pair.server.roll_back(LIST, 1);
    let error = required().build().sync(&list()).await.expect_err("it is older");
    assert_eq!(error.kind(), ErrorKind::Rollback);
}

/// A program vouches for a dump that it brings along, but may have brought the wrong one.
#[tokio::test]
async fn a_dump_that_does_not_fit_is_not_handed_out() {
    let pair = Pair::new();
    let dump =
        |record: &str| Packaged::dump(7, format!(r#"{{"timestamp": 7, "data": [{record}]}}"#).into_bytes());
    for (record, fits) in
        [(r#"{"id": "x", "name": "ort.wasm"}"#, false), (r#"{"id": "x", "taskName": "t"}"#, true)]
    {
        let client =
            pair.builder().require_records::<InferenceOption>(list()).packaged(list(), dump(record)).build();
        match client.current(&list()).await {
            Ok(current) => assert_eq!((current.is_some(), fits), (true, true)),
            Err(error) => assert_eq!((error.kind(), fits), (ErrorKind::Schema, false)),
        }
    }
}
