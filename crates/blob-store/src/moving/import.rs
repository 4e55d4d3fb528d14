//! A plain folder into a store.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
};

use super::{
    folder::{Folder, Kind, Stamp},
    intake::{Taken, Wanted, take},
    names,
    progress::{Meter, Observer},
    settle::{Imported, settle},
};
use crate::{BlobStore, Error, ErrorKind, Expected, FileEntry, Manifest, ManifestName, blocking::run};

const OPERATION: &str = "import";

/// How a folder is imported.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ImportOptions {
    /// What has to be in the folder: exactly these files, each as far as it is described. Anything, by default.
    pub expected: Option<BTreeMap<String, Expected>>,
    /// Whether a manifest of this name with other files is replaced; otherwise it is an error.
    pub replace: bool,
    /// Files at most; 100,000 by default.
    pub max_files: usize,
    /// Is told how far it is.
    pub observer: Observer,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self { expected: None, replace: false, max_files: 100_000, observer: Observer::default() }
    }
}

impl ImportOptions {
    /// Accepts exactly these files, each as far as it is described.
    #[must_use]
    pub fn expected(self, files: BTreeMap<String, Expected>) -> Self {
        Self { expected: Some(files), ..self }
    }

    /// Accepts exactly the files of `manifest`.
    #[must_use]
    pub fn expect_files_of(self, manifest: &Manifest) -> Self {
        let files = manifest.files.iter().map(|(name, file)| (name.clone(), file.content.into()));
        self.expected(files.collect())
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
}

/// Publishes every file of `folder`, with those of the folders in it, and then writes a manifest that names them,
/// at `now` Unix seconds.
///
/// Files are copied. A hard link would make the foreign file the blob: whoever has it open for writing, now or later,
/// would change what was checked, and its mode and owner would be those of the stranger. No symlink below `folder` is
/// followed; one that is there is an error, as is anything else that is neither a file nor a folder, since a model
/// without it would be another one. A file that is changed while it is read is an error, too. Blobs that were
/// published before an error stay until the next garbage collection.
///
/// # Errors
///
/// `UnsafeName` for a name that [`check_file_name`](crate::check_file_name) refuses or that is no Unicode; `Invalid`
/// for symlinks, FIFOs and the like; `Mismatch` if a file is not what is expected, is there unexpectedly, or changes;
/// `Incomplete` if an expected one is not there; `TooLarge` if there are too many; `Occupied` if the store has a
/// manifest of this name with other files; `NotFound` if there is no folder; as for
/// [`put_manifest`](crate::BlobStoreExt::put_manifest) else.
pub async fn import_folder<S: BlobStore + ?Sized>(
    store: &S,
    folder: &Path,
    name: ManifestName,
    now: u64,
    options: &ImportOptions,
) -> Result<Imported, Error> {
    let (root, files) = {
        let (path, max) = (folder.to_owned(), options.max_files);
        run(move || {
            let root = Folder::open(&path).map_err(|e| opening(&path, e))?;
            let mut walk = Walk { max, files: Vec::new(), links: false };
            walk.folder(&root, &mut Vec::new())?;
            Ok((root, walk.files))
        })
        .await?
    };
    if let Some(expected) = &options.expected {
        check_names(&name, expected, &files)?;
    }
    let total = files.iter().fold(0, |sum: u64, found| sum.saturating_add(found.size));
    let mut intake = Intake::new(store, Meter::new(&options.observer, files.len(), total));
    let mut manifest = Manifest::new(name, now);
    for Found { name, .. } in files {
        let wanted = options.expected.as_ref().and_then(|expected| expected.get(&name)).copied();
        let wanted = Wanted { content: wanted.unwrap_or_default(), git: None };
        let file = open(&root, &name).await?;
        let id = intake.file(&name, file, wanted).await?;
        manifest.files.insert(name, FileEntry::new(id, now));
    }
    intake.finish(manifest, options.replace).await
}

/// The error for a folder that cannot be opened.
pub(super) fn opening(path: &Path, error: io::Error) -> Error {
    let subject = format_args!("folder {}", path.display());
    match error.kind() {
        io::ErrorKind::NotFound => {
            Error::new(ErrorKind::NotFound, OPERATION, subject).with_detail("there is no such folder")
        }
        _ => Error::io(OPERATION, subject, error),
    }
}

/// The error for something that no model is made of.
pub(super) fn no_file(name: &str, what: &str) -> Error {
    Error::new(ErrorKind::Invalid, OPERATION, format_args!("file {name:?}"))
        .with_detail(format!("it is {what}"))
}

/// Opens a plain file below `root` by its checked name.
async fn open(root: &Folder, name: &str) -> Result<std::fs::File, Error> {
    let (root, name) = (root.clone(), name.to_owned());
    run(move || {
        let mut parts = names::parts(&name)?;
        let last = parts.pop().unwrap_or(&name);
        let open = || root.descend(&parts)?.map_or(Ok(None), |folder| folder.file(last));
        let fail = |e| Error::io(OPERATION, format_args!("file {name:?}"), e);
        open().map_err(fail)?.ok_or_else(|| fail(io::ErrorKind::NotFound.into()))
    })
    .await
}

/// Compares the names that are there with those that have to be.
fn check_names(
    name: &ManifestName,
    expected: &BTreeMap<String, Expected>,
    files: &[Found],
) -> Result<(), Error> {
    let found: BTreeSet<&str> = files.iter().map(|found| found.name.as_str()).collect();
    if let Some(missing) = expected.keys().find(|name| !found.contains(name.as_str())) {
        let error = Error::new(ErrorKind::Incomplete, OPERATION, format_args!("manifest {name}"));
        return Err(error.with_detail(format!("{missing:?} is not in the folder")));
    }
    match found.iter().find(|name| !expected.contains_key(**name)) {
        None => Ok(()),
        Some(name) => Err(Error::new(ErrorKind::Mismatch, OPERATION, format_args!("file {name:?}"))
            .with_detail("nobody expects it in the folder")),
    }
}

/// A file that was found in a folder.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Its name below the folder where the walk began.
    pub(super) name: String,
    pub(super) size: u64,
    /// Where it points to, if it is a symlink.
    pub(super) link: Option<String>,
}

