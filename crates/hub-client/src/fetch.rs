//! Fetches one file into the store: streamed, checked, and begun again where that may help.

use blob_store::{BlobStore, Expected};
use content_id::ContentId;
use futures::TryStreamExt;
use transport::{Request, Response};

use crate::{
    Error, ErrorKind, Event, HubClient, Plan, PlannedFile, Progress,
    client::success,
    git::GitHasher,
    listing::{is_html, protocol},
    probe::{bare_etag, is_strong, linked},
};

impl HubClient {
    /// Makes sure that the store has `file`, and returns what it is.
    pub(crate) async fn fetch(
        &self,
        store: &dyn BlobStore,
        plan: &Plan,
        file: &PlannedFile,
        progress: &dyn Progress,
    ) -> Result<ContentId, Error> {
        // Somebody else may have fetched it since the plan was made, or removed it.
        if let Some(content) = file.content()
            && store.contains(content).await.map_err(Error::store)?
        {
            progress.event(&Event::FilePresent { path: &file.path, size: content.size });
            return Ok(content);
        }
        progress.event(&Event::FileStarted { path: &file.path, size: file.size });
        let mut attempt = 1;
        loop {
            let error = match self.fetch_once(store, plan, file, progress).await {
                Ok(content) => {
                    progress.event(&Event::FileDone { path: &file.path, content });
                    return Ok(content);
                }
                Err(error) => error,
            };
            let attempts = match error.kind() {
                ErrorKind::Mismatch => self.limits.attempts.min(2),
                _ => self.limits.attempts,
            };
            if !error.is_passing() || attempt >= attempts {
                return Err(error);
            }
            tokio::time::sleep(self.limits.pause * attempt).await;
            attempt += 1;
            progress.event(&Event::FileRestarted { path: &file.path, attempt, reason: reason(&error) });
        }
    }

    async fn fetch_once(
        &self,
        store: &dyn BlobStore,
        plan: &Plan,
        file: &PlannedFile,
        progress: &dyn Progress,
    ) -> Result<ContentId, Error> {
        let max = file.size.unwrap_or(self.limits.file_bytes);
        let response = self.send(Request::get(file.url.clone(), max)).await.map_err(|error| {
            // The limit is the size that was announced; more is not large, but wrong.
            let wrong = error.kind() == ErrorKind::TooLarge && file.size.is_some();
            if wrong { error.with_kind(ErrorKind::Mismatch).passing() } else { error }
        })?;
        let response = success(response).map_err(|error| match error.kind() {
            ErrorKind::NotFound => error.with_kind(ErrorKind::MissingFile),
            _ => error,
        })?;
        check_head(&response, plan, file)?;
        let mut stage = store.stage(Expected::new(file.digest, file.size)).await.map_err(Error::store)?;
        let mut git = file.git.zip(file.size).map(|(oid, size)| (oid, GitHasher::new(size)));
        let mut body = response.body;
        while let Some(piece) = body.try_next().await.map_err(|error| self.body_error(file, error))? {
            if let Some((_, hasher)) = &mut git {
                hasher.update(&piece);
            }
            stage.write(piece).await.map_err(Error::store)?;
            let received = stage.written();
            progress.event(&Event::Received { path: &file.path, received, size: file.size });
        }
        if let Some(size) = file.size.filter(|size| *size != stage.written()) {
            let detail = format!("{} bytes arrived of {size}", stage.written());
            return Err(Error::new(ErrorKind::Mismatch, detail).passing());
        }
        if let Some((expected, hasher)) = git {
            let found = hasher.finish();
            if found != expected {
                let detail = format!("its git object id is {found}, and {expected} is listed");
                return Err(Error::new(ErrorKind::Mismatch, detail).passing());
            }
        }
        stage.publish().await.map_err(Error::store)
    }

    fn body_error(&self, file: &PlannedFile, error: transport::Error) -> Error {
        match error.kind() {
            transport::ErrorKind::TooLarge if file.size.is_some() => {
                Error::body(error).with_kind(ErrorKind::Mismatch).passing()
            }
            _ => Error::body(error),
        }
    }
}

/// Refuses an answer that cannot be the file.
fn check_head(response: &Response, plan: &Plan, file: &PlannedFile) -> Result<(), Error> {
    if response.status != 200 {
        return Err(protocol(format!("the whole file was asked for, and the status is {}", response.status)));
    }
    let name = file.path.file_name();
    if is_html(response) && !name.ends_with(".html") && !name.ends_with(".htm") {
        return Err(protocol("a web page came in its place"));
    }
    let announced = response.headers.get("content-length").and_then(|length| length.parse::<u64>().ok());
    if let (Some(announced), Some(size)) = (announced, file.size)
        && announced != size
    {
        let detail = format!("{announced} bytes are announced, and it has {size}");
        return Err(Error::new(ErrorKind::Mismatch, detail).passing());
    }
    let heads = || response.redirects.iter().map(|step| &step.headers).chain([&response.headers]);
    let commit = heads().find_map(|headers| headers.get("x-repo-commit"));
    if let (Some(found), Some(expected)) = (commit, &plan.commit)
        && found != expected.as_str()
    {
        let detail = format!("it comes from another commit than {expected}");
        return Err(Error::new(ErrorKind::Mismatch, detail));
    }
    // Without a digest, the validator is what ties the bytes to the plan.
    if file.digest.is_none() && plan.commit.is_none() {
        let found = linked(response, "etag").map(bare_etag);
        if let (Some(found), Some(expected)) = (found, &file.etag)
            && is_strong(expected)
            && found != *expected
        {
            return Err(Error::new(ErrorKind::Mismatch, "it changed on the hub since the plan was made"));
        }
    }
    Ok(())
}

/// Says what was wrong, down to the cause.
fn reason(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
