//! A model of a Hugging Face cache into a store.
//!
//! Such a cache has a folder `models--org--name` for each model: `blobs/` with the bytes, each under the hub's name for
//! them (the SHA-256 of large files, the git object id of small ones); `refs/<revision>` with a commit; and
//! `snapshots/<commit>/` with the files of that commit, as symlinks to the blobs.

use std::{io, io::Read, path::Path};

use content_id::{ContentId, Digest};

use super::{
    folder::{Folder, Kind, Stamp},
    git::GitId,
    import::{Found, Intake, Walk, no_file, opening},
    intake::Wanted,
    names,
    progress::{Meter, Observer},
    settle::Imported,
};
use crate::{BlobStore, Error, ErrorKind, Expected, FileEntry, Manifest, ManifestName, blocking::run};

const OPERATION: &str = "import";

/// Bytes of a ref that are looked at.
const REF_BYTES: u64 = 256;

/// How a model of a cache is imported.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CacheOptions {
    /// The hub in the manifest's name; `huggingface.co` by default.
    pub hub: String,
    /// Whether a manifest of this name with other files is replaced; otherwise it is an error.
    pub replace: bool,
    /// Files at most; 100,000 by default.
    pub max_files: usize,
    /// Is told how far it is.
    pub observer: Observer,
    accept_unverified: bool,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self {
            hub: "huggingface.co".to_owned(),
            replace: false,
            max_files: 100_000,
            observer: Observer::default(),
            accept_unverified: false,
        }
    }
}

impl CacheOptions {
    /// Sets the hub in the manifest's name.
    #[must_use]
    pub fn hub(self, hub: impl Into<String>) -> Self {
        Self { hub: hub.into(), ..self }
    }

    /// Sets whether a manifest of this name with other files is replaced.
    #[must_use]
    pub fn replace(self, replace: bool) -> Self {
        Self { replace, ..self }
    }

    /// Sets how many files there may be.
    #[must_use]
    pub fn max_files(self, max_files: usize) -> Self {
        Self { max_files, ..self }
    }

    /// Sets who is told how far it is.
    #[must_use]
    pub fn observer(self, observer: Observer) -> Self {
        Self { observer, ..self }
    }

    /// Takes also files that nothing in the cache tells the digest of: those that are no symlinks, as on Windows, and
    /// those whose blob's name is no digest. Whatever is in them becomes part of the model.
    #[must_use]
    pub fn dangerously_accept_unverified(self) -> Self {
        Self { accept_unverified: true, ..self }
    }
}

/// A revision of a model in a cache.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct CachedModel {
    /// The model, for example `org/name`.
    pub model: String,
    /// The branch or tag that was asked for.
    pub revision: String,
    /// The commit it stood for.
    pub commit: String,
}

/// Lists the models of a Hugging Face cache by the refs in it; what cannot be read is passed over.
///
/// # Errors
///
/// `NotFound` if there is no such folder; `Backend`.
pub async fn hugging_face_cache(cache: &Path) -> Result<Vec<CachedModel>, Error> {
    let path = cache.to_owned();
    run(move || {
        let root = Folder::open(&path).map_err(|e| opening(&path, e))?;
        let mut found = Vec::new();
        for name in root.names().map_err(|e| opening(&path, e))? {
            let Some(folder) = name.to_str() else { continue };
            let Some(model) = folder.strip_prefix("models--") else { continue };
            let model = model.replace("--", "/");
            if let Ok(Some(refs)) = root.descend(&[folder, "refs"]) {
                list_refs(&refs, &model, "", names::PARTS, &mut found);
            }
        }
        found.sort();
        Ok(found)
    })
    .await
}

fn list_refs(folder: &Folder, model: &str, prefix: &str, depth: usize, found: &mut Vec<CachedModel>) {
    for name in folder.names().unwrap_or_default() {
        let Some(name) = name.to_str() else { continue };
        let revision = format!("{prefix}{name}");
        match folder.kind(name) {
            Ok(Some(Kind::File)) => {
                if let Ok(Some(commit)) = read_ref(folder, name) {
                    found.push(CachedModel { model: model.to_owned(), revision, commit });
                }
            }
            Ok(Some(Kind::Folder)) if depth > 0 => {
                if let Ok(Some(child)) = folder.child(name) {
                    list_refs(&child, model, &format!("{revision}/"), depth - 1, found);
                }
            }
            _ => {}
        }
    }
}

