//! Both versions of the interface: what each answers, and what a client makes of it.

use rs_client::{AlertCode, ErrorKind};
use testkit::settings::{ApiVersion, SettingsOptions};

use crate::support::{Pair, ids, list};

const VERSIONS: [ApiVersion; 2] = [ApiVersion::V1, ApiVersion::V2];

fn pair(version: ApiVersion) -> Pair {
    let mut options = SettingsOptions::default();
    options.version = version;
    let pair = Pair::with(options);
    pair.set("a");
    pair
}

#[tokio::test]
async fn an_announced_end_is_told_and_nothing_else_changes() {
    let pair = pair(ApiVersion::V1);
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
    let pair = pair(ApiVersion::V1);
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
        let pair = pair(version);
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
    let pair = pair(ApiVersion::V1);
    pair.server.announce_end("hard-eol", "use version 3");
    pair.server.set_header("alert", None);
    let error = pair.client.sync(&list()).await.expect_err("it has ended");
    assert_eq!(error.kind(), ErrorKind::EndOfLife);
    assert!(error.to_string().ends_with("the server says: use version 3"), "{error}");
}

/// JSON and chains may be compressed; attachments come as they are, because their length counts.
#[tokio::test]
async fn json_is_asked_for_compressed_and_every_request_has_a_user_agent() {
    let pair = pair(ApiVersion::V1);
    pair.server.set_attachment(crate::support::LIST, "a", "file", &b"bytes"[..]);
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
