//! The files of an installed model, as a pipeline reads them.

use std::{collections::BTreeMap, io, sync::Arc};

use blob_store::{BlobStore, BlobStoreExt, Manifest, Reason};
use bytes::Bytes;
use content_id::ContentId;
use pipelines::ModelFiles;

use crate::{Error, ErrorKind};

/// Files up to this size are read into memory; larger ones are mapped, where the store has local files.
const READ_UP_TO: u64 = 1 << 20;

/// The largest file that is read into memory, from a store that has no local files.
const MAX_READ_BYTES: u64 = 4 << 30;

/// The files of one manifest, read or mapped, and hashed again.
#[derive(Debug)]
pub(crate) struct StoredFiles {
    files: BTreeMap<String, Bytes>,
}

impl StoredFiles {
    /// Opens all files of `manifest`, from local copies where the store can have them. One that is damaged is put out of the way, so that it is fetched again.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotInstalled`] if a file is missing, or was damaged; [`ErrorKind::Untrusted`] if it is damaged
    /// and the store cannot be written to.
    pub(crate) async fn open(store: &Arc<dyn BlobStore>, manifest: &Manifest) -> Result<Self, Error> {
        let ids: Vec<ContentId> =
            manifest.blobs().into_iter().map(|(digest, size)| ContentId::new(digest, size)).collect();
        // Where a local copy can be made it is mapped; where it cannot, the files are read from where they are.
        let _ = store.ensure_local(&ids).await;
        let mut files = BTreeMap::new();
        for (path, entry) in &manifest.files {
            let Some(bytes) =
                read(store, entry.content).await.map_err(|error| missing(manifest, path, error))?
            else {
                return Err(damaged(store, manifest, path, entry.content).await);
            };
            files.insert(path.clone(), bytes);
        }
        Ok(Self { files })
    }
}

/// Returns the bytes of a blob; nothing, if they are not the ones it is named after.
async fn read(store: &Arc<dyn BlobStore>, id: ContentId) -> Result<Option<Bytes>, Error> {
    let Some(local) = store.local_path(id).filter(|_| READ_UP_TO < id.size) else {
        return match store.read_all(id, MAX_READ_BYTES).await {
            Err(error) if error.kind() == blob_store::ErrorKind::Damaged => Ok(None),
            read => Ok(Some(read?)),
        };
    };
    let map = move || {
        let bytes = runtime::map_file(&local)?;
        Ok((ContentId::of(&bytes) == id).then_some(bytes))
    };
    let mapped = tokio::task::spawn_blocking(map)
        .await
        .map_err(io::Error::other)
        .and_then(|mapped: Result<_, runtime::Error>| mapped.map_err(io::Error::other));
    mapped.map_err(|error| Error::new(ErrorKind::Storage, "the model store failed").with_source(error))
}

/// Says which file of which model cannot be had, and how to get it back.
fn missing(manifest: &Manifest, path: &str, error: Error) -> Error {
    let hint = "fetch the model again while online: mlmgr pull";
    let what = format!("file {path} of {} cannot be read", manifest.name);
    let error = if error.kind() == ErrorKind::NotInstalled { error.with_hint(hint) } else { error };
    error.about(what)
}

/// Puts a damaged file out of the way, and says that it was.
async fn damaged(store: &Arc<dyn BlobStore>, manifest: &Manifest, path: &str, id: ContentId) -> Error {
    let what = format!("file {path} of {} is damaged in the store", manifest.name);
    match store.quarantine(id.digest, Reason::Damaged).await {
        Ok(_) => Error::new(ErrorKind::NotInstalled, what)
            .with_hint("fetch the model again while online: mlmgr pull"),
        Err(error) => Error::new(ErrorKind::Untrusted, what)
            .with_hint("make the store's folder writable, then fetch the model again: mlmgr pull")
            .with_source(error),
    }
}

impl ModelFiles for StoredFiles {
    fn read(&self, path: &str) -> Result<Option<Bytes>, io::Error> {
        Ok(self.files.get(path).cloned())
    }

    fn names(&self) -> Vec<String> {
        self.files.keys().cloned().collect()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use blob_store::{FileEntry, FsStore, ManifestName, TieredStore};

    use super::*;

    #[tokio::test]
    async fn what_only_the_shared_store_has_is_mapped() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let fs = |name: &str| Arc::new(FsStore::open(folder.path().join(name)).expect("a store"));
        let (local, shared) = (fs("local"), fs("shared"));
        let large = vec![7; 2 * READ_UP_TO as usize];
        let id = shared.put_bytes(large.clone().into()).await.expect("it is put");
        let mut manifest = Manifest::new(ManifestName::new("hub.example", "org/name", "v1"), 1);
        manifest.files.insert("weights".to_owned(), FileEntry::new(id, 1));
        shared.put_manifest(&manifest, None).await.expect("it is complete");

        let store: Arc<dyn BlobStore> = Arc::new(TieredStore::new(Arc::clone(&local) as _, shared));
        let files = StoredFiles::open(&store, &manifest).await.expect("it is there");
        let path = local.local_path(id).expect("it is here now");
        let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux has it");
        assert!(maps.contains(&path.display().to_string()), "not mapped: {}", path.display());
        assert_eq!(files.files["weights"], large);
    }
}
