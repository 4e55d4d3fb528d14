//! Bundles as a server has them.

use rs_client::{AttachmentBundle, AttachmentFolder, Collection, ErrorKind, FetchOutcome, Limits, Verified};
use serde_json::json;
use testkit::{
    http::{Fault, FaultKind},
    zip::{ZipEntry, archive},
};

use crate::support::{LIST, Pair, list};

/// A client of a collection with two attachments that its server bundles.
async fn bundled() -> (Pair, Verified<Collection>) {
    let pair = Pair::new();
    pair.server.set_attachment(LIST, "a", "a.wasm", vec![1; 100_000]);
    pair.server.set_attachment(LIST, "b", "b.wasm", b"b".to_vec());
    pair.server.set_record(LIST, json!({"id": "c"}));
    pair.server.bundle_attachments(LIST);
    let collection = pair.client.sync(&list()).await.expect("the server is good").collection;
    pair.requests();
    (pair, collection)
}

#[tokio::test]
async fn all_attachments_come_in_one_request() {
    let (pair, collection) = bundled().await;
    let bundle = pair.client.attachments_bundle(&collection).await.expect("the server is good");
    let files: Vec<_> =
        bundle.files().map(|(record, file)| (record.id(), file.expect("it is good"))).collect();
    assert_eq!(files, [("a", vec![1; 100_000].into()), ("b", b"b"[..].into())]);
    assert_eq!(pair.requests(), ["/v1/", "/attachments/bundles/main--ml-inference-options.zip"]);
}

/// Bundles are made from time to time; what was attached since then is had alone.
#[tokio::test]
async fn a_bundle_that_is_behind_gives_what_it_has() {
    let (pair, _) = bundled().await;
    pair.server.set_attachment(LIST, "b", "b.wasm", b"new".to_vec());
    pair.server.set_attachment(LIST, "d", "d.wasm", b"d".to_vec());
    let collection = pair.client.sync(&list()).await.expect("the server is good").collection;
    let bundle = pair.client.attachments_bundle(&collection).await.expect("the server is good");
    let found: Vec<_> =
        bundle.files().map(|(record, file)| (record.id(), file.map_err(|error| error.kind()))).collect();
    let whole = Ok(vec![1; 100_000].into());
    assert_eq!(found, [("a", whole), ("b", Err(ErrorKind::Untrusted)), ("d", Err(ErrorKind::NotFound))]);
    let record = &collection.records["d"];
    let attachment = record.attachment().expect("it is described properly").expect("there is one");
    let mut file = Vec::new();
    pair.client.download_attachment(&attachment, &mut file).await.expect("the server is good");
    assert_eq!(file, b"d");
}

