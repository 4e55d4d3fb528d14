//! Conditional requests: an answer that was had and used before need not come again.

use std::{collections::HashMap, time::Duration};

use transport::{Headers, Request, Response};
use url::Url;

use super::Client;
use crate::Version;

/// The most addresses that conditions are remembered for.
const ADDRESSES: usize = 256;

/// The longest validator that is remembered, in bytes.
const VALIDATOR_BYTES: usize = 200;

/// How old a change must be for its date to name it: dates tell seconds, which two changes may share.
const CERTAIN: Duration = Duration::from_secs(60);

/// What is sent back to a server to have an answer only where it is another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    url: Url,
    header: &'static str,
    validator: String,
}

/// The conditions by address. Only of answers that had nothing new.
#[derive(Debug, Default)]
pub(super) struct Conditions(HashMap<Url, Known>);

#[derive(Debug)]
struct Known {
    header: &'static str,
    validator: String,
    /// Of the local copy to which the answer had nothing new: to another one the same answer may have something.
    version: Option<Version>,
}

impl Client {
    /// Adds the condition that belongs to the request's address, if there is one.
    ///
    /// Only for requests where another 304 can only mean that there is nothing new: those with `_since`.
    pub(super) fn with_condition(&self, request: Request, version: Option<&Version>) -> Request {
        match self.memory().conditions.0.get(request.url()) {
            Some(known) if known.version.as_ref() == version => {
                request.header(known.header, &known.validator)
            }
            _ => request,
        }
    }

    /// What to remember of an answer to `asked`; nothing where it came from elsewhere, or names no validator.
    pub(super) fn condition_of(&self, asked: &Url, response: &Response) -> Option<Condition> {
        if response.url != *asked || response.status != 200 {
            return None;
        }
        let tag = response.headers.get("etag").map(|tag| ("if-none-match", tag));
        let modified = || last_modified(&response.headers).map(|date| ("if-modified-since", date));
        let (header, validator) = tag.or_else(modified).filter(|(_, it)| it.len() <= VALIDATOR_BYTES)?;
        Some(Condition { url: asked.clone(), header, validator: validator.to_owned() })
    }

    /// Remembers the condition of an answer that had nothing new to the local copy of this version.
    pub(super) fn keep_condition(&self, condition: Option<Condition>, version: Option<&Version>) {
        let Some(Condition { url, header, validator }) = condition else { return };
        let conditions = &mut self.memory().conditions.0;
        if conditions.len() >= ADDRESSES {
            conditions.clear();
        }
        conditions.insert(url, Known { header, validator, version: version.cloned() });
    }
}

/// The date of the last change, where no other change can have it.
fn last_modified(headers: &Headers) -> Option<&str> {
    let time = |name| httpdate::parse_http_date(headers.get(name)?.trim()).ok();
    let age = time("date")?.duration_since(time("last-modified")?).ok()?;
    headers.get("last-modified").filter(|_| age >= CERTAIN)
}
