//! Opening a model: from the name of a manifest to the bytes of its files, without copying them.

use std::ops::Index;

use bytes::Bytes;
use content_id::ContentId;

use crate::{
    BlobStore, Error, ErrorKind, ManifestName, blobs::read_all, blocking::each, gc, named, outline::Outline,
};

/// How a model is opened: not verified again, and with little copied, by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenOptions {
    /// Hashes every file before it is handed out. Off: size and place are checked, as for any read. What is copied is
    /// always hashed.
    pub verify: bool,
    /// Bytes that are copied into memory at most, of blobs that the backend does not keep in local files; 256 MiB.
    pub max_copied_bytes: u64,
}

/// A model with all its files open, by their path in the manifest.
///
/// It stays as it was opened: what is removed from the store, or replaced there, meanwhile, lives on until this is
/// dropped.
///
/// Files are mapped into memory where the backend keeps them in local files. That is safe because a blob is never
/// written to after it was published; it is replaced by a new file of the same name. The limit of that: who may write
/// in the store's folder, and changes a file in place, changes these bytes, and who cuts a file short ends a
/// process that reads behind the new end (`SIGBUS`). `verify` finds what was changed before opening, and nothing that
/// comes later; where the folder is not trusted, use [`read_all`](crate::BlobStoreExt::read_all).
#[derive(Clone, Debug)]
pub struct OpenModel {
    name: ManifestName,
    /// In order of paths.
    files: Vec<(String, OpenFile)>,
}

/// A file of an open model.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OpenFile {
    /// What the manifest says that it is.
    pub content: ContentId,
    /// Its bytes.
    pub bytes: Bytes,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { verify: false, max_copied_bytes: 256 << 20 }
    }
}

impl OpenOptions {
    /// Sets whether every file is hashed before it is handed out.
    #[must_use]
    pub const fn verify(self, verify: bool) -> Self {
        Self { verify, ..self }
    }

    /// Sets how many bytes are copied at most.
    #[must_use]
    pub const fn max_copied_bytes(self, bytes: u64) -> Self {
        Self { max_copied_bytes: bytes, ..self }
    }
}

impl OpenModel {
    /// Returns which model it is.
    pub const fn name(&self) -> &ManifestName {
        &self.name
    }

    /// Returns the file at this path.
    pub fn get(&self, path: &str) -> Option<&OpenFile> {
        let place = self.files.binary_search_by(|(known, _)| known.as_str().cmp(path)).ok()?;
        Some(&self.files[place].1)
    }

    /// Returns all files, in the order of their paths.
    pub fn files(&self) -> impl ExactSizeIterator<Item = (&str, &OpenFile)> {
        self.files.iter().map(|(path, file)| (path.as_str(), file))
    }
}

impl Index<&str> for OpenModel {
    type Output = Bytes;

    /// Returns the bytes of the file at this path.
    ///
    /// # Panics
    ///
    /// If there is none; see [`get`](Self::get).
    fn index(&self, path: &str) -> &Bytes {
        &self.get(path).expect("the model has a file of this path").bytes
    }
}

pub(crate) async fn open<S: BlobStore + ?Sized>(
    store: &S,
    name: &ManifestName,
    options: &OpenOptions,
) -> Result<Option<OpenModel>, Error> {
    let fail = |e: Error| Error::new(e.kind(), "open", format_args!("manifest {name}")).with_source(e);
    let found = named::get(store, &name.key(), || format!("manifest {name}")).await?;
    let Some((Outline { files, .. }, _)) = found else { return Ok(None) };
    let mut ids: Vec<ContentId> = files.iter().map(|(_, id)| *id).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut contents = match read(store, &ids, options.max_copied_bytes).await {
        Err(error) if error.kind() == ErrorKind::NotFound && gc::bring_back(store, &ids).await => {
            read(store, &ids, options.max_copied_bytes).await
        }
        other => other,
    }
    .map_err(fail)?;
    if options.verify {
        let is_sound = |(id, bytes): (ContentId, Bytes)| Ok((ContentId::of(&bytes) == id, bytes));
        let pairs = ids.iter().copied().zip(contents).collect();
        let checked = each(pairs, 1, is_sound).await.map_err(fail)?;
        contents = Vec::with_capacity(ids.len());
        for (id, (sound, bytes)) in ids.iter().zip(checked) {
            contents.push(if sound { bytes } else { better(store, *id).await.map_err(fail)? });
        }
    }
    // Both lists are in order of ids.
    let files = files.into_iter().map(|(path, content)| {
        let place = ids.binary_search(&content).expect("the ids are those of the files");
        let bytes = contents[place].clone();
        (path, OpenFile { content, bytes })
    });
    Ok(Some(OpenModel { name: name.clone(), files: files.collect() }))
}

/// The bytes of blobs, in place as far as that goes; the others copied, and hashed on the way.
async fn read<S: BlobStore + ?Sized>(
    store: &S,
    ids: &[ContentId],
    max_copied_bytes: u64,
) -> Result<Vec<Bytes>, Error> {
    let mut mapped = store.map(ids).await?;
    let absent: Vec<usize> = (0..ids.len()).filter(|n| mapped[*n].is_none()).collect();
    if absent.is_empty() {
        return Ok(mapped.into_iter().flatten().collect());
    }
    let wanted: Vec<ContentId> = absent.iter().map(|n| ids[*n]).collect();
    // Where a local copy can be made, that is better than one in memory; where it cannot, that is no reason to fail.
    if store.ensure_local(&wanted).await.is_ok() {
        for (n, bytes) in absent.into_iter().zip(store.map(&wanted).await?) {
            mapped[n] = bytes;
        }
    }
    let mut copied = 0_u64;
    let mut contents = Vec::with_capacity(ids.len());
    for (id, bytes) in ids.iter().zip(mapped) {
        if let Some(bytes) = bytes {
            contents.push(bytes);
            continue;
        }
        copied = copied.saturating_add(id.size);
        // That it is missing or damaged is told first.
        if max_copied_bytes < copied && store.contains(*id).await? {
            let detail = format!("{copied} bytes to copy, at most {max_copied_bytes} allowed");
            return Err(Error::blob(ErrorKind::TooLarge, "read", *id).with_detail(detail));
        }
        contents.push(read_all(store, *id, id.size).await?);
    }
    Ok(contents)
}

/// The bytes of a blob of which a damaged copy was found, if a better one stands behind it.
async fn better<S: BlobStore + ?Sized>(store: &S, id: ContentId) -> Result<Bytes, Error> {
    while store.mend(id).await? {
        store.ensure_local(&[id]).await?;
        let mapped = store.map(&[id]).await?.pop().flatten();
        if let Some(bytes) = mapped.filter(|bytes| ContentId::of(bytes) == id) {
            return Ok(bytes);
        }
    }
    Err(Error::blob(ErrorKind::Damaged, "open", id))
}
