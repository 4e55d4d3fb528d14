//! Several clients, several programs, one storage.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use rs_client::{ErrorKind, FileStorage, MemoryStorage, Outcome, Storage, Stored, Version};
use testkit::http::{Fault, FaultKind};

use crate::support::{LIST, Pair, builder, ids, list};

/// Counts what is done with it.
#[derive(Debug, Default)]
struct Counted {
    inner: MemoryStorage,
    loads: AtomicUsize,
    commits: AtomicUsize,
}

#[async_trait]
impl Storage for Counted {
    async fn load(&self, key: &str) -> io::Result<Option<Stored>> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        self.inner.load(key).await
    }
    async fn version(&self, key: &str) -> io::Result<Option<Version>> {
        self.inner.version(key).await
    }
    async fn commit(
        &self,
        key: &str,
        state: Bytes,
        expected: Option<&Version>,
    ) -> io::Result<Option<Version>> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        self.inner.commit(key, state, expected).await
    }
    async fn remove(&self, key: &str) -> io::Result<()> {
        self.inner.remove(key).await
    }
}

#[tokio::test]
async fn a_sync_with_nothing_new_is_one_request_and_touches_no_storage() {
    let pair = Pair::new();
    pair.set_each(&["a", "b"]);
    let storage = Arc::new(Counted::default());
    let client = builder(&pair.server.url(), &pair.server.root_hash(), storage.clone()).build();
    client.sync(&list()).await.expect("the server is good");
    pair.requests();
    let before = (storage.loads.load(Ordering::SeqCst), storage.commits.load(Ordering::SeqCst));
    for _ in 0..3 {
        let report = client.sync(&list()).await.expect("the server is good");
        assert_eq!(report.outcome, Outcome::UpToDate);
        assert_eq!(pair.requests().len(), 1);
        assert_eq!(ids(&client.load(&list()).await.expect("it is good").expect("it is there")), ["a", "b"]);
    }
    let after = (storage.loads.load(Ordering::SeqCst), storage.commits.load(Ordering::SeqCst));
    assert_eq!((before, after), ((0, 1), (0, 1)));
}

/// What another program commits is seen, although this one keeps its copy in memory.
#[tokio::test]
async fn what_another_client_stores_is_read() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let pair = Pair::new();
    pair.set("a");
    let [one, other] = [(), ()].map(|()| {
        let storage = Arc::new(FileStorage::open(folder.path()));
        builder(&pair.server.url(), &pair.server.root_hash(), storage).build()
    });
    one.sync(&list()).await.expect("the server is good");
    other.sync(&list()).await.expect("the server is good");
    pair.set("b");
    other.sync(&list()).await.expect("the server is good");
    let seen = one.load(&list()).await.expect("the copy is good").expect("it is there");
    assert_eq!(ids(&seen), ["a", "b"]);
    pair.requests();
    assert_eq!(one.sync(&list()).await.expect("the server is good").outcome, Outcome::UpToDate);
    one.reset(&list()).await.expect("it can be removed");
    assert!(other.load(&list()).await.expect("nothing is there").is_none());
}

/// Two clients fetch; the one with the older answer commits last. The newer state stays.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_answer_that_comes_late_does_not_replace_a_newer_state() {
    let pair = Pair::new();
    pair.set("a");
    let slow = pair.restarted();
    // The answer is made now and held back; the list goes on meanwhile.
    pair.server.fault(Fault::new("/chains/", FaultKind::Hold).times(1));
    let late = tokio::spawn(async move { slow.sync(&list()).await });
    while !pair.server.requests().iter().any(|request| request.target.contains("/chains/")) {
        tokio::task::yield_now().await;
    }
    pair.set("b");
    let fast = pair.client.sync(&list()).await.expect("the server is good");
    pair.server.http().release();
    let report = late.await.expect("it does not panic").expect("the server is good");
    assert_eq!(report.collection.timestamp, fast.collection.timestamp, "the newer state is reported");
    assert_eq!(ids(&pair.client.load(&list()).await.expect("it is good").expect("it is there")), ["a", "b"]);
}

/// The timestamp is told even where the records are damaged, and still keeps older states out.
#[tokio::test]
async fn a_damaged_copy_does_not_open_the_door_to_an_older_state() {
    let pair = Pair::new();
    pair.set_each(&["a", "b"]);
    pair.client.sync(&list()).await.expect("the server is good");
    let stored = pair.storage.load(&pair.key()).await.expect("memory can be read").expect("it is there");
    let text = String::from_utf8(stored.bytes.to_vec()).expect("it is text");
    let damaged = text.replace("feature-extraction", "feature-extractioN");
    assert_ne!(text, damaged);
    pair.storage
        .commit(&pair.key(), damaged.into(), Some(&stored.version))
        .await
        .expect("memory can be written");
    pair.server.roll_back(LIST, 1);
    let client = pair.restarted();
    assert_eq!(client.load(&list()).await.expect_err("it is damaged").kind(), ErrorKind::Corrupt);
    let error = client.sync(&list()).await.expect_err("it is older than what was there");
    assert_eq!(error.kind(), ErrorKind::Rollback, "{error}");
    client.reset(&list()).await.expect("memory can be written");
    client.sync(&list()).await.expect("a reset client takes what there is");
}

/// Whoever is stopped while holding the lock does not stop the others for ever; whoever ends frees it.
#[tokio::test]
async fn of_many_commits_at_once_one_wins_each_round() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let storage = Arc::new(FileStorage::open(folder.path()));
    for round in 0..5 {
        let version = storage.version("key").await.expect("it can be read");
        let tasks: Vec<_> = (0..8)
            .map(|task| {
                let (storage, version) = (storage.clone(), version.clone());
                tokio::spawn(async move {
                    let state = Bytes::from(format!("{round}.{task}"));
                    storage.commit("key", state, version.as_ref()).await.expect("it can be written")
                })
            })
            .collect();
        let mut won = Vec::new();
        for task in tasks {
            won.extend(task.await.expect("it does not panic"));
        }
        assert_eq!(won.len(), 1, "{won:?}");
        assert_eq!(storage.version("key").await.expect("it can be read").as_ref(), won.first());
    }
}
