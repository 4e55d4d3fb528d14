//! A full disk: a limit on the size of files in a child process, and a small disk in memory where one can be mounted.

use std::process::Command;

use blob_store::{BlobStore, BlobStoreExt, ErrorKind, FsStore, StageKey};
use content_id::ContentId;

use crate::noise;

const DIR: &str = "BLOB_STORE_TEST_FULL_DISK";
const SMALL: &str = "BLOB_STORE_TEST_SMALL_DISK";

/// The child: runs under the limit; does nothing when the test binary runs as a whole.
#[tokio::test]
async fn child() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let store = FsStore::open(&dir).expect("a new store");
    let small = store.put_bytes("small".into()).await.expect("it fits");
    let large = noise(5 << 20, 1);
    for known in [true, false] {
        let expected = if known { ContentId::of(&large).into() } else { Default::default() };
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
        let text = error.to_string();
        let needed = if known { "5242880 bytes are needed, of which" } else { "bytes were taken" };
        assert!(text.contains(needed) && text.ends_with(" bytes are free"), "{text}");
    }
    let many = vec!["first".into(), large.clone(), "last".into()];
    let error = store.put_many(many).await.expect_err("one does not fit");
    assert_eq!(error.kind(), ErrorKind::NoSpace, "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains("5242889 bytes are needed, of which") && text.ends_with(" bytes are free"),
        "{text}"
    );
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

/// Bytes of the small disk, of what takes its space at first, of a download, and of its parts.
const SMALL_DISK: &str = "size=16m";
const FILLER: usize = 8 << 20;
const DOWNLOAD: usize = 12 << 20;
const PART: u64 = 1 << 20;

/// The child on a small disk: a download in parts that does not fit, until space returns.
#[tokio::test]
async fn downloading_child() {
    let Some(dir) = std::env::var_os(SMALL) else { return };
    let filler = std::path::Path::new(&dir).join("filler");
    std::fs::write(&filler, noise(FILLER, 2)).expect("there is space");
    let store = FsStore::open(std::path::Path::new(&dir).join("store")).expect("a new store");
    let small = store.put_bytes("small".into()).await.expect("it fits");
    let content = noise(DOWNLOAD, 1);
    let id = ContentId::of(&content);
    let key = StageKey::new("source", "v1");
    let download = async || {
        let stage = store.stage_parts(&key, id.into()).await?;
        for range in stage.missing(PART) {
            let mut part = stage.part(range.clone()).await?;
            part.write(content.slice(range.start as usize..range.end as usize)).await?;
            part.finish(None).await?;
        }
        stage.publish().await.map(|published| published.id)
    };
    let mut kept = 0;
    for _ in 0..3 {
        let error = download().await.expect_err("it does not fit");
        assert_eq!(error.kind(), ErrorKind::NoSpace, "{error:?}");
        let text = error.to_string();
        assert!(text.contains("1048576 bytes are needed") && text.contains("bytes are free"), "{text}");
        println!("\n{text}");
        let stages = store.stages().await.expect("a listing");
        assert_eq!(stages.len(), 1);
        assert!(5 * PART <= stages[0].bytes && kept <= stages[0].bytes, "what came is kept: {stages:?}");
        kept = stages[0].bytes;
        assert!(!store.contains(id).await.expect("it can be asked"));
        assert_eq!(store.read_all(small, 100).await.expect("it is there"), "small");
    }
    std::fs::remove_file(filler).expect("it is there");
    let stage = store.stage_parts(&key, id.into()).await.expect("it is taken up");
    let missing: u64 = stage.missing(PART).iter().map(|range| range.end - range.start).sum();
    assert_eq!(missing, DOWNLOAD as u64 - kept, "only the rest is fetched");
    drop(stage);
    assert_eq!(download().await.expect("now it fits"), id);
    assert!(store.verify(&Default::default()).await.expect("a report").is_sound());
    println!("\ndownloaded in the end");
}

/// On a disk in memory, in a mount namespace that ends with the child.
#[test]
fn a_download_on_a_full_disk_goes_on_when_space_returns() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let script = r#"mount -t tmpfs -o "$0" none "$1" || exit 99; shift; exec "$@""#;
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", script, SMALL_DISK])
        .arg(dir.path())
        .arg(std::env::current_exe().expect("the test binary has a path"))
        .args(["--exact", "disk_full::downloading_child", "--nocapture"])
        .env(SMALL, dir.path())
        .output();
    match output {
        Ok(output) if output.status.success() => {
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(said.contains("downloaded in the end"), "{said}");
        }
        Ok(output) if output.stdout.is_empty() => {
            println!("SKIPPED: a full tmpfs: {}", String::from_utf8_lossy(&output.stderr).trim_end());
        }
        Ok(output) => panic!("{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => println!("SKIPPED: a full tmpfs: there is no unshare ({error})"),
    }
}
