//! The list of what changed: one request for all collections, and less than the whole list where it is known.

use std::{collections::HashMap, sync::Arc};

use serde::Deserialize;
use transport::Request;

use super::{Client, request::Of};
use crate::{CollectionName, Error, ErrorKind, Hint, endpoints, sync_options::is_believable};

/// The most collections that are remembered; a server has some hundreds.
const COLLECTIONS: usize = 20_000;

/// When each collection of a server changed last, as far as it said. No signature covers it.
#[derive(Clone, Debug, Default)]
pub(super) struct Timestamps {
    by_name: HashMap<(String, String), u64>,
    /// The server's own word on how new the list is.
    timestamp: u64,
}

/// The list, and whether it is news.
#[derive(Debug)]
pub(super) struct Poll {
    pub(super) list: Arc<Timestamps>,
    /// Whether something changed since the last poll.
    pub(super) changed: bool,
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    timestamp: u64,
    changes: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    bucket: String,
    collection: String,
    last_modified: u64,
}

impl Timestamps {
    pub(super) fn get(&self, name: &CollectionName) -> Option<u64> {
        self.by_name.get(&(name.bucket().to_owned(), name.collection().to_owned())).copied()
    }

    /// How new the list is: the newest entry, or what the server says where that is newer.
    pub(super) fn newest(&self) -> u64 {
        self.timestamp.max(self.since())
    }

    /// What to ask for changes since: only what was seen counts, and not what the server says about it.
    fn since(&self) -> u64 {
        self.by_name.values().copied().max().unwrap_or(0)
    }

    /// Adds what changed since. A server, or a cache before it, may lag behind what another one said.
    fn merge(&mut self, newer: Self) {
        for (name, timestamp) in newer.by_name {
            let known = self.by_name.entry(name).or_default();
            *known = timestamp.max(*known);
        }
        self.timestamp = self.timestamp.max(newer.timestamp);
    }
}

impl From<Body> for Timestamps {
    fn from(body: Body) -> Self {
        let entries = body.changes.into_iter();
        let by_name = entries.map(|entry| ((entry.bucket, entry.collection), entry.last_modified)).collect();
        Self { by_name, timestamp: body.timestamp }
    }
}

impl Client {
    /// Learns the timestamps of all collections of the server.
    ///
    /// Once the list is known, only what changed since is asked for; nothing at all where a hint says that nothing
    /// has.
    pub(super) async fn timestamps(&self, hint: Hint) -> Result<Poll, Error> {
        let hint = hint.believable(self.clock.now(), &self.limits);
        let known = self.memory().list.clone();
        if let (Some(list), Some(hint)) = (&known, hint)
            && list.newest() >= hint
        {
            return Ok(Poll { list: Arc::clone(list), changed: false });
        }
        match self.changes_since(known.as_ref(), hint.unwrap_or(0)).await {
            // Whatever the server has against this `_since`, without one it has to answer.
            Err(error) if known.is_some() && matches!(error.status(), Some(400 | 422)) => {
                self.memory().list = None;
                self.changes_since(None, hint.unwrap_or(0)).await
            }
            result => result,
        }
    }

    async fn changes_since(&self, known: Option<&Arc<Timestamps>>, expected: u64) -> Result<Poll, Error> {
        let what = "the list of changed collections";
        let since = known.map(|list| list.since()).filter(|since| *since > 0);
        // Version 1 servers answer a `_since` above `_expected` with nothing, and version 2 servers refuse it.
        let expected = if since.is_some_and(|since| since > expected) { 0 } else { expected };
        let url = endpoints::changes(&self.server, expected, since);
        let request = Request::get(url, self.limits.info_bytes).gzip();
        let request = if since.is_some() { self.with_condition(request, None) } else { request };
        let asked = request.url().clone();
        let response = self.send(request, Of::Api, what).await?;
        if matches!(response.status, 204 | 304) {
            let list = known.cloned().unwrap_or_default();
            return Ok(Poll { list, changed: false });
        }
        let condition = self.condition_of(&asked, &response);
        // Servers redirect to the whole list where a timestamp is too old for them.
        let partial = since.is_some() && endpoints::asks_since(&response.url);
        let body = response.bytes().await.map_err(|error| Error::in_transport(what, error))?;
        let body: Body = serde_json::from_slice(&body).map_err(|error| {
            Error::new(ErrorKind::Protocol, "the server's list of changed collections cannot be read")
                .with_source(error)
        })?;
        let mut list = Timestamps::from(body);
        let changed = !partial || !list.by_name.is_empty();
        if let Some(known) = known.filter(|_| partial) {
            let mut merged = Timestamps::clone(known);
            merged.merge(list);
            list = merged;
        }
        let list = Arc::new(list);
        // A timestamp from the future, once remembered, would hide every later change; so would a list that was lost.
        let now = self.clock.now();
        let keep = list.by_name.len() <= COLLECTIONS && is_believable(list.newest(), now, &self.limits);
        self.memory().list = keep.then(|| Arc::clone(&list));
        if keep && !changed {
            self.keep_condition(condition, None);
        }
        Ok(Poll { list, changed })
    }
}
