//! Attachments in a folder: brought once, kept as long as a record describes them.

use std::{collections::BTreeSet, fmt, path::PathBuf};

use bytes::Bytes;
use content_id::ContentId;

use super::{
    Client,
    local::Local,
    transfer::{End, Target, mismatch, name},
};
use crate::{
    Attachment, AttachmentFolder, Collection, CollectionName, Error, ErrorKind, PruneOptions, Pruned,
    attachments::{Begun, Part},
    files::blocking,
};

/// Bytes gathered before they are written: what a killed program loses of a download, at most.
const BATCH: usize = 256 << 10;

/// A record's file on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fetched {
    /// Where it lies: not to be written to.
    pub path: PathBuf,
    /// How the verified record describes it.
    pub attachment: Attachment,
    /// Whether it had to be downloaded.
    pub outcome: FetchOutcome,
}

/// How a file came to be in its folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FetchOutcome {
    /// It was there.
    Held,
    /// The program has brought it along; see [`packaged_folder`](crate::ClientBuilder::packaged_folder).
    Packaged,
    /// It was downloaded, going on from what an earlier download had left.
    Resumed {
        /// How many bytes were there.
        from: u64,
    },
    /// It was downloaded.
    Downloaded,
}

/// How to fetch an attachment.
#[derive(Clone, Copy, Default)]
#[non_exhaustive]
pub struct FetchOptions<'a> {
    /// Is told, whenever some bytes have come, how many of how many are there. The number goes back where a download
    /// begins anew.
    pub progress: Option<&'a (dyn Fn(u64, u64) + Send + Sync)>,
}

/// A part of a file that is written to in batches.
struct Batches {
    /// Taken while a batch is being written; lost with it where the future is dropped, which is fine.
    part: Option<Part>,
    length: u64,
    pending: Vec<Bytes>,
    gathered: usize,
    what: String,
}

impl Client {
    /// Makes sure that the file of a record is in `folder`, by the [`current`](Self::current) copy of its collection.
    ///
    /// Where it is there, whole and right, or comes with the program, no request is made. Otherwise it is downloaded, going on from where an
    /// earlier download was broken off, was dropped, or was killed. Where the connection breaks, the rest is asked for
    /// over at most [`attachment_requests`](crate::Limits::attachment_requests) requests. What turns out wrong although
    /// it was put together from several answers is downloaded once more as a whole.
    ///
    /// Where the server no longer has the file at its place, the collection is synced once, and the file is asked for
    /// once more where the record then says.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] where there is no local copy, no such record in it, no file attached to the record,
    /// or the server does not have the file, also after a sync; [`ErrorKind::Untrusted`] where the server's file is
    /// not what the record describes, and nothing of it is left; [`ErrorKind::TooLarge`] where the record describes
    /// one above the limit; [`ErrorKind::Storage`] where the folder cannot be used; [`ErrorKind::Unavailable`] and
    /// [`ErrorKind::Offline`], and what came so far is kept for the next try; those of [`current`](Self::current), and,
    /// where the file was not at its place, those of [`sync`](Self::sync).
    pub async fn fetch_attachment(
        &self,
        name: &CollectionName,
        id: &str,
        folder: &AttachmentFolder,
    ) -> Result<Fetched, Error> {
        self.fetch_attachment_with(name, id, folder, &FetchOptions::default()).await
    }

    /// As [`fetch_attachment`](Self::fetch_attachment), with options.
    ///
    /// # Errors
    ///
    /// As [`fetch_attachment`](Self::fetch_attachment).
    pub async fn fetch_attachment_with(
        &self,
        name: &CollectionName,
        id: &str,
        folder: &AttachmentFolder,
        options: &FetchOptions<'_>,
    ) -> Result<Fetched, Error> {
        let work = async {
            let copy = self.current(name).await?.ok_or_else(no_copy)?;
            let gone = match self.fetch(name, id, described(&copy, id)?, folder, options).await {
                Err(error) if error.kind() == ErrorKind::NotFound => error,
                result => return result,
            };
            // What the server says of itself may be as old as the record.
            self.memory().info = None;
            let synced = self.sync(name).await.map_err(|error| {
                let message =
                    format!("the attachment of {id} is not at its place, and its new one cannot be learnt");
                let wait = error.retry_after();
                let error = Error::new(error.kind(), message).with_source(error);
                wait.into_iter().fold(error, Error::with_retry_after)
            })?;
            match described(&synced.collection, id) {
                Ok(attachment) => self.fetch(name, id, attachment, folder, options).await,
                Err(error) => Err(error.with_source(gone)),
            }
        };
        work.await.map_err(|error| error.of(name))
    }

