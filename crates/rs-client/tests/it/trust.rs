//! Bad data never takes the place of good data, and the error says what was bad.

use rs_client::{ErrorKind, Outcome, Storage as _};
use serde_json::{Value, json};
use testkit::settings::SettingsServer;

use crate::support::{LIST, Pair, builder, commit, ids, list};

#[tokio::test]
async fn a_record_changed_after_signing_is_refused_and_the_old_copy_stays() {
    let pair = Pair::new();
    pair.set("a");
    pair.client.sync(&list()).await.expect("the server is good");
    let before = pair.stored().await;
    pair.requests();

    pair.server.tamper(LIST, json!({"id": "a", "taskName": "evil"}));
    let error = pair.client.sync(&list()).await.expect_err("nobody signed this");
    assert_eq!(error.kind(), ErrorKind::Untrusted);
    assert_eq!(error.to_string(), "main/ml-inference-options: the signature does not match the records");
    assert_eq!(pair.stored().await, before);
    let requests = pair.requests();
    assert_eq!(requests.len(), 2, "the difference, then everything once");
    assert!(!requests[1].contains("_since"), "{}", requests[1]);

    pair.server.undo(LIST);
    pair.set("b");
    let report = pair.client.sync(&list()).await.expect("the server is good again");
    assert_eq!(ids(&report.collection), ["a", "b"]);
}

#[tokio::test]
async fn a_first_sync_of_bad_data_keeps_nothing() {
    let pair = Pair::new();
    pair.server.tamper(LIST, json!({"id": "a"}));
    let error = pair.client.sync(&list()).await.expect_err("nobody signed this");
    assert_eq!(error.kind(), ErrorKind::Untrusted);
    assert!(pair.client.load(&list()).await.expect("nothing is damaged").is_none());
}

/// Differences that do not lead to what is signed are no reason to fail while the whole collection is good.
#[tokio::test]
async fn a_bad_difference_is_cured_by_one_full_fetch() {
    let pair = Pair::new();
    pair.set_each(&["a", "b"]);
    pair.client.sync(&list()).await.expect("the server is good");
    pair.set("c");
    let mut lie = pair.server.changeset(LIST);
    lie["changes"] = json!([{"id": "evil"}]);
    pair.requests();
    let reply = testkit::http::Reply::json(&lie);
    pair.server
        .fault(testkit::http::Fault::new("*/changeset", testkit::http::FaultKind::Reply(reply)).times(1));
    let report = pair.client.sync(&list()).await.expect("the second answer is good");
    assert_eq!(ids(&report.collection), ["a", "b", "c"]);
    assert_eq!((report.created, report.deleted), (vec!["c".to_owned()], vec![]));
    assert_eq!(pair.requests().len(), 2);
}

/// Signatures do not name their collection, so the metadata is compared with what was asked for.
#[tokio::test]
async fn another_collections_changeset_is_refused() {
    let pair = Pair::new();
    pair.set("a");
    let other = pair.server.changeset("ml-onnx-runtime");
    let reply = testkit::http::Reply::json(&other);
    pair.server.fault(testkit::http::Fault::new("*/changeset", testkit::http::FaultKind::Reply(reply)));
    let error = pair.client.sync(&list()).await.expect_err("it was another one");
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(error.to_string().contains("main/ml-onnx-runtime instead"), "{error}");
}

/// Each way to damage a stored copy is noticed when it is read, and the next sync replaces it.
#[tokio::test]
async fn a_damaged_local_copy_is_noticed_and_replaced() {
    let pair = Pair::new();
    pair.set("a");
    pair.client.sync(&list()).await.expect("the server is good");
    let good = pair.stored().await;
    let damages: [fn(&mut Value); 8] = [
        |state| state["records"][0]["taskName"] = json!("evil"),
        |state| state["records"] = json!([]),
        |state| state["timestamp"] = json!(1),
        |state| state["signature"] = json!("A".repeat(128)),
        |state| state["chain"] = json!(""),
        |state| state["verified_at"] = json!(0),
        |state| state["collection"] = json!("another"),
        |state| state["format"] = json!(1),
    ];
    for (index, damage) in damages.into_iter().enumerate() {
        let mut state = good.clone();
        damage(&mut state);
        pair.store(&state).await;
        let error = pair.restarted().load(&list()).await.expect_err("it is damaged");
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{index}: {error}");
        pair.requests();
        let report = pair.restarted().sync(&list()).await.expect("the server is good");
        assert!(report.repaired && report.outcome == Outcome::Updated, "{index}");
        assert!(!pair.requests()[0].contains("_since"), "nothing of a damaged copy is used");
        assert_eq!(pair.stored().await["records"], good["records"], "{index}");
    }
    for text in ["", "{", "null", "\u{0}\u{0}\u{0}"] {
        commit(&*pair.storage, &pair.key(), text.into()).await;
        let error = pair.client.load(&list()).await.expect_err("it is damaged");
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }
}

/// Two servers never share a copy, and the roots of one are not those of the other.
#[tokio::test]
async fn servers_are_never_mixed() {
    let pair = Pair::new();
    pair.set("a");
    pair.client.sync(&list()).await.expect("the server is good");
    let other = SettingsServer::start(testkit::settings::SettingsOptions::default());
    let client = builder(&other.url(), &other.root_hash(), pair.storage.clone()).build();
    assert!(client.load(&list()).await.expect("nothing is damaged").is_none());

    let client = builder(&pair.server.url(), &other.root_hash(), pair.storage.clone()).build();
    let error = client.load(&list()).await.expect_err("the copy was signed under another root");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let error = client.sync(&list()).await.expect_err("so is what the server sends");
    assert_eq!(error.kind(), ErrorKind::Certificate);
    assert_eq!(error.certificate(), Some(rs_client::CertificateProblem::Root));
}

/// A copy that got into another server's place is no copy of that server's, although the same root signs for both.
#[tokio::test]
async fn a_copy_of_another_server_is_damaged_even_under_the_same_root() {
    let pair = Pair::new();
    pair.set("a");
    pair.client.sync(&list()).await.expect("the server is good");
    let kept = pair.storage.load(&pair.key()).await.expect("memory can be read").expect("it is there");
    let stage = "http://stage.example/v1";
    let key = format!("{stage}/{}", list());
    commit(&*pair.storage, &key, kept.bytes).await;
    let client = builder(stage, &pair.server.root_hash(), pair.storage.clone()).build();
    let error = client.load(&list()).await.expect_err("it is another server's");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    pair.restarted().load(&list()).await.expect("this one is good").expect("it is there");
}
