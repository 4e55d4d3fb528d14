//! A model out of a store, into a plain folder.

use std::{io, io::Write, path::Path};

use content_id::{ContentId, Hasher};
use futures::TryStreamExt;

use super::{
    folder::{Folder, Kind, Temporary},
    intake::hash_file,
    names,
    progress::{Meter, Observer},
};
use crate::{BlobStore, Error, ErrorKind, Manifest, blocking::run};

const OPERATION: &str = "export";

/// Times that a file is made again because somebody cleaned it away before it had its name.
const ATTEMPTS: usize = 4;

/// How the bytes of a model get into a folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExportMode {
    /// Reflinks where the file system has them and the store keeps local files, else copies.
    #[default]
    Best,
    /// Files that share their blocks with the store until one of the two is changed. Takes no space, and is as safe as
    /// a copy.
    Reflink,
    /// Further names for the store's own files. Takes no space, but **whoever writes into such a file, or changes its
    /// mode, destroys the blob in the store** for everybody who uses it; only the mode 0444 is in the way. Never
    /// chosen unless asked for.
    HardLink,
    /// Files of their own.
    Copy,
}

/// How a model is exported.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ExportOptions {
    /// How the bytes get there.
    pub mode: ExportMode,
    /// Whether files that are in the way are replaced; otherwise they are an error.
    pub replace: bool,
    /// Is told how far it is.
    pub observer: Observer,
}

impl ExportOptions {
    /// Sets how the bytes get there.
    #[must_use]
    pub fn mode(self, mode: ExportMode) -> Self {
        Self { mode, ..self }
    }

    /// Sets whether files that are in the way are replaced.
    #[must_use]
    pub fn replace(self, replace: bool) -> Self {
        Self { replace, ..self }
    }

    /// Sets who is told how far it is.
    #[must_use]
    pub fn observer(self, observer: Observer) -> Self {
        Self { observer, ..self }
    }
}

/// What an export did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exported {
    /// Files that were there already, with the right bytes.
    pub kept: u64,
    /// Files that share blocks with the store.
    pub reflinked: u64,
    /// Files that are the store's own.
    pub linked: u64,
    /// Files that were copied.
    pub copied: u64,
    /// Bytes of all files, those that were there included.
    pub bytes: u64,
}

/// How one file came to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Kept,
    Reflinked,
    Linked,
    Copied,
}

/// Writes the files of `manifest` into `folder`, which is created where it is missing.
///
/// - Every file has its name only when it is whole: its bytes were hashed, and synced to the disk, before. A file
///   that is there with the right bytes is kept, so an export that was interrupted goes on where it was; what its
///   killed process left behind (`.blob-store-*.tmp`) is removed.
/// - The names in a manifest are foreign data. All are checked before anything is written, by
///   [`check_file_name`](crate::check_file_name); two that some file system takes for one are refused, too. Nothing
///   is written outside of `folder`, and no symlink in it is followed, not even one planted meanwhile (on Unix;
///   elsewhere one is noticed if it was there before). `folder` itself may be a symlink.
/// - Other files in the folder are left alone.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use blob_store::{BlobStoreExt, ExportOptions, FileEntry, FsStore, Manifest, ManifestName, export_model};
///
/// let dir = tempfile::tempdir()?;
/// let store = FsStore::open(dir.path().join("store"))?;
/// let mut manifest = Manifest::new(ManifestName::new("hub.example", "org/name", "main"), 1_700_000_000);
/// let id = store.put_bytes("{}".into()).await?;
/// manifest.files.insert("onnx/config.json".into(), FileEntry::new(id, 1_700_000_000));
///
/// let out = dir.path().join("out");
/// export_model(&store, &manifest, &out, &ExportOptions::default()).await?;
/// assert_eq!(std::fs::read_to_string(out.join("onnx/config.json"))?, "{}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// `UnsafeName` and `Incomplete` (a blob is missing) before anything is written; `Occupied` if something else is in a
/// file's or folder's place; `Damaged` if a blob is; `Invalid` if the mode is impossible for this store; `NoSpace`;
/// `Backend`, also if the file system cannot do what the mode asks for. What was exported before the error stays.
pub async fn export_model<S: BlobStore + ?Sized>(
    store: &S,
    manifest: &Manifest,
    folder: &Path,
    options: &ExportOptions,
) -> Result<Exported, Error> {
    names::tree(manifest.files.keys())?;
    for (name, file) in &manifest.files {
        if !store.contains(file.content).await? {
            let subject = format_args!("manifest {}", manifest.name);
            let detail = format!("{name}, {}", file.content);
            return Err(Error::new(ErrorKind::Incomplete, OPERATION, subject).with_detail(detail));
        }
    }
    let total = manifest.files.values().fold(0, |sum: u64, file| sum.saturating_add(file.content.size));
    let export = Export {
        store,
        options,
        meter: Meter::new(&options.observer, manifest.files.len(), total),
        root: {
            let path = folder.to_owned();
            run(move || Folder::create(&path).map_err(|e| fail(&path.display().to_string(), e))).await?
        },
    };
    let mut files = Vec::with_capacity(manifest.files.len());
    for (name, file) in &manifest.files {
        let mut parts = names::parts(name)?;
        let last = parts.pop().unwrap_or(name);
        files.push((parts, last, file.content));
    }
    files.sort();
    let (mut exported, mut reflinks) = (Exported::default(), true);
    for group in files.chunk_by(|one, other| one.0 == other.0) {
        let folder = export.enter(&group[0].0).await?;
        for (_, name, id) in group {
            let how = export.file(&folder, name, *id, &mut reflinks).await?;
            *(match how {
                How::Kept => &mut exported.kept,
                How::Reflinked => &mut exported.reflinked,
                How::Linked => &mut exported.linked,
                How::Copied => &mut exported.copied,
            }) += 1;
            exported.bytes = exported.bytes.saturating_add(id.size);
            export.meter.file();
        }
        run(move || folder.sync().map_err(|e| fail(&folder.path().display().to_string(), e))).await?;
    }
    Ok(exported)
}

