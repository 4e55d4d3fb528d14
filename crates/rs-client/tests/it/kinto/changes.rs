//! Records that come, change and go; signatures that are renewed.

use rs_client::{Client, ErrorKind, Outcome};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    admin::REVIEWER,
    server::{Kinto, name},
};
use crate::support::ids;

pub(super) const OPTIONS: &str = "ml-inference-options";
pub(super) const RUNTIMES: &str = "ml-onnx-runtime";

/// What a record of [`OPTIONS`] says, as far as this test reads it.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
struct Options {
    task_name: String,
    model_id: String,
    model_revision: String,
}

pub(super) fn options(revision: &str) -> Value {
    json!({
        "taskName": "feature-extraction", "modelId": "org/model", "modelRevision": revision,
        "dtype": "q8", "numBatch": 16, "useMmap": true,
    })
}

/// A server with one published record in [`OPTIONS`].
pub(super) fn published() -> Option<Kinto> {
    let kinto = Kinto::start()?;
    kinto.create(OPTIONS);
    kinto.set(OPTIONS, "embedding", &options("r1"));
    kinto.publish(OPTIONS);
    Some(kinto)
}

#[tokio::test]
async fn a_first_sync_brings_what_was_published() {
    let Some(kinto) = published() else { return };
    kinto.create(RUNTIMES);
    kinto.attach(RUNTIMES, "wasm-1", &json!({"name": "ort.wasm", "version": "1.0"}), "ort.wasm", b"\0asm 1");
    kinto.attach(RUNTIMES, "wasm-2", &json!({"name": "ort.wasm", "version": "2.0"}), "ort.wasm", b"\0asm 2");
    kinto.publish(RUNTIMES);

    let watched = kinto.client();
    let names = [name("main", OPTIONS), name("main", RUNTIMES)];
    let results = watched.client.sync_all(&names).await.expect("the server is good");
    for ((_, result), expected) in results.into_iter().zip([&["embedding"][..], &["wasm-1", "wasm-2"]]) {
        let report = result.expect("the collection is good");
        assert_eq!(report.outcome, Outcome::Updated);
        assert_eq!(ids(&report.collection), expected);
        assert_eq!(report.created, expected);
    }
    assert_eq!(watched.requests().len(), 4, "the list, two collections and one chain");

    // Everything can be read without the server, and is verified again.
    let offline = watched.offline();
    let read = offline.load(&names[0]).await.expect("the copy is good").expect("there is one");
    let record = read.records.get("embedding").expect("it was published");
    let expected = Options {
        task_name: "feature-extraction".into(),
        model_id: "org/model".into(),
        model_revision: "r1".into(),
    };
    assert_eq!(record.decode::<Options>().expect("these are its fields"), expected);
    assert_eq!(
        offline.load(&names[1]).await.expect("the copy is good").expect("there is one").records.len(),
        2
    );
}

#[tokio::test]
async fn an_update_brings_only_what_changed() {
    let Some(kinto) = published() else { return };
    kinto.set(OPTIONS, "other", &options("r1"));
    kinto.publish(OPTIONS);
    let watched = kinto.client();
    let first = sync(&watched.client).await;
    watched.requests();

    kinto.set(OPTIONS, "embedding", &options("r2"));
    kinto.set(OPTIONS, "new", &options("r1"));
    kinto.publish(OPTIONS);
    let report = sync(&watched.client).await;
    assert_eq!(report.outcome, Outcome::Updated);
    assert_eq!(
        (&report.created[..], &report.updated[..]),
        (&["new".to_owned()][..], &["embedding".to_owned()][..])
    );
    assert_eq!(report.deleted, [""; 0]);
    let [request] = &watched.requests()[..] else { panic!("one request is enough") };
    assert!(request.ends_with(&format!("_since=%22{}%22", first.collection.timestamp)), "{request}");
    let record = report.collection.records.get("embedding").expect("it was published");
    assert_eq!(record.decode::<Options>().expect("these are its fields").model_revision, "r2");
}

#[tokio::test]
async fn a_deleted_record_goes_with_its_tombstone() {
    let Some(kinto) = published() else { return };
    kinto.set(OPTIONS, "other", &options("r1"));
    kinto.publish(OPTIONS);
    let watched = kinto.client();
    sync(&watched.client).await;
    watched.requests();

    kinto.delete(OPTIONS, "other");
    kinto.publish(OPTIONS);
    let report = sync(&watched.client).await;
    assert_eq!(report.deleted, ["other"]);
    assert_eq!(ids(&report.collection), ["embedding"]);
    assert_eq!(watched.requests().len(), 1, "the difference, which verifies");
    assert_eq!(sync(&watched.client).await.outcome, Outcome::UpToDate);
}

