//! What a settings server answers, for both versions of its interface.

use content_id::ContentId;
use serde_json::{Value, json};

use super::{
    ApiVersion,
    world::{Collection, Published, World},
};
use crate::http::{Reply, Request};

/// Clients whose `_since` is older than this are sent to the full list of changes.
const MONITOR_MEMORY_MS: u64 = 21 * 86_400_000;

impl World {
    pub(super) fn answer(&self, request: &Request) -> Reply {
        let mut reply = match &self.ended {
            Some(message) => self.error(410, 202, message),
            None => self.route(request),
        };
        if self.conditions && reply.status == 200 {
            reply = conditional(request, reply);
        }
        for (name, value) in &self.headers {
            reply = reply.header(name, value);
        }
        match self.backoff {
            Some(seconds) => reply.header("backoff", seconds.to_string()),
            None => reply,
        }
    }

    fn route(&self, request: &Request) -> Reply {
        if !matches!(request.method.as_str(), "GET" | "HEAD") {
            return self.error(405, 115, "Method not allowed on this endpoint.");
        }
        let path = request.path.as_str();
        if let Some(name) = path.strip_prefix("/chains/") {
            let number = name.strip_suffix(".chain").and_then(|number| number.parse::<usize>().ok());
            return match number.and_then(|number| self.chains.get(number)) {
                Some(chain) => Reply::bytes(chain.pem().to_owned()),
                None => Reply::status(404),
            };
        }
        if let Some(location) = path.strip_prefix("/attachments/") {
            return match self.attachments.get(location) {
                Some(bytes) => Reply::bytes(bytes.clone()).ranged(request),
                None => Reply::status(404),
            };
        }
        let version = self.options.version.segment();
        let Some(path) = path.strip_prefix('/').and_then(|path| path.strip_prefix(version)) else {
            return self.error(404, 111, "The resource you are looking for could not be found.");
        };
        let segments: Vec<&str> = path.split('/').collect();
        match segments[..] {
            [""] => Reply::status(307).header("location", format!("/{version}/")),
            ["", ""] => self.info(&origin(request)),
            ["", "buckets", "monitor", "collections", "changes", "changeset"] => self.monitor(request),
            ["", "buckets", bucket, "collections", collection, "changeset"] => {
                match self.collections.get(&(bucket.to_owned(), collection.to_owned())) {
                    Some(collection) => self.changeset(collection, request),
                    None if self.is_v1() => self.error(401, 104, "Please authenticate yourself."),
                    None => self.error(404, 0, "Not Found"),
                }
            }
            _ => self.error(404, 111, "The resource you are looking for could not be found."),
        }
    }

    fn is_v1(&self) -> bool {
        self.options.version == ApiVersion::V1
    }

    fn error(&self, status: u16, errno: u16, message: &str) -> Reply {
        let body = if self.is_v1() {
            json!({"code": status, "errno": errno, "error": "Error", "message": message})
        } else {
            json!({"detail": message})
        };
        Reply::json(&body).with_status(status)
    }

    fn info(&self, origin: &str) -> Reply {
        let slash = if self.options.bare_urls { "" } else { "/" };
        let version = self.options.version.segment();
        let mut info = json!({
            "url": format!("{origin}/{version}/"),
            "capabilities": {
                "attachments": {"base_url": format!("{origin}/attachments{slash}")},
                "changes": {"certs_chains_base_url": format!("{origin}/chains{slash}")},
            },
        });
        if self.is_v1() {
            info["project_name"] = "Throw-away settings".into();
            info["settings"] = json!({"readonly": true});
        } else {
            info["git"] = json!({"common": {"id": "0000000", "timestamp": 0, "datetime": ""}});
        }
        Reply::json(&info).header("cache-control", "max-age=60")
    }

    fn monitor(&self, request: &Request) -> Reply {
        let (expected, since) = match self.parameters(request, true) {
            Ok(parameters) => parameters,
            Err(reply) => return reply,
        };
        if let Some(since) = since
            && expected > 0
            && since > expected
        {
            let message = "_since must not be larger than _expected";
            return if self.is_v1() { Reply::status(204) } else { self.error(400, 107, message) };
        }
        let mut changes: Vec<(u64, Value)> = self
            .collections
            .iter()
            .map(|((bucket, id), collection)| {
                let timestamp = collection.served().timestamp;
                let change = json!({
                    "id": change_id(bucket, id), "last_modified": timestamp,
                    "bucket": bucket, "collection": id, "host": "127.0.0.1",
                });
                (timestamp, change)
            })
            .collect();
        changes.sort_by_key(|(timestamp, _)| std::cmp::Reverse(*timestamp));
        let timestamp = changes.first().map_or(0, |(timestamp, _)| *timestamp);
        if let Some(since) = since
            && self.is_v1()
            && since < timestamp.saturating_sub(MONITOR_MEMORY_MS)
        {
            return without_since(request);
        }
        let changes: Vec<Value> = changes
            .into_iter()
            .filter(|(timestamp, _)| since.is_none_or(|since| *timestamp > since))
            .map(|(_, change)| change)
            .collect();
        let body = json!({"metadata": {"bucket": "monitor"}, "timestamp": timestamp, "changes": changes});
        Reply::json(&body).header("cache-control", max_age(expected))
    }

