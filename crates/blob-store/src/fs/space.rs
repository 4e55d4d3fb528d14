//! How much can still be written to the file system of a store.

use super::layout::Layout;
use crate::Error;

/// Bytes that are free for this user where the folder is, or is going to be.
#[cfg(unix)]
pub(super) fn free(layout: &Layout) -> Result<Option<u64>, Error> {
    let mut path = layout.root();
    loop {
        match rustix::fs::statvfs(if path.as_os_str().is_empty() { ".".as_ref() } else { path }) {
            Ok(found) => return Ok(Some(found.f_bavail.saturating_mul(found.f_frsize))),
            Err(rustix::io::Errno::NOENT) if path.parent().is_some() => {
                path = path.parent().unwrap_or(path);
            }
            Err(error) => return Err(layout.fail("ask for free space in", error.into())),
        }
    }
}

/// Not known here.
#[cfg(not(unix))]
pub(super) fn free(_: &Layout) -> Result<Option<u64>, Error> {
    Ok(None)
}
