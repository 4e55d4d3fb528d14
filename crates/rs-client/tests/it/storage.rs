//! Files replace each other as a whole, whatever happens in between.

use std::{fs, io, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use rs_client::{ErrorKind, FileStorage, MemoryStorage, Storage, Stored, Version};

use crate::support::{Pair, builder, commit, ids, list};

async fn loaded(storage: &dyn Storage, key: &str) -> Bytes {
    storage.load(key).await.expect("it can be read").expect("it is there").bytes
}

#[tokio::test]
async fn both_storages_keep_the_last_commit_of_each_key() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let storages: [Box<dyn Storage>; 2] =
        [Box::new(MemoryStorage::new()), Box::new(FileStorage::open(folder.path().join("made/when/needed")))];
    for storage in storages {
        // Keys that a careless file name would confuse, or that would leave the folder.
        let keys = ["a", "A", "a/b", "a_b", "../a", "/etc/passwd", "", ".", &"long".repeat(200), "é", "con"];
        for key in keys {
            assert_eq!(storage.load(key).await.expect("nothing is there"), None);
            storage.remove(key).await.expect("nothing is there");
            commit(&*storage, key, "old".into()).await;
            commit(&*storage, key, Bytes::from(key.to_owned())).await;
        }
        for key in keys {
            assert_eq!(loaded(&*storage, key).await, key.as_bytes());
            storage.remove(key).await.expect("it is there");
            assert_eq!(storage.load(key).await.expect("it is gone"), None);
        }
    }
}

#[test]
fn files_work_without_a_runtime() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let storage = FileStorage::open(folder.path());
    futures::executor::block_on(async {
        commit(&storage, "key", "state".into()).await;
        assert_eq!(loaded(&storage, "key").await, "state");
    });
}

/// Whoever is killed while writing leaves an unfinished file, which nobody reads; a day later a commit removes it.
#[tokio::test]
async fn an_unfinished_file_is_ignored_and_in_the_end_removed() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let storage = FileStorage::open(folder.path());
    commit(&storage, "key", "good".into()).await;
    let fresh = folder.path().join(".unfinished-fresh");
    let old = folder.path().join(".unfinished-old");
    for path in [&fresh, &old] {
        fs::write(path, "half of a sta").expect("there is room");
    }
    let long_ago = std::time::SystemTime::now() - 2 * crate::support::DAY;
    fs::File::options()
        .write(true)
        .open(&old)
        .and_then(|file| file.set_modified(long_ago))
        .expect("the file is ours");

    assert_eq!(loaded(&storage, "key").await, "good");
    commit(&storage, "key", "better".into()).await;
    assert_eq!(loaded(&storage, "key").await, "better");
    assert!(fresh.exists() && !old.exists());
    // The state, the lock and the fresh one.
    assert_eq!(fs::read_dir(folder.path()).expect("the folder is there").count(), 3);
}

/// A half-written file under the final name, as a careless program would leave it, is noticed.
#[tokio::test]
async fn a_truncated_file_is_noticed_and_replaced() {
    let pair = Pair::new();
    pair.set("a");
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let storage = Arc::new(FileStorage::open(folder.path()));
    let client = builder(&pair.server.url(), &pair.server.root_hash(), storage.clone()).build();
    client.sync(&list()).await.expect("the server is good");
    let path = storage.path(&pair.key());
    let state = fs::read(&path).expect("the copy is there");
    for length in [0, 1, state.len() / 2, state.len() - 1] {
        fs::write(&path, &state[..length]).expect("there is room");
        let error = client.load(&list()).await.expect_err("it is cut off");
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(client.sync(&list()).await.expect("the server is good").repaired);
    }
    let kept = client.load(&list()).await.expect("the copy is good").expect("there is one");
    assert_eq!(ids(&kept), ["a"]);
}

/// Reads, but refuses to write.
#[derive(Debug)]
struct Full(Arc<MemoryStorage>);

#[async_trait]
impl Storage for Full {
    async fn load(&self, key: &str) -> io::Result<Option<Stored>> {
        self.0.load(key).await
    }
    async fn version(&self, key: &str) -> io::Result<Option<Version>> {
        self.0.version(key).await
    }
    async fn commit(&self, _: &str, _: Bytes, _: Option<&Version>) -> io::Result<Option<Version>> {
        Err(io::ErrorKind::StorageFull.into())
    }
    async fn remove(&self, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::StorageFull.into())
    }
}

#[tokio::test]
async fn a_full_disk_fails_the_sync_and_leaves_the_copy() {
    let pair = Pair::new();
    pair.set("a");
    pair.client.sync(&list()).await.expect("the server is good");
    pair.set("b");
    let full = Arc::new(Full(pair.storage.clone()));
    let client = builder(&pair.server.url(), &pair.server.root_hash(), full).build();
    let error = client.sync(&list()).await.expect_err("nothing fits");
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert!(std::error::Error::source(&error).is_some());
    let kept = client.load(&list()).await.expect("the copy is good").expect("there is one");
    assert_eq!(ids(&kept), ["a"]);
}

#[cfg(unix)]
#[tokio::test]
async fn who_may_read_the_state_is_left_to_the_umask() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder can be made");
    let storage = FileStorage::open(folder.path());
    commit(&storage, "key", "state".into()).await;
    let usual = folder.path().join("usual");
    std::fs::write(&usual, "any file").expect("it is written");
    let mode = |path: &std::path::Path| std::fs::metadata(path).expect("it is there").permissions().mode();
    assert_eq!(mode(&storage.path("key")), mode(&usual));
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_no_plain_file_is_refused_and_not_waited_for() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let storage = FileStorage::open(folder.path());
    let made = std::process::Command::new("mkfifo").arg(storage.path("key")).status();
    assert!(made.expect("mkfifo is there").success());
    let error = storage.load("key").await.expect_err("opening it would wait for a writer");
    assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
}

/// A removal waits for a commit that has compared already: it would bring back what was removed.
#[tokio::test(flavor = "multi_thread")]
async fn a_removal_does_not_come_between_the_two_steps_of_a_commit() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let storage = FileStorage::open(folder.path());
    storage.remove("key").await.expect("nothing is there, not even a folder to lock");
    storage
        .commit("key", "state".into(), None)
        .await
        .expect("it can be written")
        .expect("nobody else writes");
    let lock = std::fs::File::open(folder.path().join(".lock")).expect("a commit has made it");
    lock.lock().expect("nobody holds it");
    let mut removal = Box::pin(storage.remove("key"));
    let early = tokio::time::timeout(std::time::Duration::from_millis(50), &mut removal).await;
    assert!(early.is_err() && storage.version("key").await.expect("it can be read").is_some());
    drop(lock);
    removal.await.expect("it can be removed");
    assert_eq!(storage.version("key").await.expect("it can be read"), None);
}
