//! Bringing local copies up to date.

use std::time::SystemTime;

use super::{Client, Outcome, SyncReport, fetch::Answer};
use crate::{
    CertificateProblem as Problem, Collection, CollectionName, Error, ErrorKind, Verified, clock,
    collection::Differences,
    state,
    verify::{Candidate, Evidence},
};

/// A local copy, where there is one, and whether there was one that is damaged.
struct Local {
    copy: Option<Verified<Collection>>,
    damaged: bool,
}

impl Client {
    /// Brings the local copy of one collection up to date.
    ///
    /// What changed is merged in memory, verified as a whole, and then committed in one step: a reader sees the
    /// old state or the new one, and never anything unverified. Where the signature does not match after a
    /// merge, everything is fetched once more. On any error the local copy stays as it was. With nothing new
    /// this costs one request and writes nothing.
    ///
    /// A collection that had records does not become empty; see
    /// [`accept_emptied`](crate::ClientBuilder::accept_emptied).
    ///
    /// # Errors
    ///
    /// Of every kind but [`ErrorKind::Corrupt`]: a damaged copy is replaced, which
    /// [`repaired`](SyncReport::repaired) tells. [`ErrorKind::Untrusted`]: the server's records are not the
    /// signed ones. [`ErrorKind::Certificate`], [`ErrorKind::Clock`]: the chain, or the local clock.
    /// [`ErrorKind::Rollback`]: signed, but older, or different under the same timestamp.
    pub async fn sync(&self, name: &CollectionName) -> Result<SyncReport, Error> {
        let work = async {
            self.politeness.may_begin(self.clock.now())?;
            let local = self.local_or_damaged(name).await?;
            self.sync_from(name, 0, local).await
        };
        work.await.map_err(|error| error.of(name))
    }

    /// Brings several local copies up to date with one request to learn which of them have changed.
    ///
    /// A copy that is current costs no further request, unless its certificate has expired: then its signature
    /// is refreshed. Each collection has its own result, in the order asked for, and a failure of one does not
    /// keep the others from being synced.
    ///
    /// # Errors
    ///
    /// As [`sync`](Self::sync), where the list of changed collections cannot be had; nothing was synced then.
    pub async fn sync_all(
        &self,
        names: &[CollectionName],
    ) -> Result<Vec<(CollectionName, Result<SyncReport, Error>)>, Error> {
        self.politeness.may_begin(self.clock.now())?;
        let timestamps = self.timestamps().await?;
        let mut results = Vec::with_capacity(names.len());
        for name in names {
            let key = (name.bucket().to_owned(), name.collection().to_owned());
            let result = self.sync_expecting(name, timestamps.get(&key).copied()).await;
            results.push((name.clone(), result.map_err(|error| error.of(name))));
        }
        Ok(results)
    }

    async fn sync_expecting(
        &self,
        name: &CollectionName,
        expected: Option<u64>,
    ) -> Result<SyncReport, Error> {
        let local = self.local_or_damaged(name).await?;
        match (local.copy, expected) {
            (Some(copy), Some(expected))
                if copy.timestamp >= expected && copy.certificate_expires() >= self.clock.now() =>
            {
                Ok(SyncReport::new(Outcome::UpToDate, None, copy))
            }
            // The server's list may lack a collection that never had a record.
            (copy, expected) => self.sync_from(name, expected.unwrap_or(0), Local { copy, ..local }).await,
        }
    }

    async fn local_or_damaged(&self, name: &CollectionName) -> Result<Local, Error> {
        match self.local(name).await {
            Ok(copy) => Ok(Local { copy, damaged: false }),
            Err(error) if error.kind() == ErrorKind::Corrupt => Ok(Local { copy: None, damaged: true }),
            Err(error) => Err(error),
        }
    }

    async fn sync_from(
        &self,
        name: &CollectionName,
        expected: u64,
        local: Local,
    ) -> Result<SyncReport, Error> {
        let Local { copy, damaged } = local;
        let since = copy.as_ref().map(|copy| copy.timestamp);
        let answer = self.changeset(name, expected, since).await?;
        let partial = answer.partial;
        let mut new = self.consider(name, copy.as_ref(), answer).await;
        if partial && new.as_ref().is_err_and(|error| error.kind() == ErrorKind::Untrusted) {
            // Either the server lies or the merge went wrong; the whole collection tells.
            let answer = self.changeset(name, expected, None).await?;
            new = self.consider(name, copy.as_ref(), answer).await;
        }
        let mut report = match (new?, copy) {
            (None, Some(copy)) => SyncReport::new(Outcome::UpToDate, None, copy),
            (None, None) => {
                return Err(Error::new(
                    ErrorKind::Protocol,
                    "the server sent nothing where all was asked for",
                ));
            }
            (Some(new), copy) => self.commit(name, copy, new).await?,
        };
        report.repaired = damaged;
        Ok(report)
    }

