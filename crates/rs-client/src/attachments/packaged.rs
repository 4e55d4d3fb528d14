//! Attachments that a program brings along.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use content_id::{ContentId, Digest};
use serde::Deserialize;

use super::{AttachmentFolder, Part, folder::PIECE};
use crate::{CollectionName, Error};

/// The most bytes that are read of a description.
const META_BYTES: u64 = 64 << 10;

/// Where the packaged file of a record may be.
#[derive(Debug)]
pub(crate) enum PackagedFile {
    Bytes(Bytes),
    /// Next to it, at `{path}.meta.json`, may be what it is.
    At(PathBuf),
}

impl PackagedFile {
    /// The place of a record's file in a folder of the program.
    pub(crate) fn below(folder: &Path, name: &CollectionName, id: &str) -> Self {
        // Neither names nor identities hold a character that has a meaning in a path.
        Self::At(folder.join(name.bucket()).join(name.collection()).join(id))
    }

    /// Opens it, unless it is evidently not `content`.
    fn open(&self, content: ContentId) -> Option<Box<dyn io::Read + Send + '_>> {
        match self {
            Self::Bytes(bytes) => {
                (bytes.len() as u64 == content.size).then(|| Box::new(&bytes[..]) as Box<dyn io::Read + Send>)
            }
            Self::At(path) => {
                let meta = path.with_file_name(format!("{}.meta.json", path.file_name()?.to_str()?));
                if described(&meta).is_some_and(|described| described != content) {
                    return None;
                }
                // As other packaged files it may be a symlink, but must not be waited for.
                let metadata = std::fs::metadata(path).ok()?;
                if !metadata.is_file() || metadata.len() != content.size {
                    return None;
                }
                Some(Box::new(File::open(path).ok()?.take(content.size.saturating_add(1))))
            }
        }
    }
}

/// What a description says, which is trusted as far as it says that another file is there.
fn described(meta: &Path) -> Option<ContentId> {
    #[derive(Deserialize)]
    struct Meta {
        hash: Digest,
        size: u64,
    }
    if !std::fs::metadata(meta).ok()?.is_file() {
        return None;
    }
    let mut json = Vec::new();
    File::open(meta).ok()?.take(META_BYTES).read_to_end(&mut json).ok()?;
    let Meta { hash, size } = serde_json::from_slice(&json).ok()?;
    Some(ContentId::new(hash, size))
}

impl AttachmentFolder {
    /// Copies a packaged file here if it is `content`; says no where it is another one, or cannot be read.
    pub(crate) async fn put_packaged(
        &self,
        content: ContentId,
        packaged: PackagedFile,
    ) -> Result<Option<PathBuf>, Error> {
        let part = self.with_folder(content, move |folder| {
            let Some(mut source) = packaged.open(content) else { return Ok(None) };
            let mut part = Part::private(folder, content)?;
            let mut piece = vec![0; PIECE];
            loop {
                match source.read(&mut piece) {
                    Ok(0) => break,
                    Ok(count) => part.write(&piece[..count])?,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => return Ok(None),
                }
            }
            Ok(part.check().is_ok().then_some(part))
        });
        match part.await? {
            Some(part) => self.publish(part).await.map(Some),
            None => Ok(None),
        }
    }
}
