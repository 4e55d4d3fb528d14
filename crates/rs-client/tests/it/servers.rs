//! Both versions of the interface: what each answers, and what a client makes of it.

use rs_client::{AlertCode, CollectionName, ErrorKind, Limits, Server};
use serde_json::json;
use testkit::{
    http::{Fault, FaultKind, Reply},
    settings::ApiVersion,
};

use crate::support::{LIST, Pair, VERSIONS, ids, list};

#[tokio::test]
async fn an_announced_end_is_told_and_nothing_else_changes() {
    let pair = Pair::of(ApiVersion::V1);
    pair.client.sync(&list()).await.expect("the server is good");
    assert_eq!(pair.client.alert(), None);
    pair.server.announce_end("soft-eol", "version 1 ends in May");
    pair.client.sync(&list()).await.expect("the server still answers");
    let alert = pair.client.alert().expect("it was announced");
    assert_eq!((alert.code, alert.message.as_str()), (AlertCode::SoftEol, "version 1 ends in May"));
    assert_eq!(alert.url.map(|url| url.to_string()).as_deref(), Some("https://example.org/eol"));

    let restarted = pair.restarted();
    pair.server.stop();
    restarted.sync(&list()).await.expect_err("nobody answers");
    assert_eq!(restarted.alert().map(|alert| alert.message).as_deref(), Some("version 1 ends in May"));
}

#[tokio::test]
async fn an_end_that_was_called_off_is_forgotten() {
    let pair = Pair::of(ApiVersion::V1);
    pair.server.announce_end("soft-eol", "version 1 ends in May");
    pair.client.sync(&list()).await.expect("the server still answers");
    pair.server.set_header("alert", None);
    pair.client.sync(&list()).await.expect("the server is good");
    assert_eq!(pair.client.alert(), None);
    let restarted = pair.restarted();
    restarted.sync(&list()).await.expect("the server is good");
    assert_eq!(restarted.alert(), None);
}

#[tokio::test]
async fn the_end_of_an_interface_is_an_error_of_its_own() {
    for version in VERSIONS {
        let pair = Pair::of(version);
        pair.client.sync(&list()).await.expect("the server is good");
        pair.server.announce_end("hard-eol", "use version 3");
        let error = pair.client.sync(&list()).await.expect_err("it has ended");
        assert_eq!((error.kind(), error.status()), (ErrorKind::EndOfLife, Some(410)));
        let message = error.to_string();
        assert!(message.starts_with("main/ml-inference-options: could not get the changeset: "), "{message}");
        assert!(message.ends_with("the server says: use version 3 (https://example.org/eol)"), "{message}");
        let error = pair.client.sync_all(&[list()]).await.expect_err("it has ended");
        assert_eq!(error.kind(), ErrorKind::EndOfLife);
        assert_eq!(pair.client.alert().map(|alert| alert.code), Some(AlertCode::HardEol));
        let copy = pair.client.load(&list()).await.expect("reading goes on").expect("there is a copy");
        assert_eq!(ids(&copy), ["a"]);
    }
    // Without the header, the body of version 1 tells.
    let pair = Pair::of(ApiVersion::V1);
    pair.server.announce_end("hard-eol", "use version 3");
    pair.server.set_header("alert", None);
    let error = pair.client.sync(&list()).await.expect_err("it has ended");
    assert_eq!(error.kind(), ErrorKind::EndOfLife);
    assert!(error.to_string().ends_with("the server says: use version 3"), "{error}");
}

/// JSON and chains may be compressed; attachments come as they are, because their length counts.
#[tokio::test]
async fn json_is_asked_for_compressed_and_every_request_has_a_user_agent() {
    let pair = Pair::of(ApiVersion::V1);
    pair.server.set_attachment(LIST, "a", "file", &b"bytes"[..]);
    let mut results = pair.client.sync_all(&[list()]).await.expect("the server is good");
    let (_, report) = results.pop().expect("one was asked for");
    let collection = report.expect("the server is good").collection;
    let attachment = collection.records["a"].attachment().expect("it is good").expect("it is there");
    pair.client.attachment(&attachment).await.map(drop).expect("the server is good");
    let requests = pair.server.requests();
    assert_eq!(requests.len(), 5, "the list, the collection, its chain, the description, the attachment");
    for request in requests {
        let expected = if request.target.starts_with("/attachments") { "identity" } else { "gzip" };
        assert_eq!(request.header("accept-encoding"), Some(expected), "{}", request.target);
        assert_eq!(request.header("user-agent"), Some("rs-client-tests/1"));
    }
}

