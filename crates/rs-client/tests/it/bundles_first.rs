//! A first start from a server's file of many collections.

use rs_client::{CollectionName, ErrorKind, Outcome, StartupFile, SyncReport};
use serde_json::{Value, json};
use testkit::{
    http::{Fault, FaultKind},
    settings::{COLLECTIONS, bundles::mozlz4},
};

use crate::support::{LIST, Pair, ids, list};

const RUNTIME: &str = "ml-onnx-runtime";

fn names() -> [CollectionName; 3] {
    COLLECTIONS.map(|name| CollectionName::new("main", name).expect("the name is one"))
}

/// Serves these changesets as the startup bundle.
fn serve(pair: &Pair, changesets: &[Value]) {
    pair.server.serve_file("bundles/startup.json.mozlz4", mozlz4(json!(changesets).to_string().as_bytes()));
}

async fn sync(pair: &Pair, names: &[CollectionName]) -> Vec<Result<SyncReport, rs_client::Error>> {
    let results = pair.client.sync_startup_bundle(StartupFile::Flagged, names).await;
    let results = results.expect("the file is good");
    assert_eq!(results.iter().map(|(name, _)| name).collect::<Vec<_>>(), names.iter().collect::<Vec<_>>());
    for (name, result) in &results {
        let error = result.as_ref().err();
        assert!(error.is_none_or(|error| error.to_string().starts_with(&format!("{name}: "))), "{error:?}");
    }
    results.into_iter().map(|(_, result)| result).collect()
}

async fn sync_list(pair: &Pair) -> Result<SyncReport, rs_client::Error> {
    sync(pair, &[list()]).await.remove(0)
}

#[tokio::test]
async fn one_file_brings_all_collections() {
    let files = [(StartupFile::Flagged, "startup"), (StartupFile::All, "changesets")];
    for (file, name) in files {
        let pair = Pair::new();
        pair.set("a");
        pair.server.bundle_collections(name, &COLLECTIONS);
        pair.requests();
        let results = pair.client.sync_startup_bundle(file, &names()).await.expect("the file is good");
        for (_, result) in results {
            assert_eq!(result.expect("the collection is good").outcome, Outcome::Updated);
        }
        let path = format!("/attachments/bundles/{name}.json.mozlz4");
        assert_eq!(pair.requests(), ["/v1/", &path, "/chains/0.chain"]);

        let kept = pair.restarted().load(&list()).await.expect("the copy is good").expect("there is one");
        assert_eq!(ids(&kept), ["a"]);
        let results = pair.client.sync_all(&names()).await.expect("the server is good");
        for (_, result) in results {
            assert_eq!(result.expect("the collection is good").outcome, Outcome::UpToDate);
        }
        assert_eq!(pair.requests().len(), 1, "the list of changes");
    }
}

#[cfg(feature = "blocking")]
#[test]
fn bundles_can_be_waited_for() {
    let pair = Pair::new();
    pair.server.set_attachment(LIST, "a", "a.wasm", b"a".to_vec());
    pair.server.bundle_attachments(LIST);
    pair.server.bundle_collections("startup", &[LIST]);
    let client = rs_client::blocking::Client::new(pair.restarted()).expect("there are files left");
    let results = client.sync_startup_bundle(StartupFile::Flagged, &[list()]).expect("the file is good");
    let [(_, Ok(report))] = &results[..] else { panic!("{results:?}") };
    let bundle = client.attachments_bundle(&report.collection).expect("the server is good");
    assert_eq!(bundle.file("a").expect("it is good").as_deref(), Some(&b"a"[..]));
}

/// The file is made from time to time, so what a client has may be newer.
#[tokio::test]
async fn a_copy_that_is_as_new_is_left_alone() {
    let pair = Pair::new();
    pair.set("a");
    let old = pair.server.changeset(LIST);
    pair.server.refresh_signature(LIST);
    pair.client.sync(&list()).await.expect("the server is good");
    let before = pair.stored().await;
    for _ in 0..2 {
        // First of the same timestamp, with an older signature; then of an older one.
        serve(&pair, std::slice::from_ref(&old));
        let report = sync_list(&pair).await.expect("it is no error");
        assert_eq!(report.outcome, Outcome::UpToDate);
        assert!(report.created.is_empty() && report.deleted.is_empty());
        if report.collection.records.len() == 1 {
            assert_eq!(pair.stored().await, before);
            pair.set("b");
            pair.client.sync(&list()).await.expect("the server is good");
        }
    }
    let kept = pair.restarted().load(&list()).await.expect("the copy is good").expect("there is one");
    assert_eq!(ids(&kept), ["a", "b"]);
}

