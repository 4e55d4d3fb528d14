//! Sends requests, and says what it means that one failed.

use std::time::{Duration, SystemTime};

use futures::TryStreamExt as _;
use serde_json::Value;
use transport::{Headers, Request, Response};
use url::Url;

use super::Client;
use crate::{
    Alert, Error, ErrorKind, Event,
    alert::{AlertCode, one_line},
    clock,
};

/// The most bytes of a refusal that are read.
const REFUSAL_BYTES: usize = 16 << 10;

/// The most characters of a server's own words that are shown.
const WORDS: usize = 200;

/// What Kinto's errors call the end of the interface.
const SERVICE_DEPRECATED: u64 = 202;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// The settings server itself, in JSON.
    Api,
    /// A file that may be elsewhere: a chain, an attachment.
    File,
}

impl Client {
    /// Gets a file.
    pub(super) async fn get(&self, request: Request, what: &str) -> Result<Response, Error> {
        let result = self.send(request, Of::File, what).await;
        if let Err(error) = &result {
            if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Denied | ErrorKind::Unavailable) {
                // Where files lie may have changed since the server said so.
                self.memory().info = None;
            }
            self.politeness.save(&*self.storage, &self.server, self.clock.now()).await;
        }
        result
    }

    /// Sends a request of an operation that has begun.
    ///
    /// Anything but success is an error; 304 is a success where the request has a condition. `what` is asked for, as
    /// messages name it.
    pub(super) async fn send(&self, request: Request, of: Of, what: &str) -> Result<Response, Error> {
        self.open()?;
        if self.is_ours(request.url()) {
            self.politeness.may_continue(self.clock.now())?;
        }
        let conditional = request.headers().iter().any(|(name, _)| name.starts_with("if-"));
        let url = request.url().clone();
        let answer = self.shutdown.or(&url, self.transport.send(request)).await;
        let now = self.clock.now();
        let response = answer.map_err(|error| {
            if let Some(wait) = error.retry_after().filter(|_| self.is_ours(error.url())) {
                self.politeness.note_refusal(wait, now);
            }
            Error::in_transport(what, error)
        })?;
        for redirect in response.redirects.iter().filter(|redirect| self.is_ours(&redirect.url)) {
            self.note(&redirect.headers, now);
        }
        if self.is_ours(&response.url) {
            self.note(&response.headers, now);
        }
        if response.redirects.len() > self.limits.redirects {
            let message = format!("could not get {what}: more than {} redirects", self.limits.redirects);
            return Err(Error::new(ErrorKind::Protocol, message));
        }
        let good = (200..=299).contains(&response.status) || (response.status == 304 && conditional);
        if of == Of::Api && self.is_ours(&response.url) {
            let alert = Alert::from_headers(&response.headers);
            if (good || alert.is_some())
                && let Some(alert) = self.politeness.note_alert(alert, now)
            {
                self.tell(|| Event::Alert(alert));
            }
        }
        if good { Ok(response) } else { Err(self.refused(response, of, what, now).await) }
    }

    fn is_ours(&self, url: &Url) -> bool {
        url.origin() == self.server.url().origin()
    }

    fn note(&self, headers: &Headers, now: SystemTime) {
        self.politeness.note_head(headers, now);
    }

    /// Says what a status outside of 200..=299 means.
    async fn refused(&self, response: Response, of: Of, what: &str, now: SystemTime) -> Error {
        let wait = retry_after(&response.headers, now).map(|wait| wait.min(self.limits.backoff));
        let mut left = wait;
        if let Some(wait) = wait.filter(|_| self.is_ours(&response.url)) {
            self.politeness.note_refusal(wait, now);
            left = Some(self.politeness.left(now));
        }
        let status = response.status;
        let error = transport::Error::from_status(status, &response.url).with_retry_after(wait);
        let mut error = Error::in_transport(what, error);
        if let Some(left) = left {
            error = error.with_retry_after(left);
        }
        let alert = Alert::from_headers(&response.headers);
        let words = match of {
            Of::Api => Words::of(response).await,
            Of::File => Words::default(),
        };
        if status == 410 && of == Of::Api && (alert.is_some() || words.errno == Some(SERVICE_DEPRECATED)) {
            let alert = alert.or_else(|| Alert::new(&AlertCode::HardEol.to_string(), &words.text, None));
            let said = alert.map(|alert| alert.to_string()).filter(|said| !said.is_empty());
            let said = said.map(|said| format!("; the server says: {said}")).unwrap_or_default();
            let advice =
                format!("this version of the server's interface has ended, so update this program{said}");
            return error.with_kind(ErrorKind::EndOfLife).with_advice(&advice);
        }
        let advice = advice(status, of);
        match words.text {
            text if text.is_empty() => error.with_advice(advice),
            text => error.with_advice(&format!("{advice}; the server says: {text}")),
        }
    }
}

/// How long a refusal asks to wait. A date is compared with the server's own clock where that is known.
fn retry_after(headers: &Headers, now: SystemTime) -> Option<Duration> {
    headers.retry_after(clock::server_time(headers).unwrap_or(now))
}

/// What to do about a status.
fn advice(status: u16, of: Of) -> &'static str {
    match (status, of) {
        (401 | 403, Of::Api) => {
            "the server refuses access, as version 1 servers also do for what they do not have; check the name"
        }
        (404, Of::Api) => {
            "the server does not have it; check the name, and that the server's address ends in /v1 or /v2"
        }
        (405, Of::Api) => "the server does not take such requests; check that its address ends in /v1 or /v2",
        (400 | 422, Of::Api) => "the server does not accept the request",
        (401 | 403, Of::File) => "the server refuses access",
        (404, Of::File) => "the server does not have it; it may have moved, which the next sync tells",
        (410, _) => "it is gone from the server for good",
        (429 | 503, _) => "the server asks to wait",
        (500..=599, _) => "the server failed; try again later",
        _ => "the server's answer has no meaning here",
    }
}

/// A server's own words about why it refuses.
#[derive(Default)]
struct Words {
    errno: Option<u64>,
    text: String,
}

impl Words {
    /// Reads as much of the body as a refusal can be long; what is none says nothing.
    async fn of(mut response: Response) -> Self {
        let mut body = Vec::new();
        while let Ok(Some(piece)) = response.body.try_next().await {
            body.extend_from_slice(&piece[..piece.len().min(REFUSAL_BYTES - body.len())]);
            if body.len() == REFUSAL_BYTES {
                break;
            }
        }
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        // Version 1 has a message, version 2 a detail: a text, or a list of objects.
        let text = body.get("message").or(body.get("detail"));
        let text = text.and_then(|text| text.as_str().or_else(|| text.get(0)?.get("msg")?.as_str()));
        Self {
            errno: body.get("errno").and_then(Value::as_u64),
            text: one_line(text.unwrap_or_default(), WORDS),
        }
    }
}
