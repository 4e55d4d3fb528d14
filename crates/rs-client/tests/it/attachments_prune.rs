//! Files leave the folder with their records, and not before.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use content_id::ContentId;
use rs_client::{CollectionName, ErrorKind, PruneOptions};

use crate::{
    attachments_support::{Kept, age, names, noise},
    support::{DAY, LIST, list},
};

const HOUR: Duration = Duration::from_secs(3600);

/// A pair whose folder has the file of the record `a` and one that no record describes, both unused for two days.
async fn with_an_orphan() -> (Kept, PathBuf) {
    let kept = Kept::new().await;
    let fetched = kept.fetch().await.expect("the server is good");
    age(&fetched.path, 2 * DAY);
    let orphan = put(&kept, b"orphan", 2 * DAY).await;
    (kept, orphan)
}

async fn put(kept: &Kept, bytes: &[u8], old: Duration) -> PathBuf {
    let path = kept.folder.put(ContentId::of(bytes), bytes.to_vec()).await.expect("there is room");
    age(&path, old);
    path
}

fn name(path: &Path) -> String {
    path.file_name().expect("it has a name").to_string_lossy().into_owned()
}

#[tokio::test]
async fn files_that_no_record_describes_are_removed() {
    let (kept, orphan) = with_an_orphan().await;
    fs::write(kept.folder.folder().join("notes.txt"), "not ours").expect("there is room");
    let client = &kept.pair.client;
    let dry = PruneOptions::default().dry_run(true);
    let would = client.prune_attachments(&kept.folder, &[list()], &dry).await.expect("all can be read");
    assert!(orphan.exists(), "nothing was removed");
    let pruned =
        client.prune_attachments(&kept.folder, &[list()], &PruneOptions::default()).await.expect("as before");
    assert_eq!(would, pruned);
    assert_eq!((pruned.removed, pruned.bytes_freed), (vec![ContentId::of(b"orphan")], 6));
    assert_eq!(kept.names(), sorted([kept.content.digest.to_string(), "notes.txt".into()]));
    assert!(kept.folder.get(ContentId::of(b"orphan")).await.expect("it can be read").is_none());

    // The record gets another file: the old one goes.
    kept.pair.server.set_attachment(LIST, "a", "file.bin", b"new".to_vec());
    client.sync(&list()).await.expect("the server is good");
    kept.fetch().await.expect("the server is good");
    let pruned =
        client.prune_attachments(&kept.folder, &[list()], &PruneOptions::default()).await.expect("as before");
    assert_eq!(pruned.removed, [kept.content]);
    assert_eq!(kept.names(), sorted([ContentId::of(b"new").digest.to_string(), "notes.txt".into()]));
}

fn sorted(mut names: [String; 2]) -> [String; 2] {
    names.sort();
    names
}

#[tokio::test]
async fn what_was_used_lately_stays() {
    let (kept, orphan) = with_an_orphan().await;
    let hour = PruneOptions::default().grace(HOUR);
    // Asked for just now, by whoever still has the old records.
    for _ in 0..2 {
        // Not only by the reading that the first look takes.
        let file = fs::File::options().append(true).open(&orphan).expect("it can be written");
        let times = fs::FileTimes::new().set_accessed(std::time::SystemTime::now() - 2 * DAY);
        file.set_times(times).expect("a file's times can be set");
        kept.folder.get(ContentId::of(b"orphan")).await.expect("it can be read").expect("it is there");
    }
    let fresh = put(&kept, b"fresh", HOUR / 2).await;
    put(&kept, b"old", 2 * HOUR).await;
    let pruned = kept.pair.client.prune_attachments(&kept.folder, &[list()], &hour).await;
    assert_eq!(pruned.expect("all can be read").removed, [ContentId::of(b"old")]);
    assert!(orphan.exists() && fresh.exists());
    let pruned =
        kept.pair.client.prune_attachments(&kept.folder, &[list()], &hour.grace(Duration::ZERO)).await;
    assert_eq!(pruned.expect("all can be read").removed.len(), 2);
}

/// A copy that is missing or damaged says nothing about what it described.
#[tokio::test]
async fn nothing_is_removed_where_a_local_copy_cannot_be_read() {
    let (kept, orphan) = with_an_orphan().await;
    let client = &kept.pair.client;
    let other = CollectionName::new("main", "ml-onnx-runtime").expect("the name is one");
    let all = PruneOptions::default().grace(Duration::ZERO);
    for names in [vec![list(), other.clone()], vec![other]] {
        let error =
            client.prune_attachments(&kept.folder, &names, &all).await.expect_err("it was never synced");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("ml-onnx-runtime"), "{error}");
    }
    let mut state = kept.pair.stored().await;
    state["records"][0]["attachment"]["size"] = 1.into();
    kept.pair.store(&state).await;
    let client = kept.pair.restarted();
    let error = client.prune_attachments(&kept.folder, &[list()], &all).await.expect_err("it is damaged");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(orphan.exists() && kept.path().exists());
}

