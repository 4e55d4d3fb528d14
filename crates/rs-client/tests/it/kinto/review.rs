//! What is published where while a change is under review.

use rs_client::{ErrorKind, Outcome};

use super::{
    admin::{EDITOR, REVIEWER},
    changes::{OPTIONS, options, published, sync},
    server::name,
};
use crate::support::ids;

#[tokio::test]
async fn a_change_is_in_the_preview_alone_until_it_is_approved() {
    let Some(kinto) = published() else { return };
    let watched = kinto.client();
    let (main, preview) = (name("main", OPTIONS), name("main-preview", OPTIONS));
    assert_eq!(ids(&sync(&watched.client).await.collection), ["embedding"]);

    kinto.set(OPTIONS, "next", &options("r2"));
    let before = watched.client.sync(&preview).await.expect("previews are signed alike");
    assert_eq!(ids(&before.collection), ["embedding"], "nobody sees the workspace");
    kinto.status(EDITOR, OPTIONS, "to-review");
    let shown = watched.client.sync(&preview).await.expect("previews are signed alike");
    assert_eq!(shown.created, ["next"]);
    assert_eq!(sync(&watched.client).await.outcome, Outcome::UpToDate);

    kinto.status(REVIEWER, OPTIONS, "to-sign");
    let results = watched.client.sync_all(&[main, preview]).await.expect("the server is good");
    let [(_, Ok(main)), (_, Ok(preview))] = &results[..] else { panic!("{results:?}") };
    assert_eq!(main.created, ["next"]);
    assert_eq!(preview.outcome, Outcome::UpToDate);
    assert_eq!(ids(&main.collection), ids(&preview.collection));
}

#[tokio::test]
async fn a_change_that_is_withdrawn_leaves_the_preview() {
    let Some(kinto) = published() else { return };
    let watched = kinto.client();
    let preview = name("main-preview", OPTIONS);
    kinto.set(OPTIONS, "next", &options("r2"));
    kinto.set(OPTIONS, "embedding", &options("r2"));
    kinto.status(EDITOR, OPTIONS, "to-review");
    let shown = watched.client.sync(&preview).await.expect("previews are signed alike");
    assert_eq!(ids(&shown.collection), ["embedding", "next"]);
    watched.requests();

    kinto.status(EDITOR, OPTIONS, "to-rollback");
    let after = watched.client.sync(&preview).await.expect("previews are signed alike");
    // What is restored has its old timestamp again, so no difference mentions it.
    assert_eq!(watched.requests().len(), 2, "a difference that does not verify, and then the whole");
    assert_eq!(
        (&after.deleted[..], &after.updated[..]),
        (&["next".to_owned()][..], &["embedding".to_owned()][..])
    );
    assert_eq!(revision(&after.collection), "r1");
    assert_eq!(revision(&sync(&watched.client).await.collection), "r1");
}

/// Where nothing was created, a withdrawal does not even move the collection's timestamp: an honest server signs
/// two states under one timestamp.
#[tokio::test]
async fn a_withdrawn_update_is_refused_until_the_timestamp_moves_on() {
    let Some(kinto) = published() else { return };
    let (watched, impatient) = (kinto.client(), kinto.client());
    let preview = name("main-preview", OPTIONS);
    kinto.set(OPTIONS, "embedding", &options("r2"));
    kinto.status(EDITOR, OPTIONS, "to-review");
    let shown = watched.client.sync(&preview).await.expect("previews are signed alike").collection;
    impatient.client.sync(&preview).await.expect("previews are signed alike");
    assert_eq!(revision(&shown), "r2");

    kinto.status(EDITOR, OPTIONS, "to-rollback");
    let other = kinto.client().client.sync(&preview).await.expect("a new client cannot know").collection;
    assert_eq!((other.timestamp, revision(&other).as_str()), (shown.timestamp, "r1"));
    let error = watched.client.sync(&preview).await.expect_err("two states under one timestamp");
    assert_eq!(error.kind(), ErrorKind::Rollback, "{error}");
    let copy = watched.client.load(&preview).await.expect("the copy is good").expect("there is one");
    assert_eq!(revision(&copy), "r2");

    // Who knows better starts again; for the others the next change comes.
    impatient.client.reset(&preview).await.expect("memory can be written");
    let report = impatient.client.sync(&preview).await.expect("there is nothing to compare it with");
    assert_eq!(revision(&report.collection), "r1");
    kinto.set(OPTIONS, "next", &options("r2"));
    kinto.status(EDITOR, OPTIONS, "to-review");
    let report = watched.client.sync(&preview).await.expect("the timestamp is newer");
    assert_eq!(ids(&report.collection), ["embedding", "next"]);
    assert_eq!(revision(&report.collection), "r1");
}

fn revision(collection: &rs_client::Collection) -> String {
    let record = collection.records.get("embedding").expect("it was published");
    let fields: serde_json::Value = record.decode().expect("it is JSON");
    fields["modelRevision"].as_str().expect("it is text").to_owned()
}
