//! One file of a foreign folder into the store.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    mem,
};

use bytes::Bytes;
use content_id::{ContentId, Hasher};

use super::{
    folder::Stamp,
    git::{GitHasher, GitId},
    progress::Meter,
};
use crate::{BlobStore, Error, ErrorKind, Expected, blocking::run};

/// Bytes read in one go.
const PIECE: usize = 1 << 20;

/// What a file has to be, beside its size and SHA-256.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    pub(super) content: Expected,
    pub(super) git: Option<GitId>,
}

/// A blob that an import found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    pub(super) id: ContentId,
    /// Whether it had to be written.
    pub(super) written: bool,
}

/// Hashes the whole file.
pub(super) async fn hash_file(
    file: File,
    operation: &'static str,
    subject: &str,
    meter: Option<&Meter>,
) -> Result<(File, ContentId), Error> {
    let mut pieces = Pieces::new(file, operation, subject)?;
    pieces.hashers.0 = Some(Hasher::default());
    while let Some(piece) = pieces.next().await? {
        if let Some(meter) = meter {
            meter.bytes(piece.len() as u64);
        }
    }
    let id = pieces.hashers.0.unwrap_or_default().finish();
    Ok((pieces.file, id))
}

/// Publishes the file's bytes, checked against what is wanted, unless the store has them.
pub(super) async fn take<S: BlobStore + ?Sized>(
    store: &S,
    file: File,
    operation: &'static str,
    shown: &str,
    wanted: Wanted,
    meter: &Meter,
) -> Result<Taken, Error> {
    let subject = format!("file {shown:?}");
    let mismatch =
        |detail: String| Err(Error::new(ErrorKind::Mismatch, operation, &subject).with_detail(detail));
    let before = Stamp::of(&file).map_err(|e| Error::io(operation, &subject, e))?;
    if let Some(size) = wanted.content.size.filter(|size| *size != before.size) {
        return mismatch(format!("{} bytes instead of {size}", before.size));
    }
    let known = wanted.content.digest.map(|digest| ContentId::new(digest, before.size));
    let there = match known {
        Some(id) => store.confirm(&[id]).await?.is_empty(),
        None => false,
    };
    let mut stage = match there {
        true => None,
        false => Some(store.stage(Expected::new(wanted.content.digest, Some(before.size))).await?),
    };
    let mut pieces = Pieces::new(file, operation, &subject)?;
    pieces.hashers = (there.then(Hasher::default), wanted.git.map(|_| GitHasher::new(before.size)));
    let mut size = 0;
    while let Some(piece) = pieces.next().await? {
        size += piece.len() as u64;
        if before.size < size {
            return mismatch("it grew while it was read".to_owned());
        }
        meter.bytes(piece.len() as u64);
        if let Some(stage) = &mut stage {
            stage.write(piece).await?;
        }
    }
    let after = Stamp::of(&pieces.file).map_err(|e| Error::io(operation, &subject, e))?;
    if before != after || size != after.size {
        return mismatch("it was changed while it was read".to_owned());
    }
    let (hasher, git) = pieces.hashers;
    let found = git.map(GitHasher::finish);
    if let Some(found) = found.filter(|_| found != wanted.git) {
        return mismatch(format!("its git object id is {found}"));
    }
    match (stage, hasher) {
        (Some(stage), _) => match stage.publish().await {
            Ok(id) => Ok(Taken { id, written: true }),
            Err(error) => Err(Error::new(error.kind(), operation, &subject).with_source(error)),
        },
        (None, hasher) => match hasher.map(Hasher::finish) {
            Some(id) if Some(id) == known => Ok(Taken { id, written: false }),
            found => {
                mismatch(format!("its digest is {}", found.map_or("?".into(), |id| id.digest.to_string())))
            }
        },
    }
}

/// The pieces of a file, read and hashed on a blocking thread.
#[derive(Debug)]
struct Pieces {
    file: File,
    operation: &'static str,
    subject: String,
    hashers: (Option<Hasher>, Option<GitHasher>),
}

impl Pieces {
    fn new(mut file: File, operation: &'static str, subject: &str) -> Result<Self, Error> {
        file.seek(SeekFrom::Start(0)).map_err(|e| Error::io(operation, subject, e))?;
        Ok(Self { file, operation, subject: subject.to_owned(), hashers: (None, None) })
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let fail = |e| Error::io(self.operation, &self.subject, e);
        let file = self.file.try_clone().map_err(fail)?;
        let (mut sha, mut git) = mem::take(&mut self.hashers);
        let read = run(move || {
            let mut piece = Vec::with_capacity(PIECE);
            let outcome = (&file).take(PIECE as u64).read_to_end(&mut piece);
            if let Some(sha) = &mut sha {
                sha.update(&piece);
            }
            if let Some(git) = &mut git {
                git.update(&piece);
            }
            Ok((outcome, piece, (sha, git)))
        });
        let (outcome, piece, hashers) = read.await?;
        self.hashers = hashers;
        outcome.map_err(fail)?;
        Ok((!piece.is_empty()).then(|| piece.into()))
    }
}
