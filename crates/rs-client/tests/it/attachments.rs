//! Attachments are what their records say, or an error.

use std::io::{self, Write};

use futures::TryStreamExt as _;
use rs_client::{Attachment, Client, ErrorKind};
use serde_json::{Value, json};
use testkit::{
    http::{Fault, FaultKind},
    settings::SettingsOptions,
};

use crate::support::{LIST, Pair, list};

/// Publishes an attachment and returns what a client reads from the verified record.
async fn published(pair: &Pair, bytes: &[u8]) -> Attachment {
    pair.server.set_attachment(LIST, "a", "ort.wasm", bytes.to_vec());
    let report = pair.client.sync(&list()).await.expect("the server is good");
    let attachment = report.collection.records["a"].attachment().expect("it is described properly");
    attachment.expect("there is one")
}

async fn download(client: &Client, attachment: &Attachment) -> Result<Vec<u8>, rs_client::Error> {
    let mut sink = Vec::new();
    client.download_attachment(attachment, &mut sink).await.map(|()| sink)
}

#[tokio::test]
async fn an_attachment_arrives_whole_and_checked() {
    for bare_urls in [false, true] {
        let mut options = SettingsOptions::default();
        options.bare_urls = bare_urls;
        let pair = Pair::with(options);
        let bytes: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
        let attachment = published(&pair, &bytes).await;
        assert_eq!(attachment.filename, "ort.wasm");
        assert_eq!(attachment.content, content_id::ContentId::of(&bytes));
        assert_eq!(download(&pair.client, &attachment).await.expect("it is good"), bytes);
        assert_eq!(download(&pair.client, &attachment).await.expect("it is good"), bytes);
        let infos = pair.requests().into_iter().filter(|target| target == "/v1/").count();
        assert_eq!(infos, 1, "the server describes itself once");
    }
}

#[tokio::test]
async fn an_empty_attachment_is_an_attachment() {
    let pair = Pair::new();
    let attachment = published(&pair, b"").await;
    assert!(download(&pair.client, &attachment).await.expect("it is good").is_empty());
}

#[tokio::test]
async fn other_bytes_than_the_record_says_are_refused() {
    let broken = [
        (FaultKind::FlipByte(0), ErrorKind::Untrusted),
        (FaultKind::FlipByte(99_999), ErrorKind::Untrusted),
        (FaultKind::Truncate(99_999), ErrorKind::Untrusted),
        (FaultKind::Truncate(0), ErrorKind::Untrusted),
        (FaultKind::ExtraBytes(1), ErrorKind::Untrusted),
        (FaultKind::captive_portal(), ErrorKind::Untrusted),
        (FaultKind::status(404), ErrorKind::NotFound),
        (FaultKind::status(403), ErrorKind::Denied),
    ];
    let pair = Pair::new();
    let attachment = published(&pair, &[7; 100_000]).await;
    for (kind, expected) in broken {
        let shown = format!("{kind:?}");
        pair.server.fault(Fault::new("/attachments/*", kind).times(1));
        let error = download(&pair.client, &attachment).await.expect_err(&shown);
        assert_eq!(error.kind(), expected, "{shown}: {error}");
        assert!(error.to_string().contains("\"ort.wasm\""), "{error}");
    }
}

/// A reader that stops at the announced size cannot have all bytes of a bad file.
#[tokio::test]
async fn the_last_piece_comes_only_after_the_check() {
    let pair = Pair::new();
    let attachment = published(&pair, &[7; 100_000]).await;
    pair.server.fault(Fault::new("/attachments/*", FaultKind::FlipByte(5)).times(1));
    let mut stream = pair.client.attachment(&attachment).await.expect("it begins");
    let mut received = 0;
    let error = loop {
        match stream.try_next().await {
            Ok(Some(piece)) => received += piece.len(),
            Ok(None) => panic!("the stream must not end well"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Untrusted);
    assert!(received < 100_000, "{received}");
}

#[tokio::test]
async fn a_location_outside_of_the_base_is_never_asked_for() {
    let pair = Pair::new();
    let good = published(&pair, b"x").await;
    pair.requests();
    for location in ["../v1/", "//127.0.0.1:1/x", "a/../../x", "a\\..\\..\\x", "%2e%2e/x", "x?y", ""] {
        let mut attachment = good.clone();
        attachment.location = location.into();
        let error = download(&pair.client, &attachment).await.expect_err(location);
        assert_eq!(error.kind(), ErrorKind::Protocol, "{location}: {error}");
    }
    assert!(pair.requests().iter().all(|target| target == "/v1/"));
}

#[tokio::test]
async fn too_large_an_attachment_is_not_asked_for() {
    let pair = Pair::new();
    let attachment = published(&pair, b"four").await;
    pair.requests();
    let mut limits = rs_client::Limits::default();
    limits.attachment_bytes = 3;
    let client = pair.builder().limits(limits).build();
    let error = download(&client, &attachment).await.expect_err("it has four bytes");
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(pair.requests().is_empty());
}

#[tokio::test]
async fn a_sink_that_fails_is_a_storage_error() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let pair = Pair::new();
    let attachment = published(&pair, b"x").await;
    let error = pair.client.download_attachment(&attachment, &mut Full).await.expect_err("nothing fits");
    assert_eq!(error.kind(), ErrorKind::Storage);
}

#[tokio::test]
async fn an_attachment_that_is_described_badly_is_an_error_of_its_record_alone() {
    let pair = Pair::new();
    let good = json!({"location": "a", "hash": "0".repeat(64), "size": 1, "filename": "f", "mimetype": "m"});
    let with = |field: &str, value: Value| {
        let mut attachment = good.clone();
        attachment[field] = value;
        attachment
    };
    pair.server.set_records(
        LIST,
        vec![
            json!({"id": "good", "attachment": good}),
            json!({"id": "none"}),
            json!({"id": "null", "attachment": null}),
            json!({"id": "bad-1", "attachment": with("hash", json!("../etc/passwd"))}),
            json!({"id": "bad-2", "attachment": with("size", json!(-1))}),
            json!({"id": "bad-3", "attachment": with("location", json!(null))}),
            json!({"id": "bad-4", "attachment": "a string"}),
        ],
    );
    let collection = pair.client.sync(&list()).await.expect("the server is good").collection;
    for record in &collection.records {
        let (id, attachment) = (record.id(), record.attachment());
        match id {
            "good" => assert!(attachment.expect("it is described properly").is_some()),
            "none" | "null" => assert!(attachment.expect("there is none").is_none()),
            _ => assert_eq!(attachment.expect_err(id).kind(), ErrorKind::Protocol),
        }
    }
}