    fn changeset(&self, collection: &Collection, request: &Request) -> Reply {
        let (expected, since) = match self.parameters(request, false) {
            Ok(parameters) => parameters,
            Err(reply) => return reply,
        };
        if let Some(since) = since
            && !self.is_v1()
        {
            if expected > 0 && since > expected {
                return self.error(400, 107, "_since must not be larger than _expected");
            }
            if !collection.knows(since) {
                return without_since(request);
            }
        }
        let body = self.changeset_body(collection, since, &origin(request));
        Reply::json(&body).header("cache-control", max_age(expected))
    }

    pub(super) fn changeset_body(&self, collection: &Collection, since: Option<u64>, origin: &str) -> Value {
        let served = collection.served();
        let newer = |timestamp: u64| since.is_none_or(|since| timestamp > since);
        let mut changes: Vec<(u64, Value)> = served
            .records
            .values()
            .map(|record| (record["last_modified"].as_u64().unwrap_or_default(), record))
            .filter(|(timestamp, _)| newer(*timestamp))
            .map(|(timestamp, record)| (timestamp, record.clone()))
            .collect();
        if since.is_some() {
            for (id, timestamp) in served.tombstones.iter().filter(|(_, timestamp)| newer(**timestamp)) {
                let mut tombstone = json!({"id": id, "deleted": true});
                if self.options.dated_tombstones {
                    tombstone["last_modified"] = (*timestamp).into();
                }
                changes.push((*timestamp, tombstone));
            }
        }
        changes.sort_by_key(|(timestamp, _)| std::cmp::Reverse(*timestamp));
        let changes: Vec<Value> = changes.into_iter().map(|(_, change)| change).collect();
        let mut metadata = collection.fields.clone();
        metadata.insert("last_modified".into(), served.modified.into());
        let signature = self.signature(served, origin);
        if self.options.signature_list {
            // An unknown mode comes first: clients have to skip it.
            let unknown = json!({"mode": "ml-dsa-87", "signature": "AAAA", "x5u": "unknown"});
            metadata.insert("signatures".into(), json!([unknown, signature]));
        }
        metadata.insert("signature".into(), signature);
        json!({"metadata": metadata, "timestamp": served.timestamp, "changes": changes})
    }

    fn signature(&self, served: &Published, origin: &str) -> Value {
        let name = format!("{}.chain", served.chain);
        let x5u = if self.options.relative_x5u { name } else { format!("{origin}/chains/{name}") };
        json!({
            "signature": served.signature, "mode": "p384ecdsa", "x5u": x5u, "type": "contentsignaturepki",
            "signer_id": "throw-away", "ref": served.modified.to_string(),
        })
    }

    /// Returns `_expected` (0 where it is no number) and `_since`, or the reply that refuses them.
    fn parameters(&self, request: &Request, monitor: bool) -> Result<(u64, Option<u64>), Reply> {
        let refusal = || self.error(422, 0, "Input should be a valid integer");
        let Some(expected) = request.query_value("_expected") else {
            return Err(if self.is_v1() {
                self.error(400, 107, "_expected in querystring: Required")
            } else {
                refusal()
            });
        };
        if self.is_v1() && monitor && expected.starts_with('"') {
            return Err(redirect(request, |key, value| {
                let value = if key == "_expected" { value.trim_matches('"') } else { value };
                Some(value.to_owned())
            }));
        }
        let number = |text: &str| {
            let text = if self.is_v1() { text.trim_matches('"') } else { text };
            text.parse::<u64>().ok()
        };
        let since = request.query_value("_since");
        if since.is_some() && self.refuses_since {
            let status = if self.is_v1() { 400 } else { 422 };
            return Err(self.error(status, 107, "_since in querystring: Unknown"));
        }
        match (number(&expected), since.as_deref().map(number)) {
            (None, _) if !self.is_v1() => Err(refusal()),
            (_, Some(None)) if !self.is_v1() => Err(refusal()),
            (_, Some(None)) => Err(self.error(400, 107, "_since in querystring: Invalid value")),
            (expected, since) => Ok((expected.unwrap_or(0), since.flatten())),
        }
    }
}

/// Adds what a cache can compare, and leaves the body out where the request has it already.
fn conditional(request: &Request, reply: Reply) -> Reply {
    let tag = format!("\"{}\"", &ContentId::of(&reply.body).digest.to_string()[..16]);
    if request.header("if-none-match") == Some(tag.as_str()) {
        return Reply::status(304).header("etag", tag);
    }
    reply.header("etag", tag)
}

fn origin(request: &Request) -> String {
    format!("http://{}", request.header("host").unwrap_or("127.0.0.1"))
}

fn max_age(expected: u64) -> &'static str {
    if expected == 0 || expected.to_string().starts_with("9999") { "max-age=60" } else { "max-age=3600" }
}

fn without_since(request: &Request) -> Reply {
    redirect(request, |key, value| (key != "_since").then(|| value.to_owned()))
}

/// Redirects to the same path with the parameters that `keep` returns.
fn redirect(request: &Request, keep: impl Fn(&str, &str) -> Option<String>) -> Reply {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (key, value) in url::form_urlencoded::parse(request.query.as_bytes()) {
        if let Some(value) = keep(&key, &value) {
            query.append_pair(&key, &value);
        }
    }
    Reply::status(307).header("location", format!("{}?{}", request.path, query.finish()))
}

/// An identity for an entry of the list of changes, in the form of a UUID.
fn change_id(bucket: &str, collection: &str) -> String {
    let digest = ContentId::of(format!("127.0.0.1/{bucket}/{collection}").as_bytes()).digest.to_string();
    format!("{}-{}-{}-{}-{}", &digest[..8], &digest[8..12], &digest[12..16], &digest[16..20], &digest[20..32])
}
