//! What a client asks a server for.

use std::{sync::Arc, time::SystemTime};

use serde::Deserialize;
use transport::Request;
use url::Url;

use super::{Client, condition::Condition, request::Of};
use crate::{Changeset, CollectionName, Error, ErrorKind, Version, clock, endpoints};

/// What a server says about itself, as far as this crate uses it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ServerInfo {
    #[serde(default)]
    capabilities: Capabilities,
}

#[derive(Debug, Default, Deserialize)]
struct Capabilities {
    attachments: Option<Attachments>,
    changes: Option<Changes>,
}

#[derive(Debug, Deserialize)]
struct Attachments {
    base_url: String,
}

#[derive(Debug, Deserialize)]
struct Changes {
    certs_chains_base_url: Option<String>,
}

/// A changeset and how it came.
#[derive(Debug)]
pub(super) struct Answer {
    /// [`None`] where the server says in so many words that nothing changed.
    pub(super) changeset: Option<Changeset>,
    /// Whether it holds only what changed since the timestamp that was sent.
    pub(super) partial: bool,
    /// The time by the server's clock.
    pub(super) date: Option<SystemTime>,
    /// What to send along the next time, where this answer had nothing new.
    pub(super) condition: Option<Condition>,
}

impl ServerInfo {
    pub(super) fn attachments(&self) -> Result<&str, Error> {
        match &self.capabilities.attachments {
            Some(attachments) => Ok(&attachments.base_url),
            None => Err(Error::new(ErrorKind::NotFound, "the server does not offer attachments")),
        }
    }
}

impl Client {
    /// Gets the description of the server, once.
    pub(super) async fn info(&self) -> Result<Arc<ServerInfo>, Error> {
        if let Some(info) = &self.memory().info {
            return Ok(Arc::clone(info));
        }
        let what = "the server's description";
        let request = Request::get(endpoints::info(&self.server), self.limits.info_bytes).gzip();
        let response = self.send(request, Of::Api, what).await?;
        let body = response.bytes().await.map_err(|error| Error::in_transport(what, error))?;
        let info: ServerInfo = serde_json::from_slice(&body).map_err(|error| {
            Error::new(ErrorKind::Protocol, "the server's description of itself cannot be read")
                .with_source(error)
        })?;
        let info = Arc::new(info);
        self.memory().info = Some(Arc::clone(&info));
        Ok(info)
    }

    /// Gets the changes of a collection since a timestamp, or all its records.
    ///
    /// A server that refuses the timestamp is asked for all records. `version` is that of the local copy that the
    /// changes are for.
    pub(super) async fn changeset(
        &self,
        name: &CollectionName,
        expected: u64,
        since: Option<u64>,
        version: Option<&Version>,
    ) -> Result<Answer, Error> {
        match self.changes(name, expected, since, version).await {
            Err(error) if since.is_some() && matches!(error.status(), Some(400 | 422)) => {
                self.changes(name, expected, None, None).await
            }
            result => result,
        }
    }

    async fn changes(
        &self,
        name: &CollectionName,
        expected: u64,
        since: Option<u64>,
        version: Option<&Version>,
    ) -> Result<Answer, Error> {
        // Version 2 servers refuse a `_since` above `_expected`; a list of changes that lags behind leads to one.
        let expected = if since.is_some_and(|since| since > expected) { 0 } else { expected };
        let url = endpoints::changeset(&self.server, name, expected, since);
        let what = "the changeset";
        let request = Request::get(url, self.limits.changeset_bytes).gzip();
        let request = if since.is_some() { self.with_condition(request, version) } else { request };
        let asked = request.url().clone();
        let response = self.send(request, Of::Api, what).await?;
        let date = clock::server_time(&response.headers);
        // A server that no longer knows the timestamp redirects to the whole collection, in which deleted
        // records are not mentioned: it must replace what is held.
        let partial = since.is_some() && endpoints::asks_since(&response.url);
        if matches!(response.status, 204 | 304) && partial {
            return Ok(Answer { changeset: None, partial, date, condition: None });
        }
        let condition = self.condition_of(&asked, &response).filter(|_| partial);
        let body = response.bytes().await.map_err(|error| Error::in_transport(what, error))?;
        let changeset = Changeset::parse(body, &self.limits)?;
        changeset.is_of(name)?;
        Ok(Answer { changeset: Some(changeset), partial, date, condition })
    }

    /// Gets the certificate chain of a signature.
    pub(super) async fn chain(&self, x5u: &str) -> Result<Arc<str>, Error> {
        let url = match Url::parse(x5u) {
            Ok(url) if self.server.may_refer_to(&url) => url,
            Ok(url) => {
                let message =
                    format!("the server names certificates at {}:, which is not used", url.scheme());
                return Err(Error::new(ErrorKind::Protocol, message));
            }
            Err(_) => {
                let info = self.info().await?;
                let changes = info.capabilities.changes.as_ref();
                let base = changes.and_then(|changes| changes.certs_chains_base_url.as_deref());
                let Some(base) = base else {
                    let message = "the server names certificates without saying where they are";
                    return Err(Error::new(ErrorKind::Protocol, message));
                };
                endpoints::under(&self.server, base, x5u)?
            }
        };
        let what = "the certificate chain";
        let request = Request::get(url, self.limits.chain_bytes).gzip();
        let response = self.send(request, Of::File, what).await?;
        let body = response.bytes().await.map_err(|error| Error::in_transport(what, error))?;
        match std::str::from_utf8(&body) {
            Ok(pem) => Ok(Arc::from(pem)),
            Err(error) => {
                let message = "the certificate chain is not a PEM file";
                Err(Error::in_chain(crate::CertificateProblem::Malformed, message).with_source(error))
            }
        }
    }
}
