//! Every request to the object store fails in turn, before or after it took effect: nothing half-done is visible,
//! and the same work then succeeds.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use blob_store::{
    BlobStore, BlobStoreExt, Error, ErrorKind, Expected, ManifestName, ObjectStoreBackend, Pin,
};
use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart, memory::InMemory, path::Path,
};

use crate::{later, manifest, noise, overwrite};

/// Counts requests, and fails one of them.
#[derive(Debug, Default)]
struct Fault {
    count: AtomicU64,
    /// The request that fails; from 1 on, none if 0.
    fails: u64,
    /// Whether it takes effect all the same, like one whose answer was lost.
    answer_lost: bool,
}

impl Fault {
    fn now(&self) -> bool {
        self.count.fetch_add(1, Ordering::SeqCst) + 1 == self.fails
    }

    async fn on<T>(&self, request: impl Future<Output = Result<T>>) -> Result<T> {
        let now = self.now();
        if now && !self.answer_lost {
            return Err(broken());
        }
        let answer = request.await;
        if now { Err(broken()) } else { answer }
    }
}

fn broken() -> object_store::Error {
    object_store::Error::Generic { store: "flaky", source: "the connection broke".into() }
}

#[derive(Clone, Debug)]
struct Flaky {
    inner: Arc<InMemory>,
    fault: Arc<Fault>,
}

impl fmt::Display for Flaky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("flaky")
    }
}

#[derive(Debug)]
struct FlakyUpload {
    inner: Box<dyn MultipartUpload>,
    fault: Arc<Fault>,
}

#[async_trait]
impl MultipartUpload for FlakyUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (part, fault) = (self.inner.put_part(data), Arc::clone(&self.fault));
        Box::pin(async move { fault.on(part).await })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.fault.on(self.inner.complete()).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.fault.on(self.inner.abort()).await
    }
}

#[async_trait]
impl ObjectStore for Flaky {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.fault.on(self.inner.put_opts(location, payload, opts)).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let inner = self.fault.on(self.inner.put_multipart_opts(location, opts)).await?;
        Ok(Box::new(FlakyUpload { inner, fault: Arc::clone(&self.fault) }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.fault.on(self.inner.get_opts(location, options)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let flaky = self.clone();
        let delete = move |location: Result<Path>| {
            let flaky = flaky.clone();
            async move {
                let location = location?;
                flaky.fault.on(flaky.inner.delete(&location)).await.map(|()| location)
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        if self.fault.now() {
            return futures::stream::iter([Err(broken())]).boxed();
        }
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.fault.on(self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.fault.on(self.inner.copy_opts(from, to, options)).await
    }
}

/// Small parts, so that an upload of several takes no time.
const PART: u64 = 5000;

fn large() -> Bytes {
    noise(PART as usize + 5, 1)
}

/// What a program does in its life, in an order that can be taken up again; tells each step it has finished.
async fn life(
    store: &dyn BlobStore,
    large: &Bytes,
    done: &mut Vec<&'static str>,
) -> std::result::Result<(), Error> {
    let small = store.put_bytes("small".into()).await?;
    done.push("small");
    overwrite(store, &manifest("m", "1", &[small])).await?;
    done.push("first");
    pin(store, "1").await?;
    let known = store.put_bytes(large.clone()).await?;
    let mut stage = store.stage(Expected::default()).await?;
    let unknown = large.slice(1..);
    for piece in [unknown.clone(), unknown.clone(), unknown] {
        stage.write(piece).await?;
    }
    let unknown = stage.publish().await?;
    done.push("large");
    overwrite(store, &manifest("m", "2", &[small, known, unknown])).await?;
    done.push("second");
    pin(store, "2").await?;
    done.push("switched");
    store.put_bytes("garbage".into()).await?;
    store.remove_manifest(&ManifestName::new("hub.example", "m", "1")).await?;
    store.collect_garbage(&later()).await?;
    done.push("collected");
    Ok(())
}

async fn pin(store: &dyn BlobStore, revision: &str) -> std::result::Result<(), Error> {
    let version = store.pin("task:x").await?.map(|(_, version)| version);
    let pin = Pin::new("task:x", ManifestName::new("hub.example", "m", revision), 1);
    store.set_pin(&pin, version).await.map(|_| ())
}

async fn fail_every_request(answer_lost: bool) {
    let large = large();
    for fails in 1.. {
        let inner = Arc::new(InMemory::new());
        let fault = Arc::new(Fault { fails, answer_lost, ..Fault::default() });
        let flaky =
            ObjectStoreBackend::new(Arc::new(Flaky { inner: Arc::clone(&inner), fault: Arc::clone(&fault) }))
                .with_part_bytes(PART);
        let mut done = Vec::new();
        let outcome = life(&flaky, &large, &mut done).await;
        let store = ObjectStoreBackend::new(inner);
        if let Err(error) = &outcome {
            let kinds = [ErrorKind::Backend, ErrorKind::Conflict];
            assert!(kinds.contains(&error.kind()), "request {fails}: {error:?}");
        }
        let report = store.verify(&Default::default()).await.expect("a report");
        assert!(report.is_sound(), "request {fails}, after {done:?}: {report:?}");
        let revisions: Vec<_> =
            store.manifests().await.expect("a listing").into_iter().map(|m| m.name.revision).collect();
        for (step, revision) in [("first", "1"), ("second", "2")] {
            let removed = revision == "1" && done.contains(&"switched");
            let there = revisions.iter().any(|found| found == revision);
            assert!(there || removed || !done.contains(&step), "request {fails}, after {done:?}");
        }
        life(&store, &large, &mut Vec::new()).await.expect("the same work succeeds afterwards");
        assert_eq!(store.blobs().await.expect("a listing").len(), 3, "request {fails}");
        assert!(store.quarantined().await.expect("a listing").is_empty());
        assert_eq!(
            store.pin("task:x").await.expect("it can be read").expect("there").0.manifest.revision,
            "2"
        );
        if fault.count.load(Ordering::SeqCst) < fails {
            assert!(outcome.is_ok());
            assert!(40 < fails, "every request was failed once");
            return;
        }
    }
}

#[tokio::test]
async fn failed_requests() {
    fail_every_request(false).await;
}

#[tokio::test]
async fn lost_answers() {
    fail_every_request(true).await;
}
