//! Last-used times, without a write for each use.

use crate::{
    BlobStore, Error, ErrorKind, Manifest, ManifestName,
    manifest::{Content, decode},
};

/// Seconds within which a use is not noted again.
pub const TOUCH_RESOLUTION: u64 = 3600;

pub(crate) async fn touch<S: BlobStore + ?Sized>(
    store: &S,
    name: &ManifestName,
    now: u64,
    resolution: u64,
) -> Result<bool, Error> {
    const OPERATION: &str = "touch";
    let fail = |e: Error| Error::new(e.kind(), OPERATION, format_args!("manifest {name}")).with_source(e);
    let absent = || Error::new(ErrorKind::NotFound, OPERATION, format_args!("manifest {name}"));
    let key = name.key();
    let document = store.document(&key).await.map_err(fail)?.ok_or_else(absent)?;
    let mut manifest: Manifest = decode(&key, &document.bytes).map_err(fail)?;
    // Whichever is later: a clock that was set back must not make a model look used for years to come.
    if manifest.used.abs_diff(now) < resolution {
        return Ok(false);
    }
    manifest.used = now;
    // The blobs are those that the manifest named before, so that nothing has to be looked for.
    let written = store.put_document(&key, manifest.encode(OPERATION)?, Some(document.version)).await;
    match written {
        Ok(_) => Ok(true),
        // Who wrote it, or removed it, in this instant knows better.
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(false),
        Err(error) => Err(fail(error)),
    }
}
