//! Asks for a file or a part of it, and takes no answer that cannot be that.

use std::{ops::Range, sync::OnceLock};

use blob_store::{BlobStore, StageKey};
use transport::{Request, Response};

use crate::{
    Error, ErrorKind, HubClient, Plan, PlannedFile,
    client::success,
    error::Remedy,
    listing::{is_html, protocol},
    probe::{bare_etag, is_strong, linked},
    track::Track,
};

/// Fetching one file: what is needed of everything around it.
pub(crate) struct Job<'a> {
    pub(crate) client: &'a HubClient,
    pub(crate) store: &'a dyn BlobStore,
    pub(crate) plan: &'a Plan,
    pub(crate) file: &'a PlannedFile,
    pub(crate) track: Track<'a>,
}

/// The validator of whoever sends the bytes, which is not always the hub: what the first answer had, once and for all.
/// With it in `If-Range`, nobody sends a part of something else.
#[derive(Debug, Default)]
pub(crate) struct Pin(OnceLock<Option<String>>);

/// An answer that may be what was asked for.
pub(crate) enum Answer {
    /// The bytes asked for, or fewer from the same place.
    Part(Response),
    /// The whole file from its beginning, whether or not that was asked for.
    Whole(Response),
}

impl Job<'_> {
    /// Asks for the whole file.
    pub(crate) async fn ask_whole(&self) -> Result<Response, Error> {
        match self.ask(None, &Pin::default()).await? {
            Answer::Whole(response) => Ok(response),
            Answer::Part(_) => Err(protocol("the whole file was asked for, and a part came")),
        }
    }

    /// Asks for a range of the file, or for all of it.
    pub(crate) async fn ask(&self, range: Option<Range<u64>>, pin: &Pin) -> Result<Answer, Error> {
        let max = self.file.size.unwrap_or(self.client.limits.file_bytes);
        let mut request = Request::get(self.file.url.clone(), max);
        if let Some(range) = &range {
            request = request.range(range.start, Some(range.end - 1));
            if let Some(etag) = pin.strong() {
                request = request.header("if-range", etag);
            }
        }
        let response = self.client.send(request).await.map_err(|error| {
            // The limit is the size that was announced; more is not large, but wrong.
            let wrong = error.kind() == ErrorKind::TooLarge && self.file.size.is_some();
            if wrong { error.with_kind(ErrorKind::Mismatch).passing() } else { error }
        })?;
        if response.status == 416 && range.is_some() {
            let detail = "the hub says that the file has no such bytes";
            return Err(protocol(detail).with_remedy(Remedy::Whole));
        }
        let response = success(response).map_err(|error| match error.kind() {
            ErrorKind::NotFound => error.with_kind(ErrorKind::MissingFile),
            _ => error,
        })?;
        self.check_version(&response)?;
        let answer = match (response.status, &range) {
            (200, _) => {
                self.check_length(&response, self.file.size)?;
                Answer::Whole(response)
            }
            (206, Some(range)) => {
                let part = content_range(&response, range, self.file.size)?;
                self.check_length(&response, Some(part.end - part.start))?;
                Answer::Part(response)
            }
            (status, _) => {
                let detail = format!("the file was asked for, and the status is {status}");
                return Err(protocol(detail));
            }
        };
        let (Answer::Part(response) | Answer::Whole(response)) = &answer;
        pin.check(response)?;
        Ok(answer)
    }

    /// Refuses what comes from elsewhere, or is of another version than the plan.
    fn check_version(&self, response: &Response) -> Result<(), Error> {
        let name = self.file.path.file_name();
        if is_html(response) && !name.ends_with(".html") && !name.ends_with(".htm") {
            return Err(protocol("a web page came in its place"));
        }
        let heads = || response.redirects.iter().map(|step| &step.headers).chain([&response.headers]);
        let commit = heads().find_map(|headers| headers.get("x-repo-commit"));
        if let (Some(found), Some(expected)) = (commit, &self.plan.commit)
            && found != expected.as_str()
        {
            let detail = format!("it comes from another commit than {expected}");
            return Err(Error::new(ErrorKind::Mismatch, detail));
        }
        // Without a digest, the validator is what ties the bytes to the plan.
        if self.file.digest.is_none() && self.plan.commit.is_none() {
            let found = linked(response, "etag").map(bare_etag);
            if let (Some(found), Some(expected)) = (found, &self.file.etag)
                && is_strong(expected)
                && found != *expected
            {
                let error = Error::new(ErrorKind::Mismatch, "it changed on the hub since the plan was made");
                return Err(error.with_remedy(Remedy::NewPlan));
            }
        }
        Ok(())
    }

    fn check_length(&self, response: &Response, expected: Option<u64>) -> Result<(), Error> {
        let announced = response.headers.get("content-length").and_then(|length| length.parse::<u64>().ok());
        match (announced, expected) {
            (Some(announced), Some(expected)) if announced != expected => {
                let detail = format!("{announced} bytes are announced, and it has {expected}");
                Err(Error::new(ErrorKind::Mismatch, detail).passing())
            }
            _ => Ok(()),
        }
    }

    /// Says what went wrong with a body.
    pub(crate) fn body_error(&self, error: transport::Error) -> Error {
        match error.kind() {
            transport::ErrorKind::TooLarge if self.file.size.is_some() => {
                Error::body(error).with_kind(ErrorKind::Mismatch).passing()
            }
            _ => Error::body(error),
        }
    }
}

