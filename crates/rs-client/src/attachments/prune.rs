//! Removing attachments that nobody needs any longer.

use std::{
    collections::BTreeSet,
    fs::Metadata,
    io,
    path::Path,
    time::{Duration, SystemTime},
};

use content_id::{ContentId, Digest};

use super::{
    AttachmentFolder,
    part::{part_of, remove_unless_used},
};
use crate::{
    Error, ErrorKind,
    files::{about, blocking, sync_folder},
};

/// How to prune a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PruneOptions {
    /// Files stay that were brought or asked for more recently than this; a day. Whoever was given the path of a file
    /// has this long to open it, and whoever has just fetched it to store the records that describe it.
    pub grace: Duration,
    /// Whether only to say what would be removed.
    pub dry_run: bool,
}

/// What was removed from a folder, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pruned {
    /// The files, in order of their digests.
    pub removed: Vec<ContentId>,
    /// How many unfinished downloads.
    pub unfinished: usize,
    /// The bytes of both.
    pub bytes_freed: u64,
}

impl Default for PruneOptions {
    fn default() -> Self {
        Self { grace: Duration::from_secs(86_400), dry_run: false }
    }
}

impl PruneOptions {
    /// Sets how recently a file that stays may have been used last.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Sets whether only to say what would be removed.
    #[must_use]
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }
}

impl AttachmentFolder {
    /// Removes all files and unfinished downloads but those of `keep`, those used lately, and those in use by a
    /// program that brings or looks for them right now.
    ///
    /// Nothing but what an [`AttachmentFolder`] has put there is touched. [`Client::prune_attachments`] knows what to
    /// keep where one client uses the folder; where several do, give this what
    /// [`described_attachments`](crate::Client::described_attachments) of all of them says together.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Storage`] where the folder cannot be read, or a file not be removed.
    ///
    /// [`Client::prune_attachments`]: crate::Client::prune_attachments
    pub async fn prune(
        &self,
        keep: impl IntoIterator<Item = ContentId>,
        options: &PruneOptions,
    ) -> Result<Pruned, Error> {
        let keep: BTreeSet<Digest> = keep.into_iter().map(|content| content.digest).collect();
        let (folder, options) = (self.folder().to_owned(), options.clone());
        let pruned = blocking(move || prune(&folder, &keep, &options)).await.map_err(|error| {
            Error::new(ErrorKind::Storage, "could not prune the folder of attachments").with_source(error)
        })?;
        pruned.removed.iter().for_each(|content| self.forget(content.digest));
        Ok(pruned)
    }
}

fn prune(folder: &Path, keep: &BTreeSet<Digest>, options: &PruneOptions) -> io::Result<Pruned> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Pruned::default()),
        Err(error) => return Err(about(error, folder)),
    };
    let mut pruned = Pruned::default();
    for entry in entries {
        let entry = entry.map_err(|error| about(error, folder))?;
        let name = entry.file_name();
        let name = name.to_str().unwrap_or_default();
        let (digest, whole) = match (name.parse(), part_of(name)) {
            (Ok(digest), _) => (digest, true),
            (_, Some(digest)) => (digest, false),
            _ => continue,
        };
        if keep.contains(&digest) {
            continue;
        }
        let path = entry.path();
        let Some(size) = remove(&path, options).map_err(|error| about(error, &path))? else { continue };
        pruned.bytes_freed += size;
        match whole {
            true => pruned.removed.push(ContentId::new(digest, size)),
            false => pruned.unfinished += 1,
        }
    }
    pruned.removed.sort_unstable();
    if !options.dry_run && pruned.bytes_freed > 0 {
        sync_folder(folder).map_err(|error| about(error, folder))?;
    }
    Ok(pruned)
}

/// Removes a file that was not used lately; says how large it was.
fn remove(path: &Path, options: &PruneOptions) -> io::Result<Option<u64>> {
    let absent = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let old = |metadata: &Metadata| unused(metadata) >= options.grace;
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() && old(&metadata) => metadata,
        Err(error) if !absent(&error) => return Err(error),
        _ => return Ok(None),
    };
    if options.dry_run {
        return Ok(Some(metadata.len()));
    }
    match remove_unless_used(path, old) {
        Ok(gone) => Ok(gone.then_some(metadata.len())),
        // Somebody else was faster.
        Err(error) if absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// For how long a file was neither written to nor asked for; none at all where that cannot be told.
fn unused(metadata: &Metadata) -> Duration {
    let since =
        |time: io::Result<SystemTime>| time.ok().and_then(|time| time.elapsed().ok()).unwrap_or_default();
    since(metadata.modified()).min(since(metadata.accessed()))
}
