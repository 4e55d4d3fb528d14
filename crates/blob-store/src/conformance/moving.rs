//! Cases about bundles: a model out of the store as one file, and back.

use std::{convert::Infallible, sync::Arc};

use bytes::{Bytes, BytesMut};
use content_id::ContentId;
use futures::{TryStreamExt, stream};

use super::{manifest, noise};
use crate::{
    BlobStore, BlobStoreExt, BundleOptions, Error, ErrorKind, Imported, Manifest, Observer, bundle_stream,
    read_bundle_stream,
};

const MAX: u64 = 1 << 30;

/// A model with an empty file, a shared one and a long one.
async fn model(store: &dyn BlobStore) -> Manifest {
    let mut ids = Vec::new();
    for content in [noise(3_000_000, 11), Bytes::new(), Bytes::from_static(b"{}")] {
        ids.push(store.put_bytes(content).await.expect("it is put"));
    }
    let files = [("a/b.onnx", ids[0]), ("empty", ids[1]), ("x.json", ids[2]), ("y.json", ids[2])];
    let mut manifest = manifest("main", &files);
    manifest.commit = Some("c0ffee".to_owned());
    manifest.other.insert("later".to_owned(), true.into());
    store.put_manifest(&manifest, None).await.expect("it is complete");
    manifest
}

async fn bundle(store: &dyn BlobStore, manifest: &Manifest) -> Bytes {
    let (bundled, pieces) =
        bundle_stream(store, &manifest.name, &Observer::default()).await.expect("the model is there");
    let bytes: BytesMut = pieces.try_collect().await.expect("all blobs are there");
    assert_eq!(bytes.len() as u64, bundled.bytes);
    bytes.freeze()
}

async fn read(
    store: &dyn BlobStore,
    bytes: &Bytes,
    piece: usize,
    options: &BundleOptions,
) -> Result<Imported, Error> {
    let pieces = bytes.chunks(piece).map(|piece| Ok::<_, Infallible>(bytes.slice_ref(piece)));
    read_bundle_stream(store, stream::iter(pieces.collect::<Vec<_>>()), 9, options).await
}

async fn empty(store: &dyn BlobStore, manifest: &Manifest) {
    store.remove_manifest(&manifest.name).await.expect("it can be removed");
    for blob in store.blobs().await.expect("a listing") {
        store.remove(blob.id).await.expect("it can be removed");
    }
}

/// Whatever happened, what is visible is whole.
async fn assert_sound(store: &dyn BlobStore) {
    for blob in store.blobs().await.expect("a listing") {
        store.read_all(blob.id, MAX).await.expect("a visible blob is whole");
    }
}

/// A model leaves as a bundle and comes back the same, each blob once; what is there is not written again.
pub async fn a_bundle_carries_a_model(store: Arc<dyn BlobStore>) {
    let mut manifest = model(&*store).await;
    let bytes = bundle(&*store, &manifest).await;
    assert_eq!(bundle(&*store, &manifest).await, bytes, "the same model gives the same bytes");
    manifest.used = 9;
    for piece in [bytes.len(), 70_001] {
        empty(&*store, &manifest).await;
        let found = read(&*store, &bytes, piece, &BundleOptions::default()).await.expect("it is a bundle");
        assert_eq!((found.written_blobs, found.written_bytes), (3, 3_000_002));
        assert_eq!(found.manifest, manifest);
        let stored = store.manifest(&manifest.name).await.expect("it can be read");
        assert_eq!(stored, Some((manifest.clone(), found.version)));
        assert_sound(&*store).await;
    }
    let again = read(&*store, &bytes, bytes.len(), &BundleOptions::default()).await.expect("it is a bundle");
    assert_eq!((again.written_blobs, again.manifest), (0, manifest.clone()));
    assert_eq!(store.blobs().await.expect("a listing").len(), 3);
    let absent = crate::ManifestName::new("hub.example", "org/name", "absent");
    let error = bundle_stream(&*store, &absent, &Observer::default()).await.err().expect("there is none");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

/// A bundle that is cut, flipped or too long brings no manifest, and no blob but whole ones.
pub async fn a_bad_bundle_leaves_no_manifest(store: Arc<dyn BlobStore>) {
    let manifest = model(&*store).await;
    let bytes = bundle(&*store, &manifest).await;
    empty(&*store, &manifest).await;
    let length = bytes.len();
    let cut = |at: usize| bytes.slice(..at);
    let flipped = |at: usize| {
        let mut bytes = BytesMut::from(&bytes[..]);
        bytes[at] ^= 1;
        bytes.freeze()
    };
    let longer = Bytes::from([&bytes, &b"\n"[..]].concat());
    for bad in [
        cut(0),
        cut(10),
        cut(200),
        cut(length / 2),
        cut(length - 1),
        flipped(200),
        flipped(length / 2),
        flipped(length - 90),
        flipped(length - 3),
        longer,
    ] {
        let error = read(&*store, &bad, 1 << 20, &BundleOptions::default()).await.expect_err("it is bad");
        assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
        assert!(store.manifests().await.expect("a listing").is_empty());
        assert_sound(&*store).await;
    }
    read(&*store, &bytes, 1 << 20, &BundleOptions::default()).await.expect("the right one is read");
}

/// A manifest of the same name with other files stays, unless the caller says otherwise.
pub async fn a_bundle_replaces_only_what_it_may(store: Arc<dyn BlobStore>) {
    let carried = model(&*store).await;
    let bytes = bundle(&*store, &carried).await;
    store.remove_manifest(&carried.name).await.expect("it can be removed");
    let other = manifest("main", &[("other", ContentId::of(b"{}"))]);
    let version = store.put_manifest(&other, None).await.expect("it is complete");
    let error =
        read(&*store, &bytes, 1 << 20, &BundleOptions::default()).await.expect_err("another is there");
    assert_eq!(error.kind(), ErrorKind::Occupied);
    let found = store.manifest(&other.name).await.expect("it can be read");
    assert_eq!(found, Some((other.clone(), version)));
    let elsewhere = crate::ManifestName::new("hub.example", "org/copy", "main");
    let renamed = BundleOptions::default().name(elsewhere.clone());
    let copy = read(&*store, &bytes, 1 << 20, &renamed).await.expect("there is none of this name");
    assert_eq!((copy.manifest.name, copy.manifest.files.len()), (elsewhere, 4));
    let replace = BundleOptions::default().replace(true);
    let found = read(&*store, &bytes, 1 << 20, &replace).await.expect("it may be replaced");
    assert_eq!(found.manifest.files, carried.files);
    assert_ne!(found.version, version);
}
