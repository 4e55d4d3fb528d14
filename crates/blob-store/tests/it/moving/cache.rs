//! Imports from a Hugging Face cache.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use blob_store::{
    BlobStore, BlobStoreExt, CacheOptions, Error, ErrorKind, Imported, ManifestName, hugging_face_cache,
    import_hugging_face_cache,
};
use content_id::ContentId;

use super::{stores, tree, write};

const MODEL: &str = "org/name";
const COMMIT: &str = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";
/// What `git hash-object` prints for "hello\n".
const HELLO: &str = "ce013625030ba8dba906f756967f9e9ca394464a";

/// Damages a cache.
type Spoil<'a> = &'a dyn Fn(&Cache);

/// A cache as the hub's own clients write it.
struct Cache {
    root: PathBuf,
    model: PathBuf,
}

impl Cache {
    fn new(root: PathBuf) -> Self {
        let model = root.join("models--org--name");
        write(&model.join("refs/main"), COMMIT);
        fs::create_dir_all(model.join("snapshots").join(COMMIT)).expect("a folder");
        fs::create_dir_all(model.join("blobs")).expect("a folder");
        Self { root, model }
    }

    /// A right one, with a small and a large file.
    fn good(root: PathBuf) -> Self {
        let cache = Self::new(root);
        cache.file(COMMIT, "README.md", HELLO, "hello\n");
        cache.file(COMMIT, "onnx/model.onnx", &sha("weights"), "weights");
        cache
    }

    fn file(&self, commit: &str, name: &str, blob: &str, content: &str) {
        write(&self.model.join("blobs").join(blob), content);
        let up = "../".repeat(2 + name.matches('/').count());
        self.link(commit, name, &format!("{up}blobs/{blob}"));
    }

    fn link(&self, commit: &str, name: &str, target: &str) {
        let link = self.model.join("snapshots").join(commit).join(name);
        fs::create_dir_all(link.parent().expect("it has one")).expect("a folder");
        symlink(target, link).expect("a symlink");
    }

    fn blob(&self, name: &str) -> PathBuf {
        self.model.join("blobs").join(name)
    }

    async fn import(&self, store: &dyn BlobStore, revision: &str) -> Result<Imported, Error> {
        import_hugging_face_cache(store, &self.root, MODEL, revision, 5, &CacheOptions::default()).await
    }
}

fn sha(content: &str) -> String {
    ContentId::of(content.as_bytes()).digest.to_string()
}

#[tokio::test]
async fn a_cached_model_is_taken() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let cache = Cache::good(dir.path().join("hub"));
    let before = tree(&cache.root);
    for (kind, store) in stores(dir.path()) {
        let found = cache.import(&*store, "main").await.expect("it is a cache");
        assert_eq!((found.written_blobs, found.written_bytes), (2, 13), "{kind}");
        let manifest = found.manifest;
        assert_eq!(manifest.name, ManifestName::new("huggingface.co", MODEL, "main"));
        assert_eq!(manifest.commit.as_deref(), Some(COMMIT));
        let files: Vec<_> = manifest
            .files
            .iter()
            .map(|(name, file)| (name.as_str(), file.content, file.etag.as_deref().expect("the blob's name")))
            .collect();
        let (hello, weights) = (ContentId::of(b"hello\n"), ContentId::of(b"weights"));
        assert_eq!(
            files,
            [("README.md", hello, HELLO), ("onnx/model.onnx", weights, sha("weights").as_str())]
        );
        assert!(store.verify(&Default::default()).await.expect("a report").is_sound());
        // Again, by the commit, from another hub's name.
        let options = CacheOptions::default().hub("mirror.example");
        let again = import_hugging_face_cache(&*store, &cache.root, MODEL, COMMIT, 5, &options).await;
        let again = again.expect("a commit is a revision");
        assert_eq!(again.manifest.name, ManifestName::new("mirror.example", MODEL, COMMIT));
        assert_eq!(cache.import(&*store, "main").await.expect("it is the same").version, found.version);
    }
    assert_eq!(tree(&cache.root), before, "a cache is only read");
}