/// One export.
struct Export<'a, S: ?Sized> {
    store: &'a S,
    options: &'a ExportOptions,
    meter: Meter,
    root: Folder,
}

impl<S: BlobStore + ?Sized> Export<'_, S> {
    /// Opens the folder `parts` below the root, created where it is missing.
    async fn enter(&self, parts: &[&str]) -> Result<Folder, Error> {
        let (mut folder, parts) = (self.root.clone(), parts.iter().map(|part| (*part).to_owned()).collect());
        run(move || {
            let parts: Vec<String> = parts;
            for part in parts {
                let path = folder.path().join(&part);
                folder = folder.make_child(&part).map_err(|error| match error.kind() {
                    io::ErrorKind::NotADirectory => occupied(&path).with_source(error),
                    _ => fail(&path.display().to_string(), error),
                })?;
            }
            folder.clean().map_err(|e| fail(&folder.path().display().to_string(), e))?;
            Ok(folder)
        })
        .await
    }

    async fn file(
        &self,
        folder: &Folder,
        name: &str,
        id: ContentId,
        reflinks: &mut bool,
    ) -> Result<How, Error> {
        use io::ErrorKind::{AlreadyExists, NotFound};

        let shown = folder.path().join(name).display().to_string();
        for _ in 0..ATTEMPTS {
            if self.is_there(folder, name, id).await? {
                return Ok(How::Kept);
            }
            let (temporary, how) = self.make(folder, id, &shown, reflinks).await?;
            let (target, replace, subject) = (name.to_owned(), self.options.replace, shown.clone());
            let named = run(move || match temporary.persist(&target, replace) {
                Ok(()) => Ok(true),
                // Somebody else's export cleaned it away before it was locked, or was faster.
                Err(error) if matches!(error.kind(), NotFound | AlreadyExists) => Ok(false),
                Err(error) => Err(fail(&subject, error)),
            });
            if named.await? {
                return Ok(how);
            }
        }
        Err(occupied(Path::new(&shown)).with_detail("it comes and goes"))
    }

    /// Whether the right bytes are there already; an error if something else is that has to stay.
    async fn is_there(&self, folder: &Folder, name: &str, id: ContentId) -> Result<bool, Error> {
        let path = folder.path().join(name);
        let found = {
            let (folder, name, shown) = (folder.clone(), name.to_owned(), path.display().to_string());
            run(move || match folder.kind(&name).map_err(|e| fail(&shown, e))? {
                None => Ok(None),
                Some(Kind::File) => folder.file(&name).map_err(|e| fail(&shown, e)),
                Some(kind) => Err(occupied(Path::new(&shown)).with_detail(format!("it is {}", kind.name()))),
            })
            .await?
        };
        let Some(file) = found else { return Ok(false) };
        let shown = path.display().to_string();
        let size = file.metadata().map_err(|e| fail(&shown, e))?.len();
        if size == id.size && hash_file(file, OPERATION, &shown, None).await?.1 == id {
            self.meter.bytes(id.size);
            return Ok(true);
        }
        match self.options.replace {
            true => Ok(false),
            false => Err(occupied(&path).with_detail("it is another file")),
        }
    }

    /// Makes the file, checked and durable, without its name.
    async fn make(
        &self,
        folder: &Folder,
        id: ContentId,
        shown: &str,
        reflinks: &mut bool,
    ) -> Result<(Temporary, How), Error> {
        let mode = self.options.mode;
        let local = self.store.local_path(id);
        if matches!(mode, ExportMode::Reflink | ExportMode::HardLink) && local.is_none() {
            let detail = "the store keeps no local files, so that they can only be copied";
            return Err(Error::blob(ErrorKind::Invalid, OPERATION, id).with_detail(detail));
        }
        if let (Some(path), ExportMode::HardLink) = (&local, mode) {
            let (folder, path, subject) = (folder.clone(), path.clone(), shown.to_owned());
            let linked = run(move || folder.temporary_link(&path).map_err(|e| fail(&subject, e))).await?;
            self.check(&linked, id, shown).await?;
            return Ok((linked, How::Linked));
        }
        let try_reflink = mode == ExportMode::Reflink || mode == ExportMode::Best && *reflinks;
        if let (Some(path), true) = (local, try_reflink) {
            match self.reflink(folder, &path, shown).await {
                Ok(cloned) => {
                    self.check(&cloned, id, shown).await?;
                    return Ok((self.synced(cloned, shown).await?, How::Reflinked));
                }
                Err(error) if mode == ExportMode::Reflink => return Err(error),
                // It will not work for the next one either.
                Err(_) => *reflinks = false,
            }
        }
        let copied = self.copy(folder, id, shown).await?;
        Ok((self.synced(copied, shown).await?, How::Copied))
    }

    async fn reflink(&self, folder: &Folder, from: &Path, shown: &str) -> Result<Temporary, Error> {
        let (folder, from, shown) = (folder.clone(), from.to_owned(), shown.to_owned());
        run(move || {
            let clone = || {
                let parent = from.parent().unwrap_or(Path::new("."));
                let name = from.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                let source = Folder::open(parent)?.file(name)?.ok_or(io::ErrorKind::NotFound)?;
                let mut temporary = folder.temporary()?;
                temporary.clone_from(&source)?;
                Ok(temporary)
            };
            clone().map_err(|e| fail(&shown, e).with_detail("its blocks could not be shared with the store"))
        })
        .await
    }

    async fn copy(&self, folder: &Folder, id: ContentId, shown: &str) -> Result<Temporary, Error> {
        let mut stream = self.store.read(id, 0..id.size).await?;
        let mut temporary = {
            let (folder, shown) = (folder.clone(), shown.to_owned());
            run(move || folder.temporary().map_err(|e| fail(&shown, e))).await?
        };
        let mut hasher = Hasher::default();
        while let Some(piece) = stream.try_next().await? {
            let (shown, length) = (shown.to_owned(), piece.len() as u64);
            (temporary, hasher) = run(move || {
                hasher.update(&piece);
                let mut file = temporary.file().map_err(|e| fail(&shown, e))?;
                file.write_all(&piece).map_err(|e| fail(&shown, e))?;
                Ok((temporary, hasher))
            })
            .await?;
            self.meter.bytes(length);
        }
        match hasher.finish() == id {
            true => Ok(temporary),
            false => Err(Error::blob(ErrorKind::Damaged, OPERATION, id)),
        }
    }

    /// Reads what was cloned or linked once more.
    async fn check(&self, temporary: &Temporary, id: ContentId, shown: &str) -> Result<(), Error> {
        let file = temporary.file().and_then(std::fs::File::try_clone).map_err(|e| fail(shown, e))?;
        match hash_file(file, OPERATION, shown, Some(&self.meter)).await?.1 == id {
            true => Ok(()),
            false => Err(Error::blob(ErrorKind::Damaged, OPERATION, id)),
        }
    }

    async fn synced(&self, temporary: Temporary, shown: &str) -> Result<Temporary, Error> {
        let shown = shown.to_owned();
        run(move || {
            temporary.file().and_then(std::fs::File::sync_all).map_err(|e| fail(&shown, e))?;
            Ok(temporary)
        })
        .await
    }
}

fn fail(path: &str, error: io::Error) -> Error {
    Error::io(OPERATION, format_args!("{path}"), error)
}

fn occupied(path: &Path) -> Error {
    Error::new(ErrorKind::Occupied, OPERATION, path.display())
}
