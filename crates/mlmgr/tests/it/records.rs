//! Records as servers send them: fields that are missing, unknown, wrong.

use mlmgr::records::{Decoded, InferenceRecord, RuleRecord, RuntimeRecord};
use serde_json::{Map, Value, json};

pub(crate) fn fields(records: &[Value]) -> Vec<(String, Map<String, Value>)> {
    let fields = |record: &Value| record.as_object().expect("a record is an object").clone();
    records
        .iter()
        .map(|record| (record["id"].as_str().unwrap_or_default().to_owned(), fields(record)))
        .collect()
}

pub(crate) fn decoded<T: mlmgr::records::FromFields>(records: &[Value]) -> Decoded<T> {
    let fields = fields(records);
    Decoded::new(fields.iter().map(|(id, fields)| (&**id, fields)))
}

#[test]
fn a_record_of_firefox_is_understood() {
    let records = [json!({
        "id": "74a71cfd-1734-44e6-85c0-69cf3e874138", "schema": 1, "last_modified": 2, "unknown": {"a": []},
        "featureId": "pdfjs-alt-text", "dtype": "q8", "taskName": "image-to-text", "device": null,
        "modelId": "mozilla/distilvit", "modelRevision": "v0.5.0", "backend": "",
        "processorId": "mozilla/distilvit", "processorRevision": "v0.5.0", "tokenizerId": "mozilla/distilvit",
    })];
    let decoded: Decoded<InferenceRecord> = decoded(&records);
    assert_eq!(decoded.malformed, []);
    let record = &decoded.records[0];
    assert_eq!(record.feature.as_deref(), Some("pdfjs-alt-text"));
    assert_eq!(record.model.to_string(), "mozilla/distilvit");
    assert_eq!(record.revision.to_string(), "v0.5.0");
    assert_eq!(record.dtype.map(|dtype| dtype.to_string()).as_deref(), Some("q8"));
    assert_eq!((&record.backend, &record.tokenizer, &record.processor), (&None, &None, &None));
}

#[test]
fn a_revision_that_is_missing_is_main() {
    let decoded: Decoded<InferenceRecord> =
        decoded(&[json!({"id": "a", "taskName": "moz-echo", "modelId": "a/b", "tokenizerRevision": "v2"})]);
    let record = &decoded.records[0];
    assert_eq!(record.revision.to_string(), "main");
    assert_eq!(record.tokenizer.as_deref(), Some("a/b@v2"));
}

#[test]
fn digests_of_files_are_read() {
    let digest = "a".repeat(64);
    let file =
        json!({"config.json": {"hash": digest, "size": 3}, "onnx/model.onnx": {"sha256": digest, "size": 4}});
    let record = json!({"id": "a", "taskName": "t", "modelId": "a/b", "files": file});
    let decoded: Decoded<InferenceRecord> = decoded(&[record]);
    let sizes: Vec<_> = decoded.records[0].files.iter().map(|(path, id)| (&**path, id.size)).collect();
    assert_eq!(sizes, [("config.json", 3), ("onnx/model.onnx", 4)]);
}

#[test]
fn a_malformed_record_is_named_and_does_not_break_the_others() {
    let good = json!({"id": "good", "taskName": "t", "modelId": "a/b"});
    for (broken, field) in [
        (json!({"modelId": "a/b"}), "taskName"),
        (json!({"taskName": "t"}), "modelId"),
        (json!({"taskName": "../t", "modelId": "a/b"}), "taskName"),
        (json!({"taskName": "t", "modelId": "../b"}), "modelId"),
        (json!({"taskName": "t", "modelId": "a/b", "modelRevision": "../../x"}), "modelRevision"),
        (json!({"taskName": "t", "modelId": "a/b", "modelRevision": 5}), "modelRevision"),
        (json!({"taskName": "t", "modelId": "a/b", "dtype": "q99"}), "dtype"),
        (json!({"taskName": "t", "modelId": "a/b", "modelFile": "/etc/passwd"}), "modelFile"),
        (json!({"taskName": "t", "modelId": "a/b", "files": {"x": {"hash": "00", "size": 1}}}), "files"),
        (
            json!({"taskName": "t", "modelId": "a/b", "files": {"../x": {"hash": "0".repeat(64), "size": 1}}}),
            "files",
        ),
        (json!({"taskName": "t", "modelId": "a/b", "files": ["x"]}), "files"),
    ] {
        let mut broken = broken;
        broken["id"] = "broken".into();
        let decoded: Decoded<InferenceRecord> = decoded(&[broken.clone(), good.clone()]);
        assert_eq!(decoded.records.len(), 1, "{broken}");
        assert_eq!(decoded.malformed.len(), 1, "{broken}");
        assert_eq!(decoded.malformed[0].id, "broken");
        assert!(decoded.malformed[0].reason.starts_with(field), "{broken}: {}", decoded.malformed[0].reason);
    }
}

#[test]
fn the_other_collections_are_checked_too() {
    let runtimes: Decoded<RuntimeRecord> = decoded(&[
        json!({"id": "a", "name": "x.wasm", "version": "5.0"}),
        json!({"id": "b", "name": "x.wasm"}),
    ]);
    assert_eq!((runtimes.records.len(), &*runtimes.malformed[0].reason), (1, "version is missing"));
    let rules: Decoded<RuleRecord> = decoded(&[
        json!({"id": "a", "filter": "ALLOW", "urlPrefix": "https://example.org/"}),
        json!({"id": "b", "filter": "allow", "urlPrefix": "https://example.org/"}),
    ]);
    assert_eq!(rules.records.len(), 1);
    assert!(rules.malformed[0].reason.contains("\"allow\""));
}
