//! The files of a stage in parts.

use std::{fs::File, io, ops::Range, path::PathBuf, sync::Arc};

use super::{layout::Layout, stages};

/// Where a stage is.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) folder: PathBuf,
    pub(super) data_path: PathBuf,
    pub(super) journal_path: PathBuf,
    pub(super) data: Arc<File>,
}

impl Files {
    pub(super) fn remove(&self, layout: &Layout) -> io::Result<()> {
        stages::remove(layout.calls(), &self.folder, Some(&self.data_path), &self.journal_path)
    }

    /// Reads a range piece by piece; whether all of it could be read.
    pub(super) fn read(
        &self,
        layout: &Layout,
        range: Range<u64>,
        stop: &dyn Fn() -> bool,
        mut take: impl FnMut(&[u8]),
    ) -> bool {
        const PIECE: u64 = 256 << 10;
        let mut buffer = vec![0; usize::try_from(PIECE.min(range.end - range.start)).unwrap_or(0)];
        let mut at = range.start;
        while at < range.end && !stop() {
            let wanted = usize::try_from(range.end - at).map_or(buffer.len(), |rest| rest.min(buffer.len()));
            match layout.calls().read_at(&self.data, &mut buffer[..wanted], at) {
                Ok(0) => return false,
                Ok(length) => {
                    take(&buffer[..length]);
                    at += length as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // What cannot be read has to be fetched again, whatever the reason.
                Err(_) => return false,
            }
        }
        true
    }
}
