//! Publishing: one large blob, and many small ones.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
    time::{Duration, Instant},
};

use blob_store::{BlobStore, BlobStoreExt, ErrorKind, Expected, FsStore, StageKey};
use bytes::Bytes;
use content_id::{ContentId, Hasher};
use serde_json::json;

use super::{Outcome, ms, noise, written};

/// Publishes a file whose size is known, as a download would: a MiB at a time.
pub(super) async fn file(file: &Path, store: &Path) -> Outcome {
    let store = FsStore::open(store)?;
    let start = Instant::now();
    let mut file = File::open(file)?;
    let expected = Expected::new(None, Some(file.metadata()?.len()));
    let mut stage = store.stage(expected).await?;
    loop {
        let mut piece = Vec::with_capacity(1 << 20);
        file.by_ref().take(1 << 20).read_to_end(&mut piece)?;
        if piece.is_empty() {
            break;
        }
        stage.write(piece.into()).await?;
    }
    let id = stage.publish().await?;
    Ok(json!({"wall_ms": ms(start), "digest": id.digest, "written_bytes": written()}))
}

/// Publishes a file whose id is known, as one of several processes that do: one of them fetches it in parts, the others
/// wait for that one.
pub(super) async fn share(file: &Path, store: &Path) -> Outcome {
    let store = FsStore::open(store)?;
    let mut file = File::open(file)?;
    let mut hasher = Hasher::default();
    let mut piece = vec![0; 1 << 20];
    loop {
        match file.read(&mut piece)? {
            0 => break,
            length => hasher.update(&piece[..length]),
        }
    }
    let id = hasher.finish();
    let (before, start) = (written(), Instant::now());
    while !store.contains(id).await? {
        let stage = match store.stage_parts(&StageKey::new("bench", "1"), id.into()).await {
            Ok(stage) => stage,
            Err(error) if error.kind() == ErrorKind::Busy => {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        // The other one may have come to its end between the two looks.
        if store.contains(id).await? {
            stage.discard().await?;
            break;
        }
        for range in stage.missing(16 << 20) {
            file.seek(SeekFrom::Start(range.start))?;
            let mut part = stage.part(range.clone()).await?;
            while part.written() < range.end - range.start {
                let left = range.end - range.start - part.written();
                let mut piece = Vec::with_capacity(1 << 20);
                file.by_ref().take(left.min(1 << 20)).read_to_end(&mut piece)?;
                part.write(piece.into()).await?;
            }
            part.finish(None).await?;
        }
        stage.publish().await?;
    }
    let written_bytes = written().zip(before).map(|(after, before)| after - before);
    Ok(json!({"wall_ms": ms(start), "written_bytes": written_bytes}))
}

/// Publishes small blobs in one `way`: `many` at once, each `one` after the other, and `again` what is there.
pub(super) async fn small(store: &FsStore, count: u64, bytes: usize, way: &str) -> Outcome {
    let contents: Vec<Bytes> = (0..count).map(|n| noise(bytes, n + 1).into()).collect();
    let last = ContentId::of(&contents[contents.len() - 1]);
    let before = written();
    let start = Instant::now();
    match way {
        "one" => {
            for content in contents {
                store.put_bytes(content).await?;
            }
        }
        "many" | "again" => drop(store.put_many(contents).await?),
        _ => return Err("say many, one or again".into()),
    }
    let wall_ms = ms(start);
    let written = written().zip(before).map(|(after, before)| after - before);
    if !store.contains(last).await? {
        return Err("the last blob is not there".into());
    }
    Ok(json!({"wall_ms": wall_ms, "written_bytes": written}))
}