/// What is there is not unpacked, and what the bundle lacks is fetched alone.
#[tokio::test]
async fn a_bundle_fills_a_folder() {
    let (pair, _) = bundled().await;
    pair.server.set_attachment(LIST, "b", "b.wasm", b"new".to_vec());
    let collection = pair.client.sync(&list()).await.expect("the server is good").collection;
    let bundle = pair.client.attachments_bundle(&collection).await.expect("the server is good");
    pair.requests();
    let temporary = tempfile::tempdir().expect("there is room");
    let folder = AttachmentFolder::open(temporary.path().join("files"));
    for _ in 0..2 {
        let filled = bundle.fill(&folder).await;
        assert_eq!(filled.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        let path = filled[0].1.as_ref().expect("the bundle has it");
        assert_eq!(std::fs::read(path).expect("it is there"), [1; 100_000]);
        assert_eq!(path.parent(), Some(folder.folder()));
        let error = filled[1].1.as_ref().expect_err("the bundle has an older one");
        assert_eq!(error.kind(), ErrorKind::Untrusted);
        assert!(error.to_string().starts_with("main/ml-inference-options: "), "{error}");
        assert_eq!(std::fs::read_dir(folder.folder()).expect("it is a folder").count(), 1);
    }
    let mut outcomes = Vec::new();
    for id in ["a", "b"] {
        let fetched = pair.client.fetch_attachment(&list(), id, &folder).await.expect("the server is good");
        outcomes.push(fetched.outcome);
    }
    assert_eq!(outcomes, [FetchOutcome::Held, FetchOutcome::Downloaded]);
    assert_eq!(pair.requests().len(), 1);
    // With a bundle that has nothing: what is there suffices.
    let empty =
        AttachmentBundle::read(archive(&[]), &collection, &Limits::default()).expect("it is an archive");
    assert!(empty.fill(&folder).await.iter().all(|(_, path)| path.is_ok()));
}

/// Entries whose names climb or are absolute leave nothing anywhere.
#[tokio::test]
async fn no_name_in_an_archive_becomes_a_path() {
    let (_pair, collection) = bundled().await;
    let temporary = tempfile::tempdir().expect("there is room");
    let folder = AttachmentFolder::open(temporary.path().join("one/two"));
    let absolute = temporary.path().join("absolute").display().to_string();
    let names = ["../evil", "../../evil", "..\\evil", "evil", "evil/", absolute.as_str()];
    let mut entries: Vec<_> = names.iter().map(|name| ZipEntry::stored(name, b"b")).collect();
    entries.push(ZipEntry::stored("b", b"b"));
    let bundle = AttachmentBundle::read(archive(&entries), &collection, &Limits::default());
    let filled = bundle.expect("the archive is consistent").fill(&folder).await;
    let digest = content_id::ContentId::of(b"b").digest.to_string();
    assert_eq!(filled[1].1.as_ref().expect("it is there"), &folder.folder().join(&digest));
    let children = |path: &std::path::Path| {
        let entries = std::fs::read_dir(path).expect("it is a folder");
        entries.map(|entry| entry.expect("it is there").file_name()).collect::<Vec<_>>()
    };
    assert_eq!(children(temporary.path()), ["one"]);
    assert_eq!(children(&temporary.path().join("one")), ["two"]);
    assert_eq!(children(folder.folder()), [digest.as_str()]);
}

#[tokio::test]
async fn a_collection_without_a_bundle_costs_no_request() {
    let pair = Pair::new();
    for value in [json!(null), json!({}), json!({"bundle": false}), json!({"bundle": "true"}), json!([])] {
        pair.server.set_metadata(LIST, "attachment", value);
        pair.set("a");
        let collection = pair.client.sync(&list()).await.expect("the server is good").collection;
        pair.requests();
        let error = pair.client.attachments_bundle(&collection).await.expect_err("there is none");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(
            error.to_string(),
            "main/ml-inference-options: the server makes no bundle of its attachments"
        );
        assert!(pair.requests().is_empty());
    }
}

#[tokio::test]
async fn a_bundle_that_cannot_be_had_is_an_error() {
    let (pair, collection) = bundled().await;
    let broken = [
        (FaultKind::status(404), ErrorKind::NotFound),
        (FaultKind::status(403), ErrorKind::Denied),
        (FaultKind::status(500), ErrorKind::Unavailable),
        (FaultKind::CutAfter(50), ErrorKind::Unavailable),
        (FaultKind::Truncate(50), ErrorKind::Protocol),
        (FaultKind::Truncate(0), ErrorKind::Protocol),
        (FaultKind::ExtraBytes(1), ErrorKind::Protocol),
        (FaultKind::captive_portal(), ErrorKind::Protocol),
    ];
    for (kind, expected) in broken {
        let shown = format!("{kind:?}");
        pair.server.fault(Fault::new("/attachments/bundles/*", kind).times(1));
        let error = pair.client.attachments_bundle(&collection).await.expect_err(&shown);
        assert_eq!(error.kind(), expected, "{shown}: {error}");
        assert!(error.to_string().starts_with("main/ml-inference-options: "), "{error}");
    }
    pair.client.attachments_bundle(&collection).await.expect("nothing is wrong any more");
}

#[tokio::test]
async fn a_bundle_above_the_limit_is_not_read_to_its_end() {
    let (pair, collection) = bundled().await;
    pair.server.serve_bundle(LIST, archive(&[ZipEntry::stored("a", &vec![1; 100_000])]));
    let mut limits = Limits::default();
    limits.bundle_bytes = 99_999;
    let client = pair.builder().limits(limits).build();
    let error = client.attachments_bundle(&collection).await.expect_err("it is too large");
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.to_string().ends_with("could not get the bundle of attachments"), "{error}");
}
