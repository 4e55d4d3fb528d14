//! Where things are in the folder, and how folders and files are opened and made durable.

use std::{
    collections::HashSet,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use super::{
    Durability, FsOptions,
    calls::{Calls, is_absent},
    format::{self, Format},
};
use crate::{Error, ErrorKind};

/// The folder of a store.
#[derive(Debug)]
pub(super) struct Layout {
    root: PathBuf,
    options: FsOptions,
    calls: Calls,
    /// Folders whose entry in their parent is known to be on the disk.
    durable: Mutex<HashSet<PathBuf>>,
}

impl Layout {
    pub(super) fn open(root: PathBuf, options: FsOptions, calls: Calls) -> Result<Self, Error> {
        let layout = Self { root, options, calls, durable: Mutex::default() };
        format::check(&layout)?;
        Ok(layout)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn options(&self) -> &FsOptions {
        &self.options
    }

    /// The way to the operating system.
    pub(super) fn calls(&self) -> &Calls {
        &self.calls
    }

    /// The folder `parts` below the root, for writing: created where it is missing.
    pub(super) fn folder(&self, parts: &[&str]) -> Result<PathBuf, Error> {
        self.prepare()?;
        let mut path = self.root.clone();
        for part in parts {
            path.push(part);
            let created =
                self.calls.make_folder(&path).map_err(|e| self.fail("create", e).with_detail(show(&path)))?;
            self.settle(&path, created)?;
        }
        Ok(path)
    }

    /// The folder `parts` with these `names` in it, all created where they are missing, and made durable at once.
    pub(super) fn folders(&self, parts: &[&str], names: &[String]) -> Result<PathBuf, Error> {
        let folder = self.folder(parts)?;
        let mut new = Vec::new();
        for name in names {
            let path = folder.join(name);
            let created =
                self.calls.make_folder(&path).map_err(|e| self.fail("create", e).with_detail(show(&path)))?;
            if created || !self.lock().contains(&path) {
                new.push(path);
            }
        }
        if !new.is_empty() {
            self.sync_folder(&folder).map_err(|e| self.fail("create", e).with_detail(show(&folder)))?;
            self.lock().extend(new);
        }
        Ok(folder)
    }

    /// Makes sure that the root is there, with its format file.
    fn prepare(&self) -> Result<(), Error> {
        if self.lock().contains(&self.root)
            && self.calls.look_through(&self.root).is_ok_and(|found| found.is_dir())
        {
            return Ok(());
        }
        self.make_root()?;
        match format::check(self)? {
            Format::Sound => {}
            found => format::write(self, found).map_err(|e| self.fail("create", e))?,
        }
        self.lock().insert(self.root.clone());
        Ok(())
    }

    /// Makes the root and the folders above it, as far as they are missing, each durable before the next.
    fn make_root(&self) -> Result<(), Error> {
        let fail = |path: &Path, e| self.fail("create", e).with_detail(show(path));
        let mut missing = Vec::new();
        let mut there = Some(self.root.as_path());
        while let Some(path) = there.filter(|path| !path.as_os_str().is_empty()) {
            match self.calls.look_through(path) {
                Ok(found) if found.is_dir() => break,
                Ok(_) => return Err(fail(path, io::ErrorKind::NotADirectory.into())),
                Err(error) if is_absent(&error) => missing.push(path),
                Err(error) => return Err(fail(path, error)),
            }
            there = path.parent();
        }
        // Perhaps somebody just made it, and did not come to this. If it was made by somebody else, for a user who may
        // not read what is above it, that is his affair.
        match there.map_or(Ok(()), |path| self.sync_parent(path)) {
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => {
                return Err(fail(&self.root, error));
            }
            _ => {}
        }
        for path in missing.into_iter().rev() {
            self.calls.make_folder(path).and_then(|_| self.sync_parent(path)).map_err(|e| fail(path, e))?;
        }
        Ok(())
    }

    /// Makes the entry of a folder in its parent durable, once.
    fn settle(&self, path: &Path, created: bool) -> Result<(), Error> {
        if !created && self.lock().contains(path) {
            return Ok(());
        }
        self.sync_parent(path).map_err(|e| self.fail("create", e).with_detail(show(path)))?;
        self.lock().insert(path.to_owned());
        Ok(())
    }

    /// Makes the entry of a folder in its parent durable.
    fn sync_parent(&self, path: &Path) -> io::Result<()> {
        let Some(parent) = path.parent() else { return Ok(()) };
        self.sync_folder(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })
    }

    /// The folder `parts` below the root, for reading; nothing if it is not there.
    pub(super) fn existing(&self, parts: &[&str]) -> Result<Option<PathBuf>, Error> {
        let mut path = self.root.clone();
        for part in parts {
            path.push(part);
            match self.calls.look(&path) {
                Ok(metadata) if metadata.is_dir() => {}
                Ok(_) => {
                    let error =
                        Error::new(ErrorKind::Damaged, "open", format_args!("folder {}", path.display()));
                    return Err(error.with_detail("not a folder"));
                }
                Err(error) if is_absent(&error) => return Ok(None),
                Err(error) => return Err(self.fail("open", error).with_detail(show(&path))),
            }
        }
        Ok(Some(path))
    }

    /// As [`existing`](Self::existing), for what a listing found: something else than a folder is foreign, and as
    /// good as not there. Any other error is one: a listing that leaves something out makes it garbage.
    pub(super) fn listed(&self, parts: &[&str]) -> Result<Option<PathBuf>, Error> {
        match self.existing(parts) {
            Err(error) if error.kind() == ErrorKind::Damaged => Ok(None),
            other => other,
        }
    }

    /// The names in a folder, as far as they are text; everything in a store is ASCII.
    pub(super) fn names(&self, folder: &Path) -> Result<Vec<String>, Error> {
        match self.calls.names(folder) {
            Err(error) if is_absent(&error) => Ok(Vec::new()),
            other => other.map_err(|e| self.fail("list", e).with_detail(show(folder))),
        }
    }

    /// The names of plain files in a folder.
    pub(super) fn files(&self, folder: &Path) -> Result<Vec<String>, Error> {
        match self.calls.files(folder) {
            Err(error) if is_absent(&error) => Ok(Vec::new()),
            other => other.map_err(|e| self.fail("list", e).with_detail(show(folder))),
        }
    }

    /// Makes the content of a file durable. A failure is final: a second try would report success for lost data.
    pub(super) fn sync_file(&self, file: &File) -> io::Result<()> {
        match self.options.durability {
            Durability::Full => self.calls.sync_file(file),
            Durability::ProcessCrashOnly => Ok(()),
        }
    }

    /// Makes what was written to a file durable, but not when it was changed and who may read it. As final.
    pub(super) fn sync_data(&self, file: &File) -> io::Result<()> {
        match self.options.durability {
            Durability::Full => self.calls.sync_data(file),
            Durability::ProcessCrashOnly => Ok(()),
        }
    }

    /// Makes the entries of a folder durable.
    pub(super) fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        match self.options.durability {
            Durability::Full => self.calls.sync_folder(folder),
            Durability::ProcessCrashOnly => Ok(()),
        }
    }

    /// An error of the operating system about the store as a whole.
    pub(super) fn fail(&self, operation: &'static str, error: io::Error) -> Error {
        Error::io(operation, format_args!("store {}", self.root.display()), error)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<PathBuf>> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn show(path: &Path) -> String {
    path.display().to_string()
}
