//! What is in staging: listed, and removed where its owner is gone and it is old.

use std::{
    collections::BTreeSet,
    fs::{File, Metadata, TryLockError},
    io,
    path::Path,
    time::SystemTime,
};

use content_id::Digest;

use super::{
    begin::{Lock, is_at, lock},
    calls::{Calls, is_absent},
    journal,
    layout::Layout,
};
use crate::{Error, StageInfo, layout};

/// Removes the files of a stage, the record last: who is killed between them leaves a record of bytes that are not
/// there, which is nothing. The folder goes with its last stage.
pub(super) fn remove(calls: &Calls, folder: &Path, data: Option<&Path>, journal: &Path) -> io::Result<()> {
    for path in data.into_iter().chain([journal]) {
        calls.remove(path)?;
    }
    // Not empty: somebody else has a stage in it.
    let _ = calls.remove_folder(folder);
    Ok(())
}

/// One stage in parts, as it is found.
struct Found {
    info: StageInfo,
    /// The journal's name.
    journal: String,
    /// The name of the file with the bytes, if the journal is sound; or that nobody can say, since it cannot be read.
    data: io::Result<Option<String>>,
}

/// The stages in parts in one folder.
#[derive(Default)]
struct Stages {
    found: Vec<Found>,
    /// There are journals that cannot be opened: by their mode, or because it is another process's turn.
    more: bool,
}

/// Lists the stages.
pub(super) fn list(layout: &Layout) -> Result<Vec<StageInfo>, Error> {
    let mut stages = Vec::new();
    let Some(staging) = layout.existing(&[layout::STAGING])? else { return Ok(stages) };
    for name in layout.names(&staging)? {
        let path = staging.join(&name);
        match metadata(layout.calls(), &path).map_err(|e| layout.fail("list", e))? {
            Some(metadata) if metadata.is_dir() => {
                stages.extend(in_folder(layout, &path, &name)?.found.into_iter().map(|found| found.info));
            }
            Some(metadata) => {
                let modified = metadata.modified().map_err(|e| layout.fail("list", e))?;
                stages.push(StageInfo::new(name, false, metadata.len(), modified));
            }
            None => {}
        }
    }
    Ok(stages)
}

/// Looks at the stages in parts in one folder.
fn in_folder(layout: &Layout, folder: &Path, name: &str) -> Result<Stages, Error> {
    let mut all = Stages::default();
    // Other folders are foreign.
    let Ok(digest) = name.parse::<Digest>() else { return Ok(all) };
    let calls = layout.calls();
    for journal in layout.names(folder)? {
        if journal::parse_journal_name(&journal).is_none() {
            continue;
        }
        let (mut file, metadata) = match calls.open(&folder.join(&journal)) {
            Ok(Some(opened)) => opened,
            Ok(None) => continue,
            // No file is no journal.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => continue,
            Err(_) => {
                all.more = true;
                continue;
            }
        };
        let Ok(mut modified) = metadata.modified() else { continue };
        let limit = layout.options().limits.blob_bytes;
        let contents = journal::read(calls, &mut file, digest, limit);
        let known = || contents.iter().flatten();
        let bytes = known().flat_map(|contents| contents.parts.values()).map(|part| part.size).sum();
        let written = known().find_map(|contents| calls.look(&folder.join(&contents.data)).ok());
        if let Some(Ok(written)) = written.map(|metadata| metadata.modified()) {
            modified = modified.max(written);
        }
        // The shortest of looks: an owner that comes just now tries more than once.
        let owned = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
        let info = StageInfo::new(name.to_owned(), true, bytes, modified).owned(owned);
        let data = contents.map(|contents| contents.map(|contents| contents.data));
        all.found.push(Found { info, journal, data });
    }
    Ok(all)
}

/// Removes what nobody has written to since `before`, and no living process has.
pub(super) fn remove_stale(layout: &Layout, before: SystemTime) -> Result<u64, Error> {
    let Some(staging) = layout.existing(&[layout::STAGING])? else { return Ok(0) };
    let mut removed = 0;
    for name in layout.names(&staging)? {
        let path = staging.join(&name);
        let clean = || match metadata(layout.calls(), &path)? {
            Some(metadata) if metadata.is_dir() => Ok(None),
            Some(metadata) => remove_if_stale(layout.calls(), &path, &metadata, before).map(Some),
            None => Ok(Some(false)),
        };
        removed += match clean().map_err(|e| layout.fail("clean", e))? {
            Some(gone) => u64::from(gone),
            None => clean_folder(layout, &path, &name, before)?,
        };
    }
    Ok(removed)
}

fn clean_folder(layout: &Layout, folder: &Path, name: &str, before: SystemTime) -> Result<u64, Error> {
    let (calls, fail) = (layout.calls(), |e| layout.fail("clean", e));
    if name.parse::<Digest>().is_err() {
        return Ok(0);
    }
    let mut removed = 0;
    let mut kept = BTreeSet::new();
    let stages = in_folder(layout, folder, name)?;
    let mut doubtful = stages.more;
    for stage in stages.found {
        let Ok(data) = stage.data else {
            doubtful = true;
            continue;
        };
        let journal = folder.join(&stage.journal);
        let stale = stage.info.modified < before;
        // The lock is held until all of it is gone.
        if stale
            && !stage.info.owned
            && let Some(_owned) = own(calls, &journal)
        {
            let data = data.map(|data| folder.join(data));
            remove(calls, folder, data.as_deref(), &journal).map_err(fail)?;
            removed += 1;
        } else {
            doubtful |= data.is_none();
            kept.extend(data);
        }
    }
    // What has no journal: its maker, or its remover, was killed. Unless there is one that may name it.
    let loose = |name: &String| !doubtful && journal::is_data_name(name) && !kept.contains(name);
    for name in layout.names(folder)? {
        if loose(&name) {
            let path = folder.join(&name);
            if let Some(metadata) = metadata(calls, &path).map_err(fail)? {
                remove_if_stale(calls, &path, &metadata, before).map_err(fail)?;
            }
        }
    }
    // Only when it is empty.
    let _ = calls.remove_folder(folder);
    Ok(removed)
}

/// Owns a stage, unless a living process has it. Who opened the journal meanwhile finds that it is no longer the one at
/// its path.
fn own(calls: &Calls, journal: &Path) -> Option<File> {
    let (file, _) = calls.open(journal).ok()??;
    let owned = match lock(&file) {
        Lock::Held => is_at(calls, &file, journal),
        Lock::Busy => false,
        // Nobody else takes it up either.
        Lock::None => true,
    };
    owned.then_some(file)
}

fn metadata(calls: &Calls, path: &Path) -> io::Result<Option<Metadata>> {
    match calls.look(path) {
        Ok(metadata) => Ok(Some(metadata)),
        // Its writer was faster.
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn remove_if_stale(calls: &Calls, path: &Path, metadata: &Metadata, before: SystemTime) -> io::Result<bool> {
    if metadata.is_dir() || before <= metadata.modified()? {
        return Ok(false);
    }
    calls.remove(path)
}
