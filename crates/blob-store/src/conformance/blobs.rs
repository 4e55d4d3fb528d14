//! Cases about blobs: publishing, reading, removing, quarantine.

use std::{collections::BTreeSet, sync::Arc, time::SystemTime};

use bytes::Bytes;
use content_id::ContentId;
use futures::{TryStreamExt, future::join_all};

use super::{noise, put, put_in_pieces};
use crate::{BlobStore, BlobStoreExt, ErrorKind, Expected, Quarantined, Reason};

const MAX: u64 = 1 << 30;

/// What was put comes back, and is there only from then on.
pub async fn put_then_read(store: Arc<dyn BlobStore>) {
    for content in [Bytes::new(), Bytes::from("a"), noise(100_000, 1), noise((1 << 20) + 3, 2)] {
        let id = ContentId::of(&content);
        assert!(!store.contains(id).await.expect("the store can be asked"));
        assert_eq!(put_in_pieces(&*store, id.into(), &content, 70_000).await, id);
        assert!(store.contains(id).await.expect("the store can be asked"));
        assert_eq!(store.read_all(id, MAX).await.expect("it is there"), content);
    }
}

/// What is not there is said to be not there, by name.
pub async fn what_is_absent_is_not_found(store: Arc<dyn BlobStore>) {
    let id = ContentId::of(b"absent");
    for range in [0..id.size, 0..0, 2..3] {
        let error = store.read(id, range).await.err().expect("there is nothing to read");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.subject().contains(&id.digest.to_string()), "{error}");
    }
    assert_eq!(store.read_all(id, MAX).await.expect_err("there is nothing").kind(), ErrorKind::NotFound);
    assert_eq!(store.local_path(id), None);
    assert!(!store.remove(id).await.expect("removing nothing is no error"));
    assert!(!store.quarantine(id.digest, Reason::Garbage).await.expect("hiding nothing is no error"));
    let held = Quarantined::new(id.digest, 0, Reason::Garbage, "../../x".to_owned());
    assert!(!store.restore(&held).await.expect("restoring nothing is no error"));
    assert!(!store.purge(&held).await.expect("purging nothing is no error"));
    assert!(store.blobs().await.expect("an empty listing").is_empty());
    // The same digest with another size is another content id, and not there either.
    put(&*store, "absent").await;
    assert!(!store.contains(ContentId::new(id.digest, id.size + 1)).await.expect("the store can be asked"));
}

/// Content of which nothing was expected gets the name it deserves.
pub async fn unexpected_content_is_named(store: Arc<dyn BlobStore>) {
    for length in [0, 1, 3_000_000] {
        let content = noise(length, 3);
        let id = ContentId::of(&content);
        assert_eq!(put_in_pieces(&*store, Expected::default(), &content, 1 << 20).await, id);
        assert_eq!(store.read_all(id, MAX).await.expect("it is there"), content);
    }
}

/// Content that is not what was expected is never visible.
pub async fn wrong_content_is_refused(store: Arc<dyn BlobStore>) {
    let id = ContentId::of(b"expected");
    let other = ContentId::of(b"Expected");
    let only_digest = Expected::new(Some(id.digest), None);
    let only_size = Expected::new(None, Some(id.size));
    for (content, expected) in [
        ("", id.into()),
        ("expecte", id.into()),
        ("Expected", id.into()),
        ("expected!", only_digest),
        ("", only_digest),
        ("expecte", only_size),
    ] {
        let mut stage = store.stage(expected).await.expect("a stage begins");
        stage.write(content.into()).await.expect("nothing is wrong yet");
        let error = stage.publish().await.expect_err("it is not what was expected");
        assert_eq!(error.kind(), ErrorKind::Mismatch, "{content}: {error}");
    }
    for id in [id, other, ContentId::of(b""), ContentId::of(b"expecte"), ContentId::of(b"expected!")] {
        assert!(!store.contains(id).await.expect("the store can be asked"));
    }
    assert!(store.blobs().await.expect("a listing").is_empty());
}

/// The first byte too many ends the writing, and the stage.
pub async fn endless_content_is_cut_off(store: Arc<dyn BlobStore>) {
    let id = ContentId::of(b"four");
    let mut stage = store.stage(id.into()).await.expect("a stage begins");
    stage.write("four".into()).await.expect("so far it is right");
    let error = stage.write("!".into()).await.expect_err("one byte too many");
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    stage.write("".into()).await.expect_err("the stage has failed");
    stage.publish().await.expect_err("the stage has failed");
    assert!(!store.contains(id).await.expect("the store can be asked"));
}