/// Finds the files of a folder.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) max: usize,
    pub(super) files: Vec<Found>,
    /// Whether symlinks are found, too; otherwise they are an error.
    pub(super) links: bool,
}

impl Walk {
    /// Finds what is in `folder`, whose name has these parts.
    pub(super) fn folder(&mut self, folder: &Folder, parts: &mut Vec<String>) -> Result<(), Error> {
        let fail = |e| Error::io(OPERATION, folder.path().display(), e);
        let mut entries = folder.names().map_err(fail)?;
        entries.sort();
        for entry in entries {
            let shown = folder.path().join(&entry);
            let Ok(entry) = entry.into_string() else {
                let error = Error::new(ErrorKind::UnsafeName, OPERATION, shown.display());
                return Err(error.with_detail("its name is no Unicode text"));
            };
            parts.push(entry);
            let name = parts.join("/");
            names::parts(&name)?;
            let last = parts.last().map_or("", String::as_str);
            let kind = folder.kind(last).map_err(|e| Error::io(OPERATION, shown.display(), e))?;
            match kind {
                Some(Kind::Folder) => {
                    if let Some(child) =
                        folder.child(last).map_err(|e| Error::io(OPERATION, shown.display(), e))?
                    {
                        self.folder(&child, parts)?;
                    }
                }
                Some(Kind::File) => {
                    let opened = folder.file(last).and_then(|file| file.as_ref().map(Stamp::of).transpose());
                    let stamp = opened.map_err(|e| Error::io(OPERATION, shown.display(), e))?;
                    self.add(name, stamp.map_or(0, |stamp| stamp.size), None)?;
                }
                Some(Kind::Symlink) if self.links => {
                    let target =
                        folder.read_link(last).map_err(|e| Error::io(OPERATION, shown.display(), e))?;
                    self.add(name, 0, Some(target.unwrap_or_default()))?;
                }
                Some(kind) => return Err(no_file(&name, kind.name())),
                // Gone since the listing.
                None => {}
            }
            parts.pop();
        }
        Ok(())
    }

    fn add(&mut self, name: String, size: u64, link: Option<String>) -> Result<(), Error> {
        if self.max <= self.files.len() {
            let error = Error::new(ErrorKind::TooLarge, OPERATION, "the folder");
            return Err(error.with_detail(format!("more than {} files", self.max)));
        }
        self.files.push(Found { name, size, link });
        Ok(())
    }
}

/// What an import has taken into the store so far.
#[derive(Debug)]
pub(super) struct Intake<'a, S: ?Sized> {
    store: &'a S,
    meter: Meter,
    written: BTreeMap<content_id::Digest, u64>,
}

impl<'a, S: BlobStore + ?Sized> Intake<'a, S> {
    pub(super) fn new(store: &'a S, meter: Meter) -> Self {
        Self { store, meter, written: BTreeMap::new() }
    }

    /// Takes a file that is known to be right without being read.
    pub(super) fn known(&self, id: content_id::ContentId) {
        self.meter.bytes(id.size);
        self.meter.file();
    }

    pub(super) async fn file(
        &mut self,
        name: &str,
        file: std::fs::File,
        wanted: Wanted,
    ) -> Result<content_id::ContentId, Error> {
        let Taken { id, written } = take(self.store, file, OPERATION, name, wanted, &self.meter).await?;
        if written {
            self.written.insert(id.digest, id.size);
        }
        self.meter.file();
        Ok(id)
    }

    pub(super) async fn finish(self, manifest: Manifest, replace: bool) -> Result<Imported, Error> {
        let (manifest, version) = settle(self.store, OPERATION, manifest, replace).await?;
        Ok(Imported {
            manifest,
            version,
            written_blobs: self.written.len() as u64,
            written_bytes: self.written.values().sum(),
        })
    }
}
