//! The listing of a revision, page by page, as hubs of the Hugging Face layout have it.

use std::collections::BTreeMap;

use content_id::Digest;
use hub_layout::{ModelId, RepoPath, Revision};
use serde::Deserialize;
use transport::{Request, Response};
use url::Url;

use crate::{Error, ErrorKind, HubClient, client::success, git::GitOid};

/// Names of a listing that are kept although nothing can be done with them.
const KEPT_NAMES: usize = 20;

/// What a hub says of a revision.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) commit: Option<Revision>,
    pub(crate) files: BTreeMap<RepoPath, Listed>,
    pub(crate) ignored: Vec<String>,
}

/// What a hub says of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) size: u64,
    pub(crate) sha256: Option<Digest>,
    pub(crate) git: Option<GitOid>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: Option<String>,
    path: String,
    size: Option<u64>,
    oid: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    oid: String,
    size: u64,
}

#[derive(Deserialize)]
struct ModelInfo {
    sha: String,
}

impl HubClient {
    /// Lists the files of a revision, all of one commit.
    ///
    /// One request a page. A hub that does not name the commit in the listing's head is asked for it, and the
    /// commit is listed instead.
    pub(crate) async fn list(
        &self,
        model: &ModelId,
        revision: &Revision,
        url: Url,
    ) -> Result<Listing, Error> {
        let listing = self.list_at(revision, url).await?;
        if listing.commit.is_some() {
            return Ok(listing);
        }
        let Some(commit) = self.commit_of(model, revision).await? else { return Ok(listing) };
        let Some(url) = self.hub.listing_url(model, &commit) else { return Ok(listing) };
        let mut listing = self.list_at(&commit, url).await?;
        listing.commit = Some(commit);
        Ok(listing)
    }

    async fn list_at(&self, revision: &Revision, url: Url) -> Result<Listing, Error> {
        let mut listing =
            Listing { commit: Some(revision.clone()).filter(Revision::is_commit), ..Listing::default() };
        let mut page_url = url.clone();
        let mut entries = 0;
        for _ in 0..self.limits.pages {
            let response = self.page(page_url).await?;
            if let Some(commit) = response.headers.get("x-repo-commit") {
                let commit = parse_commit(commit)?;
                match &listing.commit {
                    Some(first) if *first != commit => {
                        return Err(protocol(format!("it lists {first}, and on another page {commit}")));
                    }
                    _ => listing.commit = Some(commit),
                }
            }
            let next = next_page(&response, &url)?;
            let body = response.bytes().await.map_err(Error::body)?;
            let page: Vec<Entry> = serde_json::from_slice(&body)
                .map_err(|error| protocol("the listing cannot be read").with_source(error))?;
            entries += page.len();
            if entries > self.limits.entries {
                let limit = self.limits.entries;
                return Err(Error::new(ErrorKind::TooLarge, format!("more than {limit} files are listed")));
            }
            page.into_iter().try_for_each(|entry| listing.add(entry))?;
            match next {
                Some(next) => page_url = next,
                None => return Ok(listing),
            }
        }
        let limit = self.limits.pages;
        Err(Error::new(ErrorKind::TooLarge, format!("the listing has more than {limit} pages")))
    }

    /// Asks which commit a revision stands for.
    async fn commit_of(&self, model: &ModelId, revision: &Revision) -> Result<Option<Revision>, Error> {
        let Some(url) = self.hub.revision_url(model, revision) else { return Ok(None) };
        let body = self.page(url).await?.bytes().await.map_err(Error::body)?;
        let info: ModelInfo = serde_json::from_slice(&body)
            .map_err(|error| protocol("the description of the model cannot be read").with_source(error))?;
        parse_commit(&info.sha).map(Some)
    }

    async fn page(&self, url: Url) -> Result<Response, Error> {
        let request = Request::get(url, self.limits.page_bytes).gzip().header("accept", "application/json");
        let response = success(self.send(request).await?)?;
        match is_html(&response) {
            true => Err(protocol("a web page came in place of the listing")),
            false => Ok(response),
        }
    }
}

impl Listing {
    fn add(&mut self, entry: Entry) -> Result<(), Error> {
        if entry.kind.as_deref().is_some_and(|kind| kind != "file") {
            return Ok(());
        }
        let Ok(path) = entry.path.parse::<RepoPath>() else {
            if self.ignored.len() < KEPT_NAMES {
                self.ignored.push(entry.path.chars().take(80).collect());
            }
            return Ok(());
        };
        let listed = match (entry.lfs, entry.size) {
            (Some(lfs), size) => {
                let oid = lfs.oid.strip_prefix("sha256:").unwrap_or(&lfs.oid);
                let sha256 = oid.parse().map_err(|error| {
                    protocol("what is listed as its SHA-256 is none").at(&path).with_source(error)
                })?;
                if size.is_some_and(|size| size != lfs.size) {
                    return Err(protocol("two sizes are listed for it").at(&path));
                }
                Listed { size: lfs.size, sha256: Some(sha256), git: None }
            }
            (None, Some(size)) => {
                Listed { size, sha256: None, git: entry.oid.as_deref().and_then(GitOid::parse) }
            }
            (None, None) => return Err(protocol("no size is listed for it").at(&path)),
        };
        match self.files.insert(path.clone(), listed.clone()) {
            Some(before) if before != listed => Err(protocol("it is listed twice").at(&path)),
            _ => Ok(()),
        }
    }
}

