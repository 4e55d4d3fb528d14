//! Hugging Face caches with a foreign symlink and a foreign ref: nothing from outside of the model's blobs gets in.
#![no_main]

use std::{fs, os::unix::fs::symlink};

use blob_store::{BlobStore, CacheOptions, import_hugging_face_cache};
use content_id::ContentId;
use futures::executor::block_on;
use libfuzzer_sys::fuzz_target;

const COMMIT: &str = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";

fuzz_target!(|input: (String, String, Vec<u8>)| {
    let (target, revision, head) = input;
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (good, secret) = (ContentId::of(b"good"), ContentId::of(b"secret"));
    let model = dir.path().join("models--org--name");
    let snapshot = model.join("snapshots").join(COMMIT);
    for folder in [&snapshot, &model.join("blobs"), &model.join("refs")] {
        fs::create_dir_all(folder).expect("a folder");
    }
    fs::write(model.join("blobs").join(good.digest.to_string()), "good").expect("it can be written");
    for outside in [dir.path(), &model, &model.join("refs"), &snapshot] {
        fs::write(outside.join(secret.digest.to_string()), "secret").expect("it can be written");
    }
    fs::remove_file(snapshot.join(secret.digest.to_string())).expect("it is there");
    // An empty target is none.
    let _ = symlink(&target, snapshot.join("file"));
    fs::write(model.join("refs/main"), COMMIT).expect("it can be written");
    fs::write(model.join("refs/odd"), &head).expect("it can be written");
    for revision in ["main", "odd", &revision] {
        let store = blob_store_fuzz::store();
        let options = CacheOptions::default().dangerously_accept_unverified();
        let outcome = import_hugging_face_cache(&store, dir.path(), "org/name", revision, 1, &options);
        let found = block_on(outcome).ok();
        blob_store_fuzz::check(&store, found.as_ref().map(|found| &found.manifest));
        assert!(!block_on(store.contains(secret)).expect("memory does not fail"), "{target:?}");
        let blobs = block_on(store.blobs()).expect("memory does not fail");
        assert!(blobs.iter().all(|blob| blob.id == good), "{target:?}");
    }
});
