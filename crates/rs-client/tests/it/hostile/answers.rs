//! Answers that are JSON, but not what an honest server says.

use rs_client::{ErrorKind, Outcome};
use serde_json::{Value, json};
use testkit::{
    http::{Fault, FaultKind, Reply},
    settings::SettingsOptions,
};

use super::{CHANGESET, MONITOR, Victim, reply};
use crate::support::{ids, list};

const PROTOCOL: &[ErrorKind] = &[ErrorKind::Protocol];
const UNTRUSTED: &[ErrorKind] = &[ErrorKind::Untrusted];
const TOO_LARGE: &[ErrorKind] = &[ErrorKind::TooLarge];

/// A changeset of these records, in JSON, that is signed by nobody.
fn changes(records: &str) -> FaultKind {
    let metadata = r#"{"bucket":"main","id":"ml-inference-options"}"#;
    reply(format!(r#"{{"metadata":{metadata},"timestamp":99999999999999,"changes":{records}}}"#))
}

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

#[tokio::test]
async fn changesets_that_lie() {
    let mut victim = Victim::new(SettingsOptions::default()).await;
    let million = |item: &str, separator: &str| vec![item; 1_000_000 / (item.len() + 1)].join(separator);
    let rows = vec![
        ("empty records", changes(&format!("[{}]", million("{}", ","))), PROTOCOL),
        ("empty lists", changes(&format!("[{}]", million("[]", ","))), PROTOCOL),
        ("nulls", changes(&format!("[{}]", million("null", ","))), PROTOCOL),
        ("a record of nulls", changes(&format!(r#"[{{"id":"a","n":[{}]}}]"#, million("0", ","))), UNTRUSTED),
        ("a record of lists", changes(&format!(r#"[{{"id":"a","n":[{}]}}]"#, million("[]", ","))), UNTRUSTED),
        ("a record of fields", changes(&format!(r#"[{{"id":"a",{}}}]"#, fields(50_000))), UNTRUSTED),
        ("a long text", changes(&format!(r#"[{{"id":"a","n":"{}"}}]"#, "x".repeat(1_000_000))), UNTRUSTED),
        ("a long key", changes(&format!(r#"[{{"id":"a","{}":1}}]"#, "x".repeat(1_000_000))), UNTRUSTED),
        ("a long number", changes(&format!(r#"[{{"id":"a","n":{}}}]"#, "9".repeat(1_000_000))), PROTOCOL),
        (
            "a long fraction",
            changes(&format!(r#"[{{"id":"a","n":0.{}}}]"#, "1".repeat(1_000_000))),
            UNTRUSTED,
        ),
        ("a long exponent", changes(&format!(r#"[{{"id":"a","n":1e{}}}]"#, "9".repeat(1_000_000))), PROTOCOL),
        ("a small number", changes(&format!(r#"[{{"id":"a","n":1e-{}}}]"#, "9".repeat(10_000))), UNTRUSTED),
        ("a deep record", changes(&format!(r#"[{{"id":"a","n":{}}}]"#, nested(100))), PROTOCOL),
        ("an id twice", changes(r#"[{"id":"a"},{"id":"a"}]"#), PROTOCOL),
        ("an id that climbs", changes(r#"[{"id":"../../../etc/passwd"}]"#), PROTOCOL),
        ("an id with a slash", changes(r#"[{"id":"a/b"}]"#), PROTOCOL),
        ("an id with a backslash", changes(r#"[{"id":"a\\b"}]"#), PROTOCOL),
        ("an id with a percent sign", changes(r#"[{"id":"a%2fb"}]"#), PROTOCOL),
        ("an id of dots", changes(r#"[{"id":".."}]"#), PROTOCOL),
        ("a drive as an id", changes(r#"[{"id":"C:"}]"#), PROTOCOL),
        ("an id with NUL", changes(r#"[{"id":"a\u0000"}]"#), PROTOCOL),
        ("a long id", changes(&format!(r#"[{{"id":"{}"}}]"#, "a".repeat(4097))), PROTOCOL),
        ("half a pair of surrogates", changes(r#"[{"id":"a","n":"\udc00"}]"#), PROTOCOL),
        ("a raw NUL", changes("[{\"id\":\"a\",\"n\":\"\0\"}]"), PROTOCOL),
        ("nothing signed", changes("[]"), UNTRUSTED),
        ("all are gone", changes(r#"[{"id":"r000","deleted":true}]"#), UNTRUSTED),
    ];
    victim.table(CHANGESET, rows).await;
}

/// So many fields, each under a key of its own, in no order and with escapes.
fn fields(count: usize) -> String {
    let field = |index: usize| format!(r#""\u0061{}":0"#, index * 7919 % count);
    (0..count).map(field).collect::<Vec<_>>().join(",")
}

/// A changeset as the server has it, but for one thing.
#[tokio::test]
async fn one_thing_is_wrong() {
    type Change = fn(&mut Value);
    let mut victim = Victim::new(SettingsOptions::default()).await;
    let rows: Vec<(&str, Change, &[ErrorKind])> = vec![
        ("a timestamp as text", |it| it["timestamp"] = json!(it["timestamp"].to_string()), PROTOCOL),
        ("a negative timestamp", |it| it["timestamp"] = json!(-1), PROTOCOL),
        ("a float for a timestamp", |it| it["timestamp"] = json!(1.5), PROTOCOL),
        ("no timestamp", |it| it["timestamp"] = json!(null), PROTOCOL),
        ("the end of time", |it| it["timestamp"] = json!(u64::MAX), UNTRUSTED),
        ("the beginning of time", |it| it["timestamp"] = json!(0), &[ErrorKind::Rollback]),
        ("metadata of another collection", |it| it["metadata"]["id"] = json!("other"), PROTOCOL),
        ("metadata of another bucket", |it| it["metadata"]["bucket"] = json!("main-preview"), PROTOCOL),
        (
            "metadata of no collection",
            |it| drop(it["metadata"].as_object_mut().map(|it| it.remove("id"))),
            PROTOCOL,
        ),
        ("metadata as a list", |it| it["metadata"] = json!([]), PROTOCOL),
        (
            "deep metadata",
            |it| it["metadata"]["x"] = serde_json::from_str(&nested(90)).expect("it is JSON"),
            PROTOCOL,
        ),
        ("changes by id", |it| it["changes"] = json!({}), PROTOCOL),
        (
            "no signature",
            |it| drop((it["metadata"]["signature"].take(), it["metadata"]["signatures"].take())),
            UNTRUSTED,
        ),
        ("signatures of nothing", |it| sign(it, vec![json!({}); 10_000]), UNTRUSTED),
        ("signatures of zero", |it| sign(it, vec![entry(it, &"A".repeat(128)); 3000]), UNTRUSTED),
        ("another record", |it| it["changes"][0]["taskName"] = json!("evil"), UNTRUSTED),
    ];
    for (name, change, expected) in rows {
        victim.publish();
        let mut answer = victim.changeset();
        change(&mut answer);
        let error = victim.goes_wrong(name, CHANGESET, reply(answer.to_string())).await;
        assert!(expected.contains(&error.kind()), "{name}: {:?}, {error}", error.kind());
        victim.recovers(name).await;
    }
    victim.publish();
    let mut answer = victim.changeset();
    let good = answer["metadata"]["signature"].clone();
    let mut many = vec![json!({"mode": "new"}); 6];
    many.push(good);
    many.extend(vec![json!({}); 3000]);
    sign(&mut answer, many);
    victim.pair.server.fault(Fault::new(CHANGESET, reply(answer.to_string())).times(1));
    victim.recovers("the seventh signature of thousands is good").await;
}

fn sign(answer: &mut Value, signatures: Vec<Value>) {
    answer["metadata"]["signature"] = json!(null);
    answer["metadata"]["signatures"] = json!(signatures);
}

fn entry(answer: &Value, signature: &str) -> Value {
    let mut entry = answer["metadata"]["signature"].clone();
    entry["signature"] = json!(signature);
    entry
}

#[tokio::test]
async fn more_than_the_limits() {
    let mut victim = Victim::new(SettingsOptions::default()).await;
    let mut limits = super::limits();
    (limits.records, limits.changeset_bytes) = (100, 4 << 20);
    (limits.metadata_bytes, limits.record_bytes) = (100_000, 200_000);
    victim.client = victim.pair.builder().limits(limits).build();
    let gone = |count: usize| {
        let gone = (0..count).map(|id| format!(r#"{{"id":"g{id}","deleted":true}}"#));
        changes(&format!("[{}]", gone.collect::<Vec<_>>().join(",")))
    };
    let mut much = victim.changeset();
    much["metadata"]["schema"] = json!({"description": "x".repeat(100_000)});
    let mut many = victim.changeset();
    many["metadata"]["x"] = json!(vec![json!({}); 50_000]);
    let rows = vec![
        ("101 tombstones", gone(101), TOO_LARGE),
        ("many tombstones", gone(50_000), TOO_LARGE),
        ("a long record", changes(&format!(r#"[{{"id":"a","n":[{}0]}}]"#, "0,".repeat(100_000))), TOO_LARGE),
        ("long metadata", reply(much.to_string()), TOO_LARGE),
        ("metadata of many things", reply(many.to_string()), TOO_LARGE),
        ("a body without an end", FaultKind::ExtraBytes(16 << 20), TOO_LARGE),
    ];
    victim.table(CHANGESET, rows).await;
}

#[tokio::test]
async fn lists_of_changes_that_lie() {
    let mut victim = Victim::new(SettingsOptions::default()).await;
    let entry = |last_modified: &str| {
        format!(
            r#"{{"changes":[{{"id":"x","bucket":"main","collection":"ml-inference-options","host":"h","last_modified":{last_modified}}}],"timestamp":1,"metadata":{{}}}}"#
        )
    };
    let rows = vec![
        ("a time as text", reply(entry("\"5\"")), PROTOCOL),
        ("a negative time", reply(entry("-5")), PROTOCOL),
        ("a float", reply(entry("5.5")), PROTOCOL),
        ("a time beyond 64 bits", reply(entry("18446744073709551616")), PROTOCOL),
        ("no time", reply(entry("null")), PROTOCOL),
        ("entries that are none", reply(r#"{"changes":[1,2,3]}"#), PROTOCOL),
        ("entries of nothing", reply(r#"{"changes":[{}]}"#), PROTOCOL),
        ("changes as an object", reply(r#"{"changes":{}}"#), PROTOCOL),
    ];
    victim.table(MONITOR, rows).await;

    // What says nothing of the collection, or something that cannot be, leads to its own changeset.
    for (name, kind) in [
        ("no entries", reply(r#"{"changes":[]}"#)),
        ("nothing new", FaultKind::Reply(Reply::status(204))),
        ("the end of time", reply(entry("18446744073709551615"))),
        (
            "names that climb",
            reply(r#"{"changes":[{"bucket":"../..","collection":"\u0000","last_modified":1}]}"#),
        ),
        (
            "twice, with other times",
            reply(entry("1").replace(
                "}],",
                r#"},{"bucket":"main","collection":"ml-inference-options","last_modified":99999999999999}],"#,
            )),
        ),
        ("other fields", reply(entry("99999999999999").replace(r#""host":"h""#, r#""host":[],"x":{}"#))),
    ] {
        victim.publish();
        victim.pair.server.fault(Fault::new(MONITOR, kind).times(1));
        let mut results = victim.client.sync_all(&[list()]).await.expect(name);
        let (_, result) = results.pop().expect("there is one result");
        let report = result.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(ids(&report.collection), victim.records, "{name}");
    }
    // A list that is behind hides what is new, for as long as it is behind, and harms nothing else.
    victim.publish();
    victim.pair.server.fault(Fault::new(MONITOR, reply(entry("0"))).times(1));
    let mut results = victim.client.sync_all(&[list()]).await.expect("the list is one");
    let (_, result) = results.pop().expect("there is one result");
    assert_eq!(result.expect("it can be read").outcome, Outcome::UpToDate);
    victim.recovers("a list that is behind").await;
}

/// The type that a server states for its JSON is not what decides.
#[tokio::test]
async fn other_types_of_content_are_taken_where_the_content_is_right() {
    let mut victim = Victim::new(SettingsOptions::default()).await;
    for content_type in [
        "text/html",
        "application/octet-stream",
        "image/png",
        "",
        "nonsense",
        "application/json; charset=utf-16",
    ] {
        victim.publish();
        let body = victim.changeset().to_string();
        let answer = Reply::status(200).header("content-type", content_type).body(body);
        victim.pair.server.fault(Fault::new(CHANGESET, FaultKind::Reply(answer)).times(1));
        victim.recovers(content_type).await;
    }
    victim.publish();
    victim.pair.server.fault(Fault::new("*", FaultKind::WithoutHeader("content-type".into())));
    victim.recovers("no type").await;
}

/// Statuses that are no error elsewhere.
#[tokio::test]
async fn statuses_that_have_no_place_here() {
    let mut victim = Victim::new(SettingsOptions::default()).await;
    for (status, with_body, expected) in [
        (201, false, ErrorKind::Protocol),
        (206, false, ErrorKind::Protocol),
        (300, true, ErrorKind::Protocol),
        (304, false, ErrorKind::Protocol),
        (305, true, ErrorKind::Protocol),
        (400, true, ErrorKind::Protocol),
        (401, true, ErrorKind::Denied),
        (402, true, ErrorKind::Protocol),
        (403, true, ErrorKind::Denied),
        (404, true, ErrorKind::NotFound),
        (410, true, ErrorKind::NotFound),
        (418, true, ErrorKind::Protocol),
        (422, true, ErrorKind::Protocol),
        (451, true, ErrorKind::Protocol),
        (500, true, ErrorKind::Unavailable),
        (502, true, ErrorKind::Unavailable),
        (504, true, ErrorKind::Unavailable),
        (599, true, ErrorKind::Unavailable),
    ] {
        let mut answer = Reply::status(status);
        if with_body {
            answer = answer.body(victim.changeset().to_string());
        }
        let name = status.to_string();
        let error = victim.suffers(&name, CHANGESET, FaultKind::Reply(answer)).await;
        assert_eq!(error.kind(), expected, "{status}: {error}");
        victim.recovers(&name).await;
    }
    // 204 says that nothing is new, and only where changes since a time were asked for.
    victim.publish();
    victim.pair.server.fault(Fault::new(CHANGESET, FaultKind::Reply(Reply::status(204))).times(1));
    let report = victim.client.sync(&list()).await.expect("nothing is new");
    assert_eq!(report.outcome, Outcome::UpToDate);
    victim.recovers("204").await;
    victim.client.reset(&list()).await.expect("memory can be written");
    victim.pair.server.fault(Fault::new(CHANGESET, FaultKind::Reply(Reply::status(204))).times(1));
    let error = victim.client.sync(&list()).await.expect_err("everything was asked for");
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
}
