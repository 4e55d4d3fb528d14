//! Locks of the file system backend: empty files below `locks/`, locked with `flock`, which the system takes back
//! from whoever dies.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
    thread,
};

use super::layout::Layout;
use crate::{DocumentKey, Error, LockGuard, layout};

/// How often a lock is asked for again that somebody holds for an instant, to see whether there are others.
const ATTEMPTS: u32 = 1000;

/// Takes a shared lock; nothing where that cannot be done, for example in a folder that can only be read.
pub(super) fn shared(layout: &Layout, key: &DocumentKey) -> Option<LockGuard> {
    let path = layout.folder(&[layout::LOCKS]).ok()?.join(key.digest().to_string());
    let file = open_or_create(layout, &path).ok()??;
    for _ in 0..ATTEMPTS {
        match file.try_lock_shared() {
            Ok(()) => return Some(LockGuard::new(file)),
            Err(TryLockError::WouldBlock) => thread::yield_now(),
            Err(TryLockError::Error(_)) => return None,
        }
    }
    None
}

/// Whether anybody has a shared lock, as far as the file system can say.
pub(super) fn is_held(layout: &Layout, key: &DocumentKey) -> Result<bool, Error> {
    let Some(folder) = layout.existing(&[layout::LOCKS])? else { return Ok(false) };
    let Ok(Some((file, _))) = layout.calls().open(&folder.join(key.digest().to_string())) else {
        return Ok(false);
    };
    for _ in 0..3 {
        match file.try_lock() {
            // Nobody; it is released with the file.
            Ok(()) => return Ok(false),
            // Perhaps only somebody else who looks.
            Err(TryLockError::WouldBlock) => thread::yield_now(),
            Err(TryLockError::Error(_)) => return Ok(false),
        }
    }
    Ok(true)
}

fn open_or_create(layout: &Layout, path: &Path) -> io::Result<Option<File>> {
    if let Some((file, _)) = layout.calls().open(path)? {
        return Ok(Some(file));
    }
    match layout.calls().create_named(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    Ok(layout.calls().open(path)?.map(|(file, _)| file))
}
