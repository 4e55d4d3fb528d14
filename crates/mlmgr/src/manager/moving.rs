//! Models out of the store and into it: folders, other caches, and bundles.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use blob_store::{
    BlobStoreExt, BundleOptions, CacheOptions, ExportMode, ExportOptions, Exported, ImportOptions, Imported,
    ManifestName, Observer, export_model, import_folder, import_hugging_face_cache, read_bundle,
    write_bundle,
};
use content_id::Digest;
use hub_layout::{ModelId, Revision, Task};
use serde::Serialize;

use super::Manager;
use crate::{Error, ErrorKind, Selection, Target};

/// What was written for a model that left the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ExportedModel {
    /// The hub it came from.
    pub hub: String,
    /// The model.
    pub model: String,
    /// Its revision.
    pub revision: String,
    /// How many files it has.
    pub files: u64,
    /// The size of its files together.
    pub bytes: u64,
    /// Files that were there already, with the right bytes.
    pub kept: u64,
    /// Files that share their blocks with the store.
    pub reflinked: u64,
    /// Files that are the store's own.
    pub linked: u64,
    /// Of a bundle, the digest that stands for all of it.
    pub digest: Option<Digest>,
}

/// A model that came into the store by another way than a download.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ImportedModel {
    /// The name under which it is in use.
    pub usage: String,
    /// The hub it counts for.
    pub hub: String,
    /// The model.
    pub model: String,
    /// Its revision.
    pub revision: String,
    /// The commit that the revision stood for, where that is known.
    pub commit: Option<String>,
    /// How many files it has.
    pub files: u64,
    /// The size of its files together.
    pub bytes: u64,
    /// How many bytes the store did not have yet.
    pub written: u64,
}

/// Where a model comes from that is not downloaded.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ImportSource {
    /// A bundle; `expected` is the digest that stands for all of it, where it is known.
    Bundle {
        /// The file.
        file: PathBuf,
        /// What [`ExportedModel::digest`] said when it was written.
        expected: Option<Digest>,
    },
    /// A folder with the files of a model.
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The model that they are.
        model: ModelId,
        /// Its revision.
        revision: Revision,
    },
    /// A cache of Hugging Face's own clients.
    HuggingFaceCache {
        /// The folder that holds `models--...`.
        folder: PathBuf,
        /// The model.
        model: ModelId,
        /// Its revision.
        revision: Revision,
    },
}

impl Manager {
    /// Writes the files of an installed model into a folder, by reflink or copy unless `mode` says otherwise. Makes no
    /// request.
    ///
    /// Files are checked while they are written, and what is there already is kept. Files that are in the way are
    /// replaced only if `replace` says so.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotInstalled`]; [`ErrorKind::Ambiguous`] if several revisions are installed and none is named;
    /// [`ErrorKind::InvalidModel`] if a file's name is not safe as a path; [`ErrorKind::InvalidInput`] if something is
    /// in the way; [`ErrorKind::NoSpace`]; [`ErrorKind::Storage`].
    pub async fn export(
        &self,
        target: &Target,
        folder: &Path,
        mode: ExportMode,
        replace: bool,
        observer: Observer,
    ) -> Result<ExportedModel, Error> {
        let name = self.installed_name(target).await?;
        let manifest = self.complete_manifest(&name).await?.ok_or_else(|| not_installed(target, &[]))?;
        let options = ExportOptions::default().mode(mode).replace(replace).observer(observer);
        let done: Exported = export_model(&*self.inner.store, &manifest, folder, &options)
            .await
            .map_err(|error| Error::from_moving(error, &format!("{target} cannot be exported")))?;
        Ok(ExportedModel {
            kept: done.kept,
            reflinked: done.reflinked,
            linked: done.linked,
            bytes: done.bytes,
            ..exported(name, manifest.files.len())
        })
    }