/// It holds whole collections, in which deleted records are not mentioned.
#[tokio::test]
async fn a_copy_that_is_older_is_replaced() {
    let pair = Pair::new();
    pair.set_each(&["a", "b"]);
    pair.client.sync(&list()).await.expect("the server is good");
    pair.server.delete_record(LIST, "a");
    pair.set("c");
    pair.server.bundle_collections("startup", &[LIST]);
    let report = sync_list(&pair).await.expect("the file is good");
    assert_eq!((report.outcome, ids(&report.collection)), (Outcome::Updated, vec!["b", "c"]));
    assert_eq!((report.created, report.deleted), (vec!["c".to_owned()], vec!["a".to_owned()]));
}

#[tokio::test]
async fn each_collection_is_verified_and_fails_alone() {
    let pair = Pair::new();
    pair.set("a");
    let mut evil = pair.server.changeset(RUNTIME);
    evil["changes"] = json!([{"id": "evil"}]);
    serve(&pair, &[evil, pair.server.changeset(LIST)]);
    let results = sync(&pair, &names()).await;
    let kinds: Vec<_> =
        results.iter().map(|result| result.as_ref().map_err(rs_client::Error::kind).err()).collect();
    assert_eq!(names().map(|name| name.collection().to_owned()), [LIST, RUNTIME, "ml-model-allow-deny-list"]);
    assert_eq!(kinds, [None, Some(ErrorKind::Untrusted), Some(ErrorKind::NotFound)]);
    let runtime = CollectionName::new("main", RUNTIME).expect("the name is one");
    assert!(pair.client.load(&runtime).await.expect("nothing is damaged").is_none());
}

/// Servers that move to another address rewrite where one certificate chain is, and forget the others.
#[tokio::test]
async fn a_chain_that_is_not_where_it_was_is_found_by_the_other_signature() {
    let pair = Pair::new();
    pair.set("a");
    let mut changeset = pair.server.changeset(LIST);
    changeset["metadata"]["signatures"][1]["x5u"] =
        format!("{}/chains/gone", pair.server.http().url()).into();
    serve(&pair, &[changeset]);
    assert_eq!(sync_list(&pair).await.expect("one signature is enough").outcome, Outcome::Updated);
}

#[tokio::test]
async fn a_signed_emptiness_does_not_empty_a_copy() {
    let pair = Pair::new();
    pair.set("a");
    pair.client.sync(&list()).await.expect("the server is good");
    pair.server.delete_record(LIST, "a");
    pair.server.bundle_collections("startup", &[LIST]);
    let error = sync_list(&pair).await.expect_err("there is a record to lose");
    assert_eq!(error.kind(), ErrorKind::Emptied);
}

#[tokio::test]
async fn a_file_that_cannot_be_had_or_read_changes_nothing() {
    let pair = Pair::new();
    pair.set("a");
    pair.client.sync(&list()).await.expect("the server is good");
    let before = pair.stored().await;
    pair.set("b");
    let get = || pair.client.sync_startup_bundle(StartupFile::Flagged, &[]);
    assert_eq!(get().await.expect_err("there is none yet").kind(), ErrorKind::NotFound);
    pair.server.bundle_collections("startup", &[LIST]);
    let broken = [
        (FaultKind::status(403), ErrorKind::Denied),
        (FaultKind::status(500), ErrorKind::Unavailable),
        (FaultKind::CutAfter(50), ErrorKind::Unavailable),
        (FaultKind::Truncate(50), ErrorKind::Protocol),
        (FaultKind::ExtraBytes(3), ErrorKind::Protocol),
        (FaultKind::FlipByte(3), ErrorKind::Protocol),
        (FaultKind::captive_portal(), ErrorKind::Protocol),
    ];
    for (kind, expected) in broken {
        let shown = format!("{kind:?}");
        pair.server.fault(Fault::new("/attachments/bundles/*", kind).times(1));
        let error = get().await.expect_err(&shown);
        assert_eq!(error.kind(), expected, "{shown}: {error}");
    }
    let mut limits = rs_client::Limits::default();
    limits.bundle_bytes = 50;
    let small = pair.builder().limits(limits).build();
    let error = small.sync_startup_bundle(StartupFile::Flagged, &[list()]).await.expect_err("it is longer");
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(pair.stored().await, before);
    assert_eq!(sync_list(&pair).await.expect("it is good again").outcome, Outcome::Updated);
}
