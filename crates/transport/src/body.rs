//! Bodies that keep up a pace, and what goes wrong with a connection.

use std::{error::Error as _, io, time::Duration};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use tokio::time::Instant;
use url::Url;

use crate::{ByteStream, Error, ErrorKind};

/// How slow a body may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// The longest time without a byte.
    pub(crate) stall: Duration,
    /// The fewest bytes per second, on average over each `stall` spent waiting.
    pub(crate) min_rate: u64,
}

/// Returns a body without bytes.
pub(crate) fn empty() -> ByteStream {
    Box::pin(futures::stream::empty())
}

/// Reads the body of `answer`, and ends it with [`ErrorKind::Timeout`] if it is too slow.
pub(crate) fn paced(answer: reqwest::Response, pace: Pace, url: Url) -> ByteStream {
    let error_url = url.clone();
    let body =
        answer.bytes_stream().map(move |piece| piece.map_err(|error| network_error(error, &error_url)));
    Box::pin(keep_pace(Box::pin(body), pace, url))
}

struct Reader<S> {
    body: S,
    pace: Pace,
    url: Url,
    /// Time spent waiting and bytes received since the average was last looked at. Time that the reader takes
    /// for itself does not count.
    waited: Duration,
    received: u64,
}

fn keep_pace<S>(body: S, pace: Pace, url: Url) -> impl Stream<Item = Result<Bytes, Error>>
where
    S: Stream<Item = Result<Bytes, Error>> + Unpin,
{
    let reader = Reader { body, pace, url, waited: Duration::ZERO, received: 0 };
    futures::stream::try_unfold(reader, |mut reader| async move {
        Ok(reader.next().await?.map(|piece| (piece, reader)))
    })
}

impl<S: Stream<Item = Result<Bytes, Error>> + Unpin> Reader<S> {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let start = Instant::now();
        let Ok(piece) = tokio::time::timeout(self.pace.stall, self.body.next()).await else {
            let seconds = self.pace.stall.as_secs_f32();
            return Err(self.too_slow(format!("no byte within {seconds} s, the limit of this client")));
        };
        let Some(piece) = piece.transpose()? else { return Ok(None) };
        self.waited += start.elapsed();
        self.received += piece.len() as u64;
        if self.waited >= self.pace.stall && !self.pace.stall.is_zero() {
            let rate = self.received as f64 / self.waited.as_secs_f64();
            if rate < self.pace.min_rate as f64 {
                let least = self.pace.min_rate;
                return Err(self.too_slow(format!("{rate:.0} bytes/s, and this client asks for {least}")));
            }
            (self.waited, self.received) = (Duration::ZERO, 0);
        }
        Ok(Some(piece))
    }

    fn too_slow(&self, why: String) -> Error {
        Error::new(ErrorKind::Timeout, &self.url).with_detail(why)
    }
}

/// Says what a failed exchange means to the caller.
pub(crate) fn network_error(error: reqwest::Error, url: &Url) -> Error {
    // The address is told by our own error, without its query.
    let error = error.without_url();
    let mut kind = match () {
        () if error.is_timeout() => ErrorKind::Timeout,
        () if error.is_builder() => ErrorKind::Protocol,
        // What was packed wrongly is told without a deeper cause, a connection that broke has one.
        () if error.is_decode() && error.source().is_some_and(|cause| cause.source().is_none()) => {
            ErrorKind::Protocol
        }
        () => ErrorKind::Unreachable,
    };
    let mut cause = error.source();
    while let Some(this) = cause {
        if let Some(found) = kind_of(this) {
            kind = found;
        }
        // An I/O error may hold another error without naming it as its source.
        cause = match this.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => this.source(),
        };
    }
    Error::new(kind, url).with_source(error)
}

fn kind_of(cause: &(dyn std::error::Error + 'static)) -> Option<ErrorKind> {
    if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
        return matches!(tls, rustls::Error::InvalidCertificate(_)).then_some(ErrorKind::Certificate);
    }
    match cause.downcast_ref::<io::Error>()?.kind() {
        io::ErrorKind::TimedOut => Some(ErrorKind::Timeout),
        // This is how a broken gzip body shows.
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => Some(ErrorKind::Protocol),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt, TryStreamExt, stream};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A body of `count` pieces of `size` bytes, one each `every`.
    fn drip(count: u64, size: usize, every: Duration, pace: Pace) -> ByteStream {
        let url = Url::parse("http://127.0.0.1/x?secret").expect("it is an address");
        let body = stream::iter(0..count).then(move |_| async move {
            tokio::time::sleep(every).await;
            Ok(Bytes::from(vec![0; size]))
        });
        Box::pin(keep_pace(Box::pin(body), pace, url))
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_keeps_up_the_pace_arrives_whole() {
        let pace = Pace { stall: 10 * SECOND, min_rate: 100 };
        let pieces: Vec<Bytes> = drip(60, 500, 5 * SECOND, pace).try_collect().await.expect("fast enough");
        assert_eq!(pieces.len(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stalled_body_and_a_trickle_end_in_time() {
        for (every, text) in [(11 * SECOND, "no byte within 10 s"), (5 * SECOND, "80 bytes/s")] {
            let start = Instant::now();
            let pace = Pace { stall: 10 * SECOND, min_rate: 100 };
            let error = drip(60, 400, every, pace).try_collect::<Vec<_>>().await.expect_err("too slow");
            assert_eq!(error.kind(), ErrorKind::Timeout);
            assert!(error.to_string().contains(text), "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
            assert_eq!(start.elapsed(), 10 * SECOND);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn time_that_the_reader_takes_does_not_count() {
        let pace = Pace { stall: 10 * SECOND, min_rate: 100 };
        let mut body = drip(10, 100, SECOND, pace);
        while let Some(piece) = body.next().await {
            piece.expect("the server is fast enough");
            tokio::time::sleep(60 * SECOND).await;
        }
    }
}