    /// Writes an installed model into one file, for another machine. Makes no request.
    ///
    /// The file has its name only when it is whole and on the disk.
    ///
    /// # Errors
    ///
    /// As for [`export`](Self::export).
    pub async fn export_bundle(
        &self,
        target: &Target,
        file: &Path,
        replace: bool,
        observer: Observer,
    ) -> Result<ExportedModel, Error> {
        let name = self.installed_name(target).await?;
        let manifest = self.complete_manifest(&name).await?.ok_or_else(|| not_installed(target, &[]))?;
        let fail = |e: io::Error| cannot_write(file, e);
        if !replace && fs::symlink_metadata(file).is_ok() {
            return Err(fail(io::ErrorKind::AlreadyExists.into()));
        }
        let part = Part::create(file).map_err(fail)?;
        let writer = part.file.try_clone().map_err(fail)?;
        let (bundled, writer) = write_bundle(&*self.inner.store, &name, writer, &observer).await?;
        let file = file.to_owned();
        let named = move || {
            writer.sync_all().and_then(|()| part.persist(&file, replace)).map_err(|e| cannot_write(&file, e))
        };
        let joined = tokio::task::spawn_blocking(named).await;
        joined.map_err(|e| Error::new(ErrorKind::Failed, "the work was cut off").with_source(e))??;
        let mut model = exported(name, manifest.files.len());
        (model.bytes, model.digest) = (bundled.bytes, Some(bundled.manifest));
        Ok(model)
    }

    /// Takes a model into the store and into use under its own name, as [`pull`](Self::pull) of a model by name does
    /// for `task`. Makes no request.
    ///
    /// What is imported is checked against what its source says of itself; that it is the model it claims to be only
    /// the caller knows, unless a bundle's digest is expected. A folder and a cache count for this manager's hub; a
    /// bundle says which hub its model is from.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Untrusted`] if bytes are not what the source or `expected` says, or nothing says what they should
    /// be; [`ErrorKind::NotFound`] if there is no such source; [`ErrorKind::InvalidModel`] for a file name that is
    /// not safe, or something that is no file; [`ErrorKind::InvalidInput`] if other files are installed under this
    /// name and `replace` is not set; [`ErrorKind::LimitExceeded`]; [`ErrorKind::NoSpace`]; [`ErrorKind::Storage`].
    pub async fn import(
        &self,
        source: &ImportSource,
        task: Task,
        replace: bool,
        observer: Observer,
    ) -> Result<ImportedModel, Error> {
        self.heal().await;
        let (store, now, hub) = (&*self.inner.store, self.now_seconds(), self.inner.hub.id());
        let imported = match source {
            ImportSource::Bundle { file, expected } => {
                let reader = File::open(file).map_err(|e| cannot_read(file, e))?;
                let mut options = BundleOptions::default().replace(replace).observer(observer);
                options.expected = *expected;
                read_bundle(store, reader, now, &options).await
            }
            ImportSource::Folder { folder, model, revision } => {
                let name = ManifestName::new(hub, model.to_string(), revision.to_string());
                let options = ImportOptions::default().replace(replace).observer(observer);
                import_folder(store, folder, name, now, &options).await
            }
            ImportSource::HuggingFaceCache { folder, model, revision } => {
                let options = CacheOptions::default().hub(hub).replace(replace).observer(observer);
                let (model, revision) = (model.to_string(), revision.to_string());
                import_hugging_face_cache(store, folder, &model, &revision, now, &options).await
            }
        };
        let Imported { manifest, written_bytes, .. } =
            imported.map_err(|error| Error::from_moving(error, "the model cannot be imported"))?;
        let parsed =
            manifest.name.model.parse().and_then(|model| Ok((model, manifest.name.revision.parse()?)));
        let (model, revision) = match parsed {
            Ok(parsed) => parsed,
            Err(error) => {
                // Nobody could name it to use or remove it.
                self.remove_unused(&manifest.name).await?;
                let message = "the model's name makes no sense";
                return Err(Error::new(ErrorKind::InvalidModel, message).with_source(error));
            }
        };
        let selection = Selection::of_model(model, Some(revision), task, None);
        self.switch(&selection, &manifest, None, None).await?;
        Ok(ImportedModel {
            usage: selection.usage,
            files: manifest.files.len() as u64,
            bytes: manifest.bytes(),
            written: written_bytes,
            commit: manifest.commit,
            hub: manifest.name.hub,
            model: manifest.name.model,
            revision: manifest.name.revision,
        })
    }

