//! A stream of pieces, read in portions of another size.

use bytes::{Bytes, BytesMut};
use futures::{Stream, TryStreamExt};

use super::head::{LINE_BYTES, fail};
use crate::{Error, ErrorKind};

#[derive(Debug)]
pub(super) struct Input<R> {
    stream: R,
    /// Arrived and not yet taken.
    rest: Bytes,
    /// Bytes taken.
    at: u64,
}

impl<R, E> Input<R>
where
    R: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    pub(super) fn new(stream: R) -> Self {
        Self { stream, rest: Bytes::new(), at: 0 }
    }

    /// Waits for bytes; returns whether there are any.
    async fn fill(&mut self) -> Result<bool, Error> {
        while self.rest.is_empty() {
            match self.stream.try_next().await {
                Ok(Some(piece)) => self.rest = piece,
                Ok(None) => return Ok(false),
                Err(error) => return Err(fail(ErrorKind::Backend).with_source(error)),
            }
        }
        Ok(true)
    }

    /// The next bytes, at least one and at most `max`.
    pub(super) async fn piece(&mut self, max: u64) -> Result<Bytes, Error> {
        if !self.fill().await? {
            return Err(fail(ErrorKind::Damaged).with_detail(format!("it ends after {} bytes", self.at)));
        }
        let length = usize::try_from(max).unwrap_or(usize::MAX).min(self.rest.len());
        self.at += length as u64;
        Ok(self.rest.split_to(length))
    }

    /// The next `length` bytes; memory is taken only for what arrives.
    pub(super) async fn exactly(&mut self, length: u64) -> Result<Bytes, Error> {
        let mut gathered = BytesMut::new();
        while (gathered.len() as u64) < length {
            let piece = self.piece(length - gathered.len() as u64).await?;
            if gathered.is_empty() && piece.len() as u64 == length {
                return Ok(piece);
            }
            gathered.extend_from_slice(&piece);
        }
        Ok(gathered.freeze())
    }

    /// The next line without its end, or the first bytes of one that is too long.
    pub(super) async fn line(&mut self) -> Result<Vec<u8>, Error> {
        let mut line = Vec::new();
        while line.len() < LINE_BYTES {
            match self.piece(1).await?[..] {
                [b'\n'] => break,
                ref byte => line.extend_from_slice(byte),
            }
        }
        Ok(line)
    }

    /// Makes sure that nothing follows.
    pub(super) async fn end(&mut self) -> Result<(), Error> {
        match self.fill().await? {
            false => Ok(()),
            true => {
                Err(fail(ErrorKind::Damaged).with_detail(format!("something follows its {} bytes", self.at)))
            }
        }
    }
}
