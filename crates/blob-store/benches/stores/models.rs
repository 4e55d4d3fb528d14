//! Stores of many models: making, opening, listing, collecting.

use std::{
    hint::black_box,
    path::Path,
    time::{Duration, Instant, SystemTime},
};

use blob_store::{
    BlobStore, BlobStoreExt, Durability, FileEntry, FsOptions, FsStore, GcOptions, Manifest, ManifestName,
    OpenOptions,
};
use bytes::Bytes;
use serde_json::json;

use super::{Outcome, ms, noise};

pub(super) fn store(path: &str, durability: &str) -> Result<FsStore, Box<dyn std::error::Error>> {
    let durability = match durability {
        "full" => Durability::Full,
        "crash" => Durability::ProcessCrashOnly,
        _ => return Err("the durability is full or crash".into()),
    };
    Ok(FsStore::open_with(Path::new(path), FsOptions::default().durability(durability))?)
}

fn name(model: &str) -> ManifestName {
    ManifestName::new("hub.example", format!("org/{model}"), "main")
}

/// Makes models `0`, `1`, ... of so many files each, no two the same. With no files, so many blobs that nothing names.
pub(super) async fn make(store: &FsStore, models: u64, files: u64, bytes: usize) -> Outcome {
    if files == 0 {
        let contents = (0..models).map(|n| noise(bytes, 1 << 50 | n).into()).collect();
        store.put_many(contents).await?;
        return Ok(json!({"blobs": models}));
    }
    for model in 0..models {
        let contents: Vec<Bytes> =
            (0..files).map(|file| noise(bytes, (models * files + model) << 20 | file).into()).collect();
        let ids = store.put_many(contents).await?;
        let mut manifest = Manifest::new(name(&model.to_string()), 1_700_000_000);
        for (n, id) in ids.into_iter().enumerate() {
            let mut entry = FileEntry::new(id, 1_700_000_000);
            entry.etag = Some(format!("\"{}\"", id.digest));
            entry.origin = Some("https://hub.example/org/name/resolve/0123456789abcdef/onnx/".to_owned());
            manifest.files.insert(format!("onnx/part-{n:05}.onnx"), entry);
        }
        let version = store.manifest(&manifest.name).await?.map(|(_, version)| version);
        store.put_manifest(&manifest, version).await?;
    }
    Ok(json!({"blobs": models * files}))
}

/// Opens a model again and again: from its name to the bytes of all its files.
pub(super) async fn open(store: &FsStore, model: &str, times: usize, verify: bool) -> Outcome {
    let (name, options) = (name(model), OpenOptions::default().verify(verify));
    let mut walls = Vec::new();
    let (mut files, mut bytes) = (0, 0);
    for _ in 0..times.max(1) {
        let start = Instant::now();
        let model = store.open_model(&name, &options).await?.ok_or("there is no such model")?;
        walls.push(start.elapsed().as_secs_f64() * 1e6);
        files = model.files().len();
        bytes = model.files().map(|(_, file)| file.bytes.len()).sum::<usize>();
        black_box(model);
    }
    walls.sort_by(f64::total_cmp);
    Ok(json!({"wall_us": walls[(walls.len() - 1) / 2], "files": files, "bytes": bytes}))
}

/// Sizes every model.
pub(super) async fn list(store: &FsStore) -> Outcome {
    let start = Instant::now();
    let usage = store.usage().await?;
    let wall_ms = ms(start);
    Ok(json!({"wall_ms": wall_ms, "models": usage.manifests.len(), "blobs": usage.blobs}))
}

/// Collects what nothing names, however young.
pub(super) async fn collect(store: &FsStore) -> Outcome {
    let options = GcOptions::new(SystemTime::now() + Duration::from_secs(86_400));
    let start = Instant::now();
    let report = store.collect_garbage(&options).await?;
    Ok(json!({"wall_ms": ms(start), "kept": report.kept, "removed": report.removed.len()}))
}
