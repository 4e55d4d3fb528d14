//! Scrubbing a folder in which something was damaged.

use std::{
    fs::{self, Permissions},
    ops::ControlFlow,
    os::unix::fs::PermissionsExt,
};

use blob_store::{BlobStore, BlobStoreExt, FsStore, VerifyOptions, VerifyReport};

use crate::{manifest, noise};

/// Damage of every kind is found once, taken out of the way, and fetched from another store, also when the scrub is
/// done a piece at a time.
#[tokio::test]
async fn damage_is_repaired_from_another_store() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = FsStore::open(dir.path().join("one")).expect("a new store");
    let other = FsStore::open(dir.path().join("other")).expect("a new store");
    for max_bytes in [1, 1 << 20, u64::MAX] {
        let mut ids = Vec::new();
        for n in 0..20 {
            ids.push(store.put_bytes(noise(70_000, 2 * n)).await.expect("it is put"));
            other.put_bytes(noise(70_000, 2 * n)).await.expect("it is put");
        }
        let orphan = store.put_bytes(noise(70_000, 99)).await.expect("it is put");
        crate::overwrite(&store, &manifest("m", "r", &ids)).await.expect("it is complete");
        let path = |n: usize| store.local_path(ids[n]).expect("a plain file");
        let damage = |path: std::path::PathBuf, change: fn(&mut Vec<u8>)| {
            let mut bytes = fs::read(&path).expect("it is there");
            change(&mut bytes);
            fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("it is ours");
            fs::write(path, bytes).expect("it can be written");
        };
        damage(path(3), |bytes| bytes[60_000] ^= 4);
        damage(path(5), |bytes| bytes.truncate(10));
        damage(path(7), Vec::clear);
        damage(store.local_path(orphan).expect("a plain file"), |bytes| bytes[0] ^= 1);
        fs::remove_file(path(9)).expect("it is there");

        let options = VerifyOptions::default().repair(true).max_bytes(max_bytes);
        let mut all = VerifyReport::default();
        while !all.complete {
            let go_on = &mut |_: &_| ControlFlow::Continue(());
            let report = store.scrub(&options.after(all.next), Some(&other), go_on).await;
            all.merge(report.expect("a report"));
        }
        assert_eq!((all.damaged.len(), all.repaired, all.refetched.len()), (4, 4, 4), "{max_bytes}");
        assert_eq!((all.missing.len(), all.not_refetched.len()), (0, 0));
        let model = &all.models[0];
        assert_eq!((model.files, model.damaged, model.refetched), (20, 3, 4));
        assert!(model.is_sound() && !all.is_sound());
        let again = store.verify(&VerifyOptions::default()).await.expect("a report");
        assert!(again.is_sound(), "{again:?}");
        let held = store.quarantined().await.expect("a listing");
        assert_eq!(held.len(), 4);
        for held in held {
            store.purge(&held).await.expect("it can be destroyed");
        }
    }
}