/// Each refusal has a kind, and a message that names the collection and says what to do.
#[tokio::test]
async fn every_refusal_says_what_to_do() {
    for version in VERSIONS {
        let pair = Pair::of(version);
        for (status, kind, advice) in [
            (400, ErrorKind::Protocol, "does not accept the request"),
            (401, ErrorKind::Denied, "check the name"),
            (403, ErrorKind::Denied, "check the name"),
            (404, ErrorKind::NotFound, "ends in /v1 or /v2"),
            (405, ErrorKind::Protocol, "ends in /v1 or /v2"),
            (410, ErrorKind::NotFound, "gone from the server"),
            (422, ErrorKind::Protocol, "does not accept the request"),
            (429, ErrorKind::Backoff, "asks to wait"),
            (500, ErrorKind::Unavailable, "try again later"),
            (502, ErrorKind::Unavailable, "try again later"),
            (503, ErrorKind::Backoff, "asks to wait"),
            (304, ErrorKind::Protocol, "no meaning"),
            (600, ErrorKind::Protocol, "no meaning"),
        ] {
            pair.server.fault(Fault::new("*/changeset", FaultKind::status(status)).times(1));
            let error = pair.client.sync(&list()).await.expect_err("it is refused");
            let message = error.to_string();
            assert_eq!((error.kind(), error.status()), (kind, Some(status)), "{message}");
            assert!(
                message.starts_with("main/ml-inference-options: could not get the changeset: "),
                "{message}"
            );
            assert!(message.contains(advice), "{message}");
        }
        pair.client.sync(&list()).await.expect("the server is good again");
    }
}

#[tokio::test]
async fn the_servers_own_words_are_shown_but_not_obeyed() {
    let pair = Pair::of(ApiVersion::V1);
    let long = format!("a\u{1b}[2J\n{}", "b".repeat(900));
    for (body, words) in [
        (json!({"code": 403, "errno": 121, "message": "not for you"}), "; the server says: not for you"),
        (json!({"detail": "Not Found"}), "; the server says: Not Found"),
        (
            json!({"detail": [{"loc": ["query"], "msg": "Field required"}]}),
            "; the server says: Field required",
        ),
        (json!({"detail": {}}), "check the name"),
        (json!([1]), "check the name"),
        (json!({"message": long}), &format!("; the server says: a [2J {}", "b".repeat(194))),
    ] {
        let reply = Reply::json(&body).with_status(403);
        pair.server.fault(Fault::new("*/changeset", FaultKind::Reply(reply)).times(1));
        let error = pair.client.sync(&list()).await.expect_err("it is refused");
        assert!(error.to_string().ends_with(words), "{error}");
    }
    let endless = Reply::text("x".repeat(1 << 20)).with_status(500);
    pair.server.fault(Fault::new("*/changeset", FaultKind::Reply(endless)).times(1));
    let error = pair.client.sync(&list()).await.expect_err("it is refused");
    assert!(error.to_string().ends_with("try again later"), "{error}");
}

/// Version 1 denies what it does not have, as far as one may not know of it; version 2 does not find it.
#[tokio::test]
async fn an_unknown_collection_is_denied_or_not_found() {
    for (version, kind) in [(ApiVersion::V1, ErrorKind::Denied), (ApiVersion::V2, ErrorKind::NotFound)] {
        let pair = Pair::of(version);
        for name in ["main/no-such-list", "no-such-bucket/list"] {
            let (bucket, collection) = name.split_once('/').expect("there is a slash");
            let name = CollectionName::new(bucket, collection).expect("the name is one");
            let error = pair.client.sync(&name).await.expect_err("it is not there");
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().starts_with(&name.to_string()), "{error}");
        }
    }
}

/// The description is asked for once, at the address with the slash, and again only where that failed.
#[tokio::test]
async fn the_description_is_kept_and_asked_for_again_after_a_failure() {
    for version in VERSIONS {
        let pair = Pair::of(version);
        pair.server.set_attachment(LIST, "a", "file", &b"bytes"[..]);
        let report = pair.client.sync(&list()).await.expect("the server is good");
        let attachment =
            report.collection.records["a"].attachment().expect("it is good").expect("it is there");
        let root = if version == ApiVersion::V1 { "/v1/" } else { "/v2/" };
        pair.requests();
        let broken = Reply::text("not JSON");
        for kind in [FaultKind::status(500), FaultKind::Reply(broken), FaultKind::CutAfter(10)] {
            // The pattern without a star would match everything below as well.
            pair.server.fault(Fault::new(format!("*{root}"), kind).times(1));
            pair.client.attachment(&attachment).await.map(drop).expect_err("it is not known where");
        }
        for _ in 0..2 {
            pair.client.attachment(&attachment).await.map(drop).expect("the server is good");
        }
        let asked = pair.requests().into_iter().filter(|target| *target == root).count();
        assert_eq!(asked, 4, "three failures and one answer");
    }
}

