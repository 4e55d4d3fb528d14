//! Bundles: their bytes, and everything that can be wrong with them.

use std::{
    io::{self, Cursor, Read, Write},
    sync::{Arc, Mutex},
};

use blob_store::{
    BlobStore, BlobStoreExt, BundleOptions, Error, ErrorKind, Imported, Manifest, ManifestName, Observer,
    read_bundle, write_bundle,
};
use content_id::ContentId;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{name, put_model, stores};

const FILES: [(&str, &[u8]); 4] = [("a", b"shared"), ("b/c", b"other"), ("empty", b""), ("z", b"shared")];

async fn write(store: &dyn BlobStore, name: &ManifestName) -> Vec<u8> {
    let (bundled, bytes) =
        write_bundle(store, name, Vec::new(), &Observer::default()).await.expect("the model is there");
    assert_eq!(bundled.bytes, bytes.len() as u64);
    bytes
}

async fn read(store: &dyn BlobStore, bytes: Vec<u8>) -> Result<Imported, Error> {
    read_bundle(store, Cursor::new(bytes), 1, &BundleOptions::default()).await
}

/// A bundle of our own making, not of the code under test.
fn forge(manifest: &str, blobs: &[&[u8]]) -> Vec<u8> {
    let id = ContentId::of(manifest.as_bytes());
    let mut bytes = format!("blob-store bundle 1 manifest:{} sha256:{}\n", id.size, id.digest).into_bytes();
    bytes.extend_from_slice(manifest.as_bytes());
    blobs.iter().for_each(|blob| bytes.extend_from_slice(blob));
    bytes.extend_from_slice(format!("blob-store bundle end sha256:{}\n", id.digest).as_bytes());
    bytes
}

fn manifest_text(files: Value) -> String {
    let name = json!({"hub": "hub.example", "model": "org/name", "revision": "main"});
    json!({"format_version": 1, "name": name, "files": files, "created": 1}).to_string()
}

fn file(content: &[u8]) -> Value {
    json!({"content": ContentId::of(content), "fetched": 1})
}

async fn refused(bytes: Vec<u8>, options: &BundleOptions) -> Error {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut last = None;
    for (kind, store) in stores(dir.path()) {
        let outcome = read_bundle(&*store, Cursor::new(bytes.clone()), 1, options).await;
        let error = outcome.expect_err("it is refused");
        assert!(store.manifests().await.expect("a listing").is_empty(), "{kind}: {error}");
        for blob in store.blobs().await.expect("a listing") {
            store.read_all(blob.id, 1 << 20).await.expect("what is visible is whole");
        }
        last = Some(error);
    }
    last.expect("there are stores")
}

/// The bytes are those of the documented format, and those are read.
#[tokio::test]
async fn the_bytes_are_as_documented() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (kind, store) in stores(dir.path()) {
        let manifest = put_model(&*store, &FILES).await;
        let bytes = write(&*store, &manifest.name).await;
        let line = bytes.iter().position(|byte| *byte == b'\n').expect("a line") + 1;
        let size: usize = String::from_utf8_lossy(&bytes[..line])
            .split(&[':', ' '][..])
            .nth(4)
            .expect("a size")
            .parse()
            .expect("a number");
        let text = std::str::from_utf8(&bytes[line..line + size]).expect("text");
        assert_eq!(serde_json::from_str::<Manifest>(text).expect("a manifest"), manifest);
        assert_eq!(bytes, forge(text, &[b"shared", b"other"]), "{kind}");
    }
    let forged = forge(&manifest_text(json!({"x": file(b"x"), "y": file(b"y")})), &[b"x", b"y"]);
    let [_, (_, store)] = stores(dir.path());
    let found = read(&*store, forged).await.expect("it is a bundle");
    assert_eq!(found.manifest.files.len(), 2);
    let forged = forge(&manifest_text(json!({})), &[]);
    let elsewhere = BundleOptions::default().name(ManifestName::new("h", "m", "r"));
    let found = read_bundle(&*store, Cursor::new(forged), 1, &elsewhere).await.expect("it is a bundle");
    assert!(found.manifest.files.is_empty());
}

