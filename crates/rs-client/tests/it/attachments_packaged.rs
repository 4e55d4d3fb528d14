//! Files that the program brings along are used where they are what the record describes.

use std::{fs, path::Path, sync::Arc};

use rs_client::{Client, ErrorKind, FetchOutcome, MemoryStorage, Packaged};
use serde_json::{Value, json};

use crate::{
    attachments_support::{Kept, SIZE, noise},
    support::{LIST, list},
};

/// Puts a file into a folder of the program, with a description if there is one.
fn ship(folder: &Path, bytes: &[u8], meta: Option<Value>) {
    let folder = folder.join("main").join(LIST);
    fs::create_dir_all(&folder).expect("a folder can be made");
    fs::write(folder.join("a"), bytes).expect("there is room");
    match meta {
        Some(meta) => fs::write(folder.join("a.meta.json"), meta.to_string()).expect("there is room"),
        None => fs::remove_file(folder.join("a.meta.json")).unwrap_or_default(),
    }
}

fn meta(kept: &Kept) -> Value {
    let (hash, size) = (kept.content.digest.to_string(), kept.content.size);
    json!({"location": "main-workspace/list/a.bin", "hash": hash, "size": size})
}

#[tokio::test]
async fn a_packaged_file_needs_no_request() {
    let kept = Kept::new().await;
    let shipped = kept.outside().join("shipped");
    let built_in = kept.pair.builder().packaged_attachment(list(), "a", kept.bytes.clone()).build();
    let by_folder = kept.pair.builder().packaged_folder(&shipped).build();
    for (client, meta) in [(&built_in, None), (&by_folder, None), (&by_folder, Some(meta(&kept)))] {
        ship(&shipped, &kept.bytes, meta);
        kept.leave(b"of an earlier download");
        let fetched = kept.fetch_by(client).await.expect("it is there");
        assert_eq!(fetched.outcome, FetchOutcome::Packaged);
        assert!(fs::read(&fetched.path).expect("it is there") == kept.bytes);
        assert_eq!(fetched.path, kept.path(), "it is in the folder like any other");
        assert_eq!(kept.fetch_by(client).await.expect("it is there").outcome, FetchOutcome::Held);
        fs::remove_dir_all(kept.folder.folder()).expect("it can be removed");
    }
    assert!(kept.pair.requests().is_empty());
}

#[tokio::test]
async fn a_packaged_file_of_an_older_record_is_not_used() {
    let kept = Kept::new().await;
    let shipped = kept.outside().join("shipped");
    let other = noise(SIZE, 99);
    let wrong_meta = json!({"location": "x", "hash": "0".repeat(64), "size": SIZE});
    let by_folder = || kept.pair.builder().packaged_folder(&shipped).build();
    for (what, bytes, meta) in [
        ("other bytes", &other[..], None),
        ("another size", &other[1..], None),
        ("a description that is right alone", &other[..], Some(meta(&kept))),
        ("a description of another file", &kept.bytes, Some(wrong_meta)),
        ("nothing", b"", None),
    ] {
        ship(&shipped, bytes, meta);
        kept.leave(&kept.bytes[..10]);
        let fetched = kept.fetch_by(&by_folder()).await.expect(what);
        assert_eq!(fetched.outcome, FetchOutcome::Resumed { from: 10 }, "{what}");
        kept.assert_good(&fetched);
        fs::remove_file(fetched.path).expect("it is there");
    }
    for bytes in [other.clone(), other[1..].to_vec()] {
        let client = kept.pair.builder().packaged_attachment(list(), "a", bytes).build();
        let fetched = kept.fetch_by(&client).await.expect("the server is good");
        assert_eq!(fetched.outcome, FetchOutcome::Downloaded);
        fs::remove_file(fetched.path).expect("it is there");
    }
    // A description that says nothing is as good as none.
    ship(&shipped, &kept.bytes, Some(json!(["?"])));
    assert_eq!(kept.fetch_by(&by_folder()).await.expect("it is there").outcome, FetchOutcome::Packaged);
}

#[cfg(unix)]
#[tokio::test]
async fn a_packaged_file_may_be_a_symlink_and_is_never_waited_for() {
    let kept = Kept::new().await;
    let shipped = kept.outside().join("shipped");
    ship(&shipped, &kept.bytes, None);
    let file = shipped.join("main").join(LIST).join("a");
    let client = kept.pair.builder().packaged_folder(&shipped).build();
    let elsewhere = kept.outside().join("elsewhere");
    fs::rename(&file, &elsewhere).expect("it can be moved");
    std::os::unix::fs::symlink(&elsewhere, &file).expect("links can be made");
    assert_eq!(kept.fetch_by(&client).await.expect("it is there").outcome, FetchOutcome::Packaged);
    for path in [&file, &file.with_file_name("a.meta.json")] {
        fs::remove_file(kept.path()).expect("it is there");
        fs::remove_file(path).unwrap_or_default();
        let made = std::process::Command::new("mkfifo").arg(path).status();
        assert!(made.expect("mkfifo is there").success());
        assert_eq!(
            kept.fetch_by(&client).await.expect("the server is good").outcome,
            FetchOutcome::Downloaded
        );
    }
}

/// All that a program needs for its first start, without a network and without a signature.
#[tokio::test]
async fn an_unsigned_dump_and_its_files_make_a_first_start() {
    let kept = Kept::new().await;
    let changeset = kept.pair.server.changeset(LIST);
    let timestamp = changeset["timestamp"].as_u64().expect("it is a number");
    let dump = json!({"data": changeset["changes"], "timestamp": timestamp}).to_string().into_bytes();
    let server = kept.pair.client.server().clone();
    let offline = Arc::new(transport::Offline::default());
    let builder = Client::builder(server, offline, Arc::new(MemoryStorage::new()));
    let client = builder.packaged(list(), Packaged::dump(timestamp, dump));
    let client = client.packaged_attachment(list(), "a", kept.bytes.clone()).build();
    let fetched = kept.fetch_by(&client).await.expect("it is there");
    assert_eq!(fetched.outcome, FetchOutcome::Packaged);
    kept.assert_good(&fetched);
    assert!(client.described_attachments(&[list()]).await.expect("it can be read").contains(&kept.content));
    let error = client.fetch_attachment(&list(), "b", &kept.folder).await.expect_err("no such record");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
