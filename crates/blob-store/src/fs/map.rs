//! Blobs as bytes that lie where they are stored.
//!
//! The one place of this crate with unsafe code. A mapping shows what the file holds at every moment, so it is right
//! only for a file that nobody changes. Nobody of ours does: a blob is complete before it has its name, it is
//! replaced by another file of that name and never rewritten, and a file that is removed lives on until the last
//! mapping of it is gone. The limit of that: somebody else with the right to write in the folder can change the file
//! in place (the bytes change under the reader) or cut it short (reading behind its end ends the process with
//! `SIGBUS`). Where that has to be excluded, read the blob instead of mapping it.

use std::{fs::File, io, ops::Range, path::Path, sync::Arc};

use bytes::Bytes;
use content_id::ContentId;

use super::{faults::Call, folder::Folder, layout::Layout};
use crate::{Error, blocking, layout};

/// Files up to this size are read: that takes no longer than mapping a page, and is safe whatever happens to them.
const READ: u64 = 4 << 10;

/// Blobs that one thread opens at least.
const SHARE: usize = 256;

/// Where the bytes of a blob are.
enum Place {
    Nowhere,
    Mapped(Bytes),
    /// In what was read.
    Read(Range<usize>),
}

/// Opens blobs; nothing for what is not there as a plain file of its size.
pub(super) async fn map(layout: Arc<Layout>, ids: Vec<ContentId>) -> Result<Vec<Option<Bytes>>, Error> {
    let shares: Vec<Vec<ContentId>> = match ids.len() {
        few if few <= SHARE => vec![ids],
        many => ids.chunks(many.div_ceil(blocking::threads()).max(SHARE)).map(<[_]>::to_vec).collect(),
    };
    let open = move |ids: Vec<ContentId>| {
        let Some(all) = layout.existing(&[layout::BLOBS, layout::SHA256])? else {
            return Ok(vec![None; ids.len()]);
        };
        map_in_order(&layout, &all, &ids)
    };
    Ok(blocking::each(shares, 1, open).await?.concat())
}

/// Blobs of one folder that stand next to each other need it opened once.
fn map_in_order(layout: &Layout, all: &Path, ids: &[ContentId]) -> Result<Vec<Option<Bytes>>, Error> {
    let calls = layout.calls();
    let all = calls.make(Call::Open, || Folder::open(all)).map_err(|e| layout.fail("open", e))?;
    let mut known: Option<([u8; 1], Option<Folder>)> = None;
    let mut places = Vec::with_capacity(ids.len());
    let mut read = Vec::new();
    for id in ids {
        let name = id.digest.to_string();
        let (above, name) = name.split_at(2);
        let first = [id.digest.as_bytes()[0]];
        if known.as_ref().is_none_or(|(known, _)| *known != first) {
            let folder = all.as_ref().map(|all| calls.make(Call::Open, || all.folder(above)));
            known = Some((first, folder.transpose().map_err(|e| fail(*id, e))?.flatten()));
        }
        let folder = known.as_ref().and_then(|(_, folder)| folder.as_ref());
        places.push(match folder {
            Some(folder) => map_one(layout, folder, name, *id, &mut read).map_err(|e| fail(*id, e))?,
            None => Place::Nowhere,
        });
    }
    let read = Bytes::from(read);
    let bytes = places.into_iter().map(|place| match place {
        Place::Nowhere => None,
        Place::Mapped(bytes) => Some(bytes),
        Place::Read(range) => Some(read.slice(range)),
    });
    Ok(bytes.collect())
}

fn map_one(
    layout: &Layout,
    folder: &Folder,
    name: &str,
    id: ContentId,
    read: &mut Vec<u8>,
) -> io::Result<Place> {
    let calls = layout.calls();
    let Some((mut file, length)) = calls.make(Call::Open, || folder.file(name))? else {
        return Ok(Place::Nowhere);
    };
    let Some(size) = usize::try_from(length).ok().filter(|_| length == id.size) else {
        return Ok(Place::Nowhere);
    };
    if READ < length {
        return calls.make(Call::Read, || map_file(&file, size)).map(Place::Mapped);
    }
    let start = read.len();
    calls.read(&mut file, length, read)?;
    // It was cut since.
    Ok(if read.len() == start + size { Place::Read(start..start + size) } else { Place::Nowhere })
}

/// Maps a plain file that has this length.
fn map_file(file: &File, length: usize) -> io::Result<Bytes> {
    let mut options = memmap2::MmapOptions::new();
    options.len(length);
    // SAFETY: the mapping is read-only and private, and the file is a blob, which nobody of ours ever changes; what
    // others could do is said at the top of this file and where programs ask for mappings.
    #[allow(unsafe_code, reason = "a mapping is the only way not to copy; see SAFETY")]
    let map = unsafe { options.map(file) }?;
    Ok(Bytes::from_owner(map))
}

fn fail(id: ContentId, error: io::Error) -> Error {
    Error::io("open", format_args!("blob {}", id.digest), error)
}
