//! Servers that answer wrongly: a typed error, the old copy stays, and the same client goes on with a good server.

mod addresses;
mod answers;
mod bodies;

use rs_client::{Client, Error, ErrorKind, Limits};
use serde_json::{Value, json};
use testkit::{
    http::{Fault, FaultKind, Reply},
    settings::SettingsOptions,
};

use crate::support::{LIST, Pair, ids, list};

/// Where a changeset comes from, and the list of all of them.
const CHANGESET: &str = "/v1/buckets/main/*";
const MONITOR: &str = "/v1/buckets/monitor/*";
const CHAINS: &str = "/chains/*";

/// A server and a client that holds what the server had at first.
struct Victim {
    pair: Pair,
    client: Client,
    records: Vec<String>,
}

impl Victim {
    async fn new(options: SettingsOptions) -> Self {
        let pair = Pair::with(options);
        let client = pair.builder().limits(limits()).build();
        let mut victim = Self { pair, client, records: Vec::new() };
        victim.recovers("at first").await;
        victim
    }

    /// What the server would answer, for the body of a fault.
    fn changeset(&self) -> Value {
        self.pair.server.changeset(LIST)
    }

    /// The right answer, as a fault that comes before others.
    fn as_it_is(&self) -> FaultKind {
        reply(self.changeset().to_string())
    }

    /// Publishes one more record, and lets the server go wrong; the client must not care beyond its error.
    async fn suffers(&mut self, name: &str, pattern: &str, kind: FaultKind) -> Error {
        self.publish();
        self.goes_wrong(name, pattern, kind).await
    }

    fn publish(&mut self) {
        let id = format!("r{:03}", self.records.len());
        self.pair.set(&id);
        self.records.push(id);
    }

    /// What the server has meanwhile, without what the client has not seen yet.
    async fn goes_wrong(&mut self, name: &str, pattern: &str, kind: FaultKind) -> Error {
        let held = &self.records[..self.records.len() - 1];
        let before = self.pair.stored().await;
        self.pair.server.fault(Fault::new(pattern, kind));
        let error = if pattern == MONITOR {
            self.client.sync_all(&[list()]).await.expect_err(name)
        } else {
            self.client.sync(&list()).await.expect_err(name)
        };
        assert_eq!(self.pair.stored().await, before, "{name}: the copy has changed");
        for client in [&self.client, &self.pair.restarted()] {
            let copy = client.load(&list()).await.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(ids(&copy.expect("there is a copy")), held, "{name}");
        }
        self.pair.server.http().clear_faults();
        error
    }

    /// The same client gets everything from a good server.
    async fn recovers(&mut self, name: &str) {
        if self.records.is_empty() {
            self.publish();
        }
        let report = self.client.sync(&list()).await.unwrap_or_else(|error| panic!("after {name}: {error}"));
        assert_eq!(ids(&report.collection), self.records, "after {name}");
        assert!(!report.repaired, "after {name}");
    }

    /// Each answer gets one of the kinds of error.
    async fn table(&mut self, pattern: &str, rows: Vec<(&str, FaultKind, &[ErrorKind])>) {
        for (name, kind, expected) in rows {
            if pattern == CHAINS {
                // Chains that verified once are not asked for again.
                self.pair.server.rotate_leaf();
            }
            let error = self.suffers(name, pattern, kind).await;
            assert!(expected.contains(&error.kind()), "{name}: {:?}, {error}", error.kind());
            self.recovers(name).await;
        }
    }
}

/// An answer that is whole as far as HTTP goes.
fn reply(body: impl Into<bytes::Bytes>) -> FaultKind {
    FaultKind::Reply(Reply::json(&json!(null)).body(body))
}

/// Lower than the defaults, so that what is too large is made quickly.
fn limits() -> Limits {
    let mut limits = Limits::default();
    (limits.changeset_bytes, limits.info_bytes) = (1 << 20, 200 << 10);
    limits
}