#[tokio::test]
async fn a_collection_that_loses_all_records_keeps_its_copy() {
    let Some(kinto) = published() else { return };
    let watched = kinto.client();
    sync(&watched.client).await;
    kinto.delete(OPTIONS, "embedding");
    kinto.publish(OPTIONS);
    let list = name("main", OPTIONS);
    let error = watched.client.sync(&list).await.expect_err("this is not accepted silently");
    assert_eq!(error.kind(), ErrorKind::Emptied, "{error}");
    let copy = watched.client.load(&list).await.expect("the copy is good").expect("there is one");
    assert_eq!(ids(&copy), ["embedding"]);
    let accepting = Client::builder(kinto.server(), crate::support::transport(), watched.storage.clone());
    let report = accepting.accept_emptied(true).build().sync(&list).await.expect("this client accepts it");
    assert_eq!(report.deleted, ["embedding"]);
}

#[tokio::test]
async fn a_collection_that_is_deleted_keeps_its_copy() {
    let Some(kinto) = published() else { return };
    let watched = kinto.client();
    sync(&watched.client).await;
    kinto.delete_collection(OPTIONS);
    // What was published stays, signed and empty.
    let error = watched.client.sync(&name("main", OPTIONS)).await.expect_err("this is not accepted silently");
    assert_eq!(error.kind(), ErrorKind::Emptied, "{error}");
    let copy = watched.client.load(&name("main", OPTIONS)).await.expect("the copy is good");
    assert_eq!(ids(&copy.expect("there is one")), ["embedding"]);
}

#[tokio::test]
async fn a_renewed_signature_is_taken_without_new_records() {
    let Some(mut kinto) = published() else { return };
    let watched = kinto.client();
    let first = sync(&watched.client).await;
    watched.requests();

    kinto.rotate();
    kinto.status(REVIEWER, OPTIONS, "to-resign");
    let list = name("main", OPTIONS);
    // The list of changes does not tell: the records' timestamp is the same.
    let results = watched.client.sync_all(std::slice::from_ref(&list)).await.expect("the server is good");
    let [(_, Ok(report))] = &results[..] else { panic!("{results:?}") };
    assert_eq!(report.outcome, Outcome::UpToDate);
    assert_eq!(watched.requests().len(), 1);

    let second = sync(&watched.client).await;
    assert_eq!(second.outcome, Outcome::SignatureRefreshed);
    assert_eq!(second.collection.timestamp, first.collection.timestamp);
    assert_ne!(second.collection.metadata["signature"], first.collection.metadata["signature"]);
    let requests = watched.requests();
    assert_eq!(requests.len(), 2, "{requests:?}");
    assert_eq!(requests[1], "/chains/chain-2.pem");
    assert_eq!(sync(&watched.client).await.outcome, Outcome::UpToDate);
}

#[tokio::test]
async fn what_is_odd_in_a_record_is_signed_and_verified_alike() {
    let Some(kinto) = published() else { return };
    let odd = json!({
        "z": {"b": [1, 0, -1, 9_007_199_254_740_993_i64, i64::MIN, i64::MAX], "a": null, "": [[], {}]},
        "text": "\u{7f}\u{0}\u{1f}\u{8}\u{c}\n\r\t\"\\/'<&> \u{e9} \u{ffff} \u{e000} \u{1f600} \u{10ffff}",
        "\u{e9}\u{1f600}\n": true, "\u{ffff}": false, "\u{1f600}": "after it by code point",
    });
    kinto.set(OPTIONS, "odd", &odd);
    kinto.publish(OPTIONS);
    let watched = kinto.client();
    let report = sync(&watched.client).await;
    let record = report.collection.records.get("odd").expect("it was published");
    let mut read: Value = record.decode().expect("it is JSON");
    let fields = read.as_object_mut().expect("a record is an object");
    fields.remove("id");
    fields.remove("last_modified");
    assert_eq!(read, odd);
}

/// Servers refuse floats in a field, and overlook them in a list.
#[tokio::test]
async fn floats_that_slip_past_the_server_are_signed_and_verified_alike() {
    let Some(kinto) = published() else { return };
    let list = "[1.5, -0.0, 0.0, 100.0, 1e100, -1e-7, 0.1, 5e-324, 1.7976931348623157e308, 123456789.125, \
                1.8446744073709552e19, 9007199254740993.0]";
    let fields: Value = serde_json::from_str(&format!(r#"{{"list": {list}}}"#)).expect("it is JSON");
    kinto.set(OPTIONS, "floats", &fields);
    kinto.publish(OPTIONS);
    let report = sync(&kinto.client().client).await;
    let record = report.collection.records.get("floats").expect("it was published");
    let read: Value = record.decode().expect("it is JSON");
    assert_eq!(read["list"], fields["list"]);
}

pub(super) async fn sync(client: &Client) -> rs_client::SyncReport {
    client.sync(&name("main", OPTIONS)).await.expect("the server is good")
}
