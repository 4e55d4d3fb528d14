//! Where a pipeline gets the files of its model from.

use std::{collections::BTreeMap, io};

use bytes::Bytes;
use serde_json::Value;

use crate::{Error, ErrorKind};

/// The files of one revision of a model, by their path in it.
///
/// A pipeline reads all it needs while loading and keeps what it needs; no file is read later.
pub trait ModelFiles: Send + Sync {
    /// Returns the content of the file at `path`, or `None` if the model has no such file.
    ///
    /// The content may be mapped from a file: the ONNX graph keeps it.
    ///
    /// # Errors
    ///
    /// If the file is there but cannot be read.
    fn read(&self, path: &str) -> io::Result<Option<Bytes>>;

    /// Returns the paths of all files, for messages.
    fn names(&self) -> Vec<String>;
}

/// Files in memory, by path.
impl ModelFiles for BTreeMap<String, Bytes> {
    fn read(&self, path: &str) -> io::Result<Option<Bytes>> {
        Ok(self.get(path).cloned())
    }

    fn names(&self) -> Vec<String> {
        self.keys().cloned().collect()
    }
}

/// Reads a file that may be missing.
pub(crate) fn optional(files: &dyn ModelFiles, path: &str) -> Result<Option<Bytes>, Error> {
    files
        .read(path)
        .map_err(|error| Error::new(ErrorKind::Io, format!("cannot read {path}")).with_source(error))
}

/// Reads a file that must be there.
pub(crate) fn required(files: &dyn ModelFiles, path: &str) -> Result<Bytes, Error> {
    if let Some(content) = optional(files, path)? {
        return Ok(content);
    }
    const SHOWN: usize = 20;
    let mut names = files.names();
    names.sort();
    let more = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    let mut there = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    if more > 0 {
        there = format!("{there} and {more} more");
    }
    Err(Error::new(ErrorKind::MissingFile, format!("the model has no file {path}; it has {there}")))
}

/// Reads a small JSON object that may be missing.
pub(crate) fn config(files: &dyn ModelFiles, path: &str, max_bytes: usize) -> Result<Option<Value>, Error> {
    let Some(content) = optional(files, path)? else { return Ok(None) };
    if content.len() > max_bytes {
        return Err(Error::limit(format!("{path} has {} bytes; {max_bytes} are allowed", content.len())));
    }
    let value: Value = serde_json::from_slice(&content)
        .map_err(|error| Error::invalid(format!("{path} is not JSON")).with_source(error))?;
    if !value.is_object() {
        return Err(Error::invalid(format!("{path} is not a JSON object")));
    }
    Ok(Some(value))
}
