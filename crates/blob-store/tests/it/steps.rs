//! Steps of a program's life, for tests in which something fails in any of them.

use std::{fs, ops::Range, path::Path};

use blob_store::{
    BlobStore, BlobStoreExt, Error, ErrorKind, Expected, FsStore, Manifest, ManifestName, OpenOptions,
    PartStage, Pin, Reason, StageKey, VerifyOptions,
};
use bytes::Bytes;
use content_id::ContentId;

use crate::{later, manifest, noise, overwrite};

/// The steps of two lives; each changes one document at most, and can be done again after it failed.
pub(crate) const LIVES: [Range<usize>; 2] = [0..20, 20..25];

/// The steps in which a stage is taken up, and those that put many blobs at once.
pub(crate) const PARTS: Range<usize> = 17..19;
pub(crate) const BATCHES: Range<usize> = 21..23;

/// Blobs that are put at once: so many that the disk is waited for once for all, and fewer.
const MANY: usize = 9;
const FEW: usize = 3;

/// Bytes of the blob that is fetched in parts.
const PARTED: usize = 3500;

fn name(revision: &str) -> ManifestName {
    ManifestName::new("hub.example", "m", revision)
}

async fn pin(store: &FsStore, pin: &str, revision: &str) -> Result<(), Error> {
    let version = store.pin(pin).await?.map(|(_, version)| version);
    store.set_pin(&Pin::new(pin, name(revision), 1), version).await.map(|_| ())
}

pub(crate) async fn step(store: &FsStore, number: usize, large: &Bytes) -> Result<(), Error> {
    let (small, large_id) = (ContentId::of(b"small"), ContentId::of(large));
    match number {
        0 => store.put_bytes("small".into()).await.map(|_| ()),
        1 => overwrite(store, &manifest("m", "1", &[small])).await,
        2 => pin(store, "task:x", "1").await,
        3 => {
            let mut stage = store.stage(Expected::default()).await?;
            for piece in large.chunks(large.len() / 4) {
                stage.write(large.slice_ref(piece)).await?;
            }
            stage.publish().await.map(|_| ())
        }
        4 => {
            let mut stage = store.stage(Expected::default()).await?;
            stage.write("given up".into()).await?;
            stage.discard().await
        }
        5 => overwrite(store, &manifest("m", "2", &[small, large_id])).await,
        6 => overwrite(store, &manifest("m", "1", &[large_id])).await,
        7 => pin(store, "task:x", "2").await,
        8 => store.remove_manifest(&name("1")).await.map(|_| ()),
        9 => store.put_bytes("garbage".into()).await.map(|_| ()),
        10 => store.collect_garbage(&later()).await.map(|_| ()),
        // What a killed collector leaves of a blob that is in use.
        11 => store.quarantine(small.digest, Reason::Garbage).await.map(|_| ()),
        12 => store.collect_garbage(&later()).await.map(|_| ()),
        13 => {
            let rotten = store.put_bytes("sound".into()).await?;
            rot(store.dir(), rotten);
            Ok(())
        }
        14 => {
            let report = store.verify(&VerifyOptions::default().repair(true)).await?;
            // What cannot be read is no error of a scrub, but told.
            if let Some(id) = report.unread.first() {
                return Err(Error::blob(ErrorKind::Backend, "verify", *id));
            }
            report.unreadable.first().map_or(Ok(()), |(key, kind)| Err(Error::new(*kind, "verify", key)))
        }
        15 => pin(store, "task:y", "2").await,
        16 => {
            store.remove_pin("task:y").await?;
            store.collect_garbage(&later()).await?;
            store.read_all(large_id, 1 << 21).await.map(|_| ())
        }
        // A stage that is given up half done, and taken up again.
        17 => parts(store, 2).await.map(|_| ()),
        18 => parts(store, usize::MAX).await?.publish().await.map(|_| ()),
        19 => {
            let id = ContentId::of(&parted());
            overwrite(store, &manifest("m", "3", &[id])).await
        }
        20 => store.put_bytes("small".into()).await.map(|_| ()),
        21 => store.put_many([vec!["small".into()], batch(0..MANY)].concat()).await.map(|_| ()),
        22 => store.put_many(batch(MANY..MANY + FEW)).await.map(|_| ()),
        23 => {
            let ids: Vec<ContentId> =
                batch(0..MANY + FEW).iter().map(|content| ContentId::of(content)).collect();
            overwrite(store, &manifest("m", "4", &ids)).await
        }
        24 => open(store).await,
        _ => unreachable!("there is no step {number}"),
    }
}

/// Small blobs, of which some are read and some are mapped.
fn batch(numbers: Range<usize>) -> Vec<Bytes> {
    numbers.map(|number| noise(500 * (number + 1), 101 + 2 * number as u64)).collect()
}

async fn open(store: &FsStore) -> Result<(), Error> {
    let options = OpenOptions::default();
    let model = store.open_model(&name("4"), &options).await?.expect("a manifest that was written");
    assert_eq!(model.files().len(), MANY + FEW);
    for content in batch(0..MANY + FEW) {
        assert_eq!(model[&ContentId::of(&content).digest.to_string()], content);
    }
    Ok(())
}

/// What is fetched in parts.
pub(crate) fn parted() -> Bytes {
    noise(PARTED, 3)
}

/// Writes so many of the parts that are missing, the last one first.
pub(crate) async fn parts(store: &dyn BlobStore, most: usize) -> Result<Box<dyn PartStage>, Error> {
    let content = parted();
    let stage = store.stage_parts(&StageKey::new("source", "v1"), ContentId::of(&content).into()).await?;
    for range in stage.missing(1000).into_iter().rev().take(most) {
        let mut part = stage.part(range.clone()).await?;
        part.write(content.slice(range.start as usize..range.end as usize)).await?;
        part.finish(None).await?;
    }
    Ok(stage)
}

/// Changes a blob in its place.
pub(crate) fn rot(dir: &Path, id: ContentId) {
    let digest = id.digest.to_string();
    let path = dir.join("blobs/sha256").join(&digest[..2]).join(&digest[2..]);
    fs::remove_file(&path).expect("it was put");
    fs::write(path, "rotte").expect("it can be written");
}

/// The documents that can be seen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Documents {
    pub(crate) manifests: Vec<Manifest>,
    pins: Vec<Pin>,
}

pub(crate) async fn documents(store: &FsStore) -> Documents {
    let manifests = store.manifests().await.expect("all can be read");
    Documents { manifests, pins: store.pins().await.expect("all can be read") }
}
