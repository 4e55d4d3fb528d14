//! A hub as the source from which a store gets back what was damaged.

use std::ops::Range;

use async_trait::async_trait;
use blob_store::{BlobSource, ByteStream, Wanted, WantedFile};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use transport::{Request, Response};
use url::Url;

use crate::{
    Error, ErrorKind, HubClient,
    answer::content_range,
    client::success,
    listing::{is_html, protocol},
};

/// Fetches damaged blobs of this hub's models again, for [`BlobStoreExt::scrub`](blob_store::BlobStoreExt::scrub): no
/// more of them than is asked for, where the hub sends parts.
#[async_trait]
impl BlobSource for HubClient {
    async fn fetch(&self, wanted: &Wanted, range: Range<u64>) -> Result<ByteStream, blob_store::Error> {
        self.fetch_again(wanted, range).await.map_err(|error| {
            let kind = blob_store::ErrorKind::Backend;
            blob_store::Error::blob(kind, "fetch", wanted.content).with_source(error)
        })
    }
}

impl HubClient {
    async fn fetch_again(&self, wanted: &Wanted, range: Range<u64>) -> Result<ByteStream, Error> {
        let Some(url) = wanted.files.iter().find_map(|file| self.url_of(file)) else {
            let detail = format!("it is not of {}", self.hub.id());
            return Err(Error::new(ErrorKind::NotFound, detail));
        };
        let size = wanted.content.size;
        let is_whole = range == (0..size);
        let mut request = Request::get(url, size);
        if !is_whole && !range.is_empty() {
            request = request.range(range.start, Some(range.end - 1));
        }
        let response = success(self.send(request).await?)?;
        if is_html(&response) {
            return Err(protocol("a web page came in its place"));
        }
        match response.status {
            200 if is_whole => Ok(pieces(response)),
            200 => Ok(slice(pieces(response), range)),
            206 if !is_whole => {
                content_range(&response, &range, Some(size))?;
                Ok(pieces(response))
            }
            status => Err(protocol(format!("the file was asked for, and the status is {status}"))),
        }
    }

    /// Returns the address of a file, if it is on this hub: that from which it came, or else that of its name.
    fn url_of(&self, file: &WantedFile) -> Option<Url> {
        if file.manifest.hub != self.hub.id() {
            return None;
        }
        let model = file.manifest.model.parse().ok()?;
        let path = file.path.parse().ok()?;
        // What stands in a manifest sends nobody to another place than this file.
        let origin = file.entry.origin.as_deref().and_then(|origin| Url::parse(origin).ok());
        let origin = origin.filter(|origin| {
            let named = self.hub.parse_file_url(origin);
            named.is_ok_and(|named| named.model == model && named.path == path)
        });
        let revision = file.manifest.revision.parse().ok()?;
        Some(origin.unwrap_or_else(|| self.hub.file_url(&model, &revision, &path)))
    }
}

fn pieces(response: Response) -> ByteStream {
    let failed = |error| {
        let kind = blob_store::ErrorKind::Backend;
        blob_store::Error::new(kind, "fetch", "a blob").with_source(Error::body(error))
    };
    response.body.map_err(failed).boxed()
}

/// Passes on the bytes `range` of a stream that begins at the beginning, and reads no further.
fn slice(body: ByteStream, range: Range<u64>) -> ByteStream {
    let state = (body, 0_u64, range);
    let sliced = futures::stream::try_unfold(state, |(mut body, mut at, range)| async move {
        while at < range.end {
            let Some(piece) = body.try_next().await? else { break };
            let (start, end) = (at, at + piece.len() as u64);
            at = end;
            if range.start < end {
                let from = range.start.saturating_sub(start) as usize;
                let to = (range.end.min(end) - start) as usize;
                return Ok(Some((piece.slice(from..to), (body, at, range))));
            }
        }
        Ok::<Option<(Bytes, _)>, blob_store::Error>(None)
    });
    sliced.boxed()
}