    /// Finds the one installed model that `target` names.
    async fn installed_name(&self, target: &Target) -> Result<ManifestName, Error> {
        self.heal().await;
        let usage = match target {
            Target::Query(query) => query.to_string(),
            Target::Runtime(name) => super::runtime_files::usage(name),
            Target::Model(model, revision) => {
                let (model, revision) = (model.to_string(), revision.as_ref().map(ToString::to_string));
                let all = self.inner.store.manifests().await?;
                let names: Vec<ManifestName> = all.into_iter().map(|manifest| manifest.name).collect();
                let fits = |name: &&ManifestName| {
                    name.model == model && revision.as_ref().is_none_or(|wanted| name.revision == *wanted)
                };
                let found: Vec<&ManifestName> = names.iter().filter(fits).collect();
                return match found[..] {
                    [name] => Ok(name.clone()),
                    [] => Err(not_installed(target, &names)),
                    _ => {
                        let found: Vec<String> = found.into_iter().map(ToString::to_string).collect();
                        let message = format!("{target} may be {}", crate::resolve::listed(&found));
                        Err(Error::new(ErrorKind::Ambiguous, message).with_hint("name the revision"))
                    }
                };
            }
        };
        match self.inner.store.pin(&usage).await? {
            Some((pin, _)) => Ok(pin.manifest),
            None => Err(not_installed(target, &[])),
        }
    }
}

fn exported(name: ManifestName, files: usize) -> ExportedModel {
    ExportedModel {
        hub: name.hub,
        model: name.model,
        revision: name.revision,
        files: files as u64,
        bytes: 0,
        kept: 0,
        reflinked: 0,
        linked: 0,
        digest: None,
    }
}

fn not_installed(target: &Target, names: &[ManifestName]) -> Error {
    let there: Vec<String> = names.iter().map(|name| format!("{}@{}", name.model, name.revision)).collect();
    let installed = match there.is_empty() {
        true => String::new(),
        false => format!(" (installed: {})", crate::resolve::listed(&there)),
    };
    Error::new(ErrorKind::NotInstalled, format!("{target} is not installed{installed}"))
        .with_hint("see what is installed, and what uses it: mlmgr ls")
}

fn cannot_write(file: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::AlreadyExists => ErrorKind::InvalidInput,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::NoSpace,
        _ => ErrorKind::Storage,
    };
    let here = Error::new(kind, format!("{} cannot be written", file.display())).with_source(error);
    if kind == ErrorKind::InvalidInput { here.with_hint("to replace what is there: --replace") } else { here }
}

fn cannot_read(file: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        _ => ErrorKind::Storage,
    };
    Error::new(kind, format!("{} cannot be read", file.display())).with_source(error)
}

/// A file without its name, which goes away unless it gets it.
#[derive(Debug)]
struct Part {
    path: PathBuf,
    file: File,
}

impl Part {
    fn create(file: &Path) -> io::Result<Self> {
        let mut name = file.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let path = file.with_file_name(name);
        Ok(Self { file: File::create_new(&path)?, path })
    }

    /// Gives it its name; what is there already is replaced only where `replace` says so.
    fn persist(self, file: &Path, replace: bool) -> io::Result<()> {
        // A link fails where the name is taken, in one step; not every file system has links.
        match if replace { Err(io::ErrorKind::Unsupported.into()) } else { fs::hard_link(&self.path, file) } {
            Err(error) if !replace && error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            Err(_) => fs::rename(&self.path, file),
            Ok(()) => Ok(()),
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
