//! Single answers that no honest server gives.

use std::sync::Arc;

use rs_client::{Error, ErrorKind, Limits, MemoryStorage};

use crate::support::{builder, list};

const PATH: &str = "/v1/buckets/main/collections/ml-inference-options/changeset?_expected=0";

/// Syncs with a server that has one answer to the first request.
async fn sync(body: impl AsRef<[u8]>, limits: Limits) -> Result<(), Error> {
    let mut server = mockito::Server::new_async().await;
    let _mock = server.mock("GET", PATH).with_body(body).create_async().await;
    let url = format!("{}/v1", server.url());
    let client = builder(&url, &"0".repeat(64), Arc::new(MemoryStorage::new())).limits(limits).build();
    client.sync(&list()).await.map(drop)
}

fn changeset(changes: &str) -> String {
    let metadata = r#"{"bucket": "main", "id": "ml-inference-options"}"#;
    format!(r#"{{"timestamp": 1, "metadata": {metadata}, "changes": {changes}}}"#)
}

#[tokio::test]
async fn what_is_outside_of_the_protocol_is_a_protocol_error() {
    let deep = format!("[{}1{}]", "[".repeat(200), "]".repeat(200));
    for (name, body) in [
        ("empty", String::new()),
        ("null", "null".into()),
        ("a list", "[]".into()),
        ("no changes", r#"{"timestamp": 1, "metadata": {}}"#.into()),
        ("a timestamp in quotes", changeset("[]").replace(": 1,", r#": "1","#)),
        ("a negative timestamp", changeset("[]").replace(": 1,", ": -1,")),
        ("a fractional timestamp", changeset("[]").replace(": 1,", ": 1.5,")),
        ("a huge timestamp", changeset("[]").replace(": 1,", ": 18446744073709551616,")),
        ("two timestamps", changeset("[]").replace(": 1,", r#": 1, "timestamp": 2,"#)),
        ("metadata of another kind", r#"{"timestamp": 1, "metadata": [], "changes": []}"#.into()),
        ("metadata of no collection", r#"{"timestamp": 1, "metadata": {}, "changes": []}"#.into()),
        ("changes that are no list", changeset("{}")),
        ("a record that is no object", changeset("[1]")),
        ("a record without an id", changeset("[{}]")),
        ("an id that is a number", changeset(r#"[{"id": 1}]"#)),
        ("an empty id", changeset(r#"[{"id": ""}]"#)),
        ("an id that climbs", changeset(r#"[{"id": "../../etc"}]"#)),
        ("a long id", changeset(&format!(r#"[{{"id": "{}"}}]"#, "a".repeat(4097)))),
        ("a tombstone without an id", changeset(r#"[{"deleted": true}]"#)),
        ("the same id twice", changeset(r#"[{"id": "a"}, {"id": "a", "deleted": true}]"#)),
        ("an integer beyond 64 bits", changeset(r#"[{"id": "a", "n": {"m": [18446744073709551616]}}]"#)),
        ("a negative integer beyond 64 bits", changeset(r#"[{"id": "a", "n": -9223372036854775809}]"#)),
        ("a number that is no number", changeset(r#"[{"id": "a", "n": 1e999}]"#)),
        ("half a surrogate pair", changeset(r#"[{"id": "a", "n": "\ud800"}]"#)),
        ("a control character", changeset("[{\"id\": \"a\", \"n\": \"\u{1}\"}]")),
        ("too deep", changeset(&format!(r#"[{{"id": "a", "n": {deep}}}]"#))),
        ("a byte order mark", format!("\u{feff}{}", changeset("[]"))),
        ("something after the end", changeset("[]") + "{}"),
    ] {
        let error = sync(&body, Limits::default()).await.expect_err(name);
        assert_eq!(error.kind(), ErrorKind::Protocol, "{name}: {error}");
        assert!(error.to_string().starts_with("main/ml-inference-options: "), "{error}");
    }
    let error = sync(b"{\"timestamp\": \xff}", Limits::default()).await.expect_err("not UTF-8");
    assert_eq!(error.kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn an_unsigned_collection_is_untrusted() {
    for body in [changeset("[]"), changeset(r#"[{"id": "a", "f": 1.5, "deleted": "yes"}]"#)] {
        let error = sync(&body, Limits::default()).await.expect_err("it is not signed");
        assert_eq!(error.kind(), ErrorKind::Untrusted, "{error}");
        assert_eq!(error.to_string(), "main/ml-inference-options: the collection is not signed");
    }
}

#[tokio::test]
async fn more_than_the_limits_allow_is_too_large() {
    let mut limits = Limits::default();
    limits.records = 1;
    let error = sync(changeset(r#"[{"id": "a"}, {"id": "b"}]"#), limits).await.expect_err("two records");
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    let mut limits = Limits::default();
    limits.changeset_bytes = 50;
    let error = sync(changeset("[]"), limits).await.expect_err("more than 50 bytes");
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

/// The plugin for Kinto that is released names the collection, and not its bucket.
#[tokio::test]
async fn metadata_may_leave_the_bucket_out_but_not_name_another() {
    for (metadata, expected) in [
        (r#"{"id": "ml-inference-options"}"#, ErrorKind::Untrusted),
        (r#"{"id": "ml-inference-options", "bucket": "main-preview"}"#, ErrorKind::Protocol),
        (r#"{"id": "ml-inference-options", "bucket": null}"#, ErrorKind::Protocol),
        (r#"{"bucket": "main"}"#, ErrorKind::Protocol),
    ] {
        let body = format!(r#"{{"timestamp": 1, "metadata": {metadata}, "changes": []}}"#);
        let error = sync(&body, Limits::default()).await.expect_err("it is not signed");
        assert_eq!(error.kind(), expected, "{metadata}: {error}");
    }
}
