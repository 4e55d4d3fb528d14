//! Makes plans: what a hub has, what the store has, and what is trusted.

use blob_store::{BlobStore, BlobStoreExt, FileEntry, Manifest, ManifestName};
use hub_layout::{NeededFile, RepoPath, needed_files};

use crate::{
    Error, ErrorKind, HubClient, Plan, PlannedFile, Trust, Wanted,
    git::GitOid,
    probe::{Head, is_strong},
};

/// What a hub says of one file that is needed.
struct Known {
    file: NeededFile,
    head: Head,
    git: Option<GitOid>,
}

/// What the store knows of the model.
struct Records {
    /// The manifest under the plan's name.
    same: Option<Manifest>,
    /// The manifests of the model's other revisions on the same hub.
    other_revisions: Vec<Manifest>,
}

impl Records {
    fn of_other_revision(
        &self,
        path: &RepoPath,
        etag: Option<&str>,
        size: Option<u64>,
    ) -> Option<&FileEntry> {
        let entries = self.other_revisions.iter().filter_map(|manifest| manifest.files.get(path.as_str()));
        entries.into_iter().find(|entry| is_same_file(entry, etag, size))
    }
}

impl HubClient {
    /// Finds out what has to be fetched, and what it must be. Nothing is fetched yet.
    ///
    /// From a hub with a listing: one request a page. Else one request for the head of each file that may be
    /// needed. Files that `store` has already, by their digest, are marked as present.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`]; [`ErrorKind::MissingFile`]; [`ErrorKind::Denied`]; [`ErrorKind::Unavailable`];
    /// [`ErrorKind::Offline`]; [`ErrorKind::Mismatch`] if what the hub says contradicts a digest that was given or
    /// recorded; [`ErrorKind::TooLarge`] above the [`Limits`](crate::Limits); [`ErrorKind::Protocol`];
    /// [`ErrorKind::Storage`].
    pub async fn plan(&self, store: &dyn BlobStore, wanted: &Wanted) -> Result<Plan, Error> {
        let planned = self.try_plan(store, wanted).await;
        planned.map_err(|error| error.about("plan", &wanted.model, &wanted.revision, &self.hub.id()))
    }

    async fn try_plan(&self, store: &dyn BlobStore, wanted: &Wanted) -> Result<Plan, Error> {
        let mut plan = Plan {
            hub: self.hub.id(),
            model: wanted.model.clone(),
            revision: wanted.revision.clone(),
            commit: None,
            files: Vec::new(),
            ignored: Vec::new(),
        };
        let known = match self.hub.listing_url(&wanted.model, &wanted.revision) {
            Some(url) => {
                let listing = self.list(&wanted.model, &wanted.revision, url).await?;
                plan.commit = listing.commit;
                plan.ignored = listing.ignored;
                let paths: Vec<RepoPath> = listing.files.keys().cloned().collect();
                let needed = needed_files(&wanted.request, Some(&paths)).map_err(missing)?;
                needed
                    .into_iter()
                    .filter_map(|file| {
                        let listed = listing.files.get(&file.path)?;
                        let etag = match (listed.sha256, listed.git) {
                            (Some(sha256), _) => Some(sha256.to_string()),
                            (None, git) => git.map(|git| git.to_string()),
                        };
                        let head = Head { size: Some(listed.size), etag, sha256: listed.sha256 };
                        Some(Known { file, head, git: listed.git })
                    })
                    .collect()
            }
            None => {
                let probed = self.probe(wanted).await?;
                probed.into_iter().map(|(file, head)| Known { file, head, git: None }).collect::<Vec<_>>()
            }
        };
        if known.len() > self.limits.files {
            return Err(too_large(format!("{} files are needed", known.len())));
        }
        let records = Records {
            same: recorded(store, &plan).await?,
            other_revisions: other_revisions(store, &plan).await?,
        };
        for one in known {
            let path = one.file.path.clone();
            let file = self.plan_file(store, wanted, &plan, &records, one).await;
            plan.files.push(file.map_err(|error| error.at(&path))?);
        }
        if plan.total_bytes() > self.limits.total_bytes {
            return Err(too_large(format!("the files have {} bytes together", plan.total_bytes())));
        }
        Ok(plan)
    }

