//! A list does not silently become empty.

use rs_client::ErrorKind;

use crate::support::{LIST, Pair, ids, list};

#[tokio::test]
async fn a_collection_that_becomes_empty_is_refused_unless_that_is_accepted() {
    let pair = Pair::new();
    pair.set("a");
    pair.client.sync(&list()).await.expect("the server is good");
    pair.server.delete_record(LIST, "a");
    let error = pair.client.sync(&list()).await.expect_err("it is empty now");
    assert_eq!(error.kind(), ErrorKind::Emptied);
    assert!(error.to_string().contains("is empty; the local copy has 1 to lose"), "{error}");
    let kept = pair.client.load(&list()).await.expect("the copy is good").expect("there is one");
    assert_eq!(ids(&kept), ["a"]);

    let accepting = pair.builder().accept_emptied(true).build();
    let report = accepting.sync(&list()).await.expect("emptiness is accepted");
    assert!(report.collection.records.is_empty());
    assert_eq!(report.deleted, ["a"]);
}

#[tokio::test]
async fn a_collection_that_was_always_empty_is_fine() {
    let pair = Pair::new();
    let report = pair.client.sync(&list()).await.expect("the server is good");
    assert!(report.collection.records.is_empty());
    pair.server.refresh_signature(LIST);
    pair.client.sync(&list()).await.expect("it is as empty as before");
    pair.set("a");
    let report = pair.client.sync(&list()).await.expect("the server is good");
    assert_eq!(ids(&report.collection), ["a"]);
}
