//! What is checked before bytes are read and while they arrive, the same on every backend.

use std::ops::Range;

use content_id::ContentId;

use crate::{Error, ErrorKind, Expected, Limits};

/// Checks that `range` lies inside the blob.
pub(crate) fn check_range(id: ContentId, range: &Range<u64>) -> Result<(), Error> {
    if range.end < range.start || id.size < range.end {
        let detail = format!("bytes {} to {} of {}", range.start, range.end, id.size);
        return Err(Error::blob(ErrorKind::Invalid, "read", id).with_detail(detail));
    }
    Ok(())
}

/// Counts what arrives and compares it with what was expected.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    expected: Expected,
    limit: u64,
    written: u64,
}

impl Check {
    pub(crate) fn new(expected: Expected, limits: Limits) -> Result<Self, Error> {
        let check = Self { expected, limit: limits.blob_bytes, written: 0 };
        match expected.size {
            Some(size) if check.limit < size => Err(check.too_large("stage")),
            _ => Ok(check),
        }
    }

    #[cfg(feature = "object-store")]
    pub(crate) fn expected(&self) -> Expected {
        self.expected
    }

    /// The size that is expected, where it is known.
    #[cfg(feature = "fs")]
    pub(crate) fn size(&self) -> Option<u64> {
        self.expected.size
    }

    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Counts a piece in, unless it is one too many.
    pub(crate) fn accept(&mut self, bytes: usize) -> Result<(), Error> {
        let written = self.written.saturating_add(bytes as u64);
        if let Some(size) = self.expected.size.filter(|size| *size < written) {
            let detail = format!("more than the {size} bytes expected");
            return Err(self.fail(ErrorKind::Mismatch, "write").with_detail(detail));
        }
        if self.limit < written {
            return Err(self.too_large("write"));
        }
        self.written = written;
        Ok(())
    }

    /// Compares all that arrived with all that was expected.
    pub(crate) fn finish(&self, found: ContentId) -> Result<(), Error> {
        let Expected { digest, size } = self.expected;
        let mismatch = |detail| Err(self.fail(ErrorKind::Mismatch, "publish").with_detail(detail));
        match (digest, size) {
            (_, Some(size)) if size != found.size => {
                mismatch(format!("{} bytes instead of {size}", found.size))
            }
            (Some(digest), _) if digest != found.digest => {
                mismatch(format!("their digest is {}", found.digest))
            }
            _ => Ok(()),
        }
    }

    /// The error for using a stage after an error.
    pub(crate) fn failed_before(&self) -> Error {
        self.fail(ErrorKind::Invalid, "write").with_detail("the stage failed before")
    }

    /// An error of the operating system.
    #[cfg(feature = "fs")]
    pub(crate) fn io(&self, operation: &'static str, error: std::io::Error) -> Error {
        Error::io(operation, self.subject(), error)
    }

    fn too_large(&self, operation: &'static str) -> Error {
        self.fail(ErrorKind::TooLarge, operation).with_detail(format!("more than {} bytes", self.limit))
    }

    pub(crate) fn fail(&self, kind: ErrorKind, operation: &'static str) -> Error {
        Error::new(kind, operation, self.subject())
    }

    pub(crate) fn subject(&self) -> String {
        match self.expected.digest {
            Some(digest) => format!("blob {digest}"),
            None => "a new blob".to_owned(),
        }
    }
}
