//! Files that belong to records.

use std::{fmt, io::Write};

use bytes::Bytes;
use content_id::{ContentId, Hasher};
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream::BoxStream};

use super::Client;
use crate::{Attachment, Error, ErrorKind, endpoints};

/// The bytes of an attachment.
///
/// The last piece is handed out only after size and SHA-256 have been checked, so whoever has read to the end has
/// what the record describes. Nothing that came before an error is to be used.
pub struct AttachmentStream(BoxStream<'static, Result<Bytes, Error>>);

impl Client {
    /// Starts the download of a record's file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] where the record describes a file above the limit; [`ErrorKind::Protocol`] where
    /// its location is not below the server's address for attachments; [`ErrorKind::NotFound`] where the server
    /// has no such file: a sync brings its new location. The stream ends with [`ErrorKind::Untrusted`] where the
    /// bytes are not what the record describes.
    pub async fn attachment(&self, attachment: &Attachment) -> Result<AttachmentStream, Error> {
        let expected = attachment.content;
        if expected.size > self.limits.attachment_bytes {
            let message = format!(
                "the attachment {:?} has {} bytes, more than the {} allowed",
                attachment.filename, expected.size, self.limits.attachment_bytes
            );
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let info = self.info().await?;
        let url = endpoints::under(&self.server, info.attachments()?, &attachment.location)?;
        let what = format!("the attachment {:?}", attachment.filename);
        let response = self.get(url, expected.size, &what).await.map_err(|error| match error.kind() {
            ErrorKind::TooLarge => mismatch(&what, expected, None).with_source(error),
            _ => error,
        })?;
        let body = response.body.map_err(move |error| match error.kind() {
            transport::ErrorKind::TooLarge => mismatch(&what, expected, None).with_source(error),
            _ => Error::in_transport(&what, error),
        });
        let what = format!("the attachment {:?}", attachment.filename);
        Ok(AttachmentStream(checked(body.boxed(), expected, what)))
    }

    /// Downloads a record's file into `sink` piece by piece.
    ///
    /// On an error the sink may hold some bytes already, none of which are to be used.
    ///
    /// # Errors
    ///
    /// As [`attachment`](Self::attachment); [`ErrorKind::Storage`] where the sink fails.
    pub async fn download_attachment(
        &self,
        attachment: &Attachment,
        sink: &mut (dyn Write + Send),
    ) -> Result<(), Error> {
        let mut stream = self.attachment(attachment).await?;
        let failed = |error| {
            let message = format!("could not write the attachment {:?}", attachment.filename);
            Error::new(ErrorKind::Storage, message).with_source(error)
        };
        while let Some(piece) = stream.try_next().await? {
            sink.write_all(&piece).map_err(failed)?;
        }
        sink.flush().map_err(failed)
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

fn mismatch(what: &str, expected: ContentId, found: Option<ContentId>) -> Error {
    let found = found.map_or_else(|| "has more bytes".to_owned(), |found| format!("is {found}"));
    Error::new(ErrorKind::Untrusted, format!("{what} {found}, but its record says {expected}"))
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
