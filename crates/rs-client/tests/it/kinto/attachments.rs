//! Files of records, as kinto-attachment stores and describes them.

use std::time::Duration;

use content_id::ContentId;
use rs_client::{Attachment, AttachmentFolder, Client, Collection, ErrorKind, FetchOutcome, PruneOptions};
use serde_json::json;

use super::{
    changes::RUNTIMES,
    server::{Kinto, name},
};

/// The file of a record, as the record describes it.
fn described(collection: &Collection, id: &str) -> Attachment {
    let record = collection.records.get(id).expect("it was published");
    record.attachment().expect("it is described properly").expect("it has a file")
}

async fn download(client: &Client, attachment: &Attachment) -> Result<Vec<u8>, rs_client::Error> {
    let mut bytes = Vec::new();
    client.download_attachment(attachment, &mut bytes).await.map(|()| bytes)
}

fn publish(kinto: &Kinto, file: &[u8]) {
    kinto.attach(RUNTIMES, "wasm", &json!({"name": "ort.wasm", "version": "1.0"}), "ort.jsep.wasm", file);
    kinto.publish(RUNTIMES);
}

#[tokio::test]
async fn an_attachment_is_downloaded_and_a_changed_one_anew() {
    let Some(kinto) = Kinto::start() else { return };
    kinto.create(RUNTIMES);
    let old_bytes: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    publish(&kinto, &old_bytes);
    let list = name("main", RUNTIMES);
    let watched = kinto.client();
    let first = watched.client.sync(&list).await.expect("the server is good");
    let old = described(&first.collection, "wasm");
    assert_eq!((old.content, old.filename.as_str()), (ContentId::of(&old_bytes), "ort.jsep.wasm"));
    assert_eq!(old.mimetype, "application/wasm");
    // Where it was uploaded, whatever it is published to.
    assert!(old.location.starts_with("main-workspace/ml-onnx-runtime/"), "{}", old.location);
    watched.requests();
    assert_eq!(download(&watched.client, &old).await.expect("the server has it"), old_bytes);
    assert_eq!(watched.requests(), ["/v1/".to_owned(), format!("/attachments/{}", old.location)]);

    publish(&kinto, b"\0asm of the next version");
    let second = watched.client.sync(&list).await.expect("the server is good");
    assert_eq!(second.updated, ["wasm"]);
    let new = described(&second.collection, "wasm");
    assert_ne!(new.location, old.location, "new bytes have a new place");
    let bytes = download(&watched.client, &new).await.expect("the server has it");
    assert_eq!(bytes, b"\0asm of the next version");
    // This server keeps old files, so that those who have not synced yet can still get theirs.
    assert_eq!(download(&watched.client, &old).await.expect("it is still there"), old_bytes);
}

#[tokio::test]
async fn an_attachment_that_the_server_dropped_is_not_found_until_the_next_sync() {
    let Some(kinto) = Kinto::start_with(&["attachment.keep_old_files=false"]) else { return };
    kinto.create(RUNTIMES);
    publish(&kinto, b"old");
    let list = name("main", RUNTIMES);
    let watched = kinto.client();
    let first = watched.client.sync(&list).await.expect("the server is good");
    let old = described(&first.collection, "wasm");

    // The file goes with the upload of the next one, and before that one is approved.
    kinto.attach(RUNTIMES, "wasm", &json!({"version": "2.0"}), "ort.jsep.wasm", b"new");
    let error = download(&watched.client, &old).await.expect_err("the server has dropped it");
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    kinto.publish(RUNTIMES);
    let second = watched.client.sync(&list).await.expect("the server is good");
    let new = described(&second.collection, "wasm");
    assert_eq!(download(&watched.client, &new).await.expect("the server has it"), b"new");
}

#[tokio::test]
async fn a_folder_of_attachments_follows_the_server() {
    let Some(kinto) = Kinto::start_with(&["attachment.keep_old_files=false"]) else { return };
    kinto.create(RUNTIMES);
    publish(&kinto, b"the file of version 1");
    let list = name("main", RUNTIMES);
    let watched = kinto.client();
    let place = tempfile::tempdir().expect("a temporary folder can be made");
    let folder = AttachmentFolder::open(place.path());
    watched.client.sync(&list).await.expect("the server is good");
    let first = watched.client.fetch_attachment(&list, "wasm", &folder).await.expect("the server has it");
    assert_eq!(first.outcome, FetchOutcome::Downloaded);
    let held = watched.client.fetch_attachment(&list, "wasm", &folder).await.expect("it is held");
    assert_eq!(held.outcome, FetchOutcome::Held);

    // Only one who knows the next version finds its place; the folder's owner has not synced since.
    publish(&kinto, b"the file of version 2");
    let other = tempfile::tempdir().expect("a temporary folder can be made");
    let other = AttachmentFolder::open(other.path());
    let moved = watched.client.fetch_attachment(&list, "wasm", &other).await.expect("one sync finds it");
    assert_eq!(std::fs::read(&moved.path).expect("it is there"), b"the file of version 2");
    let now = PruneOptions::default().grace(Duration::ZERO);
    watched.client.prune_attachments(&folder, &[list], &now).await.expect("the folder can be used");
    assert!(!first.path.exists(), "no record describes it any more");
}
