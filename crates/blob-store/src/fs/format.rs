//! The format file: which version of the layout a folder has, and what is done where it is gone or damaged.

use std::{io, path::Path};

use super::{
    calls::{Calls, is_absent},
    layout::Layout,
};
use crate::{Error, ErrorKind, layout};

/// The version of the folder's layout that this crate writes, and the highest it works on.
const LAYOUT_VERSION: u64 = 1;

const FORMAT_FILE: &str = "format.json";

/// Bytes of the format file that are looked at.
const FORMAT_BYTES: u64 = 64 << 10;

/// What there is of a format file, in a folder that this crate can work on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Sound,
    /// Nothing: the folder is new, or the file was lost.
    Absent,
    /// Nonsense, in a folder that has the layout of this version all the same.
    Damaged,
}

/// Looks at the format file; an error if the folder is none that this crate can work on.
pub(super) fn check(layout: &Layout) -> Result<Format, Error> {
    #[derive(serde::Deserialize)]
    struct Content {
        format_version: u64,
    }
    let fail = |kind| Error::new(kind, "open", format_args!("store {}", layout.root().display()));
    let text = match read(layout.calls(), &layout.root().join(FORMAT_FILE)) {
        Ok(Some(text)) => text,
        Ok(None) => return Ok(Format::Absent),
        // Something else than a plain file, or too much.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Vec::new(),
        Err(error) => return Err(layout.fail("open", error)),
    };
    match serde_json::from_slice(&text) {
        Ok(Content { format_version }) if format_version <= LAYOUT_VERSION => Ok(Format::Sound),
        Ok(Content { format_version }) => {
            let detail = format!("layout version {format_version}, known up to {LAYOUT_VERSION}");
            Err(fail(ErrorKind::Unsupported).with_detail(detail))
        }
        Err(_) if has_our_layout(layout)? => Ok(Format::Damaged),
        Err(error) => Err(fail(ErrorKind::Damaged).with_detail(FORMAT_FILE).with_source(error)),
    }
}

/// Writes the format file, over a damaged one.
pub(super) fn write(layout: &Layout, found: Format) -> io::Result<()> {
    let text = format!("{{\n  \"format_version\": {LAYOUT_VERSION},\n  \"format\": \"blob-store\"\n}}\n");
    let (calls, to) = (layout.calls(), layout.root().join(FORMAT_FILE));
    let mut file = calls.create(layout.root(), ".format-")?;
    calls.write(file.as_file_mut(), text.as_bytes())?;
    layout.sync_file(file.as_file())?;
    match found {
        Format::Damaged => calls.persist(file, &to)?,
        // If it is there by now, another process was faster.
        _ => drop(calls.persist_new(file, &to)?),
    }
    layout.sync_folder(layout.root())
}

fn read(calls: &Calls, path: &Path) -> io::Result<Option<Vec<u8>>> {
    let Some((mut file, metadata)) = calls.open(path)? else { return Ok(None) };
    let mut text = Vec::new();
    if metadata.len() <= FORMAT_BYTES {
        calls.read(&mut file, FORMAT_BYTES, &mut text)?;
    }
    Ok(Some(text))
}

/// Whether there are folders of this version, and none that it does not know: a later version whose layout is
/// another has a folder of another name at the top.
fn has_our_layout(layout: &Layout) -> Result<bool, Error> {
    let mut any = false;
    for name in layout.names(layout.root())? {
        match layout.calls().look(&layout.root().join(&name)) {
            Ok(found) if found.is_dir() && !layout::FOLDERS.contains(&name.as_str()) => return Ok(false),
            Ok(found) => any |= found.is_dir(),
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(layout.fail("open", error)),
        }
    }
    Ok(any)
}
