//! A model of a store as a bundle.

use std::collections::VecDeque;

use bytes::Bytes;
use content_id::{ContentId, Digest, Hasher};
use futures::{
    TryStreamExt,
    stream::{self, BoxStream},
};

use super::{
    super::progress::{Meter, Observer},
    head::{Head, blobs, check},
};
use crate::{BlobStore, BlobStoreExt, ByteStream, Error, ErrorKind, ManifestName, manifest::Content};

/// What a bundle is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bundled {
    /// The digest of the manifest in it, by which all of it can be
    /// [expected](crate::BundleOptions::expected).
    pub manifest: Digest,
    /// Its bytes.
    pub bytes: u64,
}

/// Where the writing of a bundle is.
enum State {
    Head(Bytes),
    Next,
    Blob(ContentId, ByteStream, Hasher),
    Done,
}

/// Returns the bytes of a bundle with the model of this name, and what it is.
///
/// Every blob is hashed on the way; a damaged one ends the stream with an error, before the end of the bundle, so that
/// nobody takes what was written for one.
///
/// # Errors
///
/// `NotFound` if the store has no such manifest; `UnsafeName` if a file name could not be read back; `Damaged`,
/// `Unsupported` or `Backend`. Out of the stream: `NotFound` or `Damaged` for a blob; `Backend`.
pub async fn bundle_stream<'a, S: BlobStore + ?Sized>(
    store: &'a S,
    name: &ManifestName,
    observer: &Observer,
) -> Result<(Bundled, BoxStream<'a, Result<Bytes, Error>>), Error> {
    const OPERATION: &str = "bundle";
    let subject = format!("manifest {name}");
    let found = store.manifest(name).await?;
    let (manifest, _) = found.ok_or_else(|| Error::new(ErrorKind::NotFound, OPERATION, &subject))?;
    check(&manifest)?;
    let text = manifest.encode(OPERATION)?;
    let head = Head { manifest: ContentId::of(&text) };
    let mut line = head.line().into_bytes();
    line.extend_from_slice(&text);
    let meter = Meter::new(observer, blobs(&manifest).len(), manifest.bytes());
    let left: VecDeque<ContentId> = blobs(&manifest).into();
    let bytes = (line.len() + head.end().len()) as u64 + manifest.bytes();
    let bundled = Bundled { manifest: head.manifest.digest, bytes };
    let start = (State::Head(line.into()), left);
    let pieces = stream::try_unfold(start, move |(mut state, mut left)| {
        let meter = meter.clone();
        async move {
            loop {
                state = match state {
                    State::Head(line) => return Ok(Some((line, (State::Next, left)))),
                    State::Next => match left.pop_front() {
                        Some(id) => State::Blob(id, store.read(id, 0..id.size).await?, Hasher::default()),
                        None => return Ok(Some((Bytes::from(head.end()), (State::Done, left)))),
                    },
                    State::Blob(id, mut stream, mut hasher) => match stream.try_next().await? {
                        Some(piece) => {
                            hasher.update(&piece);
                            meter.bytes(piece.len() as u64);
                            return Ok(Some((piece, (State::Blob(id, stream, hasher), left))));
                        }
                        None if hasher.finish() == id => {
                            meter.file();
                            State::Next
                        }
                        None => return Err(Error::blob(ErrorKind::Damaged, "read", id)),
                    },
                    State::Done => return Ok(None),
                };
            }
        }
    });
    Ok((bundled, Box::pin(pieces)))
}

/// Writes a bundle with the model of this name into a file, a pipe or anything else that blocks, on the blocking threads
/// of the runtime, and flushes it. Returns what the bundle is, and `writer`, for example to sync a file.
///
/// # Errors
///
/// As for [`bundle_stream`]; `NoSpace` or `Backend` for an error of `writer`. What was written until then is no bundle.
#[cfg(any(feature = "fs", feature = "object-store"))]
pub async fn write_bundle<S, W>(
    store: &S,
    name: &ManifestName,
    mut writer: W,
    observer: &Observer,
) -> Result<(Bundled, W), Error>
where
    S: BlobStore + ?Sized,
    W: std::io::Write + Send + 'static,
{
    let fail = |e| Error::io("write", super::SUBJECT, e);
    let (bundled, mut pieces) = bundle_stream(store, name, observer).await?;
    while let Some(piece) = pieces.try_next().await? {
        writer =
            crate::blocking::run(move || writer.write_all(&piece).map(|()| writer).map_err(fail)).await?;
    }
    let writer = crate::blocking::run(move || writer.flush().map(|()| writer).map_err(fail)).await?;
    Ok((bundled, writer))
}