    async fn fetch(
        &self,
        collection: &CollectionName,
        id: &str,
        attachment: Attachment,
        folder: &AttachmentFolder,
        options: &FetchOptions<'_>,
    ) -> Result<Fetched, Error> {
        let (content, what) = (attachment.content, name(&attachment));
        let done = |path, attachment, outcome| Ok(Fetched { path, attachment, outcome });
        if let Some(path) = folder.get(content).await? {
            return done(path, attachment, FetchOutcome::Held);
        }
        if let Some(packaged) = self.packages.attachment(collection, id)
            && let Some(path) = folder.put_packaged(content, packaged).await?
        {
            return done(path, attachment, FetchOutcome::Packaged);
        }
        let part = match folder.begin(content).await? {
            Begun::Held(path) => return done(path, attachment, FetchOutcome::Held),
            Begun::Part(part) => part,
        };
        let from = part.length();
        let progress = options.progress.unwrap_or(&|_, _| {});
        let mut target =
            Batches { length: from, part: Some(part), pending: Vec::new(), gathered: 0, what: what.clone() };
        let mut outcome = match from {
            0 => FetchOutcome::Downloaded,
            from => FetchOutcome::Resumed { from },
        };
        let mut again = false;
        loop {
            let end = self.transfer(&attachment, &mut target, progress).await;
            // Also after an error: the next download goes on from here.
            let mut part = target.finish().await?;
            let (error, in_one) = match end {
                Ok(End::Whole { in_one }) => match part.check() {
                    Ok(()) => {
                        let path = folder.publish(part).await?;
                        return done(path, attachment, outcome);
                    }
                    Err(found) => (mismatch(&what, content, Some(found)), in_one),
                },
                Ok(End::Wrong { error, in_one }) => (error, in_one),
                Err(error) => {
                    if error.kind() == ErrorKind::Storage {
                        part.discard();
                    }
                    return Err(error);
                }
            };
            if in_one || again {
                part.discard();
                return Err(error);
            }
            again = true;
            outcome = FetchOutcome::Downloaded;
            target.part = Some(part);
            target.restart().await?;
        }
    }

    /// Returns what files the records in the local copies of some collections describe.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] where a collection has no local copy; those of [`load`](Self::load).
    pub async fn described_attachments(
        &self,
        names: &[CollectionName],
    ) -> Result<BTreeSet<ContentId>, Error> {
        let mut described = BTreeSet::new();
        for name in names {
            let Local { copy, dump, damage, .. } = self.local(name).await.map_err(|error| error.of(name))?;
            // Also where something else stands in for it: nobody knows what it described.
            if let Some(damage) = damage {
                return Err(damage.error.of(name));
            }
            if copy.is_none() && dump.is_none() {
                return Err(no_copy().of(name));
            }
            let collections = copy.as_deref().into_iter().chain(&dump);
            let records = collections.flat_map(|collection| collection.records.iter());
            // A record whose description cannot be read describes no file that could be fetched.
            let attachments = records.filter_map(|record| record.attachment().ok().flatten());
            described.extend(attachments.map(|attachment| attachment.content));
        }
        Ok(described)
    }

    /// Removes files from `folder` that no record describes in the local copies of the collections `names`.
    ///
    /// Name all collections whose attachments are fetched into this folder: those of others would go. Files that were
    /// brought or asked for lately stay; see [`PruneOptions::grace`]. Nothing is removed where one of the local copies
    /// is missing or cannot be read. Other clients, also those of other servers, know other records: give each a
    /// folder of its own, or use [`AttachmentFolder::prune`] with what all of them describe.
    ///
    /// # Errors
    ///
    /// As [`described_attachments`](Self::described_attachments), and [`ErrorKind::Storage`] where a file cannot be
    /// removed.
    pub async fn prune_attachments(
        &self,
        folder: &AttachmentFolder,
        names: &[CollectionName],
        options: &PruneOptions,
    ) -> Result<Pruned, Error> {
        folder.prune(self.described_attachments(names).await?, options).await
    }
}

impl<'a> FetchOptions<'a> {
    /// Sets what is told how many of how many bytes are there.
    #[must_use]
    pub fn progress(mut self, progress: &'a (dyn Fn(u64, u64) + Send + Sync)) -> Self {
        self.progress = Some(progress);
        self
    }
}

impl Batches {
    /// Works on the part where that may block.
    async fn work(
        &mut self,
        work: impl FnOnce(&mut Part) -> std::io::Result<()> + Send + 'static,
    ) -> Result<(), Error> {
        let failed = |error| {
            Error::new(ErrorKind::Storage, format!("could not write {}", self.what)).with_source(error)
        };
        let Some(mut part) = self.part.take() else { return Err(failed(std::io::Error::other("given up"))) };
        let done = blocking(move || {
            let done = work(&mut part);
            if done.is_err() {
                // A full disk is not to stay full for the sake of the rest.
                part.discard();
            }
            done.map(|()| part)
        });
        self.part = Some(done.await.map_err(failed)?);
        Ok(())
    }

    async fn write(&mut self) -> Result<(), Error> {
        let pieces = std::mem::take(&mut self.pending);
        self.gathered = 0;
        self.work(move |part| pieces.iter().try_for_each(|piece| part.write(piece))).await
    }

    /// Writes what is left and gives the part back.
    async fn finish(&mut self) -> Result<Part, Error> {
        self.write().await?;
        self.part
            .take()
            .ok_or_else(|| Error::new(ErrorKind::Storage, format!("could not write {}", self.what)))
    }
}

impl Target for Batches {
    fn length(&self) -> u64 {
        self.length
    }

    async fn take(&mut self, piece: Bytes) -> Result<(), Error> {
        self.length += piece.len() as u64;
        self.gathered += piece.len();
        self.pending.push(piece);
        if self.gathered >= BATCH { self.write().await } else { Ok(()) }
    }

    async fn restart(&mut self) -> Result<bool, Error> {
        (self.length, self.gathered) = (0, 0);
        self.pending.clear();
        self.work(Part::restart).await.map(|()| true)
    }
}

fn no_copy() -> Error {
    Error::new(ErrorKind::NotFound, "there is no local copy; sync first")
}

fn described(collection: &Collection, id: &str) -> Result<Attachment, Error> {
    let absent = |what: &str| Error::new(ErrorKind::NotFound, format!("{what} {id:?}"));
    let record = collection.records.get(id).ok_or_else(|| absent("there is no record"))?;
    record.attachment()?.ok_or_else(|| absent("nothing is attached to the record"))
}

impl fmt::Debug for FetchOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchOptions").finish_non_exhaustive()
    }
}
