//! Bundles: the attachments of a collection in one archive, and many collections in one file.

mod mozlz4;
mod startup;
mod zip;

use std::{fmt, path::PathBuf};

use bytes::Bytes;
use content_id::ContentId;
use serde_json::Value;

use crate::{Attachment, AttachmentFolder, Collection, Error, ErrorKind, Limits, Record, Verified};

pub use startup::{StartupBundle, StartupFile};

/// The attachments of a verified collection, in the archive that the server made of them.
///
/// The archive itself is not signed. What is looked for in it, and how long it is, comes from the verified
/// records; what is found is handed out only if its SHA-256 is the one in the record. Other entries are never
/// looked at, and no name in the archive becomes a path. The archive stays packed: memory is needed for it and
/// for the file at hand.
pub struct AttachmentBundle {
    collection: Collection,
    archive: zip::Archive,
    largest: u64,
}

impl AttachmentBundle {
    /// Reads an archive that was made of the attachments of `collection`.
    ///
    /// Entries may be stored or deflated. Everything that zip programs read differently is refused: comments at
    /// the end, bytes before the archive, several volumes, zip64, the same name twice, entries that overlap, and
    /// headers that contradict the directory. At most 65,534 entries.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] where the archive has more bytes than `limits` allow; [`ErrorKind::Protocol`]
    /// where it cannot be read in one way only. A single file that is missing or wrong is no error here.
    pub fn read(
        archive: impl Into<Bytes>,
        collection: &Verified<Collection>,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let archive = archive.into();
        let length = archive.len() as u64;
        let result = match length > limits.bundle_bytes {
            true => Err(Error::new(
                ErrorKind::TooLarge,
                format!("a bundle of {length} bytes is more than the {} allowed", limits.bundle_bytes),
            )),
            false => zip::Archive::read(archive),
        };
        let archive = result.map_err(|error| error.of(&collection.name))?;
        Ok(Self {
            collection: (**collection).clone(),
            archive,
            largest: limits.attachment_bytes.min(limits.unpacked_bytes),
        })
    }

    /// Returns the file of a record; [`None`] where there is no such record, or it has no attachment.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] where the archive lacks the file; [`ErrorKind::Untrusted`] where it is not what
    /// the record describes; [`ErrorKind::Protocol`] where its entry cannot be read, or the record describes no
    /// proper attachment; [`ErrorKind::TooLarge`] where it is above the limit of attachments.
    pub fn file(&self, id: &str) -> Result<Option<Bytes>, Error> {
        self.collection.records.get(id).and_then(|record| self.file_of(record)).transpose()
    }

    /// Returns the records that have an attachment, in order of their ids, each with its file.
    ///
    /// A file is unpacked when it is asked for, and kept by nobody else. One that is missing or wrong does not
    /// keep the others from being used.
    pub fn files(&self) -> impl Iterator<Item = (&Record, Result<Bytes, Error>)> {
        self.collection.records.iter().filter_map(|record| Some((record, self.file_of(record)?)))
    }

    /// Puts the files into `folder` that are not there yet, and returns where each lies, by the id of its record.
    ///
    /// Only those that are not there are unpacked. What the archive lacks, or has wrong, can be fetched alone:
    /// [`fetch_attachment`](crate::Client::fetch_attachment) makes no request for what is in the folder by then.
    ///
    /// # Errors
    ///
    /// Each of its own, as those of [`file`](Self::file); [`ErrorKind::Storage`] where the folder cannot be used.
    pub async fn fill(&self, folder: &AttachmentFolder) -> Vec<(String, Result<PathBuf, Error>)> {
        let mut files = Vec::new();
        for record in &self.collection.records {
            let path = match record.attachment() {
                Ok(None) => continue,
                Ok(Some(attachment)) => self.put(record.id(), &attachment, folder).await,
                Err(error) => Err(error),
            };
            files.push((record.id().to_owned(), path.map_err(|error| error.of(&self.collection.name))));
        }
        files
    }

    async fn put(
        &self,
        id: &str,
        attachment: &Attachment,
        folder: &AttachmentFolder,
    ) -> Result<PathBuf, Error> {
        match folder.get(attachment.content).await? {
            Some(path) => Ok(path),
            None => folder.put(attachment.content, self.unpack(id, attachment)?).await,
        }
    }

    fn file_of(&self, record: &Record) -> Option<Result<Bytes, Error>> {
        let file = match record.attachment() {
            Ok(None) => return None,
            Ok(Some(attachment)) => self.unpack(record.id(), &attachment),
            Err(error) => Err(error),
        };
        Some(file.map_err(|error| error.of(&self.collection.name)))
    }

    fn unpack(&self, id: &str, attachment: &Attachment) -> Result<Bytes, Error> {
        let expected = attachment.content;
        if expected.size > self.largest {
            let message = format!(
                "the attachment of {id} has {} bytes, more than the {} allowed",
                expected.size, self.largest
            );
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let Some(entry) = self.archive.entry(id) else {
            return Err(Error::new(ErrorKind::NotFound, format!("the bundle has no attachment of {id}")));
        };
        let wrong = |found: &dyn fmt::Display| {
            let message =
                format!("the bundle's attachment of {id} is {found}, but the record says {expected}");
            Error::new(ErrorKind::Untrusted, message)
        };
        // Before anything is unpacked: no more than what the record says is ever made room for.
        if entry.size() != expected.size {
            return Err(wrong(&format_args!("{} bytes long", entry.size())));
        }
        let file = self.archive.unpack(entry).map_err(|problem| {
            Error::new(ErrorKind::Protocol, format!("the bundle's attachment of {id} {problem}"))
        })?;
        match ContentId::of(&file) {
            found if found == expected => Ok(file),
            found => Err(wrong(&found)),
        }
    }
}

/// Whether the server says that it makes a bundle of a collection's attachments.
pub(crate) fn is_bundled(collection: &Collection) -> bool {
    let attachment = collection.metadata.get("attachment");
    attachment.and_then(|attachment| attachment.get("bundle")) == Some(&Value::Bool(true))
}

impl fmt::Debug for AttachmentBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttachmentBundle")
            .field("collection", &self.collection.name)
            .field("timestamp", &self.collection.timestamp)
            .field("archive", &self.archive)
            .finish_non_exhaustive()
    }
}