    async fn plan_file(
        &self,
        store: &dyn BlobStore,
        wanted: &Wanted,
        plan: &Plan,
        records: &Records,
        Known { file, head, git }: Known,
    ) -> Result<PlannedFile, Error> {
        let path = file.path;
        let (mut digest, mut size, mut trust) = (head.sha256, head.size, Trust::FirstUse);
        if digest.is_some() {
            trust = Trust::Hub;
        }
        let same = records.same.as_ref();
        let entry = same.and_then(|manifest| Some((manifest, manifest.files.get(path.as_str())?)));
        if let Some((manifest, entry)) = entry {
            let same_state = is_same_state(manifest, plan);
            if same_state || is_same_file(entry, head.etag.as_deref(), size) {
                let contradicts = digest.is_some_and(|digest| digest != entry.content.digest)
                    || size.is_some_and(|size| size != entry.content.size);
                if contradicts && !wanted.digests.contains_key(path.as_str()) {
                    return Err(mismatch(format!(
                        "the hub has something else than when it was fetched first: then {}",
                        entry.content
                    )));
                }
                if digest.is_none() && !contradicts {
                    (digest, size, trust) =
                        (Some(entry.content.digest), Some(entry.content.size), Trust::Recorded);
                }
            }
        }
        // A git object id names content in whatever revision; another validator only means this one address.
        if digest.is_none()
            && git.is_some()
            && let Some(entry) = records.of_other_revision(&path, head.etag.as_deref(), size)
        {
            (digest, size, trust) = (Some(entry.content.digest), Some(entry.content.size), Trust::Recorded);
        }
        if let Some(given) = wanted.digests.get(path.as_str()) {
            let other = head.sha256.is_some_and(|digest| digest != given.digest)
                || head.size.is_some_and(|size| size != given.size);
            if other {
                return Err(mismatch(format!(
                    "the hub has something else than {given}, which was asked for"
                )));
            }
            (digest, size, trust) = (Some(given.digest), Some(given.size), Trust::Given);
        }
        if size.is_some_and(|size| size > self.limits.file_bytes) {
            return Err(too_large(format!("the limit for a file is {} bytes", self.limits.file_bytes)));
        }
        let revision = plan.commit.as_ref().unwrap_or(&wanted.revision);
        let mut planned = PlannedFile {
            url: self.hub.file_url(&wanted.model, revision, &path),
            path,
            size,
            digest,
            etag: head.etag,
            trust,
            reason: file.reason,
            present: false,
            git,
        };
        if let Some(content) = planned.content() {
            planned.present = store.contains(content).await.map_err(Error::store)?;
        }
        Ok(planned)
    }
}

/// Returns the manifest under the plan's name; one that cannot be read is as good as none.
pub(crate) async fn recorded(store: &dyn BlobStore, plan: &Plan) -> Result<Option<Manifest>, Error> {
    use blob_store::ErrorKind::{Damaged, Unsupported};
    match store.manifest(&name(plan)).await {
        Ok(found) => Ok(found.map(|(manifest, _)| manifest)),
        Err(error) if matches!(error.kind(), Damaged | Unsupported) => Ok(None),
        Err(error) => Err(Error::store(error)),
    }
}

/// Returns what the store holds of the model's other revisions; what cannot be read is as good as not there.
async fn other_revisions(store: &dyn BlobStore, plan: &Plan) -> Result<Vec<Manifest>, Error> {
    use blob_store::ErrorKind::{Damaged, Unsupported};
    let mut manifests = match store.manifests().await {
        Ok(manifests) => manifests,
        Err(error) if matches!(error.kind(), Damaged | Unsupported) => Vec::new(),
        Err(error) => return Err(Error::store(error)),
    };
    let own = name(plan);
    manifests.retain(|it| it.name.hub == own.hub && it.name.model == own.model && it.name != own);
    Ok(manifests)
}

/// Returns whether a manifest is of the same state of the model as a plan, so that its files cannot differ.
pub(crate) fn is_same_state(manifest: &Manifest, plan: &Plan) -> bool {
    match &plan.commit {
        Some(commit) => manifest.commit.as_deref() == Some(commit.as_str()),
        None => !plan.revision.is_moving(),
    }
}

/// Returns whether a hub says that a file is as it was when it was fetched.
pub(crate) fn is_same_file(entry: &FileEntry, etag: Option<&str>, size: Option<u64>) -> bool {
    let same = |etag: &str| is_strong(etag) && entry.etag.as_deref() == Some(etag);
    etag.is_some_and(same) && size.is_none_or(|size| size == entry.content.size)
}

pub(crate) fn name(plan: &Plan) -> ManifestName {
    ManifestName::new(plan.hub.clone(), plan.model.to_string(), plan.revision.to_string())
}

pub(crate) fn missing(error: hub_layout::MissingFileError) -> Error {
    let missing = Error::new(ErrorKind::MissingFile, error.to_string());
    match error.file() {
        Some(path) => missing.at(path),
        None => missing,
    }
}

fn mismatch(detail: String) -> Error {
    Error::new(ErrorKind::Mismatch, detail)
}

fn too_large(detail: String) -> Error {
    Error::new(ErrorKind::TooLarge, detail)
}
