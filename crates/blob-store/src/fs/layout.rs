//! Where things are in the folder, and how folders and files are opened and made durable.

use std::{
    collections::HashSet,
    fs::{self, DirBuilder, File, Metadata, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use tempfile::NamedTempFile;

use super::{Durability, FsOptions};
use crate::{Error, ErrorKind};

/// The version of the folder's layout that this crate writes, and the highest it works on.
const LAYOUT_VERSION: u64 = 1;

const FORMAT_FILE: &str = "format.json";

/// Bytes of the format file that are looked at.
const FORMAT_BYTES: u64 = 64 << 10;

/// The folder of a store.
#[derive(Debug)]
pub(super) struct Layout {
    root: PathBuf,
    options: FsOptions,
    /// Folders whose entry in their parent is known to be on the disk.
    durable: Mutex<HashSet<PathBuf>>,
}

impl Layout {
    pub(super) fn open(root: PathBuf, options: FsOptions) -> Result<Self, Error> {
        let layout = Self { root, options, durable: Mutex::default() };
        layout.check_format()?;
        Ok(layout)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn options(&self) -> &FsOptions {
        &self.options
    }

    /// Returns whether the store has a format file, and that it is one this crate can work with.
    fn check_format(&self) -> Result<bool, Error> {
        #[derive(serde::Deserialize)]
        struct Format {
            format_version: u64,
        }
        let path = self.root.join(FORMAT_FILE);
        let fail = |kind| Error::new(kind, "open", format_args!("store {}", self.root.display()));
        let Some((mut file, metadata)) = open_file(&path).map_err(|e| self.fail("open", e))? else {
            return Ok(false);
        };
        if metadata.len() > FORMAT_BYTES {
            return Err(fail(ErrorKind::Damaged).with_detail(FORMAT_FILE));
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(|e| self.fail("open", e))?;
        let format: Format = serde_json::from_slice(&text)
            .map_err(|e| fail(ErrorKind::Damaged).with_detail(FORMAT_FILE).with_source(e))?;
        if format.format_version > LAYOUT_VERSION {
            let detail = format!("layout version {}, known up to {LAYOUT_VERSION}", format.format_version);
            return Err(fail(ErrorKind::Unsupported).with_detail(detail));
        }
        Ok(true)
    }

    /// The folder `parts` below the root, for writing: created where it is missing.
    pub(super) fn folder(&self, parts: &[&str]) -> Result<PathBuf, Error> {
        self.prepare()?;
        let mut path = self.root.clone();
        for part in parts {
            path.push(part);
            let created = make_folder(&path).map_err(|e| self.fail("create", e).with_detail(show(&path)))?;
            self.settle(&path, created)?;
        }
        Ok(path)
    }

    /// Makes sure that the root is there, with its format file.
    fn prepare(&self) -> Result<(), Error> {
        if self.lock().contains(&self.root) && self.root.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(&self.root).map_err(|e| self.fail("create", e))?;
        if !self.check_format()? {
            let text =
                format!("{{\n  \"format_version\": {LAYOUT_VERSION},\n  \"format\": \"blob-store\"\n}}\n");
            let made = || -> io::Result<()> {
                let mut file = read_only_file(&self.root, ".format-")?;
                file.write_all(text.as_bytes())?;
                self.sync_file(file.as_file())?;
                match file.persist_noclobber(self.root.join(FORMAT_FILE)) {
                    // Another process was faster.
                    Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                    other => other.map(|_| ()).map_err(|e| e.error),
                }
            };
            made().map_err(|e| self.fail("create", e))?;
            self.sync_folder(&self.root).map_err(|e| self.fail("create", e))?;
        }
        let root = self.root.clone();
        self.settle(&root, true)
    }

    /// Makes the entry of a folder in its parent durable, once.
    fn settle(&self, path: &Path, created: bool) -> Result<(), Error> {
        if !created && self.lock().contains(path) {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            self.sync_folder(parent).map_err(|e| self.fail("create", e).with_detail(show(path)))?;
        }
        self.lock().insert(path.to_owned());
        Ok(())
    }

    /// The folder `parts` below the root, for reading; nothing if it is not there.
    pub(super) fn existing(&self, parts: &[&str]) -> Result<Option<PathBuf>, Error> {
        let mut path = self.root.clone();
        for part in parts {
            path.push(part);
            match fs::symlink_metadata(&path) {
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

    /// The names in a folder, as far as they are text; everything in a store is ASCII.
    pub(super) fn names(&self, folder: &Path) -> Result<Vec<String>, Error> {
        let fail = |e| self.fail("list", e).with_detail(show(folder));
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => return Ok(Vec::new()),
            Err(error) => return Err(fail(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            names.extend(entry.map_err(fail)?.file_name().into_string().ok());
        }
        Ok(names)
    }

    /// Makes the content of a file durable. A failure is final: a second try would report success for lost data.
    pub(super) fn sync_file(&self, file: &File) -> io::Result<()> {
        match self.options.durability {
            Durability::Full => file.sync_all(),
            Durability::ProcessCrashOnly => Ok(()),
        }
    }

    /// Makes the entries of a folder durable.
    pub(super) fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        match self.options.durability {
            #[cfg(unix)]
            Durability::Full => File::open(folder)?.sync_all(),
            _ => Ok(()),
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

/// Creates one folder; returns whether it was not there. What is no folder is not followed or replaced.
fn make_folder(path: &Path) -> io::Result<bool> {
    match DirBuilder::new().create(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            match fs::symlink_metadata(path)?.is_dir() {
                true => Ok(false),
                false => Err(io::Error::new(io::ErrorKind::NotADirectory, "not a folder")),
            }
        }
        Err(error) => Err(error),
    }
}

/// Whether the error says that there is nothing of this name.
pub(super) fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

/// What is no plain file, or what replaced one while it was opened.
pub(super) fn not_a_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not a plain file")
}

/// Opens a plain file for reading; nothing if it is not there. Anything else of that name (a symlink, a FIFO, a
/// device) is `InvalidData`, and opening it neither hangs nor has an effect.
pub(super) fn open_file(path: &Path) -> io::Result<Option<(File, Metadata)>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Err(not_a_file()),
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    // In case it was exchanged since the look at it.
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = match options.open(path) {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok(Some((file, metadata))) } else { Err(not_a_file()) }
}

/// Creates a file of an unused name, with mode 0444 less the umask, that goes away unless it is persisted.
pub(super) fn read_only_file(folder: &Path, prefix: &str) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix).rand_bytes(16);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o444));
    builder.tempfile_in(folder)
}
