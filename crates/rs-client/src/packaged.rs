//! Copies of collections that a program brings along, for its first start.

use std::{
    borrow::Cow,
    collections::HashMap,
    fmt,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use bytes::Bytes;

use crate::{
    Changeset, Collection, CollectionName, Error, ErrorKind, FileStorage, Limits, attachments::PackagedFile,
    changeset::read_changes, json::Reader, state,
};

/// A copy of a collection that a program brings along, so that it can start without a network.
///
/// It is used where it is newer than the local copy, and read only then. Copies of one server must not be given to a
/// client of another one.
///
/// ```
/// use rs_client::Packaged;
///
/// // In a program: `Packaged::snapshot(include_bytes!("list.snapshot"))`.
/// let packaged = Packaged::dump(1_749_069_444_811, br#"{"data": [{"id": "a"}], "timestamp": 1749069444811}"#);
/// ```
#[derive(Clone)]
pub struct Packaged(Format);

#[derive(Clone)]
enum Format {
    Snapshot(Bytes),
    Dump { timestamp: u64, json: Bytes },
}

/// Where packaged copies are looked for.
#[derive(Debug, Default)]
pub(crate) struct Packages {
    pub(crate) given: HashMap<CollectionName, Packaged>,
    pub(crate) folder: Option<PathBuf>,
    /// By collection and record.
    pub(crate) attachments: HashMap<CollectionName, HashMap<String, Bytes>>,
}

impl Packaged {
    /// A signed copy, as [`Client::snapshot`](crate::Client::snapshot) makes it.
    ///
    /// It is verified like a local copy, with the chain that is part of it and at the time it was fetched, and loaded
    /// like one.
    pub fn snapshot(snapshot: impl Into<Cow<'static, [u8]>>) -> Self {
        Self(Format::Snapshot(bytes(snapshot.into())))
    }

    /// An unsigned copy, as Firefox packages it: `{"data": [records], "timestamp": milliseconds}`.
    ///
    /// Nothing but the program that brings it along vouches for it. So it is never loaded as a verified copy:
    /// [`Client::current`](crate::Client::current) has it, and the first sync fetches what changed since and verifies
    /// the whole. `timestamp` is that of the dump; `json` is read only where it is needed.
    pub fn dump(timestamp: u64, json: impl Into<Cow<'static, [u8]>>) -> Self {
        Self(Format::Dump { timestamp, json: bytes(json.into()) })
    }

    /// The timestamp of the copy, in milliseconds since 1970; [`None`] where it is damaged.
    pub fn timestamp(&self) -> Option<u64> {
        match &self.0 {
            Format::Snapshot(state) => state::timestamp(state),
            Format::Dump { timestamp, .. } => Some(*timestamp),
        }
    }

    /// The signed copy, if it is one.
    pub(crate) fn as_snapshot(&self) -> Option<&Bytes> {
        match &self.0 {
            Format::Snapshot(state) => Some(state),
            Format::Dump { .. } => None,
        }
    }

    /// Reads an unsigned copy; [`None`] where it is a signed one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`] where it is not a dump of the stated timestamp.
    pub(crate) fn read_dump(
        &self,
        name: &CollectionName,
        limits: &Limits,
    ) -> Result<Option<Collection>, Error> {
        let Format::Dump { timestamp, json } = &self.0 else { return Ok(None) };
        let damaged = || Error::new(ErrorKind::Corrupt, "the packaged copy is damaged");
        let (mut found, mut changes) = (None, None);
        let mut read = || -> Result<(), Error> {
            let mut reader = Reader::new(json, limits.json_depth)?;
            reader.object(|reader, key| -> Result<(), Error> {
                match &*key.decoded() {
                    "timestamp" => found = Some(reader.integer()?),
                    "data" => changes = Some(read_changes(reader, json, limits)?),
                    _ => drop(reader.skip()?),
                }
                Ok(())
            })?;
            Ok(reader.end()?)
        };
        read().map_err(|error| damaged().with_source(error))?;
        match (found, changes) {
            (Some(found), Some(changes)) if found == *timestamp => {
                let changeset = Changeset { timestamp: found, metadata: Default::default(), changes };
                Ok(Some(Collection::merge(None, name, changeset)))
            }
            _ => Err(damaged().with_source("it has no records or another timestamp than it was given with")),
        }
    }
}

impl Packages {
    /// Where the file of a record may be: it was given, or it is in the folder.
    pub(crate) fn attachment(&self, name: &CollectionName, id: &str) -> Option<PackagedFile> {
        let given = self.attachments.get(name).and_then(|given| given.get(id));
        let given = given.map(|bytes| PackagedFile::Bytes(bytes.clone()));
        given.or_else(|| Some(PackagedFile::below(self.folder.as_deref()?, name, id)))
    }

    /// Finds the packaged copy of a collection: the one that was given, or one in the folder.
    ///
    /// # Errors
    ///
    /// Where a file is there and cannot be read, or a timestamp is no number.
    pub(crate) fn find(&self, name: &CollectionName) -> io::Result<Option<Packaged>> {
        if let Some(packaged) = self.given.get(name) {
            return Ok(Some(packaged.clone()));
        }
        let Some(folder) = &self.folder else { return Ok(None) };
        // Names hold no character that has a meaning in a path.
        let file = |extension| folder.join(name.bucket()).join(format!("{}.{extension}", name.collection()));
        if let Some(state) = read_if_there(&file("snapshot"))? {
            return Ok(Some(Packaged(Format::Snapshot(state))));
        }
        let Some(timestamp) = read_if_there(&file("timestamp"))? else { return Ok(None) };
        let Some(json) = read_if_there(&file("json"))? else { return Ok(None) };
        let timestamp = std::str::from_utf8(&timestamp).ok().and_then(|text| text.trim().parse().ok());
        let timestamp = timestamp.ok_or_else(|| {
            let message = format!("{} is not a timestamp", file("timestamp").display());
            io::Error::new(io::ErrorKind::InvalidData, message)
        })?;
        Ok(Some(Packaged(Format::Dump { timestamp, json })))
    }
}

/// What is built into a program is not copied.
pub(crate) fn bytes(bytes: Cow<'static, [u8]>) -> Bytes {
    match bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    }
}

fn read_if_there(path: &Path) -> io::Result<Option<Bytes>> {
    let read = || {
        // Programs are installed in many ways: here a symlink is as good as a file, but a FIFO would never end.
        if !std::fs::metadata(path)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not a file"));
        }
        let mut bytes = Vec::new();
        File::open(path)?.take(FileStorage::MAX_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => Ok(Some(bytes.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
    }
}

impl fmt::Debug for Packaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (format, bytes) = match &self.0 {
            Format::Snapshot(state) => ("snapshot", state.len()),
            Format::Dump { json, .. } => ("dump", json.len()),
        };
        f.debug_struct("Packaged").field("format", &format).field("bytes", &bytes).finish()
    }
}
