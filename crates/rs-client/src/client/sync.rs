//! Bringing local copies up to date.

use std::{sync::Arc, time::SystemTime};

use super::{Client, Outcome, SyncReport, fetch::Answer, local::Local};
use crate::{
    CertificateProblem as Problem, Collection, CollectionName, Error, ErrorKind, SyncOptions, Verified,
    clock,
    collection::Differences,
    state,
    verify::{Candidate, Evidence},
};

/// How often a commit is tried when other programs commit at the same time.
const COMMITS: usize = 8;

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
        self.sync_with(name, &SyncOptions::default()).await
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
        self.sync_all_with(names, &SyncOptions::default()).await
    }

    pub(super) async fn sync_expecting(
        &self,
        name: &CollectionName,
        expected: Option<u64>,
    ) -> Result<SyncReport, Error> {
        let local = self.local(name).await?;
        match (&local.copy, expected) {
            (Some(copy), Some(expected))
                if copy.timestamp >= expected
                    && copy.certificate_expires() >= self.now()
                    && !local.is_damaged() =>
            {
                Ok(SyncReport::new(Outcome::UpToDate, None, copy.clone()))
            }
            // The server's list may lack a collection that never had a record.
            (_, expected) => self.sync_from(name, expected.unwrap_or(0), local).await,
        }
    }

    pub(super) async fn sync_from(
        &self,
        name: &CollectionName,
        expected: u64,
        local: Local,
    ) -> Result<SyncReport, Error> {
        let since = local.base().map(|base| base.timestamp);
        let mut answer = self.changeset(name, expected, since, local.version.as_ref()).await?;
        if answer.changeset.is_none() && (local.copy.is_none() || local.dump.is_some()) {
            // Nothing is new, but of what there is the signature is missing.
            answer = self.changeset(name, expected, None, None).await?;
        }
        let mut partial = answer.partial;
        let mut new = self.consider(name, &local, answer).await;
        if partial && new.as_ref().is_err_and(|error| error.kind() == ErrorKind::Untrusted) {
            // Either the server lies or the merge went wrong; the whole collection tells.
            let answer = self.changeset(name, expected, None, None).await?;
            partial = answer.partial;
            new = self.consider(name, &local, answer).await.map_err(Error::retried);
        }
        self.finish(name, local, new?, partial).await
    }

    /// Takes the whole of a collection that came on another way than by a request of its own, if it is newer than
    /// the local copy.
    #[cfg(feature = "bundles")]
    pub(super) async fn accept(&self, name: &CollectionName, answer: Answer) -> Result<SyncReport, Error> {
        let local = self.local(name).await?;
        let offered = answer.changeset.as_ref().map(|changeset| changeset.timestamp);
        if let Some(copy) = local.copy.as_ref().filter(|copy| offered <= Some(copy.timestamp)) {
            return Ok(SyncReport::new(Outcome::UpToDate, None, copy.clone()));
        }
        let new = self.consider(name, &local, answer).await?;
        self.finish(name, local, new, false).await
    }

    async fn finish(
        &self,
        name: &CollectionName,
        local: Local,
        new: Option<Verified<Collection>>,
        partial: bool,
    ) -> Result<SyncReport, Error> {
        let repaired = local.is_damaged();
        let mut report = match (new, local.copy.clone()) {
            (Some(new), _) => self.commit(name, local, new, partial).await?,
            // A packaged copy has stood in, and now takes the place of the damaged one.
            (None, Some(copy)) if repaired => {
                let kept = self.commit(name, local, copy, false).await?.collection;
                SyncReport::new(Outcome::UpToDate, None, kept)
            }
            (None, Some(copy)) => SyncReport::new(Outcome::UpToDate, None, copy),
            (None, None) => {
                let message = "the server sent nothing where all was asked for";
                return Err(Error::new(ErrorKind::Protocol, message));
            }
        };
        report.repaired = repaired;
        Ok(report)
    }

    /// Merges an answer with the local copy and verifies the result; [`None`] where nothing is new.
    async fn consider(
        &self,
        name: &CollectionName,
        local: &Local,
        answer: Answer,
    ) -> Result<Option<Verified<Collection>>, Error> {
        let Some(changeset) = answer.changeset else { return Ok(None) };
        let now = self.clock.now();
        let copy = local.copy.as_ref();
        not_older(local, changeset.timestamp)?;
        let base = local.base().filter(|_| answer.partial);
        let merged = Collection::merge(base, name, changeset);
        if merged.records.len() > self.limits.records {
            let message =
                format!("{} records are more than the {} allowed", merged.records.len(), self.limits.records);
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        if let Some(copy) = copy.filter(|copy| ***copy == merged) {
            // An expired certificate waits for a new signature, which must not be missed.
            if copy.certificate_expires() >= self.now() {
                self.keep_condition(answer.condition, local.version.as_ref());
            }
            return Ok(None);
        }
        // Many small answers add up: what could not be fetched as a whole could not be replaced once it is damaged.
        let bytes: u64 = merged.records.iter().map(|record| record.json().len() as u64).sum();
        if bytes > self.limits.changeset_bytes {
            let allowed = self.limits.changeset_bytes;
            let message =
                format!("records of {bytes} bytes are more than the {allowed} of a changeset allowed");
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let candidate = Candidate::new(merged, &self.limits)?;
        let evidence = self.evidence(name, &candidate, now, answer.date).await.inspect_err(|error| {
            if !answer.partial && error.kind() == ErrorKind::Untrusted {
                // In case another chain was put in the place of one that was used before: the next sync tells.
                self.memory().chains.clear();
            }
        })?;
        let verified = candidate.seal(evidence)?;
        self.required(name, &verified)?;
        self.plausible(copy, &verified, now.max(verified.verified_at()))?;
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
            let check = |chain: &Arc<str>| {
                let check = |time| candidate.check(signature, chain, &trust, time, &self.limits);
                let error = match check(now) {
                    Ok(evidence) => return Ok(evidence),
                    Err(error) => error,
                };
                match (error.certificate(), date.map(check)) {
                    (Some(Problem::Expired | Problem::NotYetValid), Some(Ok(evidence)))
                        if self.trust_server_time =>
                    {
                        Ok(evidence)
                    }
                    (_, at_date) => Err(name_clock(error, now, date, at_date.is_some_and(|it| it.is_ok()))),
                }
            };
            let kept = self.kept_chain(&signature.x5u);
            let mut result = kept.as_ref().map(check);
            let acceptable = |result: &Result<_, Error>| match result {
                Ok(_) => true,
                Err(error) => error.certificate().is_none(),
            };
            if !result.as_ref().is_some_and(acceptable) {
                // Servers may have put another chain in the place of one that has expired since.
                match (self.chain(&signature.x5u).await, &result) {
                    (Ok(chain), _) if kept.as_ref() != Some(&chain) => {
                        result = Some(check(&chain).inspect(|_| self.keep_chain(&signature.x5u, &chain)));
                    }
                    (Err(error), None) => result = Some(Err(error)),
                    _ => {}
                }
            }
            match result {
                Some(Ok(evidence)) => return Ok(evidence),
                Some(Err(error)) => drop(worst.get_or_insert(error)),
                None => {}
            }
        }
        // Where chains lie was told by a description that may have been wrong, or somebody else's.
        self.memory().info = None;
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
        if new.timestamp == copy.timestamp && !new.same_content(copy) {
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

    /// Replaces the local copy, unless another client has brought a state at least as new meanwhile.
    async fn commit(
        &self,
        name: &CollectionName,
        mut local: Local,
        new: Verified<Collection>,
        partial: bool,
    ) -> Result<SyncReport, Error> {
        let old = local.copy.clone();
        let key = state::key(&self.server, name);
        let state = state::write(&self.server, &new)?;
        for _ in 0..COMMITS {
            let committed = self.storage.commit(&key, state.clone(), local.version.as_ref()).await;
            let committed = committed.map_err(|error| {
                Error::new(ErrorKind::Storage, "could not write the local copy").with_source(error)
            })?;
            if let Some(version) = committed {
                // What a merge made holds on to every answer that it was made from; read again, it does not.
                if !partial {
                    self.keep_copy(&new, Some(version), state.len() as u64);
                }
                return Ok(SyncReport::changed(old.as_ref(), new));
            }
            local = self.local(name).await?;
            if let Some(theirs) = local.copy.take_if(|theirs| theirs.timestamp >= new.timestamp) {
                return Ok(SyncReport::changed(old.as_ref(), theirs));
            }
            // What it would replace now is not what it was held against.
            not_older(&local, new.timestamp)?;
            self.plausible(local.copy.as_ref(), &new, self.clock.now().max(new.verified_at()))?;
        }
        Err(Error::new(ErrorKind::Storage, "other programs keep replacing the local copy"))
    }
}

impl SyncReport {
    fn changed(old: Option<&Verified<Collection>>, new: Verified<Collection>) -> Self {
        let outcome = match old {
            Some(old) if old.timestamp == new.timestamp => Outcome::SignatureRefreshed,
            _ => Outcome::Updated,
        };
        Self::new(outcome, old, new)
    }

    fn new(outcome: Outcome, old: Option<&Verified<Collection>>, new: Verified<Collection>) -> Self {
        let Differences { created, updated, deleted } = match outcome {
            Outcome::Updated => Differences::between(old.map(|old| &**old), &new),
            _ => Differences::default(),
        };
        Self { outcome, collection: new, created, updated, deleted, repaired: false }
    }
}

/// Refuses a state that is older than the local copy, or than it was before it was damaged.
fn not_older(local: &Local, timestamp: u64) -> Result<(), Error> {
    match local.floor() {
        Some(floor) if timestamp < floor => {
            let message =
                format!("the server sent an older state ({timestamp}) than the local copy ({floor})");
            Err(Error::new(ErrorKind::Rollback, message))
        }
        _ => Ok(()),
    }
}

/// Names the local clock as the cause where the chain would be good at the server's time, or is from the future.
fn name_clock(error: Error, now: SystemTime, date: Option<SystemTime>, good_at_date: bool) -> Error {
    match (error.certificate(), date) {
        (Some(Problem::Expired | Problem::NotYetValid), Some(date)) if good_at_date => {
            let apart = clock::apart(now, date);
            error.blame_clock(&format!(
                "the server's clock shows {}: the local clock is {apart}",
                clock::text(date)
            ))
        }
        (Some(Problem::NotYetValid), None) => error.blame_clock("the local clock is probably behind"),
        _ => error,
    }
}