/// A stage that is discarded, dropped or refused leaves nothing behind.
pub async fn abandoned_stages_leave_nothing(store: Arc<dyn BlobStore>) {
    let content = noise(20 << 20, 4);
    for discard in [true, false] {
        let mut stage = store.stage(ContentId::of(&content).into()).await.expect("a stage begins");
        for piece in content.chunks(3 << 20).take(5) {
            stage.write(content.slice_ref(piece)).await.expect("a piece is accepted");
        }
        if discard {
            stage.discard().await.expect("a stage is discarded");
        }
    }
    assert!(store.blobs().await.expect("a listing").is_empty());
    assert!(!store.contains(ContentId::of(&content)).await.expect("the store can be asked"));
}

/// Putting what is there succeeds and changes nothing.
pub async fn put_again_changes_nothing(store: Arc<dyn BlobStore>) {
    let content = Bytes::from("again");
    let id = store.put_bytes(content.clone()).await.expect("it is put");
    assert_eq!(store.put_bytes(content.clone()).await.expect("it is there"), id);
    assert_eq!(put_in_pieces(&*store, id.into(), &content, 2).await, id);
    assert_eq!(put_in_pieces(&*store, Expected::default(), &content, 5).await, id);
    assert_eq!(store.read_all(id, MAX).await.expect("it is there"), content);
    assert_eq!(store.blobs().await.expect("a listing").len(), 1);
}

/// Pieces of any size make the same blob.
pub async fn many_small_writes(store: Arc<dyn BlobStore>) {
    let content = noise(30_000, 5);
    let id = ContentId::of(&content);
    assert_eq!(put_in_pieces(&*store, id.into(), &content, 7).await, id);
    assert_eq!(store.read_all(id, MAX).await.expect("it is there"), content);
}

/// Content of several parts, known and unknown before, comes back whole; wrong content of several parts does not.
pub async fn long_content_in_parts(store: Arc<dyn BlobStore>) {
    let content = noise((17 << 20) + 1, 6);
    let id = ContentId::of(&content);
    let mut wrong = store.stage(Expected::new(Some(id.digest), None)).await.expect("a stage begins");
    for piece in content.chunks(5 << 20) {
        wrong.write(content.slice_ref(piece)).await.expect("a piece is accepted");
    }
    wrong.write("x".into()).await.expect("a piece is accepted");
    assert_eq!(wrong.publish().await.expect_err("a byte too many").kind(), ErrorKind::Mismatch);
    assert!(store.blobs().await.expect("a listing").is_empty());
    for expected in [id.into(), Expected::default()] {
        assert_eq!(put_in_pieces(&*store, expected, &content, 3 << 20).await, id);
        assert!(store.read_all(id, MAX).await.expect("it is there") == content);
        assert!(store.remove(id).await.expect("it can be removed"));
    }
    assert_eq!(put_in_pieces(&*store, id.into(), &content, content.len()).await, id);
    assert!(store.read_all(id, MAX).await.expect("it is there") == content);
}

/// Several writers of one blob all succeed, and none disturbs another.
pub async fn writers_of_one_blob_all_succeed(store: Arc<dyn BlobStore>) {
    let content = noise(200_000, 7);
    let id = ContentId::of(&content);
    let writers = (0..8).map(|n| put_in_pieces(&*store, id.into(), &content, 10_000 + n));
    assert!(join_all(writers).await.iter().all(|written| *written == id));
    assert_eq!(store.read_all(id, MAX).await.expect("it is there"), content);
    assert_eq!(store.blobs().await.expect("a listing").len(), 1);
}

