//! How far moving a model has come.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// How far moving a model has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Files or blobs that are done.
    pub files: u64,
    /// Files or blobs in all.
    pub all_files: u64,
    /// Bytes that were read and checked.
    pub bytes: u64,
    /// Bytes in all; sizes of files are taken before they are read.
    pub all_bytes: u64,
}

/// Is told how far moving a model has come; nobody is, by default.
///
/// It is called from the thread that does the work, after each piece of at most a few megabytes, so it should return
/// soon.
#[derive(Clone, Default)]
pub struct Observer(Option<Arc<dyn Fn(Progress) + Send + Sync>>);

impl Observer {
    /// Calls `observe` with every step.
    pub fn new(observe: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(observe)))
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Observer(..)" } else { "Observer" })
    }
}

/// Counts what is done and tells it.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    observer: Observer,
    progress: Arc<Mutex<Progress>>,
}

impl Meter {
    pub(super) fn new(observer: &Observer, all_files: usize, all_bytes: u64) -> Self {
        let progress = Progress { all_files: all_files as u64, all_bytes, ..Progress::default() };
        let meter = Self { observer: observer.clone(), progress: Arc::new(Mutex::new(progress)) };
        meter.step(|_| {});
        meter
    }

    pub(super) fn bytes(&self, count: u64) {
        self.step(|progress| progress.bytes = progress.bytes.saturating_add(count));
    }

    pub(super) fn file(&self) {
        self.step(|progress| progress.files += 1);
    }

    fn step(&self, change: impl FnOnce(&mut Progress)) {
        let now = {
            let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut progress);
            *progress
        };
        if let Some(observe) = &self.observer.0 {
            observe(now);
        }
    }
}
