//! What an observer is told.

use std::sync::{Arc, Mutex};

use rs_client::{AlertCode, Client, CollectionName, ErrorKind, Event, Observer, SyncOptions, Uptake};
use serde_json::json;
use testkit::{
    http::{Fault, FaultKind, Reply},
    settings::ApiVersion,
};

use crate::support::{LIST, Pair, VERSIONS, list};

/// Keeps everything.
#[derive(Debug, Default)]
struct Events(Mutex<Vec<Event>>);

impl Observer for Events {
    fn event(&self, event: &Event) {
        self.0.lock().expect("nobody panics").push(event.clone());
    }
}

impl Events {
    fn take(&self) -> Vec<Event> {
        std::mem::take(&mut *self.0.lock().expect("nobody panics"))
    }

    /// How everything ended since the last call.
    fn ends(&self) -> Vec<Uptake> {
        let finished = |event| match event {
            Event::SyncFinished(uptake) => Some(uptake),
            _ => None,
        };
        self.take().into_iter().filter_map(finished).collect()
    }
}

fn watched(pair: &Pair) -> (Client, Arc<Events>) {
    let events = Arc::new(Events::default());
    (pair.builder().observer(events.clone()).build(), events)
}

/// In short: what began, and what ended how.
fn told(events: &[Event]) -> Vec<String> {
    let line = |event: &Event| match event {
        Event::SyncStarted(source) => format!("> {source}"),
        Event::SyncFinished(uptake) => format!("< {} {}", uptake.source, uptake.status.gecko_name()),
        Event::Changed(changed) => {
            let (created, updated, deleted) = (&changed.created, &changed.updated, &changed.deleted);
            format!("{} +{created:?} ~{updated:?} -{deleted:?}", changed.collection)
        }
        other => format!("{other:?}"),
    };
    events.iter().map(line).collect()
}

