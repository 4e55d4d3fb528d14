//! Which signatures are tried, with which certificates, and at which time.

use std::time::SystemTime;

use rs_client::{CertificateProblem, ErrorKind, FixedClock, Outcome};
use serde_json::json;
use testkit::{
    http::{Fault, FaultKind},
    settings::SettingsOptions,
};

use crate::support::{DAY, LIST, Pair, ids, list};

/// A new signature comes without a new timestamp; it is stored all the same.
#[tokio::test]
async fn a_refreshed_signature_is_picked_up_and_stored() {
    let pair = Pair::new();
    pair.set("a");
    pair.client.sync(&list()).await.expect("the server is good");
    let before = pair.stored().await;
    pair.server.rotate_leaf();
    let report = pair.client.sync(&list()).await.expect("the server is good");
    assert_eq!(report.outcome, Outcome::SignatureRefreshed);
    assert_eq!((report.created.len(), report.updated.len(), report.deleted.len()), (0, 0, 0));
    let after = pair.stored().await;
    assert_ne!(after["x5u"], before["x5u"]);
    assert_ne!(after["chain"], before["chain"]);
    assert_eq!(after["records"], before["records"]);
}

#[tokio::test]
async fn a_copy_stays_readable_after_its_certificate_has_expired() {
    let pair = Pair::new();
    pair.set("a");
    pair.client.sync(&list()).await.expect("the server is good");
    pair.server.stop();
    pair.clock.set(SystemTime::now() + 4000 * DAY);
    let kept = pair.restarted().load(&list()).await.expect("the copy is good").expect("there is one");
    assert_eq!(ids(&kept), ["a"]);
    assert!(kept.certificate_expires() < SystemTime::now() + 81 * DAY);
    assert!(kept.verified_at() <= SystemTime::now());
}

/// A poll that finds nothing new still refreshes a signature whose certificate has expired.
#[tokio::test]
async fn a_poll_refreshes_an_expired_signature() {
    let pair = Pair::new();
    pair.set("a");
    let mut options = testkit::pki::ChainOptions::default();
    options.leaf = testkit::pki::Validity::days(-1, 2);
    pair.server.use_leaf(&options);
    pair.client.sync_all(&[list()]).await.expect("the server is good");
    pair.requests();
    pair.server.rotate_leaf();
    pair.client.sync_all(&[list()]).await.expect("the server is good");
    assert_eq!(pair.requests().len(), 1, "nothing is new, and the certificate is valid");

    pair.clock.set(SystemTime::now() + 3 * DAY);
    let mut results = pair.client.sync_all(&[list()]).await.expect("the server is good");
    let (_, result) = results.pop().expect("there is one result");
    assert_eq!(result.expect("the server is good").outcome, Outcome::SignatureRefreshed);
}

#[tokio::test]
async fn an_expired_leaf_is_refused_and_the_old_copy_stays() {
    let pair = Pair::new();
    pair.set("a");
    pair.client.sync(&list()).await.expect("the server is good");
    let before = pair.stored().await;
    pair.server.expire_leaf();
    pair.set("b");
    let error = pair.client.sync(&list()).await.expect_err("it expired yesterday");
    assert_eq!(error.kind(), ErrorKind::Certificate);
    assert_eq!(error.certificate(), Some(CertificateProblem::Expired));
    let text = error.to_string();
    assert!(
        text.contains("the signing certificate expired at 20") && text.contains("check the clock"),
        "{text}"
    );
    assert_eq!(pair.stored().await, before);
}

/// The chain is good at the time that the server tells, so the local clock is to blame.
#[tokio::test]
async fn a_wrong_local_clock_is_named_as_the_cause() {
    for time in [SystemTime::now() - 2000 * DAY, SystemTime::now() + 500 * DAY] {
        let pair = Pair::new();
        pair.set("a");
        let client = pair.builder().clock(std::sync::Arc::new(FixedClock::new(time))).build();
        let error = client.sync(&list()).await.expect_err("the clock is wrong");
        assert_eq!(error.kind(), ErrorKind::Clock, "{error}");
        assert!(error.certificate().is_some());
        assert!(error.to_string().contains("the server's clock shows 20"), "{error}");
    }
}

#[tokio::test]
async fn without_a_list_the_single_signature_counts() {
    let mut options = SettingsOptions::default();
    options.signature_list = false;
    let pair = Pair::with(options);
    pair.set("a");
    pair.client.sync(&list()).await.expect("the single signature is good");
}