/// Two revisions share what they share; a large blob that the store has is not read again.
#[tokio::test]
async fn revisions_share_blobs() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let cache = Cache::good(dir.path().join("hub"));
    let other = "beef".repeat(10);
    cache.file(&other, "model.onnx", &sha("weights"), "weights");
    cache.file(&other, "new.bin", &sha("new"), "new");
    write(&cache.model.join("refs/refs/pr/1"), format!("{other}\n"));
    write(&cache.model.join("refs/broken"), "no commit");
    write(&cache.root.join("models--gpt2/refs/main"), &other);
    write(&cache.root.join("datasets--org--data/refs/main"), &other);
    let listed = hugging_face_cache(&cache.root).await.expect("it can be listed");
    let listed: Vec<_> =
        listed.iter().map(|m| (m.model.as_str(), m.revision.as_str(), m.commit.as_str())).collect();
    assert_eq!(listed, [("gpt2", "main", &*other), (MODEL, "main", COMMIT), (MODEL, "refs/pr/1", &*other)]);
    let [(_, store), _] = stores(dir.path());
    cache.import(&*store, "main").await.expect("it is a cache");
    fs::write(cache.blob(&sha("weights")), "weightz").expect("it can be written");
    let found = cache.import(&*store, "refs/pr/1").await.expect("the store has the right bytes");
    assert_eq!((found.written_blobs, found.written_bytes), (1, 3));
    assert_eq!(store.blobs().await.expect("a listing").len(), 3);
}

/// Damaged, interrupted and missing blobs are refused by name, and no manifest is written.
#[tokio::test]
async fn bad_blobs_are_refused() {
    let spoil: [(&str, Spoil<'_>, ErrorKind); 8] = [
        ("model.onnx", &|c| write(&c.blob(&sha("weights")), "weightz"), ErrorKind::Mismatch),
        ("model.onnx", &|c| write(&c.blob(&sha("weights")), "weight"), ErrorKind::Mismatch),
        ("README.md", &|c| write(&c.blob(HELLO), "hullo\n"), ErrorKind::Mismatch),
        ("README.md", &|c| write(&c.blob(HELLO), ""), ErrorKind::Mismatch),
        ("README.md", &|c| fs::remove_file(c.blob(HELLO)).expect("it is there"), ErrorKind::Incomplete),
        (
            "interrupted",
            &|c| {
                let whole = c.blob(&sha("weights"));
                fs::rename(&whole, c.blob(&format!("{}.incomplete", sha("weights")))).expect("it is there");
            },
            ErrorKind::Incomplete,
        ),
        (
            "interrupted",
            &|c| {
                let partial = format!("{}.0a1b.incomplete", sha("partial"));
                c.file(COMMIT, "partial", &partial, "part");
            },
            ErrorKind::Incomplete,
        ),
        (
            "no file",
            &|c| {
                fs::remove_file(c.blob(HELLO)).expect("it is there");
                fs::create_dir(c.blob(HELLO)).expect("a folder");
            },
            ErrorKind::Invalid,
        ),
    ];
    for (number, (what, spoil, expected)) in spoil.into_iter().enumerate() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let cache = Cache::good(dir.path().join("hub"));
        spoil(&cache);
        for (_, store) in stores(dir.path()) {
            let error = cache.import(&*store, "main").await.expect_err("it is bad");
            assert_eq!(error.kind(), expected, "{number}: {error}");
            let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            assert!(format!("{error} {source}").contains(what), "{number}: {error} {source}");
            assert!(store.manifests().await.expect("a listing").is_empty());
            assert!(store.verify(&Default::default()).await.expect("a report").is_sound());
        }
    }
}

/// A symlink leads into the model's own blobs or nowhere.
#[tokio::test]
async fn links_that_lead_elsewhere_are_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let secret = dir.path().join("secret");
    write(&secret, "secret");
    let name = sha("secret");
    let absolute = secret.display().to_string();
    for (number, target) in [
        absolute.as_str(),
        "../../../../secret",
        "../../blobs/../../../secret",
        "../../blobs",
        "../../blobs/",
        "../../blobs/.",
        "../../blobs/..",
        "../../blobs/a/b",
        &format!("../../blobs//{name}"),
        &format!("../../../models--org--other/blobs/{name}"),
        &format!("../blobs/{name}"),
        &format!("../../../blobs/{name}"),
        &format!("./../../blobs/{name}"),
        &format!("../../blobs/{name}/"),
        &format!("../../x/../blobs/{name}"),
        "../../refs/main",
        "README.md",
    ]
    .into_iter()
    .enumerate()
    {
        let cache = Cache::good(dir.path().join(format!("hub{number}")));
        write(&cache.root.join("models--org--other/blobs").join(&name), "secret");
        cache.link(COMMIT, "stolen", target);
        let [(_, store), _] = stores(&dir.path().join(number.to_string()));
        let error = cache.import(&*store, "main").await.expect_err("it leads elsewhere");
        assert_eq!(error.kind(), ErrorKind::Invalid, "{target}: {error}");
        assert!(!store.contains(ContentId::of(b"secret")).await.expect("the store can be asked"));
    }
}

