//! Models out of a store and into one.

mod bundle;
mod cache;
mod export;
mod import;
mod names;

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use blob_store::{
    BlobStore, BlobStoreExt, Durability, FileEntry, FsOptions, FsStore, Manifest, ManifestName,
    ObjectStoreBackend,
};
use object_store::memory::InMemory;

/// An empty store of each kind: one with local files, one without.
fn stores(dir: &Path) -> [(&'static str, Arc<dyn BlobStore>); 2] {
    let options = FsOptions::default().durability(Durability::ProcessCrashOnly);
    let files = FsStore::open_with(dir.join("store"), options).expect("a new store");
    let objects = ObjectStoreBackend::new(Arc::new(InMemory::new()));
    [("files", Arc::new(files)), ("objects", Arc::new(objects))]
}

fn name() -> ManifestName {
    ManifestName::new("hub.example", "org/name", "main")
}

/// Puts a model with these files, and returns its manifest.
async fn put_model(store: &dyn BlobStore, files: &[(&str, &[u8])]) -> Manifest {
    let mut manifest = Manifest::new(name(), 1);
    for (name, content) in files {
        let id = store.put_bytes(content.to_vec().into()).await.expect("it is put");
        manifest.files.insert((*name).to_owned(), FileEntry::new(id, 1));
    }
    store.put_manifest(&manifest, None).await.expect("it is complete");
    manifest
}

/// The plain files below a folder, with their bytes.
fn tree(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("it is text");
        match entry.file_type().expect("a type").is_dir() {
            true => {
                let inner = tree(&entry.path()).into_iter();
                found.extend(inner.map(|(inner, content)| (format!("{name}/{inner}"), content)));
            }
            false => drop(found.insert(name, fs::read(entry.path()).expect("it can be read"))),
        }
    }
    found
}

/// Writes a file, and the folders it is in.
fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
    fs::write(path, content).expect("it can be written");
}
