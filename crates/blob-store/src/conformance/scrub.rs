//! Cases about scrubbing: in pieces, at a pace, model by model, and with a source for repair.

use std::{
    ops::{ControlFlow, Range},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use content_id::ContentId;
use futures::{StreamExt, stream};

use super::{manifest, noise, put};
use crate::{
    BlobSource, BlobStore, BlobStoreExt, ByteStream, Error, ErrorKind, VerifyOptions, VerifyReport, Wanted,
};

fn go_on(_: &crate::ScrubProgress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// A scrub that is taken up again and again sees every blob once, and reports the same as one in one go.
pub async fn scrubs_are_taken_up(store: Arc<dyn BlobStore>) {
    let mut ids = Vec::new();
    for n in 0..12 {
        ids.push(store.put_bytes(noise(1000 + n, n as u64)).await.expect("a blob is put"));
    }
    let files: Vec<(String, ContentId)> =
        ids.iter().enumerate().map(|(n, id)| (n.to_string(), *id)).collect();
    let files: Vec<(&str, ContentId)> = files.iter().map(|(path, id)| (path.as_str(), *id)).collect();
    for (revision, files) in [("whole", &files[..]), ("half", &files[..6])] {
        store.put_manifest(&manifest(revision, files), None).await.expect("it is complete");
    }
    // One is gone that only one model has, and one that both have.
    for gone in [ids[11], ids[0]] {
        store.remove(gone).await.expect("it can be removed");
    }
    let whole = store.verify(&VerifyOptions::default()).await.expect("a report");
    assert!(whole.complete && whole.next.is_none() && !whole.is_sound());
    assert_eq!((whole.checked, whole.missing.len(), whole.models.len()), (10, 3, 2));
    let of = |n: usize| (whole.models[n].files, whole.models[n].missing, whole.models[n].is_sound());
    assert_eq!((of(0), of(1)), ((6, 1, false), (12, 2, false)));
    for max_bytes in [1, 2500, 1 << 20] {
        let mut all = VerifyReport::default();
        for round in 0.. {
            assert!(round < 20, "it comes to an end");
            let options = VerifyOptions::default().after(all.next).max_bytes(max_bytes);
            all.merge(store.verify(&options).await.expect("a report"));
            if all.complete {
                break;
            }
        }
        assert_eq!(all, whole, "{max_bytes} bytes at a time");
    }
}

/// A scrub that is told to stop stops, and its report is about what it came to.
pub async fn scrubs_stop_when_told(store: Arc<dyn BlobStore>) {
    for n in 0..5 {
        store.put_bytes(noise(100, 2 * n)).await.expect("a blob is put");
    }
    let mut seen = Vec::new();
    let mut stop = |progress: &crate::ScrubProgress| {
        seen.push(*progress);
        if progress.blobs == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let report = store.scrub(&VerifyOptions::default(), None, &mut stop).await.expect("a report");
    assert_eq!((report.checked, report.bytes, report.complete), (3, 300, false));
    let last = seen.last().expect("it was told");
    assert_eq!((last.blobs, last.blobs_total, last.bytes, last.bytes_total), (3, 5, 300, 500));
    assert_eq!(last.next, report.next);
    let rest = store.verify(&VerifyOptions::default().after(report.next)).await.expect("a report");
    assert_eq!((rest.checked, rest.complete), (2, true));
}

/// A paced scrub takes the time that the pace asks for, at least.
pub async fn scrubs_keep_their_pace(store: Arc<dyn BlobStore>) {
    for n in 0..4 {
        store.put_bytes(noise(1000, 2 * n)).await.expect("a blob is put");
    }
    let start = Instant::now();
    let options = VerifyOptions::default().bytes_per_second(40_000);
    assert!(store.verify(&options).await.expect("a report").complete);
    assert!(start.elapsed() >= Duration::from_millis(90), "{:?}", start.elapsed());
}

/// What a hub would be: it knows some contents, and remembers what it was asked for.
#[derive(Debug)]
struct Hub {
    contents: Vec<Bytes>,
    asked: Mutex<Vec<Wanted>>,
}

#[async_trait]
impl BlobSource for Hub {
    async fn fetch(&self, wanted: &Wanted, range: Range<u64>) -> Result<ByteStream, Error> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(wanted.clone());
        let found = self.contents.iter().find(|it| it.len() as u64 == range.end);
        let found = found.ok_or_else(|| Error::blob(ErrorKind::NotFound, "fetch", wanted.content))?;
        Ok(stream::iter(found.chunks(7).map(|it| Ok(found.slice_ref(it))).collect::<Vec<_>>()).boxed())
    }
}

/// With a source, a scrub fetches what is missing, once for all files that need it; what comes is verified.
pub async fn scrubs_repair_from_a_source(store: Arc<dyn BlobStore>) {
    let contents = [noise(300, 1), noise(200, 2), noise(100, 3)];
    let mut ids = Vec::new();
    for content in &contents {
        ids.push(store.put_bytes(content.clone()).await.expect("a blob is put"));
    }
    let sound = put(&*store, "sound").await;
    let both = [("a", ids[0]), ("b", ids[1]), ("c", ids[2]), ("again", ids[0]), ("sound", sound)];
    for (revision, files) in [("1", &both[..]), ("2", &both[..1])] {
        store.put_manifest(&manifest(revision, files), None).await.expect("it is complete");
    }
    for id in &ids {
        store.remove(*id).await.expect("it can be removed");
    }
    // Of three the hub has the first, something else instead of the second, and not the third.
    let hub = Hub { contents: vec![contents[0].clone(), noise(200, 9)], asked: Mutex::default() };
    let look = VerifyOptions::default();
    let report = store.scrub(&look, Some(&hub), &mut go_on).await.expect("a report");
    assert_eq!((report.missing.len(), report.refetched.len()), (5, 0), "it was only to look");
    let report = store.scrub(&look.repair(true), Some(&hub), &mut go_on).await.expect("a report");
    assert_eq!(report.refetched, [ids[0]]);
    assert_eq!(store.read_all(ids[0], 1000).await.expect("it is back"), contents[0]);
    let missing: Vec<_> = report.missing.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(missing, ["b", "c"]);
    let failed = |id: ContentId| report.not_refetched.iter().find(|it| it.content == id).expect("it is told");
    assert_eq!(failed(ids[1]).kind, ErrorKind::Mismatch);
    assert_eq!(failed(ids[2]).kind, ErrorKind::NotFound);
    assert!(!store.contains(ids[1]).await.expect("the store can be asked"));
    let of = |n: usize| (report.models[n].files, report.models[n].refetched, report.models[n].missing);
    assert_eq!((of(0), of(1)), ((5, 2, 2), (1, 1, 0)));
    let asked = hub.asked.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(asked.len(), 3, "each blob once");
    let first = asked.iter().find(|it| it.content == ids[0]).expect("it was asked for");
    assert_eq!((first.files.len(), first.files[0].path.as_str()), (3, "a"));
}

/// Another store is a source as well.
pub async fn scrubs_repair_from_another_store(store: Arc<dyn BlobStore>) {
    let id = put(&*store, "content").await;
    store.put_manifest(&manifest("1", &[("f", id)]), None).await.expect("it is complete");
    store.remove(id).await.expect("it can be removed");
    // The store itself has it no more; that is told, and is no failure.
    let report = store.scrub(&VerifyOptions::default().repair(true), Some(&store), &mut go_on).await;
    let report = report.expect("a report");
    assert_eq!((report.missing.len(), report.not_refetched.len()), (1, 1));
    assert_eq!(report.not_refetched[0].kind, ErrorKind::NotFound);
}

/// What no manifest names, and what is out of sight, is shown one by one.
pub async fn usage_shows_orphans_and_quarantine(store: Arc<dyn BlobStore>) {
    let (used, orphan, hidden) =
        (put(&*store, "used").await, put(&*store, "orphan").await, put(&*store, "hidden away").await);
    store.put_manifest(&manifest("1", &[("f", used)]), None).await.expect("it is complete");
    store.quarantine(hidden.digest, crate::Reason::Damaged).await.expect("it can be hidden");
    let usage = store.usage().await.expect("it can be counted");
    assert_eq!(usage.orphans.iter().map(|it| it.id).collect::<Vec<_>>(), [orphan]);
    assert_eq!(
        usage.quarantined.iter().map(|it| (it.digest, it.size)).collect::<Vec<_>>(),
        [(hidden.digest, 11)]
    );
    assert_eq!((usage.unreferenced_bytes, usage.quarantined_bytes, usage.blobs), (6, 11, 2));
    assert_eq!(usage.manifests[0].files, 1);
}
