//! Damaged copies: what stands in for one, what still knows of it, and what replaces it.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use rs_client::{
    AttachmentFolder, ErrorKind, MemoryStorage, Outcome, Packaged, PruneOptions, Storage, Stored, Version,
};
use serde_json::json;

use crate::support::{LIST, Pair, builder, commit, ids, list};

async fn snapshot(pair: &Pair) -> Vec<u8> {
    pair.client.sync(&list()).await.expect("the server is good");
    pair.client.snapshot(&list()).await.expect("the copy is good").expect("there is one").to_vec()
}

/// A packaged snapshot can be read in the place of a damaged copy, but does not know what that one described.
#[tokio::test]
async fn what_stands_in_for_a_damaged_copy_does_not_hide_the_damage() {
    let pair = Pair::new();
    pair.set("a");
    let state = snapshot(&pair).await;
    pair.store(&json!("damaged")).await;
    let client = pair.builder().packaged(list(), Packaged::snapshot(state)).build();
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let folder = AttachmentFolder::open(folder.path());
    for _ in 0..2 {
        let copy = client.load(&list()).await.expect("it was brought along").expect("it is there");
        assert_eq!(ids(&copy), ["a"]);
        let pruned = client.prune_attachments(&folder, &[list()], &PruneOptions::default()).await;
        assert_eq!(pruned.expect_err("nobody knows what to keep").kind(), ErrorKind::Corrupt);
    }
    for (result, repaired) in [(sync_all(&client).await, true), (sync_all(&client).await, false)] {
        assert_eq!((result.outcome, result.repaired), (Outcome::UpToDate, repaired));
    }
    let copy = pair.restarted().load(&list()).await.expect("it was replaced").expect("it is there");
    assert_eq!(ids(&copy), ["a"]);
    client.prune_attachments(&folder, &[list()], &PruneOptions::default()).await.expect("all is known");
}

async fn sync_all(client: &rs_client::Client) -> rs_client::SyncReport {
    let mut results = client.sync_all(&[list()]).await.expect("the server is good");
    results.remove(0).1.expect("the server is good")
}

/// Where there is a good copy, a damaged package is nothing to repair, and keeps nothing from being pruned.
#[tokio::test]
async fn a_damaged_snapshot_beside_a_good_copy_does_not_matter() {
    let pair = Pair::new();
    pair.set("a");
    let old = snapshot(&pair).await;
    pair.set("b");
    let text = String::from_utf8(snapshot(&pair).await).expect("it is text");
    let broken = text.replace("\"records\":[", "\"records\":[garbage").into_bytes();
    let old = serde_json::from_slice(&old).expect("it is JSON");
    pair.store(&old).await;
    let client = || pair.builder().packaged(list(), Packaged::snapshot(broken.clone())).build();
    assert_eq!(ids(&client().load(&list()).await.expect("it is good").expect("it is stored")), ["a"]);
    client().described_attachments(&[list()]).await.expect("the copy says which");
    let report = client().sync(&list()).await.expect("the server is good");
    assert_eq!((report.outcome, report.repaired), (Outcome::Updated, false));
}

/// What got into the place of a copy says nothing about how new that one was.
#[tokio::test]
async fn a_copy_of_another_collection_keeps_no_state_out() {
    let pair = Pair::new();
    pair.set("a");
    pair.server.set_record("another-list", json!({"id": "x"}));
    let another = "main/another-list".parse().expect("it is a name");
    pair.client.sync(&another).await.expect("the server is good");
    let key = format!("{}/{another}", pair.server.url());
    let newer = pair.storage.load(&key).await.expect("memory can be read").expect("it is there");
    commit(&*pair.storage, &pair.key(), newer.bytes).await;
    assert!(pair.server.timestamp(LIST) < pair.server.timestamp("another-list"));
    let report = pair.restarted().sync(&list()).await.expect("the server is good");
    assert_eq!((ids(&report.collection), report.repaired), (vec!["a"], true));
}

/// Somebody else commits something right before the first commit of one key.
#[derive(Debug, Default)]
struct Overtaken {
    inner: MemoryStorage,
    theirs: Mutex<Option<(String, Bytes)>>,
}

#[async_trait]
impl Storage for Overtaken {
    async fn load(&self, key: &str) -> io::Result<Option<Stored>> {
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
        let theirs = || {
            let mut theirs = self.theirs.lock().unwrap_or_else(PoisonError::into_inner);
            theirs.take_if(|(of, _)| of == key)
        };
        if let Some((_, theirs)) = theirs() {
            self.inner.commit(key, theirs, expected).await?;
        }
        self.inner.commit(key, state, expected).await
    }
    async fn remove(&self, key: &str) -> io::Result<()> {
        self.inner.remove(key).await
    }
}

/// What is stored meanwhile is compared as what was there before is.
#[tokio::test]
async fn a_copy_that_came_meanwhile_is_neither_emptied_nor_overtaken_by_what_is_older() {
    let pair = Pair::new();
    pair.set("a");
    let older = snapshot(&pair).await;
    pair.set("b");
    let newer = String::from_utf8(snapshot(&pair).await).expect("it is text");
    let damaged = newer.replace("feature-extraction", "feature-extractioN").into_bytes();
    for (theirs, expected) in [(older, ErrorKind::Emptied), (damaged, ErrorKind::Rollback)] {
        let storage = Arc::new(Overtaken::default());
        let client = builder(&pair.server.url(), &pair.server.root_hash(), storage.clone()).build();
        if expected == ErrorKind::Emptied {
            pair.server.delete_record(LIST, "a");
            pair.server.delete_record(LIST, "b");
        } else {
            pair.server.roll_back(LIST, 3);
        }
        *storage.theirs.lock().expect("nobody panics") = Some((pair.key(), theirs.clone().into()));
        let error = client.sync(&list()).await.expect_err("it is not to be replaced");
        assert_eq!(error.kind(), expected, "{error}");
        let stored = storage.load(&pair.key()).await.expect("memory can be read").expect("it is there");
        assert_eq!(stored.bytes, theirs);
    }
}
