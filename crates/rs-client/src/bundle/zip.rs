//! Reads a zip archive in memory: in the one way that all programs agree on, or not at all. Pure.
//!
//! The little of the format that servers use, so that nothing has two readings: no zip64, no volumes, no
//! comments, no encryption, and the directory right before the end.

use std::{collections::BTreeMap, fmt, ops::Range};

use bytes::Bytes;
use flate2::{Decompress, FlushDecompress, Status};

use crate::{Error, ErrorKind};

/// Bytes of the record that ends an archive.
const END: usize = 22;
/// Bytes of an entry's header in front of its name.
const LOCAL: usize = 30;
/// What a number is where the real one is in a zip64 record.
const ELSEWHERE_16: u16 = u16::MAX;
const ELSEWHERE_32: u32 = u32::MAX;
/// Flags that say how it was deflated, that sizes follow the data, and that the name is UTF-8. Any other one
/// changes what the data mean.
const HARMLESS_FLAGS: u16 = 0b1000_0000_1110;
const SIZES_FOLLOW: u16 = 0b1000;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// The most bytes that deflate makes of one.
const BEST_RATIO: usize = 1032;

/// An archive whose directory was read and found consistent.
pub(super) struct Archive {
    bytes: Bytes,
    /// By name, which is a part of `bytes` and nothing but a key.
    entries: BTreeMap<Bytes, Entry>,
}

/// Where an entry's data are, and how to read them.
#[derive(Debug)]
pub(super) struct Entry {
    header: Header,
    data: Range<usize>,
}

/// What an entry's own header and the directory both say.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Header {
    flags: u16,
    method: u16,
    checksum: u32,
    packed: u32,
    size: u32,
    name: u16,
}

/// Reads little-endian numbers from the front.
struct Fields<'a>(&'a [u8]);

impl Archive {
    /// Reads the directory. No memory is taken by a number in the archive: what was read is what is held.
    pub(super) fn read(bytes: Bytes) -> Result<Self, Error> {
        let end = bytes.len().checked_sub(END).ok_or_else(|| refuse("is too short for a zip archive"))?;
        let mut fields = Fields(&bytes[end..]);
        fields.signature(b"PK\x05\x06")?;
        let (volume, first_volume) = (fields.u16()?, fields.u16()?);
        let (here, total) = (fields.u16()?, fields.u16()?);
        let (length, start) = (fields.u32()?, fields.u32()?);
        if total == ELSEWHERE_16 || length == ELSEWHERE_32 || start == ELSEWHERE_32 {
            return Err(refuse("is a zip64 archive"));
        }
        if (volume, first_volume, here) != (0, 0, total) {
            return Err(refuse("is an archive of several volumes"));
        }
        if fields.u16()? != 0 {
            return Err(refuse("is an archive with a comment"));
        }
        let start = start as usize;
        if start.checked_add(length as usize) != Some(end) {
            return Err(refuse("has no directory right before its end"));
        }
        let mut directory = Fields(&bytes[start..end]);
        let mut entries = BTreeMap::new();
        let mut spans = Vec::new();
        for _ in 0..total {
            let (name, entry, span) = Entry::read(&mut directory, &bytes[..start])?;
            spans.push(span);
            if let Some(_first) = entries.insert(bytes.slice_ref(name), entry) {
                let message = format!("has two entries {}", name.escape_ascii());
                return Err(refuse(&message.chars().take(200).collect::<String>()));
            }
        }
        if !directory.0.is_empty() {
            return Err(refuse("has more in its directory than entries"));
        }
        spans.sort_unstable_by_key(|span| span.start);
        if spans.windows(2).any(|pair| pair[0].end > pair[1].start) {
            return Err(refuse("has entries that overlap"));
        }
        Ok(Self { bytes, entries })
    }

    /// Returns the entry of exactly this name.
    pub(super) fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name.as_bytes())
    }

    /// Returns what an entry holds, of exactly the size that it states.
    pub(super) fn unpack(&self, entry: &Entry) -> Result<Bytes, String> {
        let header = &entry.header;
        if header.flags & !HARMLESS_FLAGS != 0 {
            return Err(format!("is encrypted or otherwise special (flags {:#06x})", header.flags));
        }
        match header.method {
            STORED if header.packed == header.size => Ok(self.bytes.slice(entry.data.clone())),
            STORED => Err("is stored at another length than its own".to_owned()),
            DEFLATED => inflate(&self.bytes[entry.data.clone()], header.size as usize).map(Bytes::from),
            method => Err(format!("is packed in a way that is not read here (method {method})")),
        }
    }
}

