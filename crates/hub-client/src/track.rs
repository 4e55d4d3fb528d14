//! Keeps count of one file, so that what is told of it is true and never goes back.

use std::sync::atomic::{AtomicU64, Ordering};

use content_id::ContentId;
use hub_layout::RepoPath;

use crate::{Error, Event, PlannedFile, Progress};

/// Tells how one file gets on.
pub(crate) struct Track<'a> {
    progress: &'a dyn Progress,
    path: &'a RepoPath,
    size: Option<u64>,
    received: AtomicU64,
    /// The most that was told since the file was begun.
    told: AtomicU64,
}

impl<'a> Track<'a> {
    pub(crate) fn new(progress: &'a dyn Progress, file: &'a PlannedFile) -> Self {
        Self {
            progress,
            path: &file.path,
            size: file.size,
            received: AtomicU64::new(0),
            told: AtomicU64::new(0),
        }
    }

    pub(crate) fn present(&self, content: ContentId) {
        self.progress.event(&Event::FilePresent { path: self.path, size: content.size });
    }

    pub(crate) fn started(&self) {
        self.progress.event(&Event::FileStarted { path: self.path, size: self.size });
    }

    /// So much is there from an earlier try.
    pub(crate) fn resumed(&self, resumed: u64) {
        self.begin_with(resumed);
        self.progress.event(&Event::FileResumed { path: self.path, resumed, size: self.size });
    }

    pub(crate) fn received(&self, more: usize) {
        let received = self.received.fetch_add(more as u64, Ordering::Relaxed) + more as u64;
        let received = self.told.fetch_max(received, Ordering::Relaxed).max(received);
        self.progress.event(&Event::Received { path: self.path, received, size: self.size });
    }

    /// What was received and not recorded is asked for again, so it no longer counts.
    pub(crate) fn lost(&self, bytes: u64) {
        self.received.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(crate) fn part_retried(&self, offset: u64, error: &Error) {
        self.progress.event(&Event::PartRetried { path: self.path, offset, reason: reason(error) });
    }

    /// The file is begun again, but for what is `kept` of it.
    pub(crate) fn restarted(&self, attempt: u32, kept: u64, error: &Error) {
        self.begin_with(kept);
        self.progress.event(&Event::FileRestarted { path: self.path, attempt, kept, reason: reason(error) });
    }

    fn begin_with(&self, bytes: u64) {
        self.received.store(bytes, Ordering::Relaxed);
        self.told.store(bytes, Ordering::Relaxed);
    }

    /// Another process fetches it, and has come so far.
    pub(crate) fn waiting(&self, received: u64) {
        self.progress.event(&Event::FileWaiting { path: self.path, received, size: self.size });
    }

    pub(crate) fn done(&self, content: ContentId) {
        self.progress.event(&Event::FileDone { path: self.path, content });
    }
}

/// Says what was wrong, down to the cause.
pub(crate) fn reason(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