/// Returns the address of the next page, if there is one.
///
/// Of what the hub says only the query is used: a mirror passes on links to the hub that it mirrors, and nobody
/// else is to decide whom to ask.
fn next_page(response: &Response, listing: &Url) -> Result<Option<Url>, Error> {
    let Some(link) = response.headers.get("link").and_then(next_link) else { return Ok(None) };
    let next = response.url.join(link).ok();
    let query = next.as_ref().and_then(Url::query).filter(|query| !query.is_empty());
    let Some(query) = query else { return Err(protocol("the link to the next page leads nowhere")) };
    let mut url = listing.clone();
    url.set_query(Some(query));
    if url == response.url {
        return Err(protocol("a page of the listing names itself as the next one"));
    }
    Ok(Some(url))
}

/// Finds the target of the `next` relation in a `Link` header.
fn next_link(header: &str) -> Option<&str> {
    let mut rest = header;
    loop {
        let (_, after) = rest.split_once('<')?;
        let (target, after) = after.split_once('>')?;
        let (parameters, next) = match after.find(",") {
            // A comma ends this link if another one begins after it.
            Some(comma) if after[comma..].contains('<') => after.split_at(comma),
            _ => (after, ""),
        };
        let is_next = parameters.split(';').any(|parameter| {
            parameter.trim().split_once('=').is_some_and(|(name, value)| {
                let value = value.trim().trim_matches('"');
                name.trim().eq_ignore_ascii_case("rel")
                    && value.split_ascii_whitespace().any(|one| one.eq_ignore_ascii_case("next"))
            })
        });
        if is_next {
            return Some(target);
        }
        rest = next;
    }
}

fn parse_commit(text: &str) -> Result<Revision, Error> {
    let commit = text.parse::<Revision>().ok().filter(Revision::is_commit);
    commit.ok_or_else(|| {
        protocol(format!("it names {:?} as the commit", text.chars().take(80).collect::<String>()))
    })
}

/// Returns whether a web page came: nothing of a model is one.
pub(crate) fn is_html(response: &Response) -> bool {
    let kind = response.headers.get("content-type").unwrap_or_default().trim_start();
    kind.get(..9).is_some_and(|kind| kind.eq_ignore_ascii_case("text/html"))
}

pub(crate) fn protocol(detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::Protocol, detail)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_next_link_is_found_among_others() {
        for (header, expected) in [
            ("<https://h/x?cursor=a>; rel=\"next\"", Some("https://h/x?cursor=a")),
            ("</x?c=1>;rel=next", Some("/x?c=1")),
            ("<a,b?c>; title=\"x\"; REL=\"prev NEXT\"", Some("a,b?c")),
            ("<first>; rel=\"first\", <second>; rel=\"next\"", Some("second")),
            ("<first>; rel=\"next\", <second>; rel=\"last\"", Some("first")),
            ("<first>; rel=\"prev\"", None),
            ("<first>", None),
            ("<first", None),
            ("", None),
        ] {
            assert_eq!(next_link(header), expected, "{header}");
        }
    }

    #[test]
    fn entries_are_taken_as_they_are_meant_or_refused() {
        let add = |text: &str| {
            let mut listing = Listing::default();
            let entries: Vec<Entry> = serde_json::from_str(text).expect("the test's JSON is JSON");
            entries.into_iter().try_for_each(|entry| listing.add(entry)).map(|()| listing)
        };
        let sha256 = "a".repeat(64);
        let listing = add(&format!(
            r#"[{{"type":"directory","path":"onnx","size":0}},
                {{"type":"file","path":"a","size":1,"oid":"{}"}},
                {{"type":"file","path":"b","size":2,"oid":"x","lfs":{{"oid":"sha256:{sha256}","size":2}}}},
                {{"path":"c","size":3}},
                {{"path":"../../x","size":4}},
                {{"path":"/etc/passwd","size":4}}]"#,
            "0".repeat(40)
        ))
        .expect("it is a good listing");
        assert_eq!(listing.files.len(), 3);
        assert!(listing.files.values().map(|file| file.git.is_some()).eq([true, false, false]));
        assert!(listing.files.values().map(|file| file.sha256.is_some()).eq([false, true, false]));
        assert_eq!(listing.ignored, ["../../x", "/etc/passwd"]);
        for (text, why) in [
            (r#"[{"path":"a"}]"#.to_owned(), "no size"),
            (r#"[{"path":"a","lfs":{"oid":"abc","size":1}}]"#.to_owned(), "SHA-256"),
            (format!(r#"[{{"path":"a","size":2,"lfs":{{"oid":"{sha256}","size":1}}}}]"#), "two sizes"),
            (r#"[{"path":"a","size":1},{"path":"a","size":2}]"#.to_owned(), "twice"),
        ] {
            let error = add(&text).expect_err(why);
            assert_eq!(error.kind(), ErrorKind::Protocol);
            assert!(error.to_string().contains(why), "{error}");
            assert_eq!(error.path().map(RepoPath::as_str), Some("a"));
        }
    }

    proptest! {
        #[test]
        fn no_link_makes_it_panic(header in "[<>;,=\"relnextREL a?é]{0,60}") {
            let _ = next_link(&header);
        }
    }
}
