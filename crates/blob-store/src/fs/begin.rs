//! Beginning a stage in parts: taking up one whose owner is gone, or making a new one.

use std::{
    fs::{File, Metadata, TryLockError},
    io,
    path::Path,
    sync::Arc,
    time::Duration,
};

use content_id::Digest;

use super::{
    calls::{Calls, is_absent},
    files::Files,
    journal::{self, Contents, Parts},
    layout::Layout,
    parts::Parted,
    record::Recorder,
    stages,
};
use crate::{Error, ErrorKind, Expected, expect::Check, layout};

/// How often a process that finds a stage changing under its hands looks again.
const ATTEMPTS: u32 = 64;

/// Whoever lists or removes stages holds their locks for a moment; an owner holds it for longer than this.
const LOCK_ATTEMPTS: u32 = 5;
const LOCK_PAUSE: Duration = Duration::from_millis(4);

/// Takes up the stage `name`, or makes it.
pub(super) fn begin(layout: &Arc<Layout>, name: Digest, expected: Expected) -> Result<Arc<Parted>, Error> {
    let check = Check::new(expected, layout.options().limits)?;
    let fail = |e| Error::io("stage", check.subject(), e);
    let limit = expected.size.unwrap_or(layout.options().limits.blob_bytes);
    let staging = layout.folder(&[layout::STAGING])?;
    let folder = staging.join(name.to_string());
    let mut parted = None;
    for _ in 0..ATTEMPTS {
        layout.calls().make_folder(&folder).map_err(fail)?;
        layout.sync_folder(&staging).map_err(fail)?;
        let busy = || check.fail(ErrorKind::Busy, "stage");
        match adopt(layout, &folder, name, limit, &busy)? {
            Found::Stage(found) => {
                parted = Some(*found);
                break;
            }
            Found::Nothing { number } => {
                if let Some((files, recorder)) =
                    create(layout, &staging, &folder, name, number).map_err(fail)?
                {
                    parted = Some((files, recorder, Parts::new()));
                    break;
                }
            }
        }
    }
    let Some((files, recorder, parts)) = parted else { return Err(check.fail(ErrorKind::Busy, "stage")) };
    Ok(Arc::new(Parted::new(Arc::clone(layout), expected, check, files, recorder, parts)))
}

enum Found {
    Stage(Box<(Files, Recorder, Parts)>),
    /// The number of the next journal.
    Nothing {
        number: u64,
    },
}

/// Looks for a stage whose owner is gone.
fn adopt(
    layout: &Layout,
    folder: &Path,
    name: Digest,
    limit: u64,
    busy: &dyn Fn() -> Error,
) -> Result<Found, Error> {
    let mut highest = 0;
    let mut found: Option<(Files, File, Contents)> = None;
    for number in layout.names(folder)?.iter().filter_map(|name| journal::parse_journal_name(name)) {
        highest = highest.max(number);
        let journal_path = folder.join(journal::journal_name(number));
        // What cannot be opened, by its mode or because it is no file, nobody can take up.
        let Ok(Some(mut file)) = layout.calls().open_to_write(&journal_path) else { continue };
        match lock(&file) {
            Lock::Held if is_at(layout.calls(), &file, &journal_path) => {}
            Lock::Held => continue,
            Lock::Busy => return Err(busy()),
            // Without locks nobody knows whether its owner lives.
            Lock::None => continue,
        }
        let Ok(Some(contents)) = journal::read(layout.calls(), &mut file, name, limit) else { continue };
        let data_path = folder.join(&contents.data);
        let Ok(Some(data)) = layout.calls().open_to_write(&data_path) else {
            // Published, or removed, by somebody who did not come to the end of it.
            let _ = stages::remove(layout.calls(), folder, None, &journal_path);
            continue;
        };
        let data = Arc::new(data);
        let files = Files { folder: folder.to_owned(), data_path, journal_path, data };
        let bytes = |contents: &Contents| contents.parts.values().map(|part| part.size).sum::<u64>();
        if found.as_ref().is_none_or(|(_, _, other)| bytes(other) < bytes(&contents)) {
            found = Some((files, file, contents));
        }
    }
    Ok(match found {
        Some((files, file, contents)) => {
            Found::Stage(Box::new((files, Recorder::new(file, contents.ends_clean), contents.parts)))
        }
        None => Found::Nothing { number: highest.saturating_add(1) },
    })
}

/// Makes a stage; nothing if somebody else just did, or removed the folder.
fn create(
    layout: &Layout,
    staging: &Path,
    folder: &Path,
    name: Digest,
    number: u64,
) -> io::Result<Option<(Files, Recorder)>> {
    let data_name = journal::data_name(&layout::unique_name());
    let data_path = folder.join(&data_name);
    let data = match layout.calls().create_named(&data_path) {
        Ok(data) => Arc::new(data),
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let journal_path = folder.join(journal::journal_name(number));
    let made = (|| {
        let mut journal = layout.calls().create_shared(staging)?;
        layout.calls().write(journal.as_file_mut(), journal::head(name, &data_name).as_bytes())?;
        let file = journal.as_file().try_clone()?;
        // Before anybody can see it. Where there are no locks nobody will take it up.
        let _ = file.try_lock();
        layout.sync_file(&file)?;
        match layout.calls().persist_new(journal, &journal_path) {
            Ok(made) => Ok(made.then_some(file)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    })();
    let journal = match made {
        Ok(Some(journal)) => journal,
        other => {
            let _ = layout.calls().remove(&data_path);
            return other.map(|_| None);
        }
    };
    layout.sync_folder(folder)?;
    let files = Files { folder: folder.to_owned(), data_path, journal_path, data };
    Ok(Some((files, Recorder::new(journal, true))))
}

/// What came of an attempt to own a stage.
pub(super) enum Lock {
    Held,
    /// A living process has it.
    Busy,
    /// The file system has no locks.
    None,
}

/// Tries to become the owner of a stage; never waits for one.
pub(super) fn lock(journal: &File) -> Lock {
    for attempt in 0..LOCK_ATTEMPTS {
        if attempt != 0 {
            pause();
        }
        match journal.try_lock() {
            Ok(()) => return Lock::Held,
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(_)) => return Lock::None,
        }
    }
    Lock::Busy
}

#[expect(
    clippy::disallowed_methods,
    reason = "a lock that is held for a moment tells nobody when it is free"
)]
fn pause() {
    std::thread::sleep(LOCK_PAUSE);
}

/// Whether a file is still the one at `path`, and was not removed while its lock was tried.
#[cfg(unix)]
pub(super) fn is_at(calls: &Calls, file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let of = |metadata: Metadata| (metadata.dev(), metadata.ino());
    let (Ok(own), Ok(there)) = (file.metadata(), calls.look(path)) else { return false };
    of(own) == of(there)
}

/// Whether a file is still the one at `path`: a file that is open is not removed.
#[cfg(not(unix))]
pub(super) fn is_at(calls: &Calls, _: &File, path: &Path) -> bool {
    calls.look(path).is_ok()
}