/// Files may move to another host while a program runs.
#[tokio::test]
async fn a_description_that_leads_nowhere_anymore_is_asked_for_again() {
    let pair = Pair::of(ApiVersion::V1);
    pair.server.set_attachment(LIST, "a", "file", &b"bytes"[..]);
    let report = pair.client.sync(&list()).await.expect("the server is good");
    let attachment = report.collection.records["a"].attachment().expect("it is good").expect("it is there");
    // Nobody listens at the port of a server that has ended.
    let gone = testkit::settings::SettingsServer::start(testkit::settings::SettingsOptions::default()).url();
    let info = json!({"capabilities": {"attachments": {"base_url": format!("{gone}/attachments/")}}});
    pair.server.fault(Fault::new("*/v1/", FaultKind::Reply(Reply::json(&info))).times(1));
    let error = pair.client.attachment(&attachment).await.map(drop).expect_err("nobody is there");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    pair.client.attachment(&attachment).await.expect("the server says where it is now");
}

#[tokio::test]
async fn a_server_without_attachments_says_so() {
    for info in [json!({}), json!({"capabilities": {}}), json!({"capabilities": {"changes": {}}})] {
        let pair = Pair::of(ApiVersion::V1);
        pair.server.set_attachment(LIST, "a", "file", &b"bytes"[..]);
        let report = pair.client.sync(&list()).await.expect("the server is good");
        let attachment =
            report.collection.records["a"].attachment().expect("it is good").expect("it is there");
        pair.server.fault(Fault::new("*/v1/", FaultKind::Reply(Reply::json(&info))));
        let error =
            pair.client.attachment(&attachment).await.map(drop).expect_err("there is no base address");
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.to_string().contains("does not offer attachments"), "{error}");
    }
}

#[tokio::test]
async fn redirects_are_followed_up_to_a_limit() {
    let pair = Pair::of(ApiVersion::V2);
    pair.client.sync(&list()).await.expect("the server is good");
    pair.set("b");
    pair.server.forget_history(LIST);
    let mut limits = Limits::default();
    limits.redirects = 0;
    let strict = pair.builder().limits(limits).build();
    let error = strict.sync(&list()).await.expect_err("it is redirected");
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(error.to_string().contains("more than 0 redirects"), "{error}");
    pair.client.sync(&list()).await.expect("one redirect is fine");
}

/// The address of a server may come with or without slashes at its end.
#[tokio::test]
async fn trailing_slashes_make_no_difference() {
    for version in VERSIONS {
        let pair = Pair::of(version);
        for end in ["", "/", "//", "/?a=b#c"] {
            let url = format!("{}{end}", pair.server.url());
            let client =
                crate::support::builder(&url, &pair.server.root_hash(), pair.storage.clone()).build();
            assert_eq!(client.server().url().as_str(), pair.server.url());
            client.sync(&list()).await.expect("the server is good");
        }
    }
}

#[test]
fn the_built_in_servers_speak_both_versions() {
    for (server, host) in [
        (Server::production(), "firefox.settings.services.mozilla.com"),
        (Server::stage(), "firefox.settings.services.allizom.org"),
        (Server::dev(), "remote-settings-dev.allizom.org"),
    ] {
        assert_eq!(server.url().as_str(), format!("https://{host}/v1"));
        let newer = server.clone().v2();
        assert_eq!(newer.url().as_str(), format!("https://{host}/v2"));
        assert_eq!((newer.roots(), newer.clone().v2()), (server.roots(), newer.clone()));
    }
}

/// What one server sent is never taken for what the other version, or another server, sent.
#[tokio::test]
async fn copies_of_two_servers_are_apart() {
    let pair = Pair::of(ApiVersion::V1);
    pair.client.sync(&list()).await.expect("the server is good");
    let root = pair.server.root_hash().parse().expect("the root hash is one");
    let server = Server::custom(pair.server.url().parse().expect("it is an address"), vec![root]).v2();
    let other = rs_client::Client::builder(server, crate::support::transport(), pair.storage.clone()).build();
    assert!(other.load(&list()).await.expect("nothing is damaged").is_none());
}

/// Only addresses that every cache knows: no filter, no order, no limit; and always `_expected`.
#[tokio::test]
async fn no_request_filters_on_the_server() {
    for version in VERSIONS {
        let pair = Pair::of(version);
        for id in ["b", "c"] {
            pair.client.sync_all(&[list()]).await.expect("the server is good");
            pair.client.sync(&list()).await.expect("the server is good");
            pair.set(id);
        }
        pair.client.sync_all(&[list()]).await.expect("the server is good");
        let quote = if version == ApiVersion::V1 { "%22" } else { "" };
        for target in pair.requests().into_iter().filter(|target| target.contains("/changeset")) {
            let (_, query) = target.split_once('?').expect("there is a query");
            let (expected, since) =
                query.split_once('&').map_or((query, None), |(one, two)| (one, Some(two)));
            let number = |text: &str| text.parse::<u64>().is_ok();
            assert!(expected.strip_prefix("_expected=").is_some_and(number), "{target}");
            let since = since.map(|since| since.strip_prefix("_since=").expect("it is the other parameter"));
            let plain = since.map(|since| since.strip_prefix(quote).and_then(|it| it.strip_suffix(quote)));
            assert!(plain.is_none_or(|plain| plain.is_some_and(number)), "{target}");
        }
    }
}
