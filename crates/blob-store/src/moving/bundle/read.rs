//! A bundle into a store.

use bytes::Bytes;
use content_id::{ContentId, Hasher};
use futures::Stream;

use super::{
    super::{
        progress::Meter,
        settle::{Imported, settle},
    },
    BundleOptions, SUBJECT,
    head::{Head, blobs, fail, manifest},
    input::Input,
};
use crate::{BlobStore, Error, ErrorKind};

/// Reads the bundle that arrives in `pieces` into the store, at `now` Unix seconds.
///
/// Blobs are hashed while they arrive and published one by one; those that the store has are compared only. The
/// manifest is written last, when the end of the bundle was seen, so that what a bad bundle leaves is at most whole
/// verified blobs, which the next garbage collection removes. Memory is needed for the manifest and a few pieces.
///
/// The digests in a bundle are its own: who changes the manifest in it can change everything. Where it comes from
/// strangers, [`BundleOptions::expected`] pins all of it by one digest.
///
/// # Errors
///
/// `Damaged` if it is no bundle, is cut short, has other bytes than its manifest says, or does not end where it should;
/// `Unsupported` if a newer program wrote it; `TooLarge` if it is above the limits of `options` or of the store;
/// `UnsafeName` for a file name that [`check_file_name`](crate::check_file_name) refuses; `Invalid` if it names one
/// digest with two sizes; `Mismatch` if it is not the one expected; `Occupied` if the store has a manifest of this name
/// with other files; `Backend` with the error of `pieces`; as for
/// [`put_manifest`](crate::BlobStoreExt::put_manifest) else.
pub async fn read_bundle_stream<S, R, E>(
    store: &S,
    pieces: R,
    now: u64,
    options: &BundleOptions,
) -> Result<Imported, Error>
where
    S: BlobStore + ?Sized,
    R: Stream<Item = Result<Bytes, E>> + Send + Unpin,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    let mut input = Input::new(pieces);
    let head = Head::parse(&input.line().await?)?;
    if let Some(expected) = options.expected.filter(|expected| *expected != head.manifest.digest) {
        let detail = format!("its manifest is {}, not {expected}", head.manifest.digest);
        return Err(fail(ErrorKind::Mismatch).with_detail(detail));
    }
    if options.max_manifest_bytes < head.manifest.size {
        let detail = format!(
            "its manifest has {} bytes, at most {} allowed",
            head.manifest.size, options.max_manifest_bytes
        );
        return Err(fail(ErrorKind::TooLarge).with_detail(detail));
    }
    let text = input.exactly(head.manifest.size).await?;
    if ContentId::of(&text) != head.manifest {
        return Err(fail(ErrorKind::Damaged).with_detail("its manifest has another digest"));
    }
    let mut manifest = manifest(&text, options)?;
    drop(text);
    manifest.used = manifest.used.max(now);
    let blobs = blobs(&manifest);
    let meter = Meter::new(&options.observer, blobs.len(), manifest.bytes());
    let (mut written_blobs, mut written_bytes) = (0, 0);
    for id in blobs {
        if blob(store, &mut input, id, &meter).await? {
            written_blobs += 1;
            written_bytes += id.size;
        }
        meter.file();
    }
    let end = head.end();
    if input.line().await? != end.trim_end().as_bytes() {
        return Err(fail(ErrorKind::Damaged).with_detail("it does not end as a bundle does"));
    }
    input.end().await?;
    let (manifest, version) = settle(store, "import", manifest, options.replace).await?;
    Ok(Imported { manifest, version, written_blobs, written_bytes })
}

/// Takes the bytes of one blob; returns whether they had to be written.
async fn blob<S, R, E>(store: &S, input: &mut Input<R>, id: ContentId, meter: &Meter) -> Result<bool, Error>
where
    S: BlobStore + ?Sized,
    R: Stream<Item = Result<Bytes, E>> + Send + Unpin,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    // That the bytes are others than the manifest says is damage of the bundle.
    let named = |error: Error| {
        let kind = match error.kind() {
            ErrorKind::Mismatch => ErrorKind::Damaged,
            kind => kind,
        };
        Error::new(kind, "read", format_args!("blob {} in {SUBJECT}", id.digest)).with_source(error)
    };
    let mut stage = match store.contains(id).await? {
        true => None,
        false => Some(store.stage(id.into()).await.map_err(named)?),
    };
    let mut hasher = Hasher::default();
    let mut left = id.size;
    while left > 0 {
        let piece = input.piece(left).await?;
        left -= piece.len() as u64;
        meter.bytes(piece.len() as u64);
        match &mut stage {
            Some(stage) => stage.write(piece).await.map_err(named)?,
            None => hasher.update(&piece),
        }
    }
    match stage {
        Some(stage) => stage.publish().await.map(|_| true).map_err(named),
        None if hasher.finish() == id => Ok(false),
        None => Err(named(Error::blob(ErrorKind::Damaged, "read", id))),
    }
}

/// Reads a bundle from a file, a pipe or anything else that blocks, on the blocking threads of the runtime; as
/// [`read_bundle_stream`] else. It reads to the end.
///
/// # Errors
///
/// As for [`read_bundle_stream`].
#[cfg(any(feature = "fs", feature = "object-store"))]
pub async fn read_bundle<S, R>(
    store: &S,
    reader: R,
    now: u64,
    options: &BundleOptions,
) -> Result<Imported, Error>
where
    S: BlobStore + ?Sized,
    R: std::io::Read + Send + 'static,
{
    use std::io::Read;

    /// Bytes read in one go.
    const PIECE: u64 = 1 << 20;

    let pieces = futures::stream::try_unfold(reader, |mut reader| async move {
        let (reader, outcome) = crate::blocking::run(move || {
            let mut piece = Vec::new();
            let outcome = Read::by_ref(&mut reader).take(PIECE).read_to_end(&mut piece);
            Ok((reader, outcome.map(|_| Bytes::from(piece))))
        })
        .await?;
        let piece = outcome.map_err(|e| Error::io("read", SUBJECT, e))?;
        Ok::<_, Error>((!piece.is_empty()).then_some((piece, reader)))
    });
    read_bundle_stream(store, Box::pin(pieces), now, options).await
}