#[tokio::test]
async fn all_collections_that_are_named_count() {
    let (kept, orphan) = with_an_orphan().await;
    let client = &kept.pair.client;
    let other = CollectionName::new("main", "ml-onnx-runtime").expect("the name is one");
    kept.pair.server.set_attachment("ml-onnx-runtime", "x", "x", b"orphan".to_vec());
    client.sync(&other).await.expect("the server is good");
    let names = [list(), other];
    let pruned = client.prune_attachments(&kept.folder, &names, &PruneOptions::default()).await;
    assert!(pruned.expect("all can be read").removed.is_empty());
    // Two clients of one folder put together what they describe.
    let mut keep = client.described_attachments(&names[..1]).await.expect("it can be read");
    assert_eq!(keep.len(), 1);
    keep.extend(client.described_attachments(&names[1..]).await.expect("it can be read"));
    assert!(kept.folder.prune(keep, &PruneOptions::default()).await.expect("as before").removed.is_empty());
    assert!(orphan.exists());
}

#[tokio::test]
async fn unfinished_files_go_where_nobody_is_at_work_on_them() {
    let kept = Kept::new().await;
    kept.leave(b"of a file that is described");
    let [idle, busy] = [b"idle", b"busy"].map(|bytes| {
        let path = kept.folder.folder().join(ContentId::of(bytes).digest.to_string()).with_extension("part");
        fs::write(&path, bytes).expect("there is room");
        path
    });
    let at_work = fs::File::open(&busy).expect("it is there");
    at_work.lock().expect("nobody else holds it");
    let now = PruneOptions::default().grace(Duration::ZERO);
    let pruned = kept.pair.client.prune_attachments(&kept.folder, &[list()], &now).await;
    let pruned = pruned.expect("all can be read");
    assert_eq!((pruned.unfinished, pruned.bytes_freed), (1, 4));
    assert_eq!(kept.names(), sorted([name(&kept.part()), name(&busy)]));
    assert!(!idle.exists());

    // Also without pruning, in the end.
    drop(at_work);
    age(&busy, 2 * DAY);
    kept.fetch().await.expect("the server is good");
    assert_eq!(kept.names(), [kept.content.digest.to_string()]);
}

/// A file that is being looked at is in use.
#[tokio::test]
async fn a_file_that_is_locked_stays() {
    let (kept, orphan) = with_an_orphan().await;
    let reader = fs::File::open(&orphan).expect("it is there");
    reader.lock_shared().expect("nobody else holds it");
    let none: [ContentId; 0] = [];
    let pruned = kept.folder.prune(none, &PruneOptions::default()).await.expect("it can be read");
    assert_eq!(pruned.removed, [kept.content]);
    assert!(orphan.exists());
    drop(reader);
    assert_eq!(kept.folder.prune(none, &PruneOptions::default()).await.expect("as before").removed.len(), 1);
    assert!(kept.names().is_empty());
}

#[cfg(unix)]
#[tokio::test]
async fn only_plain_files_are_removed_and_only_from_the_folder() {
    let kept = Kept::with(noise(10, 1)).await;
    kept.fetch().await.expect("the server is good");
    let outside = kept.outside().join("outside");
    fs::write(&outside, "outside").expect("there is room");
    let link = kept.folder.folder().join(ContentId::of(b"link").digest.to_string());
    std::os::unix::fs::symlink(&outside, &link).expect("links can be made");
    fs::create_dir(kept.folder.folder().join(ContentId::of(b"folder").digest.to_string()))
        .expect("it can be made");
    let none: [ContentId; 0] = [];
    let all = PruneOptions::default().grace(Duration::ZERO);
    assert_eq!(kept.folder.prune(none, &all).await.expect("it can be read").removed, [kept.content]);
    assert_eq!(kept.names().len(), 2);
    assert_eq!(names(kept.outside()), ["attachments", "outside"]);
    let nowhere = rs_client::AttachmentFolder::open(kept.outside().join("nowhere"));
    assert!(nowhere.prune(none, &all).await.expect("nothing is there").removed.is_empty());
}
