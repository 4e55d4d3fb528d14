//! What is wanted, and the plan that comes of it.

use std::collections::BTreeMap;

use content_id::{ContentId, Digest};
use hub_layout::{FileRequest, ModelId, RepoPath, Revision};
use serde::Serialize;
use url::Url;

use crate::git::GitOid;

/// Which files of which model are wanted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Wanted {
    /// The model.
    pub model: ModelId,
    /// The branch, tag or commit.
    pub revision: Revision,
    /// What the files are for.
    pub request: FileRequest,
    /// What files must be, by path, from a source that is trusted more than the hub, such as a signed record.
    pub digests: BTreeMap<String, ContentId>,
}

/// What is to be fetched, from where, and what it must be.
///
/// Made by [`HubClient::plan`](crate::HubClient::plan).
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Plan {
    /// The hub's stable identity, as in manifests.
    pub hub: String,
    /// The model.
    pub model: ModelId,
    /// The revision as wanted.
    pub revision: Revision,
    /// The commit that the revision stands for, where the hub says; the files are fetched by it, so that they are of
    /// one state even if the revision moves meanwhile.
    pub commit: Option<Revision>,
    /// The files, in the order in which they are fetched.
    pub files: Vec<PlannedFile>,
    /// Names on the hub that no system could safely use; nothing is done with them. At most 20, cut short.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<String>,
}

/// One file of a plan.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct PlannedFile {
    /// The file.
    pub path: RepoPath,
    /// Where it is.
    pub url: Url,
    /// Its bytes, if known.
    pub size: Option<u64>,
    /// Its digest, if known.
    pub digest: Option<Digest>,
    /// The hub's validator: opaque, without quotes.
    pub etag: Option<String>,
    /// Why it must be what it is taken for.
    pub trust: Trust,
    /// What it is for.
    pub reason: String,
    /// Whether the store has it already, so that it is not fetched.
    pub present: bool,
    #[serde(skip)]
    pub(crate) git: Option<GitOid>,
}

/// Why a file's bytes are taken for the right ones, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Trust {
    /// They have the digest that the caller gave.
    Given,
    /// They have the digest that the hub lists.
    Hub,
    /// They have the digest that was recorded when the same file was fetched before.
    Recorded,
    /// Nothing is known of them but, at most, their size and git object id; their digest is going to be recorded.
    FirstUse,
}

impl Wanted {
    /// Asks for the files of `model` at `revision` that `request` needs.
    pub fn new(model: ModelId, revision: Revision, request: FileRequest) -> Self {
        Self { model, revision, request, digests: BTreeMap::new() }
    }

    /// Says what the file at `path` must be.
    #[must_use]
    pub fn with_digest(mut self, path: impl Into<String>, content: ContentId) -> Self {
        self.digests.insert(path.into(), content);
        self
    }
}

impl Plan {
    /// Returns the bytes of all files, as far as they are known.
    pub fn total_bytes(&self) -> u64 {
        self.files.iter().filter_map(|file| file.size).fold(0, u64::saturating_add)
    }

    /// Returns the bytes of the files that are not in the store yet, as far as they are known.
    pub fn bytes_to_fetch(&self) -> u64 {
        let missing = self.files.iter().filter(|file| !file.present);
        missing.filter_map(|file| file.size).fold(0, u64::saturating_add)
    }

    /// Returns the files whose size the hub does not say, so that the sums above lack them.
    pub fn unknown_sizes(&self) -> impl Iterator<Item = &PlannedFile> {
        self.files.iter().filter(|file| file.size.is_none())
    }
}

impl PlannedFile {
    /// Returns what the file is, if that is known before it arrives.
    pub fn content(&self) -> Option<ContentId> {
        Some(ContentId::new(self.digest?, self.size?))
    }
}
