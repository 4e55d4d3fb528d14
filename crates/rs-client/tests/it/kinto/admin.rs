//! What editors and reviewers do on a server: Kinto's own interface, which clients never use.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use serde_json::{Value, json};

use super::server::Kinto;

const WORKSPACE: &str = "/v1/buckets/main-workspace";
const JSON: &str = "application/json";
/// Who writes.
pub(super) const EDITOR: &str = "editor";
/// Who approves; nobody approves what they wrote.
pub(super) const REVIEWER: &str = "reviewer";

/// An answer as it came.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Kinto {
    /// Makes a collection with an editor and a reviewer. Kinto publishes it at once, empty.
    pub(super) fn create(&self, collection: &str) {
        let (bucket, path) = (WORKSPACE, format!("{WORKSPACE}/collections/{collection}"));
        self.done(EDITOR, "PUT", bucket, &json!({}));
        self.done(EDITOR, "PUT", &path, &json!({}));
        let reviewer = self.ask(Some(REVIEWER), "GET", "/v1/", JSON, b"").json();
        let members = json!({"data": {"members": [reviewer["user"]["id"]]}});
        self.done(EDITOR, "PATCH", &format!("{WORKSPACE}/groups/reviewers"), &members);
    }

    /// Writes a record into the workspace.
    pub(super) fn set(&self, collection: &str, id: &str, fields: &Value) {
        self.done(EDITOR, "PUT", &record(collection, id), &json!({"data": fields}));
    }

    /// Deletes a record of the workspace.
    pub(super) fn delete(&self, collection: &str, id: &str) {
        self.done(EDITOR, "DELETE", &record(collection, id), &Value::Null);
    }

    /// Deletes a collection of the workspace.
    pub(super) fn delete_collection(&self, collection: &str) {
        self.done(EDITOR, "DELETE", &format!("{WORKSPACE}/collections/{collection}"), &Value::Null);
    }

    /// Attaches a file to a record of the workspace, which is made where there is none.
    pub(super) fn attach(&self, collection: &str, id: &str, fields: &Value, filename: &str, file: &[u8]) {
        let mut body = format!(
            "--edge\r\nContent-Disposition: form-data; name=\"data\"\r\n\r\n{fields}\r\n--edge\r\n\
             Content-Disposition: form-data; name=\"attachment\"; filename=\"{filename}\"\r\n\
             Content-Type: application/wasm\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n--edge--\r\n");
        let path = format!("{}/attachment", record(collection, id));
        let answer = self.ask(Some(EDITOR), "POST", &path, "multipart/form-data; boundary=edge", &body);
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
    }

    /// Moves a collection on: `to-review`, `to-sign`, `to-resign`, `to-rollback`, `work-in-progress`.
    pub(super) fn status(&self, user: &str, collection: &str, status: &str) {
        let path = format!("{WORKSPACE}/collections/{collection}");
        self.done(user, "PATCH", &path, &json!({"data": {"status": status}}));
    }

    /// Publishes what is in the workspace: the editor asks, the reviewer approves.
    pub(super) fn publish(&self, collection: &str) {
        self.status(EDITOR, collection, "to-review");
        self.status(REVIEWER, collection, "to-sign");
    }

    /// Gets a path as anybody can.
    pub(super) fn get(&self, path: &str) -> Answer {
        self.ask(None, "GET", path, JSON, b"")
    }

    fn done(&self, user: &str, method: &str, path: &str, body: &Value) {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let answer = self.ask(Some(user), method, path, JSON, &body);
        assert!(matches!(answer.status, 200 | 201), "{method} {path}: {answer:?}");
    }

    fn ask(&self, user: Option<&str>, method: &str, path: &str, kind: &str, body: &[u8]) -> Answer {
        let user = match user {
            Some(user) => format!("Authorization: Basic {}\r\n", base64(&format!("{user}:password"))),
            None => String::new(),
        };
        // Of the old version, so that the server closes the connection after its answer.
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1:{}\r\n{user}Content-Type: {kind}\r\n\
             Content-Length: {}\r\n\r\n",
            self.port(),
            body.len()
        );
        let mut stream = TcpStream::connect(("127.0.0.1", self.port())).expect("the server runs");
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).expect("it reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("it answers");
        let split = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer has a head");
        let head = String::from_utf8_lossy(&answer[..split]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("it has a status");
        Answer { status, head, body: answer.split_off(split + 4) }
    }
}

fn record(collection: &str, id: &str) -> String {
    format!("{WORKSPACE}/collections/{collection}/records/{id}")
}

fn base64(text: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    STANDARD.encode(text)
}