/// No folder of a cache is a symlink, and no blob either.
#[tokio::test]
async fn links_in_place_of_folders_and_blobs_are_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let outside = Cache::good(dir.path().join("outside"));
    for (number, place) in
        ["", "blobs", "snapshots", "refs", &format!("snapshots/{COMMIT}"), &format!("blobs/{HELLO}")]
            .into_iter()
            .enumerate()
    {
        let cache = Cache::good(dir.path().join(format!("hub{number}")));
        let at = cache.model.join(place);
        let at = Path::new(at.to_str().expect("text").trim_end_matches('/'));
        match at.is_dir() {
            true => fs::remove_dir_all(at).expect("it is there"),
            false => fs::remove_file(at).expect("it is there"),
        }
        symlink(outside.model.join(place), at).expect("a symlink");
        let [(_, store), _] = stores(&dir.path().join(number.to_string()));
        let error = cache.import(&*store, "main").await.expect_err("it is a symlink");
        assert!(matches!(error.kind(), ErrorKind::Backend | ErrorKind::Invalid), "{place}: {error}");
        assert!(store.manifests().await.expect("a listing").is_empty());
    }
}

/// What nothing can be compared with is taken only by a method with a warning in its name.
#[tokio::test]
async fn unverified_files_are_refused() {
    let spoil: [Spoil<'_>; 3] = [
        &|c| write(&c.model.join("snapshots").join(COMMIT).join("deep/plain"), "plain"),
        &|c| c.file(COMMIT, "odd", "an-etag-of-another-kind", "odd"),
        &|c| c.file(COMMIT, "odd", &sha("odd").to_uppercase(), "odd"),
    ];
    for spoil in spoil {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let cache = Cache::good(dir.path().join("hub"));
        spoil(&cache);
        for (_, store) in stores(dir.path()) {
            let error = cache.import(&*store, "main").await.expect_err("nothing tells its digest");
            assert_eq!(error.kind(), ErrorKind::Unverified, "{error}");
            let options = CacheOptions::default().dangerously_accept_unverified();
            let found = import_hugging_face_cache(&*store, &cache.root, MODEL, "main", 5, &options).await;
            let files = found.expect("it was asked for").manifest.files;
            assert_eq!(files.len(), 3);
            // What was not checked must not pass for what the hub has under that name.
            assert_eq!(files.values().filter(|file| file.etag.is_some()).count(), 2);
        }
        // Even then what can be checked is checked.
        write(&cache.blob(HELLO), "hullo\n");
        let [(_, store), _] = stores(&dir.path().join("again"));
        let options = CacheOptions::default().dangerously_accept_unverified();
        let outcome = import_hugging_face_cache(&*store, &cache.root, MODEL, "main", 5, &options).await;
        assert_eq!(outcome.expect_err("it is damaged").kind(), ErrorKind::Mismatch);
    }
}

#[tokio::test]
async fn names_of_models_and_revisions_are_foreign() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let cache = Cache::good(dir.path().join("hub"));
    write(&cache.root.join("escape"), COMMIT);
    write(&cache.model.join("refs/odd"), "../../../../etc");
    write(&cache.model.join("refs/long"), COMMIT.repeat(100));
    let [(_, store), _] = stores(dir.path());
    for (model, revision, expected) in [
        (MODEL, "absent", ErrorKind::NotFound),
        (MODEL, &*"0".repeat(40), ErrorKind::NotFound),
        (MODEL, "main/x", ErrorKind::Backend),
        (MODEL, "../../escape", ErrorKind::UnsafeName),
        (MODEL, "", ErrorKind::UnsafeName),
        (MODEL, "odd", ErrorKind::Damaged),
        (MODEL, "long", ErrorKind::Damaged),
        ("org/absent", "main", ErrorKind::NotFound),
        ("org--name", "main", ErrorKind::NotFound),
        ("../hub", "main", ErrorKind::UnsafeName),
    ] {
        let options = CacheOptions::default();
        let outcome = import_hugging_face_cache(&*store, &cache.root, model, revision, 5, &options).await;
        let error = outcome.expect_err("there is no such model");
        assert_eq!(error.kind(), expected, "{model}@{revision}: {error}");
    }
}
