//! Asks for the heads of files, where a hub has no listing.

use std::collections::BTreeMap;

use content_id::Digest;
use futures::{StreamExt, TryStreamExt};
use hub_layout::{FileChoice, Inventory, NeededFile, RepoPath, choose_files};
use transport::{Request, Response};
use url::Url;

use crate::{
    Error, ErrorKind, HubClient, Wanted, client::success, listing::is_html, listing::protocol,
    planning::missing,
};

/// What the head of a file says.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) size: Option<u64>,
    pub(crate) etag: Option<String>,
    pub(crate) sha256: Option<Digest>,
}

impl HubClient {
    /// Finds out which files are needed, and what the hub says of them. One request for each file that is asked for,
    /// in rounds: most models need one, those with another number format or with more chunks of weights a few.
    ///
    /// An optional file that is not there is left out, also if the hub refuses to say: storage that hides what it
    /// lacks answers so.
    pub(crate) async fn probe(&self, wanted: &Wanted) -> Result<Vec<(NeededFile, Head)>, Error> {
        let mut known = Inventory::default();
        let mut heads = BTreeMap::new();
        loop {
            match choose_files(&wanted.request, &known).map_err(missing)? {
                FileChoice::Ready(files) => {
                    let with_head = |file: NeededFile| heads.remove(&file.path).map(|head| (file, head));
                    return Ok(files.into_iter().filter_map(with_head).collect());
                }
                FileChoice::Ask(files) => {
                    let is_first = heads.is_empty();
                    for (path, head) in self.heads(wanted, files).await? {
                        known.note(path.clone(), head.is_some());
                        heads.extend(head.map(|head| (path, head)));
                    }
                    if is_first && heads.is_empty() {
                        return Err(Error::new(
                            ErrorKind::NotFound,
                            "it has none of the files that are needed",
                        ));
                    }
                }
                FileChoice::Read(files) => {
                    for file in files {
                        self.read_index(wanted, &mut known, &file.path)
                            .await
                            .map_err(|error| error.at(&file.path))?;
                    }
                }
                _ => return Err(protocol("it is not known how to find out which files are needed")),
            }
        }
    }

    async fn heads(
        &self,
        wanted: &Wanted,
        files: Vec<NeededFile>,
    ) -> Result<Vec<(RepoPath, Option<Head>)>, Error> {
        let probes = files.into_iter().map(async |file| {
            let url = self.hub.file_url(&wanted.model, &wanted.revision, &file.path);
            let head = self.head(url, file.required).await;
            head.map_err(|error| error.at(&file.path)).map(|head| (file.path, head))
        });
        futures::stream::iter(probes).buffered(self.limits.parallel.max(1)).try_collect().await
    }

    /// Reads which shards an index names.
    async fn read_index(
        &self,
        wanted: &Wanted,
        known: &mut Inventory,
        index: &RepoPath,
    ) -> Result<(), Error> {
        let url = self.hub.file_url(&wanted.model, &wanted.revision, index);
        let response = success(self.send(Request::get(url, self.limits.page_bytes)).await?)?;
        let bytes = response.bytes().await.map_err(Error::body)?;
        let noted = known.note_index(index.clone(), &bytes);
        noted.map_err(|error| protocol("the index of shards cannot be used").with_source(error))
    }

    /// Asks what is at `url`; nothing, if it is not there.
    pub(crate) async fn head(&self, url: Url, required: bool) -> Result<Option<Head>, Error> {
        let mut response = self.send(Request::head(url.clone())).await?;
        if matches!(response.status, 405 | 501) {
            response = self.first_byte(url).await?;
        }
        match response.status {
            404 | 410 => return Ok(None),
            401 | 403 | 405 | 501 if !required => return Ok(None),
            _ => {}
        }
        let response = success(response)?;
        if is_html(&response) {
            return match required {
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
