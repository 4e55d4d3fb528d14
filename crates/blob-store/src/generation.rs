//! Generations: how documents are kept, so that exclusive creation is all that a storage has to be able to do.
//!
//! A document is a folder of immutable, numbered generations, each created exclusively: the highest is the
//! document, and an empty one says that it was removed. `docs/on-disk-format.md` has the argument.

use std::{collections::BTreeSet, time::SystemTime};

use bytes::Bytes;
use content_id::{ContentId, Digest};

use crate::{Document, DocumentKey, Error, ErrorKind, Limits, Version};

/// Generations that stay; see [`is_settled`].
pub(crate) const KEPT: u64 = 16;

/// How often a reader that loses a race against a writer tries again.
pub(crate) const READ_ATTEMPTS: u32 = 32;

/// Bytes that [`frame`] adds at most.
pub(crate) const FRAME: u64 = HEAD.len() as u64 + 64 + 1;

const HEAD: &str = "blob-store document 1 sha256:";

/// Checks that `content` may become a document.
pub(crate) fn check_content(key: &DocumentKey, content: &[u8], limits: Limits) -> Result<(), Error> {
    if content.is_empty() {
        return Err(Error::new(ErrorKind::Invalid, "write", key).with_detail("a document is not empty"));
    }
    if limits.document_bytes < content.len() as u64 {
        let detail = format!("{} bytes, at most {} allowed", content.len(), limits.document_bytes);
        return Err(Error::new(ErrorKind::TooLarge, "write", key).with_detail(detail));
    }
    Ok(())
}

/// Returns the stored form of a document: a line with the digest of the content, then the content.
///
/// Empty content says that the document was removed; an empty object is damage, and not a removal.
pub(crate) fn frame(content: &[u8]) -> Bytes {
    let mut framed = format!("{HEAD}{}\n", ContentId::of(content).digest).into_bytes();
    framed.extend_from_slice(content);
    framed.into()
}

/// Returns the content of a stored document with its digest, or nothing if it is not what [`frame`] made.
fn unframe(framed: &Bytes) -> Option<(Digest, Bytes)> {
    let rest = framed.strip_prefix(HEAD.as_bytes())?;
    let (digest, content) = (rest.get(..64)?, rest.get(64..)?.strip_prefix(b"\n")?);
    let digest: Digest = std::str::from_utf8(digest).ok()?.parse().ok()?;
    (ContentId::of(content).digest == digest).then(|| (digest, framed.slice_ref(content)))
}

/// The highest generation of a document, as read.
#[derive(Debug)]
pub(crate) struct Generation {
    pub(crate) version: Version,
    /// Nothing if damaged.
    content: Option<Bytes>,
    modified: SystemTime,
}

impl Generation {
    pub(crate) fn new(number: u64, framed: &Bytes, modified: SystemTime) -> Self {
        let (digest, content) = match unframe(framed) {
            Some((digest, content)) => (digest, Some(content)),
            None => (ContentId::of(framed).digest, None),
        };
        Self { version: Version::new(number, digest), content, modified }
    }

    /// The document, if this is one.
    pub(crate) fn document(self, key: &DocumentKey) -> Result<Option<Document>, Error> {
        match self.content {
            Some(content) if content.is_empty() => Ok(None),
            Some(content) => Ok(Some(Document::new(content, self.version, self.modified))),
            None => Err(Error::new(ErrorKind::Damaged, "read", key).with_version(self.version)),
        }
    }

    /// The number of the generation that replaces this one, if it is what a writer expects.
    pub(crate) fn next(this: Option<&Self>, expected: Option<Version>) -> Option<u64> {
        match (this, expected) {
            (None, None) => Some(1),
            (None, Some(_)) => None,
            (Some(this), expected) => {
                let removed = this.content.as_ref().is_some_and(Bytes::is_empty);
                let found = (!removed).then_some(this.version);
                (found == expected).then_some(this.version.generation().checked_add(1)?)
            }
        }
    }
}

/// The file name of a generation: fixed width, so that names sort like numbers.
pub(crate) fn generation_name(number: u64) -> String {
    format!("{number:020}.json")
}

/// The generation a file name stands for, if any.
pub(crate) fn parse_generation(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".json")?;
    let number =
        (digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())??;
    (number != 0).then_some(number)
}

/// Whether a generation just created was created in its turn, given the highest one seen afterwards.
///
/// A writer may have been overtaken between looking at the document and creating its generation: by so many
/// updates that the number it wants was used and cleaned away again. Numbers are only cleaned when they lie
/// [`KEPT`] below the highest, and the highest never goes down; so if it does not lie that far above now, the
/// number was never used before.
pub(crate) fn is_settled(created: u64, highest: u64) -> bool {
    highest < created.saturating_add(KEPT)
}

/// The generations to clean away, lowest first.
pub(crate) fn superseded(generations: &BTreeSet<u64>) -> impl Iterator<Item = u64> {
    let highest = generations.last().copied().unwrap_or(0);
    generations.iter().copied().take_while(move |number| !is_settled(*number, highest))
}