/// Wherever it is cut, whichever bit is flipped: it is told, and nothing is there but whole blobs.
#[tokio::test]
async fn every_cut_and_every_flip_is_found() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let [_, (_, store)] = stores(dir.path());
    let manifest = put_model(&*store, &FILES).await;
    let bytes = write(&*store, &manifest.name).await;
    store.remove_manifest(&manifest.name).await.expect("it can be removed");
    for length in 0..bytes.len() {
        let error = read(&*store, bytes[..length].to_vec()).await.expect_err("it is cut");
        assert_eq!(error.kind(), ErrorKind::Damaged, "{length}: {error}");
    }
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        let error = read(&*store, flipped).await.expect_err("it is flipped");
        // The first line may become one of a newer version, or a larger manifest.
        let kinds = [ErrorKind::Damaged, ErrorKind::Unsupported, ErrorKind::TooLarge];
        assert!(kinds.contains(&error.kind()), "{at}: {error}");
        assert!(at < 40 || error.kind() == ErrorKind::Damaged, "{at}: {error}");
    }
    assert!(store.manifests().await.expect("a listing").is_empty());
    assert!(store.verify(&Default::default()).await.expect("a report").is_sound());
    read(&*store, bytes).await.expect("the right one is read");
}

#[tokio::test]
async fn trailing_garbage_is_refused() {
    let bytes = forge(&manifest_text(json!({"x": file(b"x")})), &[b"x"]);
    for garbage in [&b"\0"[..], b"\n", b"x", &bytes] {
        let error = refused([&bytes, garbage].concat(), &BundleOptions::default()).await;
        assert_eq!(error.kind(), ErrorKind::Damaged);
    }
}

#[tokio::test]
async fn a_newer_bundle_is_told() {
    let text = String::from_utf8(forge(&manifest_text(json!({})), &[])).expect("text");
    for newer in [
        text.replace("bundle 1 ", "bundle 2 "),
        text.replace("bundle 1 ", "bundle 2 entirely different "),
        format!("blob-store bundle 4294967295 {}", "x".repeat(1000)),
        String::from_utf8(forge(&json!({"format_version": 2, "all": "else"}).to_string(), &[]))
            .expect("text"),
    ] {
        let error = refused(newer.into_bytes(), &BundleOptions::default()).await;
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }
}

#[tokio::test]
async fn what_is_no_bundle_is_told() {
    let good = String::from_utf8(forge(&manifest_text(json!({})), &[])).expect("text");
    for bad in [
        String::new(),
        "\n".to_owned(),
        "PK\u{3}\u{4}".to_owned(),
        "blob-store document 1 sha256:00\n".to_owned(),
        "x".repeat(100_000),
        good.replace("bundle 1 ", "bundle 0 "),
        good.replace("bundle 1 ", "bundle 01 "),
        good.replace("bundle 1 ", "bundle +1 "),
        good.replace("bundle 1 ", "bundle 99999999999999 "),
        good.replace("manifest:", "manifest:0"),
        good.replace("manifest:", "manifest:-"),
        good.replacen("sha256:", "sha1:", 1),
        good.replacen('\n', "\r\n", 1),
        good.replacen('\n', " \n", 1),
    ] {
        let error = refused(bad.clone().into_bytes(), &BundleOptions::default()).await;
        assert_eq!(error.kind(), ErrorKind::Damaged, "{bad:.60}: {error}");
    }
}

/// A manifest that is announced as endless is refused before a byte of it is read, and memory is taken only for
/// what arrives.
#[tokio::test]
async fn oversized_manifests_are_refused() {
    let head =
        |size: u64| format!("blob-store bundle 1 manifest:{size} sha256:{}\n", "0".repeat(64)).into_bytes();
    for size in [u64::MAX, (16 << 20) + 1] {
        let error = refused(head(size), &BundleOptions::default()).await;
        assert_eq!(error.kind(), ErrorKind::TooLarge);
    }
    assert_eq!(refused(head(16 << 20), &BundleOptions::default()).await.kind(), ErrorKind::Damaged);
    let text = manifest_text(json!({"x": file(b"x"), "y": file(b"yy")}));
    let bytes = forge(&text, &[b"x", b"yy"]);
    let default = BundleOptions::default;
    for options in
        [default().max_manifest_bytes(text.len() as u64 - 1), default().max_files(1), default().max_bytes(2)]
    {
        assert_eq!(refused(bytes.clone(), &options).await.kind(), ErrorKind::TooLarge);
    }
    let dir = tempfile::tempdir().expect("a temporary folder");
    let [(_, store), _] = stores(dir.path());
    let just = default().max_manifest_bytes(text.len() as u64).max_files(2).max_bytes(3);
    read_bundle(&*store, Cursor::new(bytes), 1, &just).await.expect("it is just within");
}