/// The commit in a ref; nothing if there is no such ref.
fn read_ref(folder: &Folder, name: &str) -> Result<Option<String>, Error> {
    let subject = folder.path().join(name);
    let fail = |e| Error::io(OPERATION, subject.display(), e);
    let Some(file) = folder.file(name).map_err(fail)? else { return Ok(None) };
    let mut text = Vec::new();
    file.take(REF_BYTES).read_to_end(&mut text).map_err(fail)?;
    match std::str::from_utf8(&text).map(str::trim) {
        Ok(commit) if GitId::parse(commit).is_some() => Ok(Some(commit.to_owned())),
        _ => Err(Error::new(ErrorKind::Damaged, OPERATION, subject.display()).with_detail("it is no commit")),
    }
}

/// Imports what a Hugging Face cache holds of one revision of a model: a branch, a tag or a commit.
///
/// Each file is checked against the name of its blob: the SHA-256 of large files, the git object id of small ones.
/// (SHA-1 protects against damage, not against who could write to the cache.) A blob with a SHA-256 that the store
/// has is not even read. Symlinks are read by this function and lead only to a plain file in the `blobs` of the same
/// model; nothing else is followed. The cache is not changed.
///
/// A cache does not say which files a revision has on the hub: a snapshot holds those that were asked for, and the
/// manifest names those.
///
/// # Errors
///
/// `NotFound` if the cache has no such model or revision; `Incomplete` if a blob is missing, for example because its
/// download was interrupted; `Mismatch` if one has other bytes than its name says; `Unverified` for a file that nothing
/// tells the digest of; `Invalid` for a symlink that leads elsewhere, and for what is no file; `Damaged` if a ref
/// is no commit; `UnsafeName`, `TooLarge` and `Occupied` as for [`import_folder`](crate::import_folder).
pub async fn import_hugging_face_cache<S: BlobStore + ?Sized>(
    store: &S,
    cache: &Path,
    model: &str,
    revision: &str,
    now: u64,
    options: &CacheOptions,
) -> Result<Imported, Error> {
    let snapshot = {
        let (cache, model, revision) = (cache.to_owned(), model.to_owned(), revision.to_owned());
        let max = options.max_files;
        run(move || Snapshot::open(&cache, &model, &revision, max)).await?
    };
    let mut sources = Vec::with_capacity(snapshot.files.len());
    let mut total: u64 = 0;
    // First everything that can be said without reading the bytes.
    for found in &snapshot.files {
        let source = {
            let (folder, found) = (snapshot.model.clone(), found.clone());
            run(move || Source::of(&folder, &found)).await?
        };
        if source.wanted().is_none() && !options.accept_unverified {
            let error = Error::new(ErrorKind::Unverified, OPERATION, format_args!("file {:?}", found.name));
            let detail = match &source.blob {
                Some(blob) => format!("its blob {blob:?} is not named by a digest"),
                None => "it is no symlink to a blob".to_owned(),
            };
            return Err(error.with_detail(detail));
        }
        total = total.saturating_add(source.size);
        sources.push(source);
    }
    let mut intake = Intake::new(store, Meter::new(&options.observer, sources.len(), total));
    let mut manifest = Manifest::new(ManifestName::new(&options.hub, model, revision), now);
    manifest.commit = Some(snapshot.commit.clone());
    for (found, source) in snapshot.files.iter().zip(sources) {
        let checked = source.wanted().is_some();
        let wanted = source.wanted().unwrap_or_default();
        let known = wanted.content.digest.map(|digest| ContentId::new(digest, source.size));
        let id = match known {
            Some(id) if store.confirm(&[id]).await?.is_empty() => {
                intake.known(id);
                id
            }
            _ => {
                let file = {
                    let (folder, found, source) = (snapshot.model.clone(), found.clone(), source.clone());
                    let commit = snapshot.commit.clone();
                    run(move || source.open(&folder, &commit, &found)).await?
                };
                intake.file(&found.name, file, wanted).await?
            }
        };
        let mut entry = FileEntry::new(id, now);
        // What was not checked must not pass for what the hub has under this name.
        entry.etag = checked.then_some(source.blob).flatten();
        manifest.files.insert(found.name.clone(), entry);
    }
    intake.finish(manifest, options.replace).await
}

/// The files of one commit.
#[derive(Debug)]
struct Snapshot {
    model: Folder,
    commit: String,
    files: Vec<Found>,
}

