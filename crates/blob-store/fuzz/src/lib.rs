//! What the fuzz targets share: stores in memory, what must hold of them, and a bundle that is right.

use std::{convert::Infallible, sync::Arc};

use blob_store::{
    BlobStore, BlobStoreExt, BundleOptions, Error, FileEntry, Imported, Manifest, ManifestName,
    ObjectStoreBackend, read_bundle_stream,
};
use content_id::ContentId;
use futures::{executor::block_on, stream};
use object_store::memory::InMemory;

/// Two files, the contents of the blobs of a right bundle.
pub const FILES: [(&str, &[u8]); 2] = [("a.json", b"{}"), ("onnx/model.onnx", &[7; 300])];

/// An empty store.
pub fn store() -> ObjectStoreBackend {
    ObjectStoreBackend::new(Arc::new(InMemory::new()))
}

/// A right manifest.
pub fn manifest() -> Manifest {
    let mut manifest = Manifest::new(ManifestName::new("hub.example", "org/name", "main"), 1);
    manifest
        .files
        .extend(FILES.map(|(name, content)| (name.to_owned(), FileEntry::new(ContentId::of(content), 1))));
    manifest
}

/// A bundle with this manifest and the blobs of the right one, its lines as they should be.
pub fn bundle(manifest: &[u8]) -> Vec<u8> {
    let id = ContentId::of(manifest);
    let mut bytes = format!("blob-store bundle 1 manifest:{} sha256:{}\n", id.size, id.digest).into_bytes();
    bytes.extend_from_slice(manifest);
    FILES.iter().for_each(|(_, content)| bytes.extend_from_slice(content));
    bytes.extend_from_slice(format!("blob-store bundle end sha256:{}\n", id.digest).as_bytes());
    bytes
}

/// Reads a bundle in pieces of `piece` bytes, and checks that what is in the store is whole, and nothing is there that
/// was not announced.
pub fn read(bytes: &[u8], piece: usize) -> Result<Imported, Error> {
    let store = store();
    let mut options = BundleOptions::default();
    (options.max_manifest_bytes, options.max_files, options.max_bytes) = (1 << 20, 100, 1 << 20);
    let pieces = bytes.chunks(piece.max(1)).map(|piece| Ok::<_, Infallible>(piece.to_vec().into()));
    let outcome = block_on(read_bundle_stream(&store, stream::iter(pieces), 1, &options));
    check(&store, outcome.as_ref().ok().map(|imported| &imported.manifest));
    outcome
}

/// Checks that every blob is what its name says, and that the store has this manifest and no other.
pub fn check(store: &dyn BlobStore, manifest: Option<&Manifest>) {
    for blob in block_on(store.blobs()).expect("memory does not fail") {
        block_on(store.read_all(blob.id, 1 << 30)).expect("what is visible is whole");
    }
    let manifests = block_on(store.manifests()).expect("what was written can be read");
    assert_eq!(manifests.iter().collect::<Vec<_>>(), manifest.into_iter().collect::<Vec<_>>());
    for (name, file) in manifests.iter().flat_map(|manifest| &manifest.files) {
        blob_store::check_file_name(name).expect("no other names are accepted");
        block_on(store.read_all(file.content, 1 << 30)).expect("a model is complete");
    }
}
