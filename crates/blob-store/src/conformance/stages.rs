//! Cases about stages in parts: any order, resuming, and what is refused.

use std::{
    ops::Range,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use content_id::ContentId;
use futures::future::join_all;

use super::{later, noise};
use crate::{BlobStore, BlobStoreExt, Error, ErrorKind, Expected, Part, PartHashes, PartStage, StageKey};

const MAX: u64 = 1 << 30;

fn key(validator: &str) -> StageKey {
    StageKey::new("https://hub.example/file", validator)
}

fn slice(content: &Bytes, range: &Range<u64>) -> Bytes {
    content.slice(range.start as usize..range.end as usize)
}

/// A stage that nobody else has, but perhaps for a moment the background work of a writer that was dropped.
async fn begin(store: &dyn BlobStore, expected: Expected) -> Box<dyn PartStage> {
    for _ in 0..20_000 {
        match store.stage_parts(&key("v1"), expected).await {
            Err(error) if error.kind() == ErrorKind::Busy => {}
            begun => return begun.expect("nobody else has it"),
        }
    }
    panic!("somebody has it for good");
}

/// Writes a part of `content`, in pieces.
async fn fetch(stage: &dyn PartStage, content: &Bytes, range: Range<u64>) -> Part {
    let mut writer = stage.part(range.clone()).await.expect("nobody else writes it");
    let content = slice(content, &range);
    for piece in content.chunks(70_001) {
        writer.write(content.slice_ref(piece)).await.expect("a piece is accepted");
    }
    assert_eq!(writer.written(), range.end - range.start);
    let part = writer.finish(None).await.expect("it is recorded");
    assert_eq!(part, Part::new(range.start, range.end - range.start, ContentId::of(&content).digest));
    part
}

async fn kind_of<T>(outcome: impl Future<Output = Result<T, Error>>) -> ErrorKind {
    outcome.await.err().expect("it is refused").kind()
}

/// Parts written backwards make the blob, and their digests come with it.
pub async fn parts_in_any_order(store: Arc<dyn BlobStore>) {
    let content = noise(1_000_000, 21);
    let id = ContentId::of(&content);
    let stage = begin(&*store, id.into()).await;
    assert_eq!(stage.expected(), id.into());
    let mut missing = stage.missing(300_000);
    assert_eq!(missing, [0..300_000, 300_000..600_000, 600_000..900_000, 900_000..1_000_000]);
    missing.reverse();
    for range in missing {
        fetch(&*stage, &content, range).await;
        assert!(!store.contains(id).await.expect("the store can be asked"), "nothing is visible yet");
    }
    assert!(stage.missing(1).is_empty());
    let parts = stage.parts();
    let published = stage.publish().await.expect("it is complete");
    assert_eq!(published.id, id);
    let digests = parts.iter().map(|part| part.digest).collect();
    assert_eq!(published.parts, Some(PartHashes::new(300_000, digests)));
    assert!(store.read_all(id, MAX).await.expect("it is there") == content);
    assert!(store.stages().await.expect("a listing").is_empty(), "nothing is left of the stage");
    // It is there already, and can be published again.
    let stage = begin(&*store, id.into()).await;
    for range in stage.missing(500_000) {
        fetch(&*stage, &content, range).await;
    }
    assert_eq!(stage.publish().await.expect("it is complete").id, id);
}

/// Several parts are written at the same time, piece by piece in turn.
pub async fn parts_at_once(store: Arc<dyn BlobStore>) {
    let content = noise(700_000, 22);
    let id = ContentId::of(&content);
    let stage = begin(&*store, id.into()).await;
    let mut writers = Vec::new();
    for range in stage.missing(100_000) {
        writers.push((stage.part(range.clone()).await.expect("nobody else writes it"), range));
    }
    for piece in 0..10 {
        for (writer, range) in &mut writers {
            let begin = range.start + piece * 10_000;
            writer.write(slice(&content, &(begin..begin + 10_000))).await.expect("a piece is accepted");
        }
    }
    let finished = join_all(writers.into_iter().rev().map(|(writer, _)| writer.finish(None))).await;
    assert_eq!(finished.into_iter().filter(Result::is_ok).count(), 7);
    assert_eq!(stage.publish().await.expect("it is complete").id, id);
    assert!(store.read_all(id, MAX).await.expect("it is there") == content);
}

/// Without any expectation a blob is what its parts make it.
pub async fn parts_of_unknown_size(store: Arc<dyn BlobStore>) {
    let content = noise(250_000, 23);
    let stage = begin(&*store, Expected::default()).await;
    assert!(stage.missing(1).is_empty(), "nothing is known");
    fetch(&*stage, &content, 100_000..250_000).await;
    assert_eq!(stage.missing(60_000), [0..60_000, 60_000..100_000]);
    fetch(&*stage, &content, 0..100_000).await;
    let published = stage.publish().await.expect("there is no gap");
    assert_eq!((published.id, published.parts), (ContentId::of(&content), None));
    assert!(store.read_all(published.id, MAX).await.expect("it is there") == content);
}

/// A stage that was dropped is taken up where it was left.
pub async fn dropped_stages_resume(store: Arc<dyn BlobStore>) {
    let content = noise(500_000, 24);
    let id = ContentId::of(&content);
    let mut recorded = Vec::new();
    for range in [400_000..500_000, 0..100_000, 200_000..300_000] {
        let stage = begin(&*store, id.into()).await;
        assert_eq!(stage.parts(), recorded);
        recorded.push(fetch(&*stage, &content, range).await);
        recorded.sort();
        assert_eq!(stage.parts(), recorded);
    }
    let stage = begin(&*store, id.into()).await;
    assert_eq!(stage.missing(100_000), [100_000..200_000, 300_000..400_000]);
    for range in stage.missing(MAX) {
        fetch(&*stage, &content, range).await;
    }
    assert_eq!(stage.publish().await.expect("it is complete").id, id);
    assert!(store.read_all(id, MAX).await.expect("it is there") == content);
    assert!(begin(&*store, id.into()).await.parts().is_empty(), "what was published is used up");
}

/// What arrived of a part before its source broke off can be recorded; no byte at all is no part.
pub async fn short_parts_are_parts(store: Arc<dyn BlobStore>) {
    let content = noise(100_000, 25);
    let id = ContentId::of(&content);
    let stage = begin(&*store, id.into()).await;
    let nothing = stage.part(0..50_000).await.expect("nobody else writes it");
    assert_eq!(nothing.finish(None).await.expect("nothing to record").size, 0);
    let mut writer = stage.part(0..50_000).await.expect("nobody else writes it");
    writer.write(content.slice(..30_000)).await.expect("a piece is accepted");
    let part = writer.finish(None).await.expect("it is recorded");
    assert_eq!(part.range(), 0..30_000);
    assert_eq!(stage.parts(), [part]);
    assert_eq!(stage.missing(50_000), [30_000..50_000, 50_000..100_000]);
    fetch(&*stage, &content, 30_000..100_000).await;
    assert_eq!(stage.publish().await.expect("it is complete").id, id);
}

/// A part that is not finished leaves nothing, and can be begun again.
pub async fn unfinished_parts_leave_nothing(store: Arc<dyn BlobStore>) {
    let content = noise(3 << 20, 26);
    let id = ContentId::of(&content);
    for length in [1, 1 << 20, 3 << 20] {
        let stage = begin(&*store, id.into()).await;
        let mut writer = stage.part(0..id.size).await.expect("nobody else writes it");
        writer.write(noise(length, 127)).await.expect("a piece is accepted");
        drop(writer);
        drop(stage);
        let stage = begin(&*store, id.into()).await;
        assert!(stage.parts().is_empty());
        drop(stage);
        assert!(store.stages().await.expect("a listing").is_empty(), "nothing that could be resumed");
    }
    let stage = begin(&*store, id.into()).await;
    // Its background work may hold the range for a moment.
    loop {
        let mut writer = stage.part(0..id.size).await.expect("nobody else writes it");
        writer.write(noise(2 << 20, 127)).await.expect("a piece is accepted");
        drop(writer);
        match stage.part(0..id.size).await {
            Ok(mut writer) => {
                writer.write(content.clone()).await.expect("a piece is accepted");
                writer.finish(None).await.expect("it is recorded");
                break;
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::Busy),
        }
        while kind_of_part(&*stage, 0..id.size).await == Some(ErrorKind::Busy) {}
    }
    assert_eq!(stage.publish().await.expect("it is complete").id, id);
}

async fn kind_of_part(stage: &dyn PartStage, range: Range<u64>) -> Option<ErrorKind> {
    stage.part(range).await.err().map(|error| error.kind())
}

/// A part whose digest is known and another one is not recorded; nor is one that is too long.
pub async fn wrong_parts_are_refused(store: Arc<dyn BlobStore>) {
    let content = noise(100_000, 28);
    let id = ContentId::of(&content);
    let stage = begin(&*store, id.into()).await;
    let digest = ContentId::of(&content[..50_000]).digest;
    let mut writer = stage.part(0..50_000).await.expect("nobody else writes it");
    writer.write(noise(50_000, 129)).await.expect("nothing is wrong yet");
    assert_eq!(kind_of(writer.finish(Some(digest))).await, ErrorKind::Mismatch);
    assert!(stage.parts().is_empty());
    let mut writer = stage.part(0..50_000).await.expect("nobody else writes it");
    assert_eq!(kind_of(writer.write(content.slice(..50_001))).await, ErrorKind::Mismatch);
    assert_eq!(kind_of(writer.write("".into())).await, ErrorKind::Invalid);
    assert_eq!(kind_of(writer.finish(None)).await, ErrorKind::Invalid);
    assert!(stage.parts().is_empty());
    let mut writer = stage.part(0..50_000).await.expect("nobody else writes it");
    writer.write(content.slice(..50_000)).await.expect("a piece is accepted");
    writer.finish(Some(digest)).await.expect("it is recorded");
    fetch(&*stage, &content, 50_000..100_000).await;
    assert_eq!(stage.publish().await.expect("it is complete").id, id);
}

/// Parts that make another blob than the expected one: nothing is visible, and they are not taken up again.
pub async fn wrong_whole_is_refused(store: Arc<dyn BlobStore>) {
    let (content, wrong) = (noise(200_000, 30), noise(200_000, 131));
    let id = ContentId::of(&content);
    for expected in [id.into(), Expected::new(Some(id.digest), None)] {
        let stage = begin(&*store, expected).await;
        fetch(&*stage, &content, 0..100_000).await;
        fetch(&*stage, &wrong, 100_000..200_000).await;
        let error = stage.publish().await.expect_err("it is another blob");
        assert_eq!(error.kind(), ErrorKind::Mismatch);
        assert!(error.to_string().contains(&id.digest.to_string()), "{error}");
        assert!(store.blobs().await.expect("a listing").is_empty());
        assert!(begin(&*store, expected).await.parts().is_empty(), "they are proven wrong");
    }
}

/// Another source, validator or expectation begins anew, and leaves the first as it is.
pub async fn other_keys_are_other_stages(store: Arc<dyn BlobStore>) {
    let content = noise(100_000, 32);
    let id = ContentId::of(&content);
    let stage = begin(&*store, id.into()).await;
    let part = fetch(&*stage, &content, 0..50_000).await;
    drop(stage);
    let others = [
        (key("v2"), id.into()),
        (StageKey::new("https://hub.example/other", "v1"), id.into()),
        (StageKey::new("https://hub.example/filev", "1"), id.into()),
        (key("v1"), Expected::default()),
        (key("v1"), Expected::new(Some(id.digest), None)),
        (key("v1"), Expected::new(None, Some(id.size))),
        (key("v1"), ContentId::new(id.digest, id.size + 1).into()),
        (key("v1"), ContentId::of(b"other").into()),
    ];
    for (key, expected) in others {
        let other = store.stage_parts(&key, expected).await.expect("nobody else has it");
        assert!(other.parts().is_empty(), "{key:?} {expected:?}");
    }
    assert_eq!(begin(&*store, id.into()).await.parts(), [part]);
}

/// Nobody writes where a part is, or is being written, or cannot be.
pub async fn overlapping_parts_are_refused(store: Arc<dyn BlobStore>) {
    let content = noise(1000, 33);
    let id = ContentId::of(&content);
    let stage = begin(&*store, id.into()).await;
    fetch(&*stage, &content, 100..200).await;
    let mut writer = stage.part(300..400).await.expect("nobody else writes it");
    for range in [300..400, 350..351, 299..301, 399..500, 250..450] {
        assert_eq!(kind_of_part(&*stage, range.clone()).await, Some(ErrorKind::Busy), "{range:?}");
    }
    #[expect(clippy::reversed_empty_ranges, reason = "that is what has to be refused")]
    for range in [100..200, 199..201, 50..101, 150..151, 0..300, 5..5, 6..5, 999..1001, 1000..1001] {
        assert_eq!(kind_of_part(&*stage, range.clone()).await, Some(ErrorKind::Invalid), "{range:?}");
    }
    for range in [0..100, 200..300, 400..1000] {
        fetch(&*stage, &content, range).await;
    }
    writer.write(content.slice(300..400)).await.expect("nobody disturbed it");
    writer.finish(None).await.expect("it is recorded");
    assert_eq!(stage.publish().await.expect("it is complete").id, id);
}

/// As long as a part is missing nothing is published, and nothing is lost.
pub async fn missing_parts_stop_publishing(store: Arc<dyn BlobStore>) {
    let content = noise(3000, 34);
    let id = ContentId::of(&content);
    for range in [1000..2000, 0..1000, 2000..3000] {
        let stage = begin(&*store, id.into()).await;
        fetch(&*stage, &content, range).await;
        let complete = stage.missing(MAX).is_empty();
        match stage.publish().await {
            Ok(published) => assert!(complete && published.id == id),
            Err(error) => assert!(!complete && error.kind() == ErrorKind::Incomplete, "{error}"),
        }
        assert_eq!(store.contains(id).await.expect("the store can be asked"), complete);
    }
    let stage = begin(&*store, Expected::default()).await;
    fetch(&*stage, &content, 1000..3000).await;
    assert_eq!(kind_of(stage.publish()).await, ErrorKind::Incomplete);
}

/// A stage that is discarded is gone.
pub async fn discarded_stages_are_gone(store: Arc<dyn BlobStore>) {
    let content = noise(3000, 35);
    let stage = begin(&*store, ContentId::of(&content).into()).await;
    fetch(&*stage, &content, 0..1000).await;
    stage.discard().await.expect("it can be discarded");
    assert!(store.stages().await.expect("a listing").is_empty());
    assert!(begin(&*store, ContentId::of(&content).into()).await.parts().is_empty());
}

/// What was left behind is listed with its bytes, told by a dry run, and removed once it is old.
pub async fn stages_are_listed_and_removed(store: Arc<dyn BlobStore>) {
    let content = noise(3000, 36);
    let expected = ContentId::of(&content).into();
    let stage = begin(&*store, expected).await;
    fetch(&*stage, &content, 0..1000).await;
    fetch(&*stage, &content, 2000..3000).await;
    drop(stage);
    let stages = store.stages().await.expect("a listing");
    assert_eq!(stages.len(), 1);
    assert_eq!(stages[0].name, key("v1").stage_name(expected).to_string());
    assert_eq!((stages[0].bytes, stages[0].resumable, stages[0].owned), (2000, true, false));
    assert!(SystemTime::UNIX_EPOCH < stages[0].modified);
    assert_eq!(store.remove_stages(stages[0].modified).await.expect("it can be cleaned"), 0);
    let dry = store.collect_garbage(&later().dry_run(true)).await.expect("it can be tried");
    assert_eq!((dry.stages_removed, dry.stage_bytes), (1, 2000));
    let patient = later().stage_grace(Duration::from_secs(1 << 40));
    let kept = store.collect_garbage(&patient).await.expect("it can be collected");
    assert_eq!((kept.stages_removed, kept.stage_bytes), (0, 0));
    assert_eq!(begin(&*store, expected).await.parts().len(), 2, "nothing was changed");
    let wet = store.collect_garbage(&later()).await.expect("it can be collected");
    assert_eq!((wet.stages_removed, wet.stage_bytes), (1, 2000));
    assert!(store.stages().await.expect("a listing").is_empty());
    assert!(begin(&*store, expected).await.parts().is_empty());
}

/// Where a backend knows the owner of a stage it is the only one, and nobody takes it from it; elsewhere all work on
/// the same.
pub async fn owners_are_alone_or_share(store: Arc<dyn BlobStore>) {
    let content = noise(3000, 37);
    let id = ContentId::of(&content);
    let stage = begin(&*store, id.into()).await;
    fetch(&*stage, &content, 0..1000).await;
    match store.stage_parts(&key("v1"), id.into()).await {
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Busy);
            let listed = store.stages().await.expect("a listing");
            assert!(listed.iter().all(|stage| stage.owned) && !listed.is_empty());
            store.collect_garbage(&later()).await.expect("it can be collected");
            assert_eq!(store.stages().await.expect("a listing").len(), 1, "it is in use");
        }
        Ok(other) => {
            assert_eq!(other.missing(1000), [1000..2000, 2000..3000]);
            fetch(&*other, &content, 1000..2000).await;
        }
    }
    for range in stage.missing(1000) {
        fetch(&*stage, &content, range).await;
    }
    assert_eq!(stage.publish().await.expect("it is complete").id, id);
    assert!(store.read_all(id, MAX).await.expect("it is there") == content);
}

/// A blob without a byte is published without a part.
pub async fn an_empty_blob_has_no_parts(store: Arc<dyn BlobStore>) {
    let id = ContentId::of(b"");
    let stage = begin(&*store, id.into()).await;
    assert!(stage.missing(MAX).is_empty());
    assert_eq!(stage.publish().await.expect("it is complete").id, id);
    assert!(store.contains(id).await.expect("the store can be asked"));
    let stage = begin(&*store, ContentId::of(b"x").into()).await;
    assert_eq!(kind_of(stage.publish()).await, ErrorKind::Incomplete);
}
