//! A full disk, played by a limit on the size of files in a child process.

use std::process::Command;

use blob_store::{BlobStore, BlobStoreExt, ErrorKind, FsStore};

use crate::noise;

const DIR: &str = "BLOB_STORE_TEST_FULL_DISK";

/// The child: runs under the limit; does nothing when the test binary runs as a whole.
#[tokio::test]
async fn child() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let store = FsStore::open(&dir).expect("a new store");
    let small = store.put_bytes("small".into()).await.expect("it fits");
    let large = noise(5 << 20, 1);
    for known in [true, false] {
        let expected = if known { content_id::ContentId::of(&large).into() } else { Default::default() };
        let mut stage = store.stage(expected).await.expect("a stage begins");
        let mut outcome = Ok(());
        for piece in large.chunks(100_000) {
            outcome = outcome.and(stage.write(large.slice_ref(piece)).await);
        }
        let error = match outcome {
            Ok(()) => stage.publish().await.expect_err("it does not fit"),
            Err(error) => error,
        };
        assert_eq!(error.kind(), ErrorKind::NoSpace, "{error:?}");
    }
    let staging = std::fs::read_dir(store.dir().join("staging")).expect("a folder");
    assert_eq!(staging.count(), 0, "nothing half-written stays");
    assert_eq!(store.blobs().await.expect("a listing").len(), 1);
    assert_eq!(store.read_all(small, 100).await.expect("it is there"), "small");
    store.put_bytes("another small one".into()).await.expect("the store goes on working");
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let program = std::env::current_exe().expect("the test binary has a path");
    let output = Command::new("sh")
        .args(["-c", r#"trap "" XFSZ; ulimit -f 4096 || exit 99; exec "$0" "$@""#])
        .arg(program)
        .args(["--exact", "disk_full::child", "--nocapture"])
        .env(DIR, dir.path())
        .output()
        .expect("a shell");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(dir.path().join("format.json").exists(), "the child did its work");
}