/// Every range inside the blob is read exactly; every other is refused.
pub async fn ranges(store: Arc<dyn BlobStore>) {
    let content = noise(1_300_000, 8);
    let id = store.put_bytes(content.clone()).await.expect("it is put");
    for (start, end) in [
        (0, 0),
        (0, 1),
        (5, 5),
        (0, 1_300_000),
        (7, 1_299_999),
        (1_299_999, 1_300_000),
        (1_300_000, 1_300_000),
    ] {
        let stream = store.read(id, start..end).await.expect("the range is inside");
        let pieces: Vec<Bytes> = stream.try_collect().await.expect("it can be read");
        assert!(pieces.concat() == content[start as usize..end as usize], "{start}..{end}");
    }
    #[expect(clippy::reversed_empty_ranges, reason = "that is what has to be refused")]
    for range in [0..1_300_001, 1_300_001..1_300_001, 3..2] {
        let error = store.read(id, range).await.err().expect("the range is outside");
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    let error = store.read_all(id, 1_299_999).await.expect_err("it is larger than asked for");
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

/// Where a backend keeps a blob in a file, the file has exactly its bytes.
pub async fn local_path_leads_to_the_bytes(store: Arc<dyn BlobStore>) {
    let id = put(&*store, "in a file").await;
    if let Some(path) = store.local_path(id) {
        assert_eq!(std::fs::read(path).expect("the file can be read"), b"in a file");
        assert!(store.remove(id).await.expect("it can be removed"));
        assert_eq!(store.local_path(id), None);
    }
}

/// A blob that is removed is gone, once.
pub async fn removed_is_gone(store: Arc<dyn BlobStore>) {
    let (id, other) = (put(&*store, "goes").await, put(&*store, "stays").await);
    assert!(store.remove(id).await.expect("it can be removed"));
    assert!(!store.remove(id).await.expect("there is nothing left to remove"));
    assert!(!store.contains(id).await.expect("the store can be asked"));
    assert_eq!(store.read_all(other, MAX).await.expect("it stays"), "stays");
}

/// The missing ones of many blobs are found.
pub async fn confirm_names_what_is_missing(store: Arc<dyn BlobStore>) {
    let (a, b) = (put(&*store, "a").await, put(&*store, "b").await);
    let absent = ContentId::of(b"c");
    assert_eq!(store.confirm(&[]).await.expect("nothing to confirm"), []);
    assert_eq!(store.confirm(&[a, b]).await.expect("both are there"), []);
    assert_eq!(store.confirm(&[a, absent, b]).await.expect("one is not there"), [absent]);
}

/// The listing has every blob with its size and a plausible time.
pub async fn listing_is_complete(store: Arc<dyn BlobStore>) {
    let mut ids = BTreeSet::new();
    for n in 0..40_u32 {
        ids.insert(store.put_bytes(n.to_string().into()).await.expect("it is put"));
    }
    let listed = store.blobs().await.expect("a listing");
    assert_eq!(listed.iter().map(|blob| blob.id).collect::<BTreeSet<_>>(), ids);
    assert!(listed.iter().all(|blob| SystemTime::UNIX_EPOCH < blob.modified));
}

/// A blob in quarantine is out of sight, and can come back.
pub async fn quarantine_hides_and_restores(store: Arc<dyn BlobStore>) {
    for (reason, comes_back) in [(Reason::Garbage, true), (Reason::Damaged, true), (Reason::Damaged, false)] {
        let id = put(&*store, "hidden").await;
        assert!(store.quarantine(id.digest, reason).await.expect("it can be hidden"));
        assert!(!store.contains(id).await.expect("the store can be asked"));
        assert!(store.blobs().await.expect("a listing").is_empty());
        let held = store.quarantined().await.expect("a listing");
        assert_eq!(held.len(), 1);
        assert_eq!(held, store.quarantined().await.expect("the same listing"));
        assert_eq!((held[0].digest, held[0].size, held[0].reason), (id.digest, id.size, reason));
        if comes_back {
            assert!(store.restore(&held[0]).await.expect("the store can be asked"));
        }
        assert_eq!(store.contains(id).await.expect("the store can be asked"), comes_back);
        assert_eq!(store.purge(&held[0]).await.expect("it can be destroyed"), !comes_back);
        assert!(store.quarantined().await.expect("a listing").is_empty());
    }
}

/// Cleaning up after others takes nothing from who is writing.
pub async fn stages_being_written_survive_cleaning(store: Arc<dyn BlobStore>) {
    let content = noise(9 << 20, 9);
    let id = ContentId::of(&content);
    let published = put(&*store, "published").await;
    let mut stage = store.stage(Expected::default()).await.expect("a stage begins");
    stage.write(content.clone()).await.expect("a piece is accepted");
    let removed = store.remove_stages(SystemTime::UNIX_EPOCH).await.expect("nothing is as old as that");
    assert_eq!(removed, 0);
    assert_eq!(stage.publish().await.expect("the stage is untouched"), id);
    let removed = store.remove_stages(super::later().now).await.expect("everything is older than that");
    assert_eq!(removed, 0, "published blobs are no stages");
    assert_eq!(store.confirm(&[id, published]).await.expect("both are there"), []);
}
