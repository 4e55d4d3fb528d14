//! What is published where while a change is under review.

use rs_client::Outcome;

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

    kinto.status(EDITOR, OPTIONS, "to-rollback");
    let after = watched.client.sync(&preview).await.expect("previews are signed alike");
    assert_eq!(ids(&after.collection), ["embedding"]);
    assert_eq!(after.deleted, ["next"]);
    let first = sync(&watched.client).await;
    let revision = |collection: &rs_client::Collection| {
        collection.records.get("embedding").and_then(|record| record.fields().get("modelRevision").cloned())
    };
    assert_eq!(revision(&after.collection), revision(&first.collection));
}
