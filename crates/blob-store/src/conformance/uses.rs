//! Uses by tasks and engines, and what goes with the last of them.

use std::sync::Arc;

use super::{manifest, put};
use crate::{BlobStore, BlobStoreExt, ErrorKind, ManifestName, Pin, Query, User};

fn task(name: &str) -> User {
    User::Task(name.to_owned())
}

fn engine(id: &str) -> User {
    User::Engine(id.to_owned())
}

fn name(revision: &str) -> ManifestName {
    ManifestName::new("hub.example", "org/name", revision)
}

/// Two revisions that share one blob.
async fn two_revisions(store: &dyn BlobStore) {
    let (shared, one, two) = (put(store, "shared").await, put(store, "one").await, put(store, "two").await);
    for (revision, own) in [("1", one), ("2", two)] {
        let manifest = manifest(revision, &[("shared", shared), ("own", own)]);
        store.put_manifest(&manifest, None).await.expect("complete");
    }
}

async fn revisions(store: &dyn BlobStore) -> Vec<String> {
    let manifests = store.manifests().await.expect("a listing");
    manifests.into_iter().map(|manifest| manifest.name.revision).collect()
}

/// The bytes go when the last task and the last engine go.
pub async fn bytes_go_with_the_last_user(store: Arc<dyn BlobStore>) {
    two_revisions(&*store).await;
    for user in [task("a"), task("b"), engine("e")] {
        assert!(store.add_use(&user, &name("1"), 1).await.expect("it is there"));
        assert!(!store.add_use(&user, &name("1"), 2).await.expect("noted already"));
    }
    let rows = store.uses(&Query::default()).await.expect("a listing");
    assert_eq!(rows.len(), 3);
    let deleted = store.delete(&Query::default().task("a")).await.expect("it can be deleted");
    assert_eq!((deleted.uses, deleted.manifests.len(), deleted.bytes), (1, 0, 0));
    assert_eq!(deleted.kept[0].by, ["engine e", "task b"]);
    let deleted = store.delete(&Query::default().model("org/name").revision("1")).await.expect("deleted");
    assert_eq!((deleted.uses, deleted.manifests.len()), (1, 0), "the engine still uses it");
    let deleted = store.release_engine("e").await.expect("released");
    assert_eq!((deleted.uses, deleted.manifests, deleted.blobs), (1, vec![name("1")], 1));
    assert_eq!(deleted.bytes, 3, "what the other revision names is not freed");
    assert_eq!(revisions(&*store).await, ["2"]);
    assert!(store.uses(&Query::default()).await.expect("a listing").is_empty());
}

/// Queries by task, hub, model and revision, in any combination.
pub async fn queries_match_any_combination(store: Arc<dyn BlobStore>) {
    two_revisions(&*store).await;
    for (user, revision) in [("a", "1"), ("a", "2"), ("b", "2")] {
        store.add_use(&task(user), &name(revision), 1).await.expect("it is there");
    }
    let count = async |query: Query| store.uses(&query).await.expect("a listing").len();
    let all = Query::default();
    assert_eq!(count(all.clone()).await, 3);
    assert_eq!(count(all.clone().task("a")).await, 2);
    assert_eq!(count(all.clone().revision("2")).await, 2);
    assert_eq!(count(all.clone().task("a").revision("2")).await, 1);
    assert_eq!(count(all.clone().task("a").model("org/name")).await, 2);
    assert_eq!(count(all.clone().hub("other")).await, 0);
    assert_eq!(count(all.clone().task("b").model("org/other")).await, 0);
    // What an update leaves behind.
    let old = all.task("a").model("org/name").except_revision("2");
    let deleted = store.delete(&old).await.expect("it can be deleted");
    assert_eq!((deleted.uses, deleted.manifests), (1, vec![name("1")]));
    let deleted = store.delete(&Query::default()).await.expect("it can be deleted");
    assert_eq!((deleted.uses, deleted.manifests, deleted.blobs), (2, vec![name("2")], 2));
    assert!(store.blobs().await.expect("a listing").is_empty());
}

/// A query without a task is also about manifests that nobody uses.
pub async fn what_nobody_used_goes_by_its_name_alone(store: Arc<dyn BlobStore>) {
    two_revisions(&*store).await;
    store.set_pin(&Pin::new("kept", name("2"), 1), None).await.expect("it is there");
    let deleted = store.delete(&Query::default().task("a")).await.expect("nothing to do");
    assert!(deleted.manifests.is_empty() && deleted.kept.is_empty());
    let deleted = store.delete(&Query::default().model("org/name")).await.expect("it can be deleted");
    assert_eq!(deleted.manifests, [name("1")]);
    assert_eq!(
        (deleted.kept[0].manifest.clone(), deleted.kept[0].by.clone()),
        (name("2"), vec!["kept".into()])
    );
}

/// A use is of a manifest that is there, which stays as long as it is used.
pub async fn uses_need_a_manifest(store: Arc<dyn BlobStore>) {
    let error = store.add_use(&task("a"), &name("1"), 1).await.expect_err("there is none");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(store.uses(&Query::default()).await.expect("a listing").is_empty());
    two_revisions(&*store).await;
    store.add_use(&engine("e"), &name("1"), 1).await.expect("it is there");
    let error = store.remove_manifest(&name("1")).await.expect_err("it is used");
    assert_eq!(error.kind(), ErrorKind::Pinned);
    assert!(error.to_string().contains("engine e"), "{error}");
}

/// A use that is added during a deletion either holds or fails.
pub async fn uses_are_never_lost_to_deletions(store: Arc<dyn BlobStore>) {
    for round in 0..20 {
        two_revisions_again(&*store).await;
        let add = async { store.add_use(&engine("e"), &name("1"), round).await };
        let delete = async { store.delete(&Query::default().model("org/name")).await };
        let (added, deleted) = futures::join!(add, delete);
        deleted.expect("it can be deleted");
        match added {
            Ok(_) => {
                let (manifest, _) =
                    store.manifest(&name("1")).await.expect("it can be read").expect("it is used");
                for file in manifest.files.values() {
                    store.read_all(file.content, 100).await.expect("it is complete");
                }
            }
            Err(error) => assert!(
                matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Incomplete),
                "round {round}: {error:?}"
            ),
        }
        store.release_engine("e").await.expect("released");
        store.delete(&Query::default()).await.expect("it can be deleted");
        assert!(revisions(&*store).await.is_empty(), "round {round}");
    }
    assert!(store.quarantined().await.expect("a listing").is_empty());
}

async fn two_revisions_again(store: &dyn BlobStore) {
    if revisions(store).await.is_empty() {
        two_revisions(store).await;
    }
}

/// The last use is written down once within its resolution.
pub async fn touching_writes_once_an_hour(store: Arc<dyn BlobStore>) {
    two_revisions(&*store).await;
    let used =
        async || store.manifest(&name("1")).await.expect("it can be read").expect("it is there").0.used;
    assert!(store.touch(&name("1"), 10_000).await.expect("it is there"));
    assert!(!store.touch(&name("1"), 13_599).await.expect("it is there"));
    assert_eq!(used().await, 10_000);
    assert!(store.touch(&name("1"), 13_600).await.expect("it is there"));
    // A clock that was set back does not keep a model for ever.
    assert!(store.touch(&name("1"), 5).await.expect("it is there"));
    assert_eq!(used().await, 5);
    assert_eq!(store.touch(&name("3"), 1).await.expect_err("not there").kind(), ErrorKind::NotFound);
}
