//! Brings the bytes of an attachment, over as many requests as it takes.

use bytes::{Buf as _, Bytes};
use content_id::ContentId;
use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use transport::Request;

use super::Client;
use crate::{Attachment, Error, ErrorKind, endpoints};

/// Takes the bytes of an attachment in order.
pub(super) trait Target: Send {
    /// How many bytes it has.
    fn length(&self) -> u64;

    /// Takes the next ones.
    fn take(&mut self, piece: Bytes) -> impl Future<Output = Result<(), Error>> + Send;

    /// Forgets all bytes; says no where it cannot.
    fn restart(&mut self) -> impl Future<Output = Result<bool, Error>> + Send;
}

/// A body, or why there is none.
pub(super) enum Body {
    /// The bytes from `start` to `end`.
    Bytes { start: u64, end: u64, pieces: BoxStream<'static, Result<Bytes, Error>> },
    /// The server does not answer for a part of the file.
    NoRanges,
}

/// What is known at the end of a transfer that did not fail.
pub(super) enum End {
    /// As many bytes as expected are there.
    Whole {
        /// Whether they came in one go.
        in_one: bool,
    },
    /// It cannot be the file.
    Wrong { error: Error, in_one: bool },
}

impl Client {
    /// Completes `target`.
    ///
    /// Where a connection breaks, the next request asks for the rest. A server that sends everything instead begins
    /// anew, or what is there already is skipped where the target cannot begin anew.
    pub(super) async fn transfer(
        &self,
        attachment: &Attachment,
        target: &mut impl Target,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<End, Error> {
        let (expected, what) = (attachment.content, name(attachment));
        let size = expected.size;
        let mut in_one = target.length() == 0;
        let (mut ranges, mut left) = (true, self.limits.attachment_requests.max(1));
        progress(target.length(), size);
        while target.length() < size {
            left -= 1;
            let from = if ranges { target.length() } else { 0 };
            let (start, end, mut pieces) = match self.body(attachment, from).await? {
                Body::Bytes { start, end, pieces } => (start, end, pieces),
                Body::NoRanges if left == 0 => {
                    let message = format!("{what}: the server does not send what is missing");
                    return Err(Error::new(ErrorKind::Protocol, message));
                }
                Body::NoRanges => {
                    ranges = false;
                    continue;
                }
            };
            let mut at = start;
            if start < target.length() && target.restart().await? {
                in_one = true;
            }
            let broken = loop {
                let mut piece = match pieces.try_next().await {
                    Ok(Some(piece)) => piece,
                    Ok(None) => break None,
                    Err(error) => break Some(error),
                };
                if piece.len() as u64 > end - at {
                    return Ok(End::Wrong { error: mismatch(&what, expected, None), in_one });
                }
                let had = target.length().saturating_sub(at).min(piece.len() as u64);
                at += piece.len() as u64;
                piece.advance(usize::try_from(had).unwrap_or(usize::MAX).min(piece.len()));
                if !piece.is_empty() {
                    target.take(piece).await?;
                    progress(target.length(), size);
                }
            };
            match broken {
                None if at < end => {
                    let message = format!("{what} ends after {at} bytes, but its record says {expected}");
                    return Ok(End::Wrong { error: Error::new(ErrorKind::Untrusted, message), in_one });
                }
                None => {}
                Some(error) if error.kind() == ErrorKind::Untrusted => {
                    return Ok(End::Wrong { error, in_one });
                }
                Some(error) if error.kind() == ErrorKind::Unavailable && left > 0 => {}
                Some(error) => return Err(error),
            }
            if target.length() < size {
                if left == 0 {
                    let message = format!("{what} comes in too many pieces");
                    return Err(Error::new(ErrorKind::Unavailable, message));
                }
                in_one = target.length() == 0;
            }
        }
        Ok(End::Whole { in_one })
    }

    /// Asks for an attachment from the byte `from` on.
    pub(super) async fn body(&self, attachment: &Attachment, from: u64) -> Result<Body, Error> {
        let (expected, what) = (attachment.content, name(attachment));
        let size = expected.size;
        if size > self.limits.attachment_bytes {
            let allowed = self.limits.attachment_bytes;
            let message = format!("{what} has {size} bytes, more than the {allowed} allowed");
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let info = self.info().await?;
        let url = endpoints::under(&self.server, info.attachments()?, &attachment.location)?;
        let mut request = Request::get(url, size);
        if from > 0 {
            request = request.range(from, None);
        }
        let response = match self.get(request, &what).await {
            Ok(response) => response,
            Err(error) if from > 0 && error.status() == Some(416) => return Ok(Body::NoRanges),
            Err(error) if error.kind() == ErrorKind::TooLarge => {
                return Err(mismatch(&what, expected, None).with_source(error));
            }
            Err(error) => return Err(error),
        };
        let (start, end) = match response.status {
            206 if from > 0 => match response.headers.get("content-range").and_then(content_range) {
                Some((first, last, total))
                    if first == from
                        && first <= last
                        && last < size
                        && total.is_none_or(|total| total == size) =>
                {
                    (first, last + 1)
                }
                _ => return Ok(Body::NoRanges),
            },
            200 => (0, size),
            status => {
                let message = format!("{what}: the server answers with status {status}, which is no file");
                return Err(Error::new(ErrorKind::Protocol, message));
            }
        };
        // Before anything that is there already is given up for it.
        let announced = response.headers.get("content-length").and_then(|length| length.parse::<u64>().ok());
        if let Some(announced) = announced.filter(|announced| *announced != end - start) {
            let message =
                format!("{announced} bytes are announced for {what}, but its record says {expected}");
            return Err(Error::new(ErrorKind::Untrusted, message));
        }
        let pieces = response.body.map_err(move |error| match error.kind() {
            transport::ErrorKind::TooLarge => mismatch(&what, expected, None).with_source(error),
            _ => Error::in_transport(&what, error),
        });
        Ok(Body::Bytes { start, end, pieces: pieces.boxed() })
    }
}

/// How messages name an attachment.
pub(super) fn name(attachment: &Attachment) -> String {
    format!("the attachment {:?}", attachment.filename)
}

pub(super) fn mismatch(what: &str, expected: ContentId, found: Option<ContentId>) -> Error {
    let found = found.map_or_else(|| "has more bytes".to_owned(), |found| format!("is {found}"));
    Error::new(ErrorKind::Untrusted, format!("{what} {found}, but its record says {expected}"))
}

/// Reads `bytes FIRST-LAST/TOTAL`, where the total may be unknown.
fn content_range(header: &str) -> Option<(u64, u64, Option<u64>)> {
    let (range, total) = header.trim().strip_prefix("bytes ")?.trim().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    Some((first.parse().ok()?, last.parse().ok()?, total))
}

#[cfg(test)]
mod tests {
    use super::content_range;

    #[test]
    fn content_ranges_are_read_or_refused() {
        for (header, expected) in [
            ("bytes 0-9/10", Some((0, 9, Some(10)))),
            (" bytes 5-9/* ", Some((5, 9, None))),
            ("bytes 5-9", None),
            ("bytes */10", None),
            ("bytes 5-/10", None),
            ("bytes -5/10", None),
            ("lines 5-9/10", None),
            ("bytes 5-9/ten", None),
            ("bytes 18446744073709551616-9/10", None),
            ("", None),
        ] {
            assert_eq!(content_range(header), expected, "{header:?}");
        }
    }
}