/// Returns what the stage of a file is called, if anything ties its parts to one version of it.
pub(crate) fn stage_key(file: &PlannedFile, plan: &Plan) -> Option<StageKey> {
    if let Some(digest) = file.digest {
        // Whoever sends it: hubs and mirrors share the stage.
        return Some(StageKey::new("sha256", &digest.to_string()));
    }
    let etag = file.etag.as_deref().filter(|etag| is_strong(etag));
    let commit = plan.commit.as_ref().map(|commit| commit.as_str());
    etag.or(commit).map(|validator| StageKey::new(file.url.as_str(), validator))
}

impl Pin {
    /// Takes the validator of the first answer, and refuses a later one that has another.
    fn check(&self, response: &Response) -> Result<(), Error> {
        let found = response.headers.get("etag").map(|etag| etag.trim().to_owned());
        let pinned = self.0.get_or_init(|| found.clone());
        match (pinned, &found) {
            (Some(pinned), Some(found)) if pinned != found => {
                let detail = format!("it changed on the way: its validator was {pinned}, and is {found}");
                Err(Error::new(ErrorKind::Mismatch, detail).with_remedy(Remedy::Whole))
            }
            _ => Ok(()),
        }
    }

    fn strong(&self) -> Option<&str> {
        self.0.get()?.as_deref().filter(|etag| etag.starts_with('"'))
    }
}

/// Reads which bytes came; they begin where they were asked for, and are no more than that.
pub(crate) fn content_range(
    response: &Response,
    asked: &Range<u64>,
    size: Option<u64>,
) -> Result<Range<u64>, Error> {
    let text = response.headers.get("content-range").unwrap_or_default().trim();
    let wrong = || {
        let shown: String = text.chars().take(80).collect();
        let detail = format!("bytes {}-{} were asked for, and {shown:?} came", asked.start, asked.end - 1);
        protocol(detail).with_remedy(Remedy::Whole)
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let parse = || {
        let (range, all) = text.strip_prefix("bytes")?.trim_start().split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let all = if all.trim() == "*" { None } else { Some(number(all)?) };
        Some((number(first)?, number(last)?.checked_add(1)?, all))
    };
    let (start, end, all) = parse().ok_or_else(wrong)?;
    if start != asked.start
        || end <= start
        || asked.end < end
        || (all.is_some() && size.is_some() && all != size)
    {
        return Err(wrong());
    }
    Ok(start..end)
}
