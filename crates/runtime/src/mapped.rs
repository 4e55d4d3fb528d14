//! Reads a file as bytes without copying it.

use std::{
    fs::{self, File},
    path::Path,
};

use bytes::Bytes;

use crate::{Error, ErrorKind};

/// Maps the regular file at `path` into memory, read-only.
///
/// The file's pages are read when they are touched and can be dropped by the system at any time, so that weights
/// that are used as they lie in the file take no memory of their own.
///
/// The file must not be changed in place while the bytes live: replace it by renaming a new one over it, as the
/// blob store does. A file that is cut short under a mapping ends the process (`SIGBUS`); where that cannot be
/// excluded, read the file instead.
///
/// # Errors
///
/// [`ErrorKind::Io`] if the file cannot be opened or mapped, or is no regular file.
pub fn map_file(path: impl AsRef<Path>) -> Result<Bytes, Error> {
    let path = path.as_ref();
    let failed = |source: std::io::Error| {
        Error::new(ErrorKind::Io, format!("could not map {}", path.display())).with_source(source)
    };
    // Asked before opening: opening a named pipe would wait for its writer.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(Error::new(ErrorKind::Io, format!("{} is not a regular file", path.display())));
    }
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(Error::new(ErrorKind::Io, format!("{} is not a regular file", path.display())));
    }
    if metadata.len() == 0 {
        return Ok(Bytes::new());
    }
    // SAFETY: the mapping is private and read-only, and the documentation above makes it the caller's duty that
    // the file is replaced and never rewritten while it lives, which is how the store keeps its files.
    #[allow(unsafe_code, reason = "a mapping is the only way not to copy weights; see SAFETY")]
    let map = unsafe { memmap2::MmapOptions::new().map(&file) }.map_err(failed)?;
    Ok(Bytes::from_owner(map))
}
