//! Attachments as streams, and into any sink.

use std::{fmt, io::Write};

use bytes::Bytes;
use content_id::{ContentId, Hasher};
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream::BoxStream};

use super::{
    Client,
    transfer::{Body, End, Target, mismatch, name},
};
use crate::{Attachment, Error, ErrorKind};

/// The bytes of an attachment.
///
/// The last piece is handed out only after size and SHA-256 have been checked, so whoever has read to the end has
/// what the record describes. Nothing that came before an error is to be used.
pub struct AttachmentStream(BoxStream<'static, Result<Bytes, Error>>);

/// A sink, which holds the last piece back until all are known to be right.
struct Held<'a> {
    sink: &'a mut (dyn Write + Send),
    hasher: Hasher,
    last: Bytes,
    what: String,
}

impl Client {
    /// Starts the download of a record's file, in one request.
    ///
    /// To have files on disk, whole ones only and each fetched once, use
    /// [`fetch_attachment`](Self::fetch_attachment).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] where the record describes a file above the limit; [`ErrorKind::Protocol`] where
    /// its location is not below the server's address for attachments; [`ErrorKind::NotFound`] where the server
    /// has no such file: a sync brings its new location. The stream ends with [`ErrorKind::Untrusted`] where the
    /// bytes are not what the record describes.
    pub async fn attachment(&self, attachment: &Attachment) -> Result<AttachmentStream, Error> {
        match self.body(attachment, 0).await? {
            Body::Bytes { pieces, .. } => {
                Ok(AttachmentStream(checked(pieces, attachment.content, name(attachment))))
            }
            Body::NoRanges => Err(Error::new(ErrorKind::Protocol, "the server answers for a part of a file")),
        }
    }

    /// Downloads a record's file into `sink` piece by piece.
    ///
    /// Where the connection breaks, the download goes on from there, over at most
    /// [`attachment_requests`](crate::Limits::attachment_requests) requests. On an error the sink may hold some bytes
    /// already, none of which are to be used.
    ///
    /// # Errors
    ///
    /// As [`attachment`](Self::attachment); [`ErrorKind::Storage`] where the sink fails.
    pub async fn download_attachment(
        &self,
        attachment: &Attachment,
        sink: &mut (dyn Write + Send),
    ) -> Result<(), Error> {
        let mut target = Held { sink, hasher: Hasher::default(), last: Bytes::new(), what: name(attachment) };
        match self.transfer(attachment, &mut target, &|_, _| {}).await? {
            End::Whole { .. } => target.finish(attachment.content),
            End::Wrong { error, .. } => Err(error),
        }
    }
}

impl Held<'_> {
    fn write(&mut self, next: Bytes) -> Result<(), Error> {
        let ready = std::mem::replace(&mut self.last, next);
        self.sink.write_all(&ready).map_err(|error| self.failed(error))
    }

    fn finish(mut self, expected: ContentId) -> Result<(), Error> {
        let found = std::mem::take(&mut self.hasher).finish();
        if found != expected {
            return Err(mismatch(&self.what, expected, Some(found)));
        }
        self.write(Bytes::new())?;
        self.sink.flush().map_err(|error| self.failed(error))
    }

    fn failed(&self, error: std::io::Error) -> Error {
        Error::new(ErrorKind::Storage, format!("could not write {}", self.what)).with_source(error)
    }
}

impl Target for Held<'_> {
    fn length(&self) -> u64 {
        self.hasher.size()
    }

    async fn take(&mut self, piece: Bytes) -> Result<(), Error> {
        self.hasher.update(&piece);
        self.write(piece)
    }

    async fn restart(&mut self) -> Result<bool, Error> {
        Ok(false)
    }
}

/// Passes a body through one piece late, and its last piece only if the whole is what was expected.
fn checked(
    body: BoxStream<'static, Result<Bytes, Error>>,
    expected: ContentId,
    what: String,
) -> BoxStream<'static, Result<Bytes, Error>> {
    let start = Some((body, Hasher::default(), Bytes::new(), what));
    futures::stream::try_unfold(start, move |state| async move {
        let Some((mut body, mut hasher, mut held, what)) = state else { return Ok(None) };
        loop {
            match body.try_next().await? {
                Some(piece) if piece.is_empty() => {}
                Some(piece) => {
                    hasher.update(&piece);
                    let ready = std::mem::replace(&mut held, piece);
                    if !ready.is_empty() {
                        return Ok(Some((ready, Some((body, hasher, held, what)))));
                    }
                }
                None => {
                    let found = hasher.finish();
                    return match found == expected {
                        true if held.is_empty() => Ok(None),
                        true => Ok(Some((held, None))),
                        false => Err(mismatch(&what, expected, Some(found))),
                    };
                }
            }
        }
    })
    .boxed()
}

impl Stream for AttachmentStream {
    type Item = Result<Bytes, Error>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl fmt::Debug for AttachmentStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttachmentStream").finish_non_exhaustive()
    }
}
