//! File names: what is accepted is below the folder it is joined to, and an export puts it there and nowhere else.
#![no_main]

use std::path::{Component, Path};

use blob_store::{
    BlobStoreExt, ExportOptions, FileEntry, Manifest, ManifestName, check_file_name, export_model,
};
use futures::executor::block_on;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|names: Vec<String>| {
    let mut manifest = Manifest::new(ManifestName::new("hub.example", "org/name", "main"), 1);
    let store = blob_store_fuzz::store();
    let id = block_on(store.put_bytes("x".into())).expect("memory does not fail");
    for name in &names {
        if check_file_name(name).is_ok() {
            assert!(Path::new(name).components().all(|part| matches!(part, Component::Normal(_))));
            assert!(name.split('/').count() == Path::new(name).components().count());
        }
        manifest.files.insert(name.clone(), FileEntry::new(id, 1));
    }
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("deep/out");
    let exported = block_on(export_model(&store, &manifest, &out, &ExportOptions::default()));
    let safe = names.iter().all(|name| check_file_name(name).is_ok());
    assert!(safe || exported.is_err());
    if exported.is_ok() {
        for name in manifest.files.keys() {
            assert_eq!(std::fs::read(out.join(name)).expect("it was exported"), b"x");
        }
    }
    let beside = std::fs::read_dir(dir.path()).expect("a folder").count();
    assert_eq!(beside, usize::from(exported.is_ok()), "nothing is written beside it, or at all");
});