#[tokio::test]
async fn every_part_of_a_poll_is_told() {
    for version in VERSIONS {
        let pair = Pair::of(version);
        let (client, events) = watched(&pair);
        client.sync_all(&[list()]).await.expect("the server is good");
        assert_eq!(
            told(&events.take()),
            [
                "> settings-sync",
                "> settings-changes-monitoring",
                "< settings-changes-monitoring success",
                "> main/ml-inference-options",
                "< main/ml-inference-options success",
                r#"main/ml-inference-options +["a"] ~[] -[]"#,
                "< settings-sync success",
            ]
        );
        client.sync_all(&[list()]).await.expect("the server is good");
        let ends: Vec<_> = events.ends().iter().map(|uptake| uptake.status.gecko_name()).collect();
        assert_eq!(ends, ["up_to_date"; 3]);

        pair.set("b");
        pair.server.set_record(LIST, json!({"id": "a", "taskName": "other"}));
        client.sync(&list()).await.expect("the server is good");
        assert_eq!(
            told(&events.take()),
            [
                "> main/ml-inference-options",
                "< main/ml-inference-options success",
                r#"main/ml-inference-options +["b"] ~["a"] -[]"#,
            ]
        );
        pair.server.delete_record(LIST, "a");
        client.sync(&list()).await.expect("the server is good");
        assert_eq!(told(&events.take())[2], r#"main/ml-inference-options +[] ~[] -["a"]"#);
        pair.server.refresh_signature(LIST);
        client.sync(&list()).await.expect("the server is good");
        assert_eq!(
            told(&events.take())[1..],
            ["< main/ml-inference-options success"],
            "no record has changed"
        );
    }
}

#[tokio::test]
async fn an_uptake_tells_when_how_long_and_why() {
    let pair = Pair::of(ApiVersion::V1);
    let (client, events) = watched(&pair);
    pair.clock.set(std::time::SystemTime::now() + std::time::Duration::from_secs(600));
    let options = SyncOptions::new().trigger("timer");
    client.sync_all_with(&[list()], &options).await.expect("the server is good");
    for uptake in events.ends() {
        assert_eq!((&*uptake.trigger, uptake.error), ("timer", None));
        assert_eq!(uptake.timestamp, Some(pair.server.timestamp(LIST)));
        // By the server's clock, which is right, and not by the local one.
        assert!(uptake.age.is_some_and(|age| age.as_secs() < 100), "{uptake:?}");
    }
    pair.server.stop();
    client.sync(&list()).await.expect_err("nobody answers");
    let [uptake] = &events.ends()[..] else { panic!("one thing ended") };
    assert_eq!((&*uptake.trigger, uptake.timestamp, uptake.age), ("manual", None, None));
    assert_eq!(uptake.error_name().as_deref(), Some("Unavailable"));
}

#[tokio::test]
async fn every_failure_has_the_names_of_both_peers() {
    let unsigned = json!({"timestamp": 1, "metadata": {"id": LIST}, "changes": []});
    let refusal = |status| FaultKind::Reply(Reply::status(status));
    let reply = |body: &str| FaultKind::Reply(Reply::status(200).body(body.to_owned()));
    for (fault, gecko, application_services) in [
        (refusal(503), "backoff", "backoff_error"),
        (refusal(500), "server_error", "server_error"),
        (refusal(404), "server_error", "server_error"),
        (refusal(401), "server_error", "server_error"),
        (refusal(405), "server_error", "server_error"),
        (FaultKind::CutAfter(10), "network_error", "network_error"),
        (reply("<html>"), "parse_error", "unknown_error"),
        (reply("{}"), "content_error", "unknown_error"),
        (reply(&unsigned.to_string()), "signature_error", "signature_error"),
    ] {
        let pair = Pair::of(ApiVersion::V1);
        let (client, events) = watched(&pair);
        pair.server.fault(Fault::new("*/changeset", fault));
        client.sync(&list()).await.expect_err(gecko);
        let [uptake] = &events.ends()[..] else { panic!("one thing ended") };
        let names = (uptake.status.gecko_name(), uptake.status.application_services_name());
        assert_eq!(names, (gecko, application_services));
    }
}

#[tokio::test]
async fn failures_of_trust_are_told_apart() {
    let pair = Pair::of(ApiVersion::V1);
    let (client, events) = watched(&pair);
    let status = |events: &Events| events.ends().pop().expect("something ended").status.gecko_name();
    client.sync(&list()).await.expect("the server is good");
    events.take();
    pair.server.tamper(LIST, json!({"id": "evil"}));
    client.sync(&list()).await.expect_err("nobody signed this");
    assert_eq!(status(&events), "signature_retry_error");
    pair.server.undo(LIST);
    pair.server.equivocate(LIST, json!({"id": "b"}));
    client.sync(&list()).await.expect_err("there are two states");
    assert_eq!(status(&events), "sync_error");
    pair.server.undo(LIST);
    pair.server.expire_leaf();
    client.sync(&list()).await.expect_err("the chain has expired");
    assert_eq!(status(&events), "signature_error");
    client.shutdown();
    client.sync(&list()).await.expect_err("it is shut down");
    assert_eq!(status(&events), "shutdown_error");
    let offline = Arc::new(Events::default());
    let client = Client::builder(
        rs_client::Server::production(),
        Arc::new(transport::Offline::default()),
        pair.storage.clone(),
    );
    client.observer(offline.clone()).build().sync(&list()).await.expect_err("there is no network");
    assert_eq!(status(&offline), "offline_error");
}

/// The first failure stands for the poll as a whole; the poll itself may fail, too.
#[tokio::test]
async fn the_whole_has_the_status_of_its_first_failure() {
    let pair = Pair::of(ApiVersion::V1);
    let (client, events) = watched(&pair);
    let missing = CollectionName::new("main", "no-such-list").expect("the name is one");
    client.sync_all(&[missing, list()]).await.expect("the list is good");
    let whole = events.ends().pop().expect("it ended");
    assert_eq!((whole.source.to_string().as_str(), whole.error), ("settings-sync", Some(ErrorKind::Denied)));

    pair.server.fault(Fault::new("*/monitor/*", FaultKind::status(500)));
    client.sync_all(&[list()]).await.expect_err("there is no list");
    assert_eq!(
        told(&events.take()),
        [
            "> settings-sync",
            "> settings-changes-monitoring",
            "< settings-changes-monitoring server_error",
            "< settings-sync server_error",
        ]
    );
}

#[tokio::test]
async fn an_alert_is_told_once() {
    let pair = Pair::of(ApiVersion::V1);
    let (client, events) = watched(&pair);
    pair.server.announce_end("soft-eol", "bye");
    for _ in 0..3 {
        client.sync(&list()).await.expect("the server still answers");
    }
    let alerts: Vec<_> = events
        .take()
        .into_iter()
        .filter_map(|event| match event {
            Event::Alert(alert) => Some((alert.code, alert.message)),
            _ => None,
        })
        .collect();
    assert_eq!(alerts, [(AlertCode::SoftEol, "bye".to_owned())]);
}
