//! Asks for the heads of files, where a hub has no listing.

use content_id::Digest;
use futures::{StreamExt, TryStreamExt};
use hub_layout::{NeededFile, Revision};
use transport::{Request, Response};
use url::Url;

use crate::{Error, ErrorKind, HubClient, Wanted, client::success, listing::is_html, listing::protocol};

/// What the head of a file says.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) size: Option<u64>,
    pub(crate) etag: Option<String>,
    pub(crate) sha256: Option<Digest>,
}

impl HubClient {
    /// Finds out which of the candidates are there. One request each.
    ///
    /// A required file that is not there is an error; an optional one is left out, also if the hub refuses to say:
    /// storage that hides what it lacks answers so.
    pub(crate) async fn probe(
        &self,
        wanted: &Wanted,
        candidates: Vec<NeededFile>,
    ) -> Result<Vec<(NeededFile, Head)>, Error> {
        let revision = &wanted.revision;
        let probes = candidates.into_iter().map(async |file| {
            let head = self.head(wanted, revision, &file).await.map_err(|error| error.at(&file.path))?;
            Ok::<_, Error>((file, head))
        });
        let probed: Vec<_> =
            futures::stream::iter(probes).buffered(self.limits.parallel.max(1)).try_collect().await?;
        if !probed.is_empty() && probed.iter().all(|(_, head)| head.is_none()) {
            return Err(Error::new(ErrorKind::NotFound, "it has none of the files that are needed"));
        }
        let mut found = Vec::new();
        for (file, head) in probed {
            match head {
                Some(head) => found.push((file, head)),
                None if file.required => {
                    let detail = format!("{}: {}", file.path, file.reason);
                    return Err(Error::new(ErrorKind::MissingFile, detail).at(&file.path));
                }
                None => {}
            }
        }
        Ok(found)
    }

    async fn head(
        &self,
        wanted: &Wanted,
        revision: &Revision,
        file: &NeededFile,
    ) -> Result<Option<Head>, Error> {
        let url = self.hub.file_url(&wanted.model, revision, &file.path);
        let mut response = self.send(Request::head(url.clone())).await?;
        if matches!(response.status, 405 | 501) {
            response = self.first_byte(url).await?;
        }
        match response.status {
            404 | 410 => return Ok(None),
            401 | 403 | 405 | 501 if !file.required => return Ok(None),
            _ => {}
        }
        let response = success(response)?;
        if is_html(&response) {
            return match file.required {
                true => Err(protocol("a web page came in its place")),
                false => Ok(None),
            };
        }
        Ok(Some(Head {
            size: size(&response)?,
            etag: linked(&response, "etag").map(bare_etag),
            sha256: response_digest(&response),
        }))
    }

    /// Asks a server that does not know HEAD for one byte; the body is not read.
    async fn first_byte(&self, url: Url) -> Result<Response, Error> {
        self.send(Request::get(url, self.limits.file_bytes).range(0, Some(0))).await
    }
}

/// Reads the size from a head, or from the answer to a range.
fn size(response: &Response) -> Result<Option<u64>, Error> {
    let number =
        |text: &str| text.trim().parse().map_err(|_| protocol("what it says of the size is no number"));
    let text = match response.status {
        206 => {
            response.headers.get("content-range").and_then(|range| range.rsplit_once('/')).map(|(_, all)| all)
        }
        _ => linked(response, "size").or_else(|| response.headers.get("content-length")),
    };
    text.filter(|text| *text != "*").map(number).transpose()
}

fn response_digest(response: &Response) -> Option<Digest> {
    linked(response, "etag").and_then(|etag| bare_etag(etag).parse().ok())
}

/// Returns what the hub says of the file itself, before it redirects to a storage that knows it by another name.
pub(crate) fn linked<'a>(response: &'a Response, what: &str) -> Option<&'a str> {
    let name = format!("x-linked-{what}");
    let heads = || response.redirects.iter().map(|step| &step.headers).chain([&response.headers]);
    heads().find_map(|headers| headers.get(&name)).or_else(|| match what {
        "etag" => heads().find_map(|headers| headers.get("etag")),
        _ => None,
    })
}

/// Returns a validator without its quotes; a weak one keeps its mark.
pub(crate) fn bare_etag(etag: &str) -> String {
    let etag = etag.trim();
    let bare = etag.strip_prefix('"').and_then(|etag| etag.strip_suffix('"')).unwrap_or(etag);
    bare.chars().take(256).collect()
}

/// Returns whether equal validators of this form stand for equal bytes.
pub(crate) fn is_strong(etag: &str) -> bool {
    !etag.is_empty() && !etag.starts_with("W/")
}
