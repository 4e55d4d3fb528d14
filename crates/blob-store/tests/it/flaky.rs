//! An object store whose requests fail when a test says so, whose listings lag behind, or that knows no conditional put.

use std::{
    collections::{HashMap, VecDeque},
    fmt, mem,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    UploadPart, memory::InMemory, path::Path,
};

/// Counts requests, and fails some of them.
#[derive(Debug, Default)]
pub(crate) struct Fault {
    count: AtomicU64,
    /// The request that fails; from 1 on, none if 0.
    fails: u64,
    /// Every one of so many fails; none if 0.
    every: u64,
    /// Whether it takes effect all the same, like one whose answer was lost, or broke off half-way.
    answer_lost: bool,
    /// What failed.
    failed: Mutex<Vec<&'static str>>,
    /// Whether all fail.
    stopped: AtomicBool,
}

impl Fault {
    /// Fails one request, from 1 on.
    pub(crate) fn once(fails: u64, answer_lost: bool) -> Self {
        Self { fails, answer_lost, ..Self::default() }
    }

    /// Fails every request whose number can be divided.
    pub(crate) fn every(every: u64, answer_lost: bool) -> Self {
        Self { every, answer_lost, ..Self::default() }
    }

    /// Fails all requests from now on.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    /// Ends what [`stop`](Self::stop) began.
    pub(crate) fn start(&self) {
        self.stopped.store(false, Ordering::SeqCst);
    }

    /// Requests so far.
    pub(crate) fn requests(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    /// The requests that failed.
    pub(crate) fn failed(&self) -> Vec<&'static str> {
        self.failed.lock().expect("no test panics here").clone()
    }

    fn now(&self, what: &'static str) -> bool {
        let number = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        let now = number == self.fails || number.is_multiple_of(self.every) || self.is_stopped();
        if now {
            self.failed.lock().expect("no test panics here").push(what);
        }
        now
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    async fn on<T>(&self, what: &'static str, request: impl Future<Output = Result<T>>) -> Result<T> {
        let now = self.now(what);
        if now && (!self.answer_lost || self.is_stopped()) {
            return Err(broken());
        }
        let answer = request.await;
        if now { Err(broken()) } else { answer }
    }
}

fn broken() -> object_store::Error {
    object_store::Error::Generic { store: "flaky", source: "the connection broke".into() }
}

/// Objects in memory, behind requests that may fail.
#[derive(Clone, Debug)]
pub(crate) struct Flaky {
    inner: Arc<InMemory>,
    fault: Arc<Fault>,
}

impl Flaky {
    pub(crate) fn new(inner: &Arc<InMemory>, fault: &Arc<Fault>) -> Self {
        Self { inner: Arc::clone(inner), fault: Arc::clone(fault) }
    }
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
        Box::pin(async move { fault.on("put", part).await })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.fault.on("complete", self.inner.complete()).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.fault.on("abort", self.inner.abort()).await
    }
}

#[async_trait]
impl ObjectStore for Flaky {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.fault.on("put", self.inner.put_opts(location, payload, opts)).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let inner = self.fault.on("put", self.inner.put_multipart_opts(location, opts)).await?;
        Ok(Box::new(FlakyUpload { inner, fault: Arc::clone(&self.fault) }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if !self.fault.now("get") {
            return self.inner.get_opts(location, options).await;
        }
        if self.fault.is_stopped() || !self.fault.answer_lost || options.head {
            return Err(broken());
        }
        let mut answer = self.inner.get_opts(location, options).await?;
        let nothing = GetResultPayload::Stream(futures::stream::empty().boxed());
        let GetResultPayload::Stream(body) = mem::replace(&mut answer.payload, nothing) else {
            return Err(broken());
        };
        let body = body.try_collect::<Vec<Bytes>>().await?.concat();
        let half = Bytes::from(body[..body.len() / 2].to_vec());
        answer.payload = GetResultPayload::Stream(futures::stream::iter([Ok(half), Err(broken())]).boxed());
        Ok(answer)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let flaky = self.clone();
        let delete = move |location: Result<Path>| {
            let flaky = flaky.clone();
            async move {
                let location = location?;
                flaky.fault.on("delete", flaky.inner.delete(&location)).await.map(|()| location)
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.fault.now("list") {
            false => self.inner.list(prefix),
            // Breaks off after the first, if there is one.
            true if self.fault.answer_lost && !self.fault.is_stopped() => {
                self.inner.list(prefix).take(1).chain(futures::stream::iter([Err(broken())])).boxed()
            }
            true => futures::stream::iter([Err(broken())]).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.fault.on("list", self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.fault.on("copy", self.inner.copy_opts(from, to, options)).await
    }
}

/// What an object store does that is not as it should be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Odd {
    /// A listing shows the state before so many others.
    StaleListings(usize),
    /// What was put is not found by so many requests for it.
    StaleReads(usize),
    /// A conditional put is taken for a plain one.
    IgnoresConditions,
    /// A conditional put is refused.
    RefusesConditions,
}

/// Objects in memory, in an odd store.
#[derive(Clone, Debug)]
pub(crate) struct OddStore {
    inner: Arc<InMemory>,
    odd: Odd,
    /// What the last listings would have shown, were they up to date.
    seen: Arc<Mutex<VecDeque<Vec<ObjectMeta>>>>,
    /// What is not found, and how many times yet.
    young: Arc<Mutex<HashMap<Path, usize>>>,
}

impl OddStore {
    pub(crate) fn new(inner: &Arc<InMemory>, odd: Odd) -> Self {
        Self { inner: Arc::clone(inner), odd, seen: Arc::default(), young: Arc::default() }
    }
}

impl fmt::Display for OddStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("odd")
    }
}

#[async_trait]
impl ObjectStore for OddStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        if let Odd::StaleReads(times) = self.odd {
            let outcome = self.inner.put_opts(location, payload, opts).await?;
            self.young.lock().expect("no test panics here").insert(location.clone(), times);
            return Ok(outcome);
        }
        let conditional = matches!(opts.mode, PutMode::Create);
        match self.odd {
            Odd::IgnoresConditions if conditional => self.inner.put(location, payload).await,
            Odd::RefusesConditions if conditional => Err(object_store::Error::NotImplemented {
                operation: "a conditional put".to_owned(),
                implementer: "odd".to_owned(),
            }),
            _ => self.inner.put_opts(location, payload, opts).await,
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if let Some(times) = self.young.lock().expect("no test panics here").get_mut(location)
            && 0 < *times
        {
            *times -= 1;
            let source = "nobody here knows of it yet".into();
            return Err(object_store::Error::NotFound { path: location.to_string(), source });
        }
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let Odd::StaleListings(lag) = self.odd else { return self.inner.list(prefix) };
        let (odd, prefix) = (self.clone(), prefix.cloned());
        let listing = async move {
            // A real one answers later, and lets others go on.
            tokio::task::yield_now().await;
            let now = odd.inner.list(None).try_collect().await?;
            let mut seen = odd.seen.lock().expect("no test panics here");
            seen.push_back(now);
            if lag < seen.len() - 1 {
                seen.pop_front();
            }
            let shown = seen.front().expect("one was pushed").clone();
            let wanted =
                |meta: &ObjectMeta| prefix.as_ref().is_none_or(|prefix| meta.location.prefix_matches(prefix));
            Ok::<_, object_store::Error>(shown.into_iter().filter(wanted).map(Ok).collect::<Vec<_>>())
        };
        futures::stream::once(listing).map_ok(futures::stream::iter).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
