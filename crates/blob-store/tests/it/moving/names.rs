//! File names that must never become a path.

use blob_store::{ErrorKind, ExportOptions, FileEntry, Manifest, check_file_name, export_model};
use content_id::ContentId;
use proptest::prelude::*;

use super::{name, stores, tree};

/// Names that every check refuses.
pub(super) const UNSAFE: [&str; 43] = [
    "",
    "/",
    "/etc/passwd",
    ".",
    "..",
    "../x",
    "../../../../../pwned.txt",
    "a/../x",
    "a/..",
    "a/./x",
    "./x",
    "a//x",
    "a/",
    "\\x",
    "a\\..\\x",
    "\\\\server\\share",
    "c:",
    "C:\\x",
    "c:/x",
    "file:stream",
    "nul\0",
    "a\nb",
    "a\u{7f}",
    "\u{85}",
    "nul",
    "NUL.txt",
    "aux/x",
    "x/con",
    "com1",
    "COM9.tar.gz",
    "lpt¹",
    "prn .txt",
    "conout$",
    "x.",
    "x/y. /z",
    "x ",
    " x",
    "...",
    "a<b",
    "a|b",
    "what?",
    "*",
    "\"quoted\"",
];

#[test]
fn unsafe_names_are_refused() {
    for name in UNSAFE {
        let error = check_file_name(name).expect_err("it is not safe");
        assert_eq!(error.kind(), ErrorKind::UnsafeName, "{name:?}");
    }
    for long in ["x".repeat(256), "x/".repeat(40) + "x", format!("{}/x", "y/".repeat(15) + &"z".repeat(2000))]
    {
        assert!(check_file_name(&long).is_err());
        assert!(check_file_name(&long).expect_err("it is too long").to_string().len() < 300);
    }
    for safe in
        ["x", "a/b/c.onnx", ".gitattributes", "..x", "a b", "模型/权重.bin", "com", "com10", "nully", "x..y"]
    {
        check_file_name(safe).expect("it is safe");
    }
    check_file_name(&"x".repeat(255)).expect("it is just short enough");
}

/// One such name, and nothing of the model is exported, whatever the others are.
#[tokio::test]
async fn unsafe_names_stop_an_export_before_it_begins() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("out/deep");
    for (kind, store) in stores(dir.path()) {
        let id = store_one(&*store).await;
        for bad in UNSAFE {
            let mut manifest = Manifest::new(name(), 1);
            manifest.files.insert("good".to_owned(), FileEntry::new(id, 1));
            manifest.files.insert(bad.to_owned(), FileEntry::new(id, 1));
            let options = ExportOptions::default();
            let error = export_model(&*store, &manifest, &out, &options).await.expect_err("it is not safe");
            assert_eq!(error.kind(), ErrorKind::UnsafeName, "{kind} {bad:?}");
        }
    }
    assert!(!dir.path().join("out").exists(), "nothing was written");
    assert_eq!(tree(dir.path()).keys().filter(|path| path.contains("pwned")).count(), 0);
}

/// Names that some file system takes for one are not exported at all.
#[tokio::test]
async fn names_that_meet_are_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let [(_, store), _] = stores(dir.path());
    let id = store_one(&*store).await;
    let out = dir.path().join("out");
    for pair in [
        ["README.md", "readme.MD"],
        ["A/x", "a/y"],
        ["deep/A/x", "deep/a/y"],
        ["a", "a/b"],
        ["a", "A/b"],
        ["straße", "STRASSE"],
        ["e\u{301}", "é"],
        ["ﬁle", "file"],
    ] {
        let mut manifest = Manifest::new(name(), 1);
        manifest.files.extend(pair.map(|name| (name.to_owned(), FileEntry::new(id, 1))));
        let options = ExportOptions::default();
        let error = export_model(&*store, &manifest, &out, &options).await.expect_err("they meet");
        assert_eq!(error.kind(), ErrorKind::UnsafeName, "{pair:?}");
        let shown = error.to_string();
        assert!(shown.contains("only by case") || shown.contains("both a file and a folder"), "{shown}");
    }
    let mut manifest = Manifest::new(name(), 1);
    let apart = ["a/x", "a/y", "a b", "a.b", "b/a", "x/a"];
    manifest.files.extend(apart.map(|name| (name.to_owned(), FileEntry::new(id, 1))));
    export_model(&*store, &manifest, &out, &ExportOptions::default()).await.expect("none of them meet");
    assert_eq!(tree(&out).len(), apart.len());
}

async fn store_one(store: &dyn blob_store::BlobStore) -> ContentId {
    use blob_store::BlobStoreExt;
    store.put_bytes("one".into()).await.expect("it is put")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// What is accepted, joined to a folder, is below it on every system.
    #[test]
    fn accepted_names_stay_inside(name in r"[a-c./\\: \x00-\x10]{0,12}") {
        if check_file_name(&name).is_ok() {
            let plain = |part: std::path::Component<'_>| matches!(part, std::path::Component::Normal(_));
            prop_assert!(std::path::Path::new(&name).components().all(plain));
            prop_assert_eq!(std::path::Path::new(&name).components().count(), name.split('/').count());
            prop_assert!(!name.contains(['\\', ':', '\0']));
        }
    }
}
