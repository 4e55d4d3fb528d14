//! Cases about opening models, and about putting many blobs at once.

use std::sync::Arc;

use bytes::Bytes;
use content_id::ContentId;

use super::{manifest, noise, put};
use crate::{BlobStore, BlobStoreExt, ErrorKind, ManifestName, OpenOptions, Reason};

/// A model is opened with all its files, whatever their size, and stays open when it is removed from the store.
pub async fn models_open_whole(store: Arc<dyn BlobStore>) {
    let sizes = [0, 1, 4095, 4096, 4097, 300_000];
    let contents: Vec<Bytes> = sizes.iter().map(|size| noise(*size, 2 * *size as u64)).collect();
    let ids = store.put_many(contents.clone()).await.expect("they are put");
    let paths: Vec<String> = sizes.iter().map(|size| format!("onnx/{size}")).collect();
    let mut files: Vec<(&str, ContentId)> =
        paths.iter().map(String::as_str).zip(ids.iter().copied()).collect();
    files.push(("again", ids[5]));
    let manifest = manifest("main", &files);
    store.put_manifest(&manifest, None).await.expect("it is complete");
    for verify in [false, true] {
        let options = OpenOptions::default().verify(verify);
        let model = store.open_model(&manifest.name, &options).await.expect("it opens").expect("it is there");
        assert_eq!((model.name(), model.files().len()), (&manifest.name, 7));
        assert!(model.files().map(|(path, _)| path).eq(manifest.files.keys()));
        for (path, content) in paths.iter().zip(&contents) {
            assert_eq!(model[path], *content, "{path}");
        }
        assert_eq!(model["again"], contents[5]);
        assert_eq!(model.get("again").map(|file| file.content), Some(ids[5]));
        assert!(model.get("absent").is_none());
        if verify {
            store.remove_manifest(&manifest.name).await.expect("it can be removed");
            for id in &ids {
                store.remove(*id).await.expect("it can be removed");
            }
            assert_eq!(model["onnx/300000"], contents[5], "it stays open");
        }
    }
    assert!(store.open_model(&manifest.name, &OpenOptions::default()).await.expect("no model").is_none());
}

/// A model of very many files opens as well.
pub async fn large_models_open(store: Arc<dyn BlobStore>) {
    let contents: Vec<Bytes> = (0..600).map(|n| noise(10 + 9 * n, 2 * n as u64)).collect();
    let ids = store.put_many(contents.clone()).await.expect("they are put");
    let paths: Vec<String> = (0..600).map(|n| n.to_string()).collect();
    let files: Vec<(&str, ContentId)> = paths.iter().map(String::as_str).zip(ids).collect();
    let manifest = manifest("main", &files);
    store.put_manifest(&manifest, None).await.expect("it is complete");
    let model = store.open_model(&manifest.name, &OpenOptions::default()).await;
    let model = model.expect("it opens").expect("it is there");
    for (path, content) in paths.iter().zip(&contents) {
        assert_eq!(model[path], *content, "{path}");
    }
}

/// What is not there, or out of sight, is told as such; and no more is copied than allowed.
pub async fn incomplete_models_do_not_open(store: Arc<dyn BlobStore>) {
    let (there, gone) = (put(&*store, "there").await, put(&*store, "gone").await);
    let manifest = manifest("main", &[("a", there), ("b", gone)]);
    store.put_manifest(&manifest, None).await.expect("it is complete");
    let open = async |options: OpenOptions| store.open_model(&manifest.name, &options).await;
    let limited = open(OpenOptions::default().max_copied_bytes(8)).await;
    match store.local_path(there) {
        Some(_) => assert_eq!(limited.expect("nothing is copied").expect("it is there").files().len(), 2),
        None => assert_eq!(limited.expect_err("9 bytes").kind(), ErrorKind::TooLarge),
    }
    store.quarantine(gone.digest, Reason::Damaged).await.expect("it can be hidden");
    let error = open(OpenOptions::default()).await.expect_err("a blob is out of sight");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("org/name"), "{error}");
    let other = ManifestName::new("hub.example", "org/other", "main");
    assert!(store.open_model(&other, &OpenOptions::default()).await.expect("it can be asked for").is_none());
}

/// Many blobs at once are as one after the other: the same ids in the same order, each once, and what is there stays.
pub async fn many_at_once_are_as_one_by_one(store: Arc<dyn BlobStore>) {
    assert_eq!(store.put_many(Vec::new()).await.expect("nothing to do"), []);
    for count in [1_u64, 7, 8, 100] {
        let mut contents: Vec<Bytes> =
            (0..count).map(|n| noise(1 + n as usize * 50, 2 * (n + count))).collect();
        contents.push(contents[0].clone());
        let ids = store.put_many(contents.clone()).await.expect("they are put");
        let expected: Vec<ContentId> = contents.iter().map(|content| ContentId::of(content)).collect();
        assert_eq!(ids, expected);
        for (id, content) in ids.iter().zip(&contents) {
            assert_eq!(store.read_all(*id, 1 << 20).await.expect("it is there"), content);
        }
        let before = store.blobs().await.expect("a listing").len();
        assert_eq!(store.put_many(contents).await.expect("they are there"), ids);
        assert_eq!(store.blobs().await.expect("a listing").len(), before);
    }
}

/// A listing of names has the same blobs as one of everything, and a look at some of them tells the rest.
pub async fn names_are_listed(store: Arc<dyn BlobStore>) {
    for n in 0..20 {
        store.put_bytes(noise(100 + n, 2 * n as u64)).await.expect("a blob is put");
    }
    let mut blobs = store.blobs().await.expect("a listing");
    let mut names = store.blob_names().await.expect("a listing");
    blobs.sort_by_key(|blob| blob.id);
    names.sort_by_key(|name| name.digest);
    assert!(names.iter().map(|name| name.digest).eq(blobs.iter().map(|blob| blob.id.digest)));
    assert!(names.iter().zip(&blobs).all(|(name, blob)| name.info.is_none_or(|info| info == *blob)));
    let mut some = vec![blobs[3].id.digest, blobs[7].id.digest, ContentId::of(b"absent").digest];
    let mut seen = store.look_at(some.clone()).await.expect("a look");
    seen.sort_by_key(|blob| blob.id);
    assert_eq!(seen, [blobs[3], blobs[7]]);
    some.truncate(2);
    store.quarantine_many(some, Reason::Garbage).await.expect("they can be hidden");
    let held = store.quarantined().await.expect("a listing");
    assert_eq!((held.len(), store.blob_names().await.expect("a listing").len()), (2, 18));
    assert_eq!(store.purge_many(held.clone()).await.expect("they can be destroyed"), held);
    assert_eq!(store.purge_many(held).await.expect("they are gone"), []);
}
