//! The listing of a revision, page by page.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    HubOptions,
    repo::{Files, Repo},
};
use crate::http::{Reply, Request};

/// Returns the entries that a listing of `folder` has, in the order of their paths.
pub(crate) fn entries(files: &Files, repo: &Repo, request: &Request, folder: &str) -> Vec<Value> {
    let recursive = request.query_value("recursive").is_some_and(|value| value == "true" || value == "1");
    let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    let mut folders = BTreeSet::new();
    let mut entries = Vec::new();
    for (path, file) in files {
        let Some(rest) = path.strip_prefix(&prefix) else { continue };
        for (slash, _) in rest.match_indices('/') {
            let folder = format!("{prefix}{}", &rest[..slash]);
            if (recursive || !rest[..slash].contains('/')) && folders.insert(folder.clone()) {
                entries
                    .push(json!({ "type": "directory", "oid": "0".repeat(40), "size": 0, "path": folder }));
            }
        }
        if !recursive && rest.contains('/') {
            continue;
        }
        let size = file.content.size;
        let mut entry = json!({ "type": "file", "oid": file.oid, "size": size, "path": path });
        if file.large {
            let oid = file.content.digest;
            entry["lfs"] = json!({ "oid": oid, "size": size, "pointerSize": file.pointer_size() });
        }
        entries.push(entry);
    }
    entries.extend(repo.also_listed.iter().cloned());
    entries
}

/// Returns the page that the request's `cursor` names, with a link to the next one.
pub(crate) fn page(request: &Request, options: &HubOptions, entries: &[Value]) -> Reply {
    let asked = request.query_value("limit").and_then(|limit| limit.parse().ok());
    let limit = asked.unwrap_or(options.page_size).clamp(1, options.page_size.max(1));
    let start = match request.query_value("cursor") {
        None => 0,
        Some(cursor) => match cursor.strip_prefix("from-").and_then(|start| start.parse().ok()) {
            Some(start) => start,
            None => return Reply::json(&json!({ "error": "invalid cursor" })).with_status(400),
        },
    };
    let page: &[Value] = entries.get(start..).unwrap_or_default();
    let reply = Reply::json(&Value::from(page.iter().take(limit).cloned().collect::<Vec<_>>()));
    if page.len() <= limit {
        return reply;
    }
    let host = request.header("host").unwrap_or_default();
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in url::form_urlencoded::parse(request.query.as_bytes()) {
        if name != "cursor" {
            query.append_pair(&name, &value);
        }
    }
    query.append_pair("cursor", &format!("from-{}", start + limit));
    reply.header("link", format!("<http://{host}{}?{}>; rel=\"next\"", request.path, query.finish()))
}
