//! The revisions and files of one model.

use std::collections::BTreeMap;

use bytes::Bytes;
use content_id::ContentId;
use serde_json::Value;
use sha1::{Digest, Sha1};

use super::Layout;

/// Files of these kinds are kept outside git by the public hub.
const LARGE: [&str; 10] =
    ["bin", "data", "gguf", "h5", "msgpack", "onnx", "onnx_data", "ot", "safetensors", "wasm"];

/// As are files of at least this size.
const LARGE_SIZE: usize = 10 << 20;

/// One file.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) bytes: Bytes,
    pub(crate) content: ContentId,
    /// The git object id: of the content, or of the note that stands for a large file.
    pub(crate) oid: String,
    /// Whether the content is kept outside git.
    pub(crate) large: bool,
}

pub(crate) type Files = BTreeMap<String, File>;

/// One model.
#[derive(Debug, Default)]
pub(crate) struct Repo {
    commits: BTreeMap<String, Files>,
    branches: BTreeMap<String, String>,
    pub(crate) also_listed: Vec<Value>,
}

impl Repo {
    pub(crate) fn publish(
        &mut self,
        layout: Layout,
        revision: &str,
        files: impl Iterator<Item = (String, Bytes)>,
    ) -> String {
        let files: Files = files.map(|(path, bytes)| (path.clone(), File::new(&path, bytes))).collect();
        let commit = match layout {
            Layout::HuggingFace if !is_commit(revision) => {
                let mut sha1 = Sha1::new();
                for (path, file) in &files {
                    sha1.update(format!("{path}\0{}\n", file.content.digest));
                }
                hex(&sha1.finalize())
            }
            _ => revision.to_owned(),
        };
        self.commits.insert(commit.clone(), files);
        self.branches.insert(revision.to_owned(), commit.clone());
        commit
    }

    pub(crate) fn move_branch(&mut self, branch: &str, commit: &str) {
        assert!(self.commits.contains_key(commit), "commit {commit} was not published");
        self.branches.insert(branch.to_owned(), commit.to_owned());
    }

    pub(crate) fn list_also(&mut self, entry: Value) {
        self.also_listed.push(entry);
    }

    /// Returns the commit that `revision` stands for, and its files.
    pub(crate) fn at(&self, revision: &str) -> Option<(&str, &Files)> {
        let commit = self.branches.get(revision).map_or(revision, String::as_str);
        self.commits.get_key_value(commit).map(|(commit, files)| (commit.as_str(), files))
    }

    /// Returns the file with this content, of any commit.
    pub(crate) fn by_digest(&self, digest: &str) -> Option<&File> {
        let mut files = self.commits.values().flat_map(BTreeMap::values);
        files.find(|file| file.large && file.content.digest.to_string() == digest)
    }
}

impl File {
    fn new(path: &str, bytes: Bytes) -> Self {
        let content = ContentId::of(&bytes);
        let extension = path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|(_, kind)| kind);
        let large =
            bytes.len() >= LARGE_SIZE || extension.is_some_and(|extension| LARGE.contains(&extension));
        let oid = if large { git_oid(pointer(content).as_bytes()) } else { git_oid(&bytes) };
        Self { bytes, content, oid, large }
    }

    /// Returns the length of the note that stands for a large file in git.
    pub(crate) fn pointer_size(&self) -> usize {
        pointer(self.content).len()
    }
}

/// The note that git keeps in place of a large file.
fn pointer(content: ContentId) -> String {
    let ContentId { digest, size, .. } = content;
    format!("version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {size}\n")
}

fn git_oid(bytes: &[u8]) -> String {
    let mut sha1 = Sha1::new();
    sha1.update(format!("blob {}\0", bytes.len()));
    sha1.update(bytes);
    hex(&sha1.finalize())
}

fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_ids_are_those_of_git() {
        // As `git hash-object` prints them for an empty file and for "hello\n".
        assert_eq!(git_oid(b""), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
        assert_eq!(git_oid(b"hello\n"), "ce013625030ba8dba906f756967f9e9ca394464a");
    }
}
