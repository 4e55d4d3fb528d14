//! Which address means what, in either layout.

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::{
    Hub, Layout,
    file::{self, Etag},
    listing,
    repo::{File, Repo},
};
use crate::http::{Reply, Request};

impl Hub {
    /// Answers a request to the hub.
    pub(crate) fn handle(&self, request: &Request) -> Reply {
        if let Some(token) = &self.options.token
            && request.header("authorization") != Some(&format!("Bearer {token}"))
        {
            return error(401, "GatedRepo", "access to this model is restricted");
        }
        if !matches!(request.method.as_str(), "GET" | "HEAD") {
            return Reply::status(405);
        }
        let decoded: Vec<String> = request
            .path
            .trim_start_matches('/')
            .split('/')
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
            .collect();
        let segments: Vec<&str> = decoded.iter().map(String::as_str).collect();
        match self.options.layout {
            Layout::HuggingFace => self.hugging_face(request, &segments),
            Layout::Mozilla => self.mozilla(request, &segments),
        }
    }

    /// Answers a request to the storage server.
    pub(crate) fn storage(&self, request: &Request) -> Reply {
        let Some(digest) = request.path.strip_prefix("/storage/") else { return Reply::status(404) };
        let repos = self.repos();
        let Some(file) = repos.values().find_map(|repo| repo.by_digest(digest)) else {
            return Reply::status(404);
        };
        // As with the public hub, the storage's validator has nothing to do with the hub's.
        let etag = format!("\"storage-{}\"", &digest[..16]);
        file::reply(request, file, Etag(&etag), self.options.ranges)
    }

    fn hugging_face(&self, request: &Request, segments: &[&str]) -> Reply {
        match segments {
            ["api", "models", rest @ ..] => self.api(request, rest),
            ["api", "resolve-cache", "models", rest @ ..] => {
                let Some((model, [revision, path @ ..])) = self.model(rest) else { return repo_not_found() };
                self.file(request, &model, revision, &path.join("/"), false)
            }
            _ => match self.model(segments) {
                Some((model, ["resolve", revision, path @ ..])) => {
                    self.file(request, &model, revision, &path.join("/"), self.options.redirects)
                }
                Some(_) => Reply::status(404),
                None => repo_not_found(),
            },
        }
    }

    fn api(&self, request: &Request, segments: &[&str]) -> Reply {
        let Some((model, rest)) = self.model(segments) else { return repo_not_found() };
        let (what, revision, folder) = match rest {
            [] => ("revision", "main", String::new()),
            [what @ ("revision" | "tree"), revision, folder @ ..] => (*what, *revision, folder.join("/")),
            _ => return Reply::status(404),
        };
        self.at(&model, revision, |repo, commit| {
            let Some((_, files)) = repo.at(commit) else { return Reply::status(404) };
            let reply = match what {
                "revision" => Reply::json(&json!({
                    "id": model,
                    "sha": commit,
                    "siblings": files.keys().map(|path| json!({ "rfilename": path })).collect::<Value>(),
                })),
                _ => listing::page(request, &self.options, &listing::entries(files, repo, request, &folder)),
            };
            reply.header("x-repo-commit", commit)
        })
    }

    /// Answers with a file, or with where it is.
    fn file(&self, request: &Request, model: &str, revision: &str, path: &str, redirect: bool) -> Reply {
        self.at(model, revision, |repo, commit| {
            let Some(file) = repo.at(commit).and_then(|(_, files)| files.get(path)) else {
                return error(404, "EntryNotFound", "there is no such file").header("x-repo-commit", commit);
            };
            let reply = match (redirect, &self.storage) {
                (true, Some(storage)) if file.large => {
                    let digest = file.content.digest;
                    found(302, format!("{storage}/storage/{digest}?signature=canary"))
                }
                (true, _) if !file.large => {
                    let target = request.path.replacen("/resolve/", "/", 1);
                    found(307, format!("/api/resolve-cache/models{target}")).header("etag", etag(file))
                }
                _ => file::reply(request, file, Etag(&etag(file)), self.options.ranges),
            };
            let reply = reply.header("x-repo-commit", commit);
            if !file.large {
                return reply;
            }
            reply.header("x-linked-etag", etag(file)).header("x-linked-size", file.content.size.to_string())
        })
    }

    fn mozilla(&self, request: &Request, segments: &[&str]) -> Reply {
        let Some((model, [revision, path @ ..])) = self.model(segments) else { return Reply::status(404) };
        let repos = self.repos();
        let file = repos.get(&model).and_then(|repo| repo.at(revision)?.1.get(&path.join("/")));
        let Some(file) = file else { return Reply::status(404) };
        // Nobody may rely on what is in it.
        let etag = format!("\"{}-{}\"", file.content.size, &file.oid[..8]);
        file::reply(request, file, Etag(&etag), self.options.ranges)
    }

    /// Splits off the model id, `org/name` or `name`, of a model that is there.
    fn model<'a, 'b>(&self, segments: &'a [&'b str]) -> Option<(String, &'a [&'b str])> {
        let repos = self.repos();
        [2, 1].into_iter().find_map(|length| {
            let (model, rest) = segments.split_at_checked(length)?;
            let model = model.join("/");
            repos.contains_key(&model).then_some((model, rest))
        })
    }

    /// Answers from a model at the commit that `revision` stands for.
    fn at(&self, model: &str, revision: &str, answer: impl FnOnce(&Repo, &str) -> Reply) -> Reply {
        let repos = self.repos();
        let Some(repo) = repos.get(model) else { return repo_not_found() };
        match repo.at(revision) {
            Some((commit, _)) => answer(repo, commit),
            None => error(404, "RevisionNotFound", "there is no such revision"),
        }
    }
}

/// The hub's own validator: the git object id of a small file, the SHA-256 of a large one.
fn etag(file: &File) -> String {
    if file.large { format!("\"{}\"", file.content.digest) } else { format!("\"{}\"", file.oid) }
}

fn found(status: u16, location: String) -> Reply {
    Reply::text(format!("redirecting to {location}")).with_status(status).header("location", location)
}

/// As the public hub answers anonymous clients, so that they cannot tell private from missing.
fn repo_not_found() -> Reply {
    error(401, "RepoNotFound", "there is no such model")
}

fn error(status: u16, code: &str, message: &str) -> Reply {
    Reply::json(&json!({ "error": message }))
        .with_status(status)
        .header("x-error-code", code)
        .header("x-error-message", message)
}
