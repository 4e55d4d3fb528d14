//! Fetches a file in one go: a small one into memory, or one that nothing ties together over several requests.

use std::future::Future;

use blob_store::Expected;
use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use transport::ByteStream;

use crate::{
    Error, ErrorKind,
    answer::Job,
    error::Remedy,
    git::{GitHasher, GitOid},
    parts::Fetched,
};

impl Job<'_> {
    /// Fetches a small file into memory, checked as far as anything is known of it.
    pub(crate) async fn fetch_small(&self, size: u64) -> Result<Bytes, Error> {
        self.repeated(|| async move {
            let _slot = self.client.pool.small().await;
            let mut body = self.ask_whole().await?.body;
            let mut whole = BytesMut::with_capacity(usize::try_from(size).unwrap_or_default());
            while let Some(piece) = self.next(&mut body).await? {
                whole.extend_from_slice(&piece);
                self.track.received(piece.len());
            }
            let whole = whole.freeze();
            self.check_size(whole.len() as u64)?;
            if let Some(expected) = self.file.git.filter(|_| self.file.digest.is_none()) {
                let mut hasher = GitHasher::new(size);
                hasher.update(&whole);
                hasher.check(expected)?;
            }
            if let Some(digest) = self.file.digest {
                let found = content_id::ContentId::of(&whole).digest;
                if found != digest {
                    let detail = format!("it has digest {found}, not {digest}");
                    return Err(Error::new(ErrorKind::Mismatch, detail).passing());
                }
            }
            Ok(whole)
        })
        .await
    }

    /// Streams a file into the store.
    pub(crate) async fn fetch_stream(&self) -> Result<Fetched, Error> {
        self.repeated(|| self.stream_once()).await.map(Fetched::whole)
    }

    async fn stream_once(&self) -> Result<content_id::ContentId, Error> {
        let _slot = self.client.pool.part().await;
        let mut body = self.ask_whole().await?.body;
        let expected = Expected::new(self.file.digest, self.file.size);
        let mut stage = self.store.stage(expected).await.map_err(Error::store)?;
        let git = self.file.git.filter(|_| self.file.digest.is_none()).zip(self.file.size);
        let mut git: Option<(GitOid, GitHasher)> = git.map(|(oid, size)| (oid, GitHasher::new(size)));
        while let Some(piece) = self.next(&mut body).await? {
            if let Some((_, hasher)) = &mut git {
                hasher.update(&piece);
            }
            let bytes = piece.len();
            stage.write(piece).await.map_err(Error::store)?;
            self.track.received(bytes);
        }
        self.check_size(stage.written())?;
        if let Some((expected, hasher)) = git {
            hasher.check(expected)?;
        }
        stage.publish().await.map_err(Error::store)
    }

    async fn next(&self, body: &mut ByteStream) -> Result<Option<Bytes>, Error> {
        body.try_next().await.map_err(|error| self.body_error(error))
    }

    fn check_size(&self, arrived: u64) -> Result<(), Error> {
        match self.file.size {
            Some(size) if size != arrived => {
                let detail = format!("{arrived} bytes arrived of {size}");
                Err(Error::new(ErrorKind::Mismatch, detail).passing())
            }
            _ => Ok(()),
        }
    }

    /// Does something until it succeeds, or cannot.
    async fn repeated<T, F: Future<Output = Result<T, Error>>>(
        &self,
        once: impl Fn() -> F,
    ) -> Result<T, Error> {
        let mut attempt = 1;
        loop {
            let error = match once().await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            let attempts = match error.kind() {
                ErrorKind::Mismatch => self.client.limits.attempts.min(2),
                _ => self.client.limits.attempts,
            };
            if error.remedy() != Remedy::Again || attempt >= attempts {
                return Err(error);
            }
            self.client.pause(attempt).await;
            attempt += 1;
            self.track.restarted(attempt, 0, &error);
        }
    }
}
