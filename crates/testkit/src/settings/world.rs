//! What a settings server holds: collections, their history, the chain that signs them, and attachments.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{SettingsOptions, canonical::signed_message};
use crate::pki::{Chain, ChainOptions};

/// Everything the server answers from.
#[derive(Debug)]
pub(super) struct World {
    pub(super) options: SettingsOptions,
    pub(super) collections: BTreeMap<(String, String), Collection>,
    /// The signing chain, last, and those it replaced; the index is in the name of the `x5u` file.
    pub(super) chains: Vec<Chain>,
    pub(super) attachments: BTreeMap<String, Bytes>,
    pub(super) backoff: Option<u64>,
    /// Sent with every reply.
    pub(super) headers: Vec<(String, String)>,
    /// What is said where nothing is served anymore.
    pub(super) ended: Option<String>,
    pub(super) refuses_since: bool,
    pub(super) conditions: bool,
    clock: u64,
}

/// One collection and how it came to be what it is.
#[derive(Debug)]
pub(super) struct Collection {
    pub(super) fields: Map<String, Value>,
    history: Vec<Published>,
    served: usize,
}

/// A collection at one moment.
#[derive(Clone, Debug)]
pub(super) struct Published {
    pub(super) timestamp: u64,
    pub(super) modified: u64,
    pub(super) records: BTreeMap<String, Value>,
    pub(super) tombstones: BTreeMap<String, u64>,
    pub(super) signature: String,
    pub(super) chain: usize,
}

impl World {
    pub(super) fn new(options: SettingsOptions) -> Self {
        let chain = Chain::new(&options.chain);
        Self {
            clock: options.timestamps_from.unwrap_or_default(),
            options,
            collections: BTreeMap::new(),
            chains: vec![chain],
            attachments: BTreeMap::new(),
            backoff: None,
            headers: Vec::new(),
            ended: None,
            refuses_since: false,
            conditions: false,
        }
    }

    pub(super) fn skip(&mut self, time: std::time::Duration) {
        let latest = self.collections.values().map(|collection| collection.latest().modified).max();
        let time = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.clock = self.clock.max(latest.unwrap_or_default()).saturating_add(time);
    }

    /// The next timestamp: the time in milliseconds, or one more than the last.
    pub(super) fn tick(&mut self) -> u64 {
        self.clock = match self.options.timestamps_from {
            Some(_) => self.clock + 1000,
            None => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                u64::try_from(now.as_millis()).unwrap_or(u64::MAX).max(self.clock + 1)
            }
        };
        self.clock
    }

    pub(super) fn create(&mut self, key: (String, String)) {
        if self.collections.contains_key(&key) {
            return;
        }
        let timestamp = self.tick();
        let mut first = Published {
            timestamp,
            modified: timestamp,
            records: BTreeMap::new(),
            tombstones: BTreeMap::new(),
            signature: String::new(),
            chain: 0,
        };
        self.sign(&mut first);
        let fields = match json!({
            "bucket": key.0, "id": key.1, "displayFields": [], "flags": [], "sort": "-last_modified",
            "schema": {"type": "object"}, "attachment": {"enabled": true, "required": false},
        }) {
            Value::Object(fields) => fields,
            _ => unreachable!("the literal is an object"),
        };
        self.collections.insert(key, Collection { fields, history: vec![first], served: 0 });
    }

    /// Makes the collection what `change` makes of its latest state, at a new timestamp, and signs it.
    pub(super) fn publish(&mut self, key: (String, String), change: impl FnOnce(&mut Published)) -> u64 {
        self.change(key, true, change)
    }

    /// As [`publish`](Self::publish), but leaves the signature as it was.
    pub(super) fn tamper(&mut self, key: (String, String), change: impl FnOnce(&mut Published)) -> u64 {
        self.change(key, false, change)
    }

    fn change(&mut self, key: (String, String), sign: bool, change: impl FnOnce(&mut Published)) -> u64 {
        self.create(key.clone());
        let timestamp = self.tick();
        let mut next = self.collections[&key].latest().clone();
        next.timestamp = timestamp;
        next.modified = timestamp;
        change(&mut next);
        if sign {
            self.sign(&mut next);
        }
        let collection = self.collections.get_mut(&key).expect("it was created above");
        collection.history.push(next);
        collection.served = collection.history.len() - 1;
        timestamp
    }

    /// Signs what each of `keys` serves, without a new timestamp.
    pub(super) fn sign_again(&mut self, keys: impl IntoIterator<Item = (String, String)>) {
        for key in keys {
            let modified = self.tick();
            let Some(collection) = self.collections.get(&key) else { continue };
            let mut served = collection.served().clone();
            served.modified = modified;
            self.sign(&mut served);
            let collection = self.collections.get_mut(&key).expect("it was there a moment ago");
            let index = collection.served;
            collection.history[index] = served;
        }
    }

    /// Makes `chain` the signing chain and signs everything with it.
    pub(super) fn use_chain(&mut self, chain: Chain) {
        self.chains.push(chain);
        self.sign_again(self.collections.keys().cloned().collect::<Vec<_>>());
    }

    pub(super) fn use_leaf(&mut self, options: &ChainOptions) {
        let chain = self.chain().rotated(options);
        self.use_chain(chain);
    }

    pub(super) fn chain(&self) -> &Chain {
        self.chains.last().expect("there is a chain from the start")
    }

    fn sign(&self, published: &mut Published) {
        published.chain = self.chains.len() - 1;
        published.signature =
            self.chain().sign(&signed_message(published.records.values(), published.timestamp));
    }
}

impl Collection {
    /// What clients see.
    pub(super) fn served(&self) -> &Published {
        &self.history[self.served]
    }

    fn latest(&self) -> &Published {
        self.history.last().expect("a collection has a first state")
    }

    /// Serves the state that was `steps` changes ago, until the next change.
    pub(super) fn roll_back(&mut self, steps: usize) {
        self.served = (self.history.len() - 1).saturating_sub(steps);
    }

    /// Drops the latest state, as if it had never been.
    pub(super) fn undo(&mut self) {
        if self.history.len() > 1 {
            self.history.pop();
        }
        self.served = self.history.len() - 1;
    }

    /// Forgets what came before, so that no `_since` but the current one is known.
    pub(super) fn forget_history(&mut self) {
        let latest = self.latest().clone();
        self.history = vec![latest];
        self.served = 0;
    }

    pub(super) fn knows(&self, timestamp: u64) -> bool {
        self.history.iter().any(|published| published.timestamp == timestamp)
    }
}