#[tokio::test]
async fn wrong_sizes_are_refused() {
    let sized = |content: &[u8], size: u64| json!({"content": ContentId::new(ContentId::of(content).digest, size), "fetched": 1});
    let two = json!({"x": sized(b"x", 1), "y": sized(b"x", 2)});
    for (files, blobs, expected) in [
        (json!({"x": sized(b"xyz", 2)}), vec![&b"xyz"[..]], ErrorKind::Damaged),
        (json!({"x": sized(b"xyz", 4)}), vec![&b"xyz"[..]], ErrorKind::Damaged),
        (json!({"x": sized(b"xyz", 0)}), vec![&b""[..]], ErrorKind::Damaged),
        (json!({"x": sized(b"xyz", u64::MAX)}), vec![&b"xyz"[..]], ErrorKind::TooLarge),
        (two, vec![&b"x"[..]], ErrorKind::Invalid),
        (json!({"x": file(b"x"), "y": file(b"y")}), vec![&b"y"[..], b"x"], ErrorKind::Damaged),
        (json!({"x": file(b"x"), "y": file(b"x")}), vec![&b"x"[..], b"x"], ErrorKind::Damaged),
    ] {
        let error = refused(forge(&manifest_text(files), &blobs), &BundleOptions::default()).await;
        assert_eq!(error.kind(), expected, "{error}");
    }
}

#[tokio::test]
async fn manifests_that_make_no_sense_are_refused() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for bad in ["", "{", "[]", "null", r#"{"format_version": 1}"#, r#"{"format_version": -1}"#, &deep] {
        let error = refused(forge(bad, &[]), &BundleOptions::default()).await;
        assert_eq!(error.kind(), ErrorKind::Damaged, "{bad:.40}: {error}");
    }
    let nameless = manifest_text(json!({})).replace("org/name", "");
    assert_eq!(refused(forge(&nameless, &[]), &BundleOptions::default()).await.kind(), ErrorKind::Invalid);
}

/// File names that are no safe paths are refused on the way in and on the way out.
#[tokio::test]
async fn unsafe_names_are_refused() {
    for name in super::names::UNSAFE {
        let bytes = forge(&manifest_text(json!({name: file(b"x")})), &[b"x"]);
        let error = refused(bytes, &BundleOptions::default()).await;
        assert_eq!(error.kind(), ErrorKind::UnsafeName, "{name:?}");
    }
    let dir = tempfile::tempdir().expect("a temporary folder");
    let [(_, store), _] = stores(dir.path());
    put_model(&*store, &[("../x", b"x")]).await;
    let outcome = write_bundle(&*store, &name(), Vec::new(), &Observer::default()).await;
    assert_eq!(outcome.expect_err("it could not be read back").kind(), ErrorKind::UnsafeName);
}

/// One digest stands for all of a bundle.
#[tokio::test]
async fn another_bundle_than_expected_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let [(_, store), (_, other)] = stores(dir.path());
    put_model(&*store, &FILES).await;
    let (bundled, bytes) =
        write_bundle(&*store, &name(), Vec::new(), &Observer::default()).await.expect("it is there");
    let right = BundleOptions::default().expected(bundled.manifest);
    read_bundle(&*other, Cursor::new(bytes.clone()), 1, &right).await.expect("it is the one");
    let wrong = BundleOptions::default().expected(ContentId::of(b"another").digest);
    assert_eq!(refused(bytes, &wrong).await.kind(), ErrorKind::Mismatch);
}

