//! Cases about repair part by part, and about waiting for one's turn.

use std::{
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use content_id::ContentId;
use futures::{FutureExt, StreamExt, future::join_all, stream};

use super::noise;
use crate::{
    BlobStore, BlobStoreExt, ByteStream, Error, ErrorKind, FileEntry, PartHashes, Reason, StageKey, Turn,
    VerifyOptions,
};

const MAX: u64 = 1 << 30;

/// Serves `content`, and notes what it was asked for.
struct Source {
    content: Bytes,
    asked: Mutex<Vec<Range<u64>>>,
}

impl Source {
    fn new(content: &Bytes) -> Self {
        Self { content: content.clone(), asked: Mutex::default() }
    }

    fn fetch(&self, range: Range<u64>) -> Result<ByteStream, Error> {
        let piece = self.content.slice(range.start as usize..range.end as usize);
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(range);
        Ok(stream::iter([Ok(piece)]).boxed())
    }

    fn asked(&self) -> Vec<Range<u64>> {
        std::mem::take(&mut self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The digests of parts are those that publishing in parts returns, and nothing else is accepted as such.
pub async fn part_hashes_are_those_of_the_parts(store: Arc<dyn BlobStore>) {
    let content = noise(1_000_001, 41);
    let id = store.put_bytes(content.clone()).await.expect("it is put");
    for part_bytes in [1 << 18, 1_000_001, 1_000_000, 2_000_000] {
        let hashes = store.part_hashes(id, part_bytes).await.expect("it is sound");
        let digests = content.chunks(part_bytes as usize).map(|part| ContentId::of(part).digest);
        assert_eq!(hashes, PartHashes::new(part_bytes, digests.collect()));
    }
    assert_eq!(store.part_hashes(id, 0).await.expect_err("no parts").kind(), ErrorKind::Invalid);
    let source = Source::new(&content);
    for hashes in [PartHashes::new(0, vec![]), PartHashes::new(1 << 18, vec![id.digest])] {
        let outcome = store.repair(id, &hashes, &|range| async { source.fetch(range) }.boxed()).await;
        assert_eq!(outcome.expect_err("they do not fit").kind(), ErrorKind::Invalid);
    }
}

/// Of a blob in quarantine only the parts are fetched that are not what they were.
pub async fn only_broken_parts_are_fetched(store: Arc<dyn BlobStore>) {
    let content = noise(1_000_000, 42);
    let id = ContentId::of(&content);
    store.put_bytes(content.clone()).await.expect("it is put");
    let hashes = store.part_hashes(id, 100_000).await.expect("it is sound");
    let source = Source::new(&content);
    // What is sound stays as it is.
    let report =
        store.repair(id, &hashes, &|range| async { source.fetch(range) }.boxed()).await.expect("it is sound");
    assert_eq!((report.kept_bytes, report.fetched_bytes), (id.size, 0));
    // What is not there at all is fetched.
    store.remove(id).await.expect("it is there");
    let report =
        store.repair(id, &hashes, &|range| async { source.fetch(range) }.boxed()).await.expect("all comes");
    assert_eq!((report.kept_bytes, report.fetched_bytes, report.fetched.len()), (0, id.size, 10));
    assert_eq!(source.asked(), report.fetched);
    // What is in quarantine is sound, or was: nothing has to be fetched of it.
    store.quarantine(id.digest, Reason::Damaged).await.expect("it is there");
    let report = store
        .repair(id, &hashes, &|range| async { source.fetch(range) }.boxed())
        .await
        .expect("all is there");
    assert_eq!((report.kept_bytes, report.fetched_bytes), (id.size, 0));
    assert!(store.quarantined().await.expect("a listing").is_empty(), "what was damaged is gone");
    assert!(store.read_all(id, MAX).await.expect("it is there") == content);
}

/// A source that delivers something else changes nothing; what was repaired before is not fetched again.
pub async fn wrong_repairs_are_refused(store: Arc<dyn BlobStore>) {
    let content = noise(500_000, 43);
    let id = store.put_bytes(content.clone()).await.expect("it is put");
    let hashes = store.part_hashes(id, 100_000).await.expect("it is sound");
    store.remove(id).await.expect("it is there");
    let mut wrong = content.to_vec();
    wrong[250_000] ^= 1;
    let (wrong, right) = (Source::new(&wrong.into()), Source::new(&content));
    let error = store
        .repair(id, &hashes, &|range| async { wrong.fetch(range) }.boxed())
        .await
        .expect_err("a part is wrong");
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    assert!(!store.contains(id).await.expect("the store can be asked"));
    let report =
        store.repair(id, &hashes, &|range| async { right.fetch(range) }.boxed()).await.expect("all is right");
    assert_eq!(report.fetched, [200_000..300_000, 300_000..400_000, 400_000..500_000]);
    assert!(store.read_all(id, MAX).await.expect("it is there") == content);
}

/// A scrub with a source fetches no more than it has to, if the manifest has the digests of the parts.
pub async fn scrubs_repair_part_by_part(store: Arc<dyn BlobStore>) {
    let content = noise(300_000, 44);
    let id = store.put_bytes(content.clone()).await.expect("it is put");
    let mut manifest = super::manifest("main", &[]);
    let mut entry = FileEntry::new(id, 1);
    entry.parts = Some(store.part_hashes(id, 100_000).await.expect("it is sound"));
    manifest.files.insert("f".to_owned(), entry);
    store.put_manifest(&manifest, None).await.expect("it is complete");
    let (read, _) = store.manifest(&manifest.name).await.expect("it can be read").expect("it is there");
    assert_eq!(read, manifest);
    store.quarantine(id.digest, Reason::Damaged).await.expect("it is there");
    let source: Arc<dyn BlobStore> = Arc::clone(&store);
    // The source has nothing; all that is needed is in quarantine.
    let options = VerifyOptions::default().repair(true);
    store
        .scrub(&options, Some(&source), &mut |_| std::ops::ControlFlow::Continue(()))
        .await
        .expect("a report");
    assert!(store.read_all(id, MAX).await.expect("it is there") == content);
}

/// Of many who want the same, each comes to it; what one has published the others find.
pub async fn turns_are_taken(store: Arc<dyn BlobStore>) {
    let content = noise(400_000, 45);
    let id = ContentId::of(&content);
    let key = StageKey::new("https://hub.example/wanted", "v1");
    let one = |_| {
        let (store, content) = (Arc::clone(&store), content.clone());
        async move {
            let patience = Duration::from_secs(60);
            let stage = match store.stage_or_wait(&key, id.into(), patience).await.expect("its turn comes") {
                Turn::Published(found) => return (found, 0),
                Turn::Begun(stage) => stage,
            };
            let mut written = 0;
            for range in stage.missing(100_000) {
                let mut writer = stage.part(range.clone()).await.expect("nobody else writes it");
                let piece = content.slice(range.start as usize..range.end as usize);
                written += piece.len();
                writer.write(piece).await.expect("a piece is accepted");
                writer.finish(None).await.expect("it is recorded");
            }
            (stage.publish().await.expect("it is complete").id, written)
        }
    };
    let all = join_all((0..4).map(one)).await;
    assert!(all.iter().all(|(found, _)| *found == id));
    assert!(all.iter().any(|(_, written)| *written == content.len()));
    assert!(store.read_all(id, MAX).await.expect("it is there") == content);
    assert!(store.stages().await.expect("a listing").is_empty());
}