    /// Merges an answer with the local copy and verifies the result; [`None`] where nothing is new.
    async fn consider(
        &self,
        name: &CollectionName,
        copy: Option<&Verified<Collection>>,
        answer: Answer,
    ) -> Result<Option<Verified<Collection>>, Error> {
        let Some(changeset) = answer.changeset else { return Ok(None) };
        let now = self.clock.now();
        let timestamp = changeset.timestamp;
        if let Some(copy) = copy
            && timestamp < copy.timestamp
        {
            let message = format!(
                "the server sent an older state ({timestamp}) than the local copy ({})",
                copy.timestamp
            );
            return Err(Error::new(ErrorKind::Rollback, message));
        }
        let base = copy.filter(|_| answer.partial).map(|copy| &**copy);
        let merged = Collection::merge(base, name, changeset);
        if merged.records.len() > self.limits.records {
            let message =
                format!("{} records are more than the {} allowed", merged.records.len(), self.limits.records);
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        if copy.is_some_and(|copy| **copy == merged) {
            return Ok(None);
        }
        let candidate = Candidate::new(merged, &self.limits)?;
        let evidence = self.evidence(name, &candidate, now, answer.date).await?;
        let verified = candidate.seal(evidence)?;
        self.plausible(copy, &verified, now)?;
        Ok(Some(verified))
    }

    /// Tries the signatures in turn; the first that matches is taken.
    async fn evidence(
        &self,
        name: &CollectionName,
        candidate: &Candidate,
        now: SystemTime,
        date: Option<SystemTime>,
    ) -> Result<Evidence, Error> {
        let trust = self.server.trust(name);
        let mut worst: Option<Error> = None;
        for signature in candidate.signatures() {
            let error = match self.chain(&signature.x5u).await {
                Err(error) => error,
                Ok(chain) => match candidate.check(signature, &chain, &trust, now, &self.limits) {
                    Ok(evidence) => {
                        self.keep_chain(&signature.x5u, &chain);
                        return Ok(evidence);
                    }
                    Err(error) => {
                        let good_at =
                            |time| candidate.check(signature, &chain, &trust, time, &self.limits).is_ok();
                        name_clock(error, now, date, good_at)
                    }
                },
            };
            worst.get_or_insert(error);
        }
        Err(worst.unwrap_or_else(|| Error::new(ErrorKind::Untrusted, "the collection is not signed")))
    }

    /// Refuses what is signed but should not take the place of the local copy.
    fn plausible(
        &self,
        copy: Option<&Verified<Collection>>,
        new: &Verified<Collection>,
        now: SystemTime,
    ) -> Result<(), Error> {
        let latest = now.checked_add(self.limits.future).unwrap_or(now);
        if new.timestamp / 1000 > clock::seconds(latest) {
            let message = format!(
                "the server's timestamp ({}) lies in the future, and it is {}; check the clock",
                clock::text(clock::at(new.timestamp / 1000)),
                clock::text(now)
            );
            return Err(Error::new(ErrorKind::Rollback, message));
        }
        let Some(copy) = copy else { return Ok(()) };
        if new.timestamp == copy.timestamp && new.records != copy.records {
            let message =
                format!("the server has other records under the same timestamp ({})", new.timestamp);
            return Err(Error::new(ErrorKind::Rollback, message));
        }
        if new.records.is_empty() && !copy.records.is_empty() && !self.accept_emptied {
            let message = format!(
                "the server's collection is empty; the local copy has {} to lose",
                copy.records.len()
            );
            return Err(Error::new(ErrorKind::Emptied, message));
        }
        Ok(())
    }

    /// Replaces the local copy, unless another sync has brought a newer one meanwhile.
    async fn commit(
        &self,
        name: &CollectionName,
        old: Option<Verified<Collection>>,
        new: Verified<Collection>,
    ) -> Result<SyncReport, Error> {
        let state = state::write(&self.server, &new)?;
        let _committing = self.committing.lock().await;
        let stored = self.stored(name).await?;
        if stored.and_then(|stored| state::timestamp(&stored)).is_some_and(|stored| stored > new.timestamp)
            && let Ok(Some(newer)) = self.local(name).await
        {
            return Ok(SyncReport::new(Outcome::Updated, old.as_ref(), newer));
        }
        self.storage.commit(&state::key(&self.server, name), state).await.map_err(|error| {
            Error::new(ErrorKind::Storage, "could not write the local copy").with_source(error)
        })?;
        let outcome = match &old {
            Some(old) if old.timestamp == new.timestamp => Outcome::SignatureRefreshed,
            _ => Outcome::Updated,
        };
        Ok(SyncReport::new(outcome, old.as_ref(), new))
    }
}

impl SyncReport {
    fn new(outcome: Outcome, old: Option<&Verified<Collection>>, new: Verified<Collection>) -> Self {
        let Differences { created, updated, deleted } = match outcome {
            Outcome::Updated => Differences::between(old.map(|old| &**old), &new),
            _ => Differences::default(),
        };
        Self { outcome, collection: new, created, updated, deleted, repaired: false }
    }
}

/// Names the local clock as the cause where the chain would be good at the server's time, or is from the future.
fn name_clock(
    error: Error,
    now: SystemTime,
    date: Option<SystemTime>,
    good_at: impl Fn(SystemTime) -> bool,
) -> Error {
    match (error.certificate(), date) {
        (Some(Problem::Expired | Problem::NotYetValid), Some(date)) if good_at(date) => {
            error.blame_clock(&format!("the server's clock shows {}", clock::text(date)))
        }
        (Some(Problem::NotYetValid), None) if now < clock::at(u64::MAX) => {
            error.blame_clock("the local clock is probably behind")
        }
        _ => error,
    }
}