/// Damage in the store is told while writing, and what was written is no bundle.
#[tokio::test]
async fn damage_is_not_carried() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let [(_, store), _] = stores(dir.path());
    let manifest = put_model(&*store, &FILES).await;
    let blob = store.local_path(ContentId::of(b"other")).expect("a local file");
    std::fs::remove_file(&blob).expect("it is there");
    std::fs::write(&blob, "0ther").expect("it can be written");
    let written = Arc::new(Mutex::new(Vec::new()));
    let sink = Sink(Arc::clone(&written));
    let error = write_bundle(&*store, &manifest.name, sink, &Observer::default()).await;
    assert_eq!(error.expect_err("a blob is damaged").kind(), ErrorKind::Damaged);
    let written = written.lock().expect("no panic").clone();
    assert_eq!(refused(written, &BundleOptions::default()).await.kind(), ErrorKind::Damaged);
}

#[derive(Debug)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads and writes that fail are reported with their cause.
#[tokio::test]
async fn failing_files_are_told() {
    #[derive(Debug)]
    struct Failing(io::ErrorKind);
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
    }
    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let dir = tempfile::tempdir().expect("a temporary folder");
    let [(_, store), _] = stores(dir.path());
    put_model(&*store, &FILES).await;
    let broken = Failing(io::ErrorKind::BrokenPipe);
    let error = read_bundle(&*store, broken, 1, &BundleOptions::default()).await.expect_err("it fails");
    assert_eq!(error.kind(), ErrorKind::Backend);
    assert!(std::error::Error::source(&error).is_some());
    for (cause, expected) in
        [(io::ErrorKind::StorageFull, ErrorKind::NoSpace), (io::ErrorKind::BrokenPipe, ErrorKind::Backend)]
    {
        let error = write_bundle(&*store, &name(), Failing(cause), &Observer::default()).await;
        assert_eq!(error.expect_err("it fails").kind(), expected);
    }
}

/// What the store has is read past and compared, not written again; a flipped bit in it is found all the same.
#[tokio::test]
async fn known_blobs_are_not_written_again() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (kind, store) in stores(dir.path()) {
        store.put_bytes("x".into()).await.expect("it is put");
        let text = manifest_text(json!({"x": file(b"x"), "y": file(b"y")}));
        let error = read(&*store, forge(&text, &[b"z", b"y"])).await.expect_err("a flipped bit");
        assert_eq!(error.kind(), ErrorKind::Damaged, "{kind}");
        let found = read(&*store, forge(&text, &[b"x", b"y"])).await.expect("it is a bundle");
        assert_eq!((found.written_blobs, found.written_bytes), (1, 1), "{kind}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any model goes from any store to any other by a bundle.
    #[test]
    fn bundles_carry_any_model(
        files in prop::collection::btree_map("([a-d]{1,2}/){0,2}[e-g]{1,2}", prop::collection::vec(0_u8..4, 0..5), 0..8)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let dir = tempfile::tempdir().expect("a temporary folder");
            let [(_, one), (_, other)] = stores(dir.path());
            for (from, to) in [(&one, &other), (&other, &one)] {
                let given: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_slice())).collect();
                let manifest = put_model(&**from, &given).await;
                let bytes = write(&**from, &manifest.name).await;
                let found = read(&**to, bytes.clone()).await.expect("it is a bundle");
                assert_eq!(found.manifest, manifest);
                assert_eq!(write(&**to, &manifest.name).await, bytes);
                for store in [from, to] {
                    store.remove_manifest(&manifest.name).await.expect("it can be removed");
                    store.collect_garbage(&super::super::later()).await.expect("it can be collected");
                }
            }
        });
    }

    /// Any bytes at all are read without a panic, and leave the store sound.
    #[test]
    fn mangled_bundles_do_no_harm(
        edits in prop::collection::vec((any::<u16>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<u16>())
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let dir = tempfile::tempdir().expect("a temporary folder");
            let [_, (_, store)] = stores(dir.path());
            let mut bytes = forge(&manifest_text(json!({"x": file(b"xx"), "y": file(b"y")})), &[b"xx", b"y"]);
            let right = bytes.clone();
            for (at, value) in edits {
                let at = usize::from(at) % bytes.len();
                bytes[at] = value;
            }
            if let Some(cut) = cut {
                bytes.truncate(usize::from(cut) % bytes.len());
            }
            assert_eq!(read(&*store, bytes.clone()).await.is_ok(), bytes == right);
            assert!(store.verify(&Default::default()).await.expect("a report").is_sound());
        });
    }
}
