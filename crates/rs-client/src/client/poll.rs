//! Syncs as callers ask for them, and what observers are told of them.

use std::{future::Future, time::Instant};

use super::{Client, Outcome, SyncReport};
use crate::{
    Changed, CollectionName, Error, Event, Source, SyncOptions, Uptake, UptakeStatus, clock,
    observer::Progress,
};

impl Client {
    /// As [`sync`](Self::sync), with what the caller knows. A hint is about all collections, and so plays no part.
    ///
    /// # Errors
    ///
    /// As [`sync`](Self::sync).
    pub async fn sync_with(&self, name: &CollectionName, options: &SyncOptions) -> Result<SyncReport, Error> {
        let work = self.operation(Box::pin(async {
            let local = self.local(name).await?;
            self.sync_from(name, 0, local).await
        }));
        self.watched(name, options, work).await
    }

    /// As [`sync_all`](Self::sync_all), with what the caller knows.
    ///
    /// The list of changed collections stays in memory: the next time only what changed since is asked for. With a
    /// hint that is not newer than that list, it is not asked for at all.
    ///
    /// # Errors
    ///
    /// As [`sync_all`](Self::sync_all).
    pub async fn sync_all_with(
        &self,
        names: &[CollectionName],
        options: &SyncOptions,
    ) -> Result<Vec<(CollectionName, Result<SyncReport, Error>)>, Error> {
        let work = self.operation(Box::pin(async {
            let poll = self.timestamps(options.hint);
            let poll = self.observed(Source::Polling, options, poll, |poll| Progress {
                status: if poll.changed { UptakeStatus::Success } else { UptakeStatus::UpToDate },
                timestamp: Some(poll.list.newest()),
                error: None,
            });
            let list = poll.await?.list;
            let mut results = Vec::with_capacity(names.len());
            for name in names {
                let result = self.watched(name, options, Box::pin(self.sync_expecting(name, list.get(name))));
                results.push((name.clone(), result.await));
            }
            Ok(results)
        }));
        self.observed(Source::Sync, options, work, |results| {
            let mut whole = Progress { status: UptakeStatus::UpToDate, timestamp: None, error: None };
            for (_, result) in results {
                match result {
                    Ok(report) => {
                        whole.timestamp = whole.timestamp.max(Some(report.collection.timestamp));
                        if whole.error.is_none() && report.outcome != Outcome::UpToDate {
                            whole.status = UptakeStatus::Success;
                        }
                    }
                    // The first error stands for the others.
                    Err(error) if whole.error.is_none() => {
                        whole = Progress { timestamp: whole.timestamp, ..Progress::failed(error) };
                    }
                    Err(_) => {}
                }
            }
            whole
        })
        .await
    }

    /// Tells observers of the sync of one collection, and names it in its error.
    pub(super) async fn watched(
        &self,
        name: &CollectionName,
        options: &SyncOptions,
        work: impl Future<Output = Result<SyncReport, Error>>,
    ) -> Result<SyncReport, Error> {
        let work = async { work.await.map_err(|error| error.of(name)) };
        let report = self
            .observed(Source::Collection(name.clone()), options, work, |report| Progress {
                status: match report.outcome {
                    Outcome::UpToDate => UptakeStatus::UpToDate,
                    _ => UptakeStatus::Success,
                },
                timestamp: Some(report.collection.timestamp),
                error: None,
            })
            .await?;
        if report.outcome == Outcome::Updated {
            self.tell(|| {
                Event::Changed(Changed {
                    collection: name.clone(),
                    timestamp: report.collection.timestamp,
                    created: report.created.clone(),
                    updated: report.updated.clone(),
                    deleted: report.deleted.clone(),
                })
            });
        }
        Ok(report)
    }

    /// Tells observers when something begins, and how it ends.
    async fn observed<T>(
        &self,
        source: Source,
        options: &SyncOptions,
        work: impl Future<Output = Result<T, Error>>,
        progress: impl FnOnce(&T) -> Progress,
    ) -> Result<T, Error> {
        // Futures in futures would outgrow a small stack.
        let work = Box::pin(work);
        if self.observer.is_none() {
            return work.await;
        }
        self.tell(|| Event::SyncStarted(source.clone()));
        let started = Instant::now();
        let result = work.await;
        let Progress { status, timestamp, error } = match &result {
            Ok(done) => progress(done),
            Err(error) => Progress::failed(error),
        };
        let timestamp = timestamp.filter(|timestamp| *timestamp > 0);
        let age = timestamp.map(|timestamp| {
            let server_now = clock::shifted(self.clock.now(), self.politeness.skew().unwrap_or(0));
            // Dates tell seconds, timestamps milliseconds.
            server_now.duration_since(clock::at_milliseconds(timestamp)).unwrap_or_default()
        });
        self.tell(|| {
            let trigger = options.trigger.clone();
            Event::SyncFinished(Uptake {
                source,
                status,
                duration: started.elapsed(),
                age,
                timestamp,
                trigger,
                error,
            })
        });
        result
    }

    /// Tells the observer, if there is one; no lock is held.
    pub(super) fn tell(&self, event: impl FnOnce() -> Event) {
        if let Some(observer) = &self.observer {
            observer.event(&event());
        }
    }
}
