//! Addresses that a server names, and where it sends its clients.

use rs_client::{CertificateProblem, ErrorKind};
use serde_json::json;
use testkit::{
    http::{Fault, FaultKind, HttpServer, Reply, Request},
    settings::{SettingsOptions, SettingsServer},
};

use super::{CHAINS, CHANGESET, MONITOR, Victim, reply};
use crate::support::LIST;

const PROTOCOL: &[ErrorKind] = &[ErrorKind::Protocol];

/// Nothing but HTTP is spoken, no password sent, and no server asked that was not named.
#[tokio::test]
async fn addresses_of_chains() {
    let mut victim = Victim::new(SettingsOptions::default()).await;
    let origin = victim.pair.server.http().url();
    let port = victim.pair.server.http().address().port();
    let closed = HttpServer::start(|_: &Request| Reply::status(200));
    let nobody = closed.url();
    drop(closed);
    let unavailable: &[ErrorKind] = &[ErrorKind::Unavailable];
    let not_found: &[ErrorKind] = &[ErrorKind::NotFound];
    for (x5u, expected) in [
        (String::new(), PROTOCOL),
        ("file:///etc/passwd".into(), PROTOCOL),
        ("FILE:///etc/passwd".into(), PROTOCOL),
        ("file:chain.pem".into(), PROTOCOL),
        ("javascript:alert(1)".into(), PROTOCOL),
        ("data:application/x-pem-file;base64,AAAA".into(), PROTOCOL),
        ("blob:https://x/y".into(), PROTOCOL),
        ("ftp://127.0.0.1/x".into(), PROTOCOL),
        ("gopher://127.0.0.1/x".into(), PROTOCOL),
        ("http:".into(), not_found),
        ("http://".into(), PROTOCOL),
        ("http://[::1".into(), PROTOCOL),
        ("http://127.0.0.1:99999/x".into(), PROTOCOL),
        (format!("http://user:secret@127.0.0.1:{port}/chains/0.chain"), PROTOCOL),
        (format!("http://user@127.0.0.1:{port}/chains/0.chain"), PROTOCOL),
        ("../../v1/".into(), PROTOCOL),
        ("..\\..\\v1".into(), PROTOCOL),
        ("/../v1/".into(), PROTOCOL),
        ("%2e%2e/v1/".into(), PROTOCOL),
        ("a/%2E%2e/%2e%2E/v1".into(), PROTOCOL),
        ("//127.0.0.1:1/x".into(), PROTOCOL),
        ("chain?x".into(), PROTOCOL),
        ("chain#x".into(), PROTOCOL),
        ("chain\0".into(), PROTOCOL),
        ("chain\nHost: x".into(), PROTOCOL),
        (format!("{origin}/chains/no-such.chain"), not_found),
        (format!("{origin}/{}", "x".repeat(5000)), not_found),
        ("no-such.chain".into(), not_found),
        (format!("{nobody}/x.chain"), unavailable),
    ] {
        let name: String = x5u.chars().take(60).collect();
        victim.publish();
        let mut answer = victim.changeset();
        answer["metadata"]["signatures"] = json!(null);
        answer["metadata"]["signature"]["x5u"] = json!(x5u);
        let error = victim.goes_wrong(&name, CHANGESET, reply(answer.to_string())).await;
        assert!(expected.contains(&error.kind()), "{name}: {:?}, {error}", error.kind());
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        victim.recovers(&name).await;
    }
    let asked = victim.pair.requests();
    assert!(!asked.iter().any(|target| target.contains("etc") || target.contains("Host")), "{asked:?}");
}

#[tokio::test]
async fn redirects_that_lead_nowhere() {
    let mut victim = Victim::new(SettingsOptions::default()).await;
    let port = victim.pair.server.http().address().port();
    let to = |location: &str| FaultKind::Reply(Reply::status(302).header("location", location));
    for pattern in [CHANGESET, MONITOR, CHAINS] {
        let rows = vec![
            ("to itself", to(""), PROTOCOL),
            ("to where it was", to("?again"), PROTOCOL),
            ("to a file", to("file:///etc/passwd"), PROTOCOL),
            ("to data", to("data:application/json,{}"), PROTOCOL),
            ("to no address", to("http://[::1"), PROTOCOL),
            (
                "with a password",
                to(&format!("http://user:secret@127.0.0.1:{port}/x")),
                &[ErrorKind::NotFound],
            ),
        ];
        victim.table(pattern, rows).await;
    }
    let sent = victim.pair.server.requests();
    assert!(sent.iter().any(|request| request.target == "/x"));
    assert!(sent.iter().all(|request| request.header("authorization").is_none()), "passwords are not sent");
}

/// Whoever answers in the end, what it says has to be signed.
#[tokio::test]
async fn redirects_to_other_servers() {
    let mut victim = Victim::new(SettingsOptions::default()).await;
    let other = SettingsServer::start(SettingsOptions::default());
    let path = "/v1/buckets/main/collections/ml-inference-options/changeset";
    for query in ["?_expected=0", "?_expected=0&_since=5"] {
        let location = format!("{}{path}{query}", other.http().url());
        let there = FaultKind::Reply(Reply::status(307).header("location", location));
        victim.publish();
        // Newer than what is held, or it would be refused for its age.
        other.set_record(LIST, json!({"id": "evil"}));
        let error = victim.goes_wrong("another server", CHANGESET, there).await;
        assert_eq!(error.kind(), ErrorKind::Certificate, "{error}");
        assert_eq!(error.certificate(), Some(CertificateProblem::Root), "{error}");
        victim.recovers("another server").await;
    }
    // A mirror that says the same is as good as the server; without `_since` it replaces what was held.
    victim.publish();
    let body = victim.changeset().to_string();
    let mirror = HttpServer::start(move |_: &Request| Reply::text(body.clone()));
    let location = format!("{}/mirror?_expected=0", mirror.url());
    let there = FaultKind::Reply(Reply::status(307).header("location", location));
    victim.pair.server.fault(Fault::new(CHANGESET, there).times(1));
    victim.recovers("a mirror").await;
    assert_eq!(mirror.requests().len(), 1);
}