impl Snapshot {
    fn open(cache: &Path, model: &str, revision: &str, max: usize) -> Result<Self, Error> {
        names::parts(model)?;
        let mut branch = names::parts(revision)?;
        let absent = |what: String| {
            Error::new(ErrorKind::NotFound, OPERATION, format_args!("{model}@{revision}"))
                .with_detail(format!("{what} is not in the cache"))
        };
        if model.contains("--") {
            // It would be another model's folder.
            return Err(absent(format!("models--{model}")));
        }
        let root = Folder::open(cache).map_err(|e| opening(cache, e))?;
        let name = format!("models--{}", model.replace('/', "--"));
        let fail = |e| Error::io(OPERATION, format_args!("folder {}", cache.join(&name).display()), e);
        let model = root.child(&name).map_err(fail)?.ok_or_else(|| absent(name.clone()))?;
        let last = branch.pop().unwrap_or(revision);
        let refs = model.child("refs").map_err(fail)?;
        let refs = refs.map_or(Ok(None), |refs| refs.descend(&branch)).map_err(fail)?;
        let commit = match refs.map_or(Ok(None), |refs| read_ref(&refs, last))? {
            Some(commit) => commit,
            None if GitId::parse(revision).is_some() => revision.to_owned(),
            None => return Err(absent(format!("refs/{revision}"))),
        };
        let snapshot = model.descend(&["snapshots", &commit]).map_err(fail)?;
        let snapshot = snapshot.ok_or_else(|| absent(format!("snapshots/{commit}")))?;
        let mut walk = Walk { max, files: Vec::new(), links: true };
        walk.folder(&snapshot, &mut Vec::new())?;
        Ok(Self { model, commit, files: walk.files })
    }
}

/// Where the bytes of a file in a snapshot are.
#[derive(Clone, Debug)]
struct Source {
    /// The name of the blob, unless the file is the bytes itself.
    blob: Option<String>,
    size: u64,
}

impl Source {
    fn of(model: &Folder, found: &Found) -> Result<Self, Error> {
        let Some(target) = &found.link else { return Ok(Self { blob: None, size: found.size }) };
        let Some(blob) = blob_of(&found.name, target) else {
            return Err(no_file(
                &found.name,
                &format!("a symlink to {target:?}, not to a blob of this model"),
            ));
        };
        let subject = format!("file {:?}", found.name);
        let fail = |e: io::Error| match e.kind() {
            io::ErrorKind::InvalidData => {
                no_file(&found.name, &format!("a symlink to {blob:?}, which is no file"))
            }
            _ => Error::io(OPERATION, &subject, e),
        };
        let incomplete =
            |detail: String| Err(Error::new(ErrorKind::Incomplete, OPERATION, &subject).with_detail(detail));
        if blob.ends_with(".incomplete") {
            return incomplete(format!("the download of {blob:?} was interrupted"));
        }
        let Some(blobs) = model.child("blobs").map_err(fail)? else {
            return incomplete("the cache has no folder blobs".to_owned());
        };
        let Some(file) = blobs.file(blob).map_err(fail)? else {
            let partial = blobs.names().map_err(fail)?.into_iter().any(|name| {
                name.to_str().is_some_and(|name| name.starts_with(blob) && name.ends_with(".incomplete"))
            });
            return incomplete(match partial {
                true => format!("the download of its blob {blob:?} was interrupted"),
                false => format!("its blob {blob:?} is not in the cache"),
            });
        };
        let size = Stamp::of(&file).map_err(fail)?.size;
        Ok(Self { blob: Some(blob.to_owned()), size })
    }

    /// What the blob's name says of its bytes; nothing if it says nothing.
    fn wanted(&self) -> Option<Wanted> {
        let blob = self.blob.as_deref()?;
        match (blob.parse::<Digest>(), GitId::parse(blob)) {
            (Ok(digest), _) => {
                Some(Wanted { content: Expected::new(Some(digest), Some(self.size)), git: None })
            }
            (_, Some(git)) => Some(Wanted { content: Expected::new(None, Some(self.size)), git: Some(git) }),
            _ => None,
        }
    }

    fn open(&self, model: &Folder, commit: &str, found: &Found) -> Result<std::fs::File, Error> {
        let fail = |e| Error::io(OPERATION, format_args!("file {:?}", found.name), e);
        let opened = match &self.blob {
            Some(blob) => model.child("blobs").and_then(|blobs| blobs.map_or(Ok(None), |b| b.file(blob))),
            None => {
                let mut parts = names::parts(&found.name)?;
                let last = parts.pop().unwrap_or(&found.name);
                let folder = [&["snapshots", commit][..], &parts].concat();
                model.descend(&folder).and_then(|folder| folder.map_or(Ok(None), |f| f.file(last)))
            }
        };
        opened.map_err(fail)?.ok_or_else(|| fail(io::ErrorKind::NotFound.into()))
    }
}

/// The blob that a symlink in a snapshot leads to: as many steps up as lead to the model's folder, then `blobs`, then
/// one name. Nothing if it is any other text.
fn blob_of<'a>(name: &str, target: &'a str) -> Option<&'a str> {
    // The commit's folder and `snapshots`, and each folder that the file is in.
    let up = 2 + name.matches('/').count();
    let rest = target.strip_prefix(&"../".repeat(up))?.strip_prefix("blobs/")?;
    (names::parts(rest).ok()?.len() == 1).then_some(rest)
}
