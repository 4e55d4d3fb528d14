//! Whole blobs in memory: put and verified read; and listing no more of others than is needed.

use bytes::{Bytes, BytesMut};
use content_id::{ContentId, Hasher};
use futures::TryStreamExt;

use crate::{BlobInfo, BlobName, BlobStore, ByteStream, Error, ErrorKind, Expected};

/// Bytes reserved before the first of them arrives, at most.
const RESERVE: u64 = 16 << 20;

pub(crate) async fn put_bytes<S: BlobStore + ?Sized>(store: &S, bytes: Bytes) -> Result<ContentId, Error> {
    let id = ContentId::of(&bytes);
    if store.confirm(&[id]).await?.is_empty() {
        return Ok(id);
    }
    let mut stage = store.stage(Expected::from(id)).await?;
    stage.write(bytes).await?;
    stage.publish().await
}

pub(crate) async fn read_all<S: BlobStore + ?Sized>(
    store: &S,
    id: ContentId,
    max_bytes: u64,
) -> Result<Bytes, Error> {
    if max_bytes < id.size {
        let detail = format!("{} bytes, at most {max_bytes} asked for", id.size);
        return Err(Error::blob(ErrorKind::TooLarge, "read", id).with_detail(detail));
    }
    loop {
        match read_once(store, id).await {
            Err(error) if error.kind() == ErrorKind::Damaged && store.mend(id).await? => {}
            outcome => return outcome,
        }
    }
}

async fn read_once<S: BlobStore + ?Sized>(store: &S, id: ContentId) -> Result<Bytes, Error> {
    let mut stream = store.read(id, 0..id.size).await?;
    let mut hasher = Hasher::default();
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(piece) = stream.try_next().await? {
        hasher.update(&piece);
        if id.size < hasher.size() {
            break;
        }
        if first.is_empty() {
            first = piece; // Often the only one; then nothing is copied.
            continue;
        }
        if rest.is_empty() {
            rest.reserve(usize::try_from(id.size.min(RESERVE)).unwrap_or(0));
            rest.extend_from_slice(&first);
        }
        rest.extend_from_slice(&piece);
    }
    if hasher.finish() != id {
        return Err(Error::blob(ErrorKind::Damaged, "read", id));
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

/// Whether the stored bytes are those of the name.
pub(crate) async fn hashes_to_its_name<S: BlobStore + ?Sized>(
    store: &S,
    id: ContentId,
) -> Result<bool, Error> {
    Ok(content_of(store.read(id, 0..id.size).await?).await? == id)
}

/// What the bytes of a stream are.
pub(crate) async fn content_of(mut pieces: ByteStream) -> Result<ContentId, Error> {
    let mut hasher = Hasher::default();
    while let Some(piece) = pieces.try_next().await? {
        hasher.update(&piece);
    }
    Ok(hasher.finish())
}

/// Looks at those of `names` that nothing is known of but the name.
pub(crate) async fn seen<S: BlobStore + ?Sized>(
    store: &S,
    names: Vec<BlobName>,
) -> Result<Vec<BlobInfo>, Error> {
    let (mut seen, mut unseen) = (Vec::new(), Vec::new());
    for name in names {
        match name.info {
            Some(info) => seen.push(info),
            None => unseen.push(name.digest),
        }
    }
    if !unseen.is_empty() {
        seen.append(&mut store.look_at(unseen).await?);
    }
    Ok(seen)
}
