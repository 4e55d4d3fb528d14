//! The files of an installed model, as a pipeline reads them.

use std::{collections::BTreeMap, io, path::PathBuf, sync::Arc};

use blob_store::{BlobStore, BlobStoreExt, Manifest};
use bytes::Bytes;
use content_id::ContentId;
use pipelines::ModelFiles;

use crate::{Error, ErrorKind};

/// Files up to this size are read and hashed again when a model is opened; larger ones are mapped.
const READ_UP_TO: u64 = 1 << 20;

/// The largest file that is read into memory, from a store that has no local files.
const MAX_READ_BYTES: u64 = 4 << 30;

/// The files of one manifest, opened.
#[derive(Debug)]
pub(crate) struct StoredFiles {
    files: BTreeMap<String, Opened>,
}

#[derive(Debug)]
enum Opened {
    Read(Bytes),
    /// Mapped when it is asked for.
    Local(PathBuf, ContentId),
}

impl StoredFiles {
    /// Opens all files of `manifest`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotInstalled`] if a file is missing or damaged.
    pub(crate) async fn open(store: &Arc<dyn BlobStore>, manifest: &Manifest) -> Result<Self, Error> {
        let mut files = BTreeMap::new();
        for (path, entry) in &manifest.files {
            let opened = match store.local_path(entry.content) {
                Some(local) if READ_UP_TO < entry.content.size => Opened::Local(local, entry.content),
                _ => {
                    let read = store.read_all(entry.content, MAX_READ_BYTES).await;
                    Opened::Read(read.map_err(|error| broken(manifest, path, error))?)
                }
            };
            files.insert(path.clone(), opened);
        }
        Ok(Self { files })
    }
}

/// Says which file of which model cannot be had, and how to get it back.
fn broken(manifest: &Manifest, path: &str, error: blob_store::Error) -> Error {
    use blob_store::ErrorKind as Kind;
    let what = format!("file {path} of {} cannot be read", manifest.name);
    match error.kind() {
        Kind::NotFound | Kind::Damaged => Error::new(ErrorKind::NotInstalled, what)
            .with_hint("remove the model with mlmgr rm, and pull it again")
            .with_source(error),
        _ => Error::from(error).about(what),
    }
}

impl ModelFiles for StoredFiles {
    fn read(&self, path: &str) -> Result<Option<Bytes>, io::Error> {
        match self.files.get(path) {
            None => Ok(None),
            Some(Opened::Read(bytes)) => Ok(Some(bytes.clone())),
            Some(Opened::Local(local, content)) => {
                let bytes = runtime::map_file(local).map_err(io::Error::other)?;
                if bytes.len() as u64 != content.size {
                    let message = format!("it has {} bytes instead of {}", bytes.len(), content.size);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, message));
                }
                Ok(Some(bytes))
            }
        }
    }

    fn names(&self) -> Vec<String> {
        self.files.keys().cloned().collect()
    }
}