impl Entry {
    /// Reads the next entry of the directory, and the header to which it points among `files`.
    ///
    /// Returns its name, itself, and which bytes of `files` it takes.
    fn read<'a>(directory: &mut Fields<'a>, files: &[u8]) -> Result<(&'a [u8], Self, Range<usize>), Error> {
        directory.signature(b"PK\x01\x02")?;
        directory.take(4)?; // versions
        let (header, extra) = Header::read(directory)?;
        let comment = directory.u16()?;
        let volume = directory.u16()?;
        directory.take(6)?; // attributes of a file system
        let offset = directory.u32()?;
        let name = directory.take(usize::from(header.name))?;
        directory.take(usize::from(extra) + usize::from(comment))?;
        if [header.packed, header.size, offset].contains(&ELSEWHERE_32) || volume == ELSEWHERE_16 {
            return Err(refuse("has a zip64 entry"));
        }
        if volume != 0 {
            return Err(refuse("has an entry in another volume"));
        }
        let start = offset as usize;
        let mut file = Fields(files.get(start..).ok_or_else(|| refuse("has an entry outside of itself"))?);
        file.signature(b"PK\x03\x04")?;
        file.take(2)?; // version
        let (own, extra) = Header::read(&mut file)?;
        let own_name = file.take(usize::from(own.name))?;
        file.take(usize::from(extra))?;
        let sizes_follow =
            header.flags & SIZES_FOLLOW != 0 && (own.checksum, own.packed, own.size) == (0, 0, 0);
        let told = match sizes_follow {
            true => Header { checksum: 0, packed: 0, size: 0, ..header.clone() },
            false => header.clone(),
        };
        if own != told || own_name != name {
            return Err(refuse("has an entry that contradicts the directory"));
        }
        let length = header.packed as usize;
        file.take(length)?;
        let data = start + LOCAL + usize::from(own.name) + usize::from(extra);
        let data = data..data + length;
        let span = start..data.end;
        Ok((name, Self { header, data }, span))
    }

    /// How many bytes it says it holds.
    pub(super) fn size(&self) -> u64 {
        self.header.size.into()
    }
}

impl Header {
    /// Reads the part that is the same in both places, and the length of what else follows the name.
    fn read(fields: &mut Fields<'_>) -> Result<(Self, u16), Error> {
        let (flags, method) = (fields.u16()?, fields.u16()?);
        fields.take(4)?; // time and date
        let (checksum, packed, size) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let (name, extra) = (fields.u16()?, fields.u16()?);
        Ok((Self { flags, method, checksum, packed, size, name }, extra))
    }
}

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(|| refuse("is cut short"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn signature(&mut self, signature: &[u8; 4]) -> Result<(), Error> {
        match self.take(4)? {
            found if found == signature => Ok(()),
            _ => Err(refuse("is no zip archive, or no plain one")),
        }
    }

    fn u16(&mut self) -> Result<u16, Error> {
        self.take(2).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    fn u32(&mut self) -> Result<u32, Error> {
        self.take(4).map(|bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }
}

fn refuse(why: &str) -> Error {
    Error::new(ErrorKind::Protocol, format!("the bundle {why}"))
}

/// Unpacks exactly `size` bytes from all of `packed`.
fn inflate(packed: &[u8], size: usize) -> Result<Vec<u8>, String> {
    if size / BEST_RATIO > packed.len() {
        return Err(format!("cannot hold {size} bytes in {}", packed.len()));
    }
    // One more, so that too long a file shows.
    let mut file = vec![0; size + 1];
    let mut inflater = Decompress::new(false);
    let status = inflater.decompress(packed, &mut file, FlushDecompress::Finish);
    let read_to_the_end = (inflater.total_in(), inflater.total_out()) == (packed.len() as u64, size as u64);
    if !matches!(status, Ok(Status::StreamEnd)) || !read_to_the_end {
        return Err("does not unpack to the length it states".to_owned());
    }
    file.truncate(size);
    Ok(file)
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive")
            .field("bytes", &self.bytes.len())
            .field("entries", &self.entries.len())
            .finish_non_exhaustive()
    }
}