#[tokio::test]
async fn a_relative_x5u_is_looked_up_below_the_servers_base() {
    for bare_urls in [false, true] {
        let mut options = SettingsOptions::default();
        (options.relative_x5u, options.bare_urls) = (true, bare_urls);
        let pair = Pair::with(options);
        pair.set("a");
        pair.client.sync(&list()).await.expect("the server is good");
        assert!(pair.requests().contains(&"/chains/0.chain".to_owned()));
    }
}

/// Chains are fetched once, and after a restart not even once.
#[tokio::test]
async fn a_chain_is_fetched_once() {
    let pair = Pair::new();
    pair.set("a");
    pair.client.sync(&list()).await.expect("the server is good");
    pair.set("b");
    pair.restarted().sync(&list()).await.expect("the server is good");
    let chains = pair.requests().into_iter().filter(|target| target.starts_with("/chains/")).count();
    assert_eq!(chains, 1);
}

#[tokio::test]
async fn a_chain_that_cannot_be_had_fails_the_sync() {
    let broken = [
        (FaultKind::status(404), ErrorKind::NotFound),
        (FaultKind::captive_portal(), ErrorKind::Certificate),
        (FaultKind::ExtraBytes(100_000), ErrorKind::TooLarge),
        (FaultKind::Truncate(900), ErrorKind::Certificate),
        (FaultKind::FlipByte(10), ErrorKind::Certificate),
    ];
    for (kind, expected) in broken {
        let shown = format!("{kind:?}");
        let pair = Pair::new();
        pair.set("a");
        pair.server.fault(Fault::new("/chains/*", kind).times(1));
        let error = pair.client.sync(&list()).await.expect_err(&shown);
        assert_eq!(error.kind(), expected, "{shown}: {error}");
        pair.client.sync(&list()).await.expect("a bad chain is not remembered");
    }
}

/// The first signature whose chain can be had and that matches is taken; entries that make no sense are skipped.
#[tokio::test]
async fn signatures_are_tried_in_turn() {
    let pair = Pair::new();
    pair.set("a");
    let mut body = pair.server.changeset(LIST);
    let good = body["metadata"]["signature"].clone();
    let mut unreachable = good.clone();
    unreachable["x5u"] = json!(format!("{}/chains/no-such.chain", pair.server.http().url()));
    let mut wrong = good.clone();
    wrong["signature"] = json!("A".repeat(128));
    let mut short = good.clone();
    short["signature"] = json!("AAAA");
    let mut standard = good.clone();
    standard["signature"] = json!("+/".repeat(64));
    let mut unknown = good.clone();
    unknown["mode"] = json!("ml-dsa-87");
    let junk = [json!(null), json!(7), json!({}), unknown, short, standard, unreachable, wrong];
    let serve = |body: &serde_json::Value| {
        pair.server.http().clear_faults();
        pair.server.fault(Fault::new("*/changeset", FaultKind::Reply(testkit::http::Reply::json(body))));
    };

    body["metadata"]["signature"] = json!(null);
    for entry in &junk {
        body["metadata"]["signatures"] = json!([entry]);
        serve(&body);
        let error = pair.client.sync(&list()).await.expect_err(&entry.to_string());
        assert!(matches!(error.kind(), ErrorKind::Untrusted | ErrorKind::NotFound), "{entry}: {error}");

        body["metadata"]["signatures"] = json!([entry, good]);
        serve(&body);
        pair.client.sync(&list()).await.expect("the second signature is good");
        pair.client.reset(&list()).await.expect("memory can be written");
    }
    body["metadata"]["signatures"] = json!(vec![junk[0].clone(); 8]);
    body["metadata"]["signature"] = good;
    serve(&body);
    let error = pair.client.sync(&list()).await.expect_err("only so many are tried");
    assert_eq!(error.kind(), ErrorKind::Untrusted);
}

/// Metadata is not signed, so the address of a chain must not lead to files or, from an HTTPS server, to plain
/// HTTP.
#[tokio::test]
async fn chains_are_fetched_from_the_web_only() {
    let pair = Pair::new();
    pair.set("a");
    for x5u in ["file:///etc/hostname", "data:,x", "ftp://127.0.0.1/x", "../x", "//127.0.0.1:1/x", ""] {
        let mut body = pair.server.changeset(LIST);
        body["metadata"]["signatures"] = json!([]);
        body["metadata"]["signature"]["x5u"] = json!(x5u);
        pair.server.http().clear_faults();
        pair.server.fault(Fault::new("*/changeset", FaultKind::Reply(testkit::http::Reply::json(&body))));
        let error = pair.client.sync(&list()).await.expect_err(x5u);
        assert_eq!(error.kind(), ErrorKind::Protocol, "{x5u}: {error}");
    }
}
