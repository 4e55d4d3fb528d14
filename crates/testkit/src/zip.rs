//! Zip archives, right ones and wrong ones.
//!
//! ```
//! use testkit::zip::{ZipEntry, archive};
//!
//! let mut twice = vec![ZipEntry::stored("a", b"one"), ZipEntry::deflated("b", b"two")];
//! assert!(archive(&twice).starts_with(b"PK"));
//! twice[1].name = "a".into();
//! assert!(archive(&twice).starts_with(b"PK"), "two files under one name are written as told");
//! ```

use std::io::Write as _;

use flate2::{Compression, Crc, write::DeflateEncoder};

/// One file of an archive; what is changed after it was made is written as it is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ZipEntry {
    /// Its name, in its header and in the directory.
    pub name: String,
    /// Its name in its own header, where that is another.
    pub own_name: Option<String>,
    /// Its flags.
    pub flags: u16,
    /// How it is packed: 0 stored, 8 deflated.
    pub method: u16,
    /// The CRC-32 of the file.
    pub checksum: u32,
    /// How many bytes it says it takes, where that is another number than those of `packed`.
    pub packed_size: Option<u32>,
    /// How many bytes it says it unpacks to.
    pub size: u32,
    /// The size in its own header, where that is another.
    pub own_size: Option<u32>,
    /// What is written for it.
    pub packed: Vec<u8>,
    /// Extra fields of its own header.
    pub own_extra: Vec<u8>,
    /// Extra fields in the directory.
    pub extra: Vec<u8>,
    /// A comment in the directory.
    pub comment: Vec<u8>,
    /// Where the directory says it is, where that is elsewhere.
    pub offset: Option<u32>,
    /// Whether its checksum and sizes follow its data, and are 0 in its own header.
    pub sizes_follow: bool,
}

impl ZipEntry {
    /// A file as it is.
    pub fn stored(name: &str, file: &[u8]) -> Self {
        Self::new(name, file, 0, file.to_vec())
    }

    /// A file that is deflated.
    pub fn deflated(name: &str, file: &[u8]) -> Self {
        let mut deflater = DeflateEncoder::new(Vec::new(), Compression::default());
        deflater.write_all(file).expect("memory takes all bytes");
        Self::new(name, file, 8, deflater.finish().expect("memory takes all bytes"))
    }

    fn new(name: &str, file: &[u8], method: u16, packed: Vec<u8>) -> Self {
        let mut checksum = Crc::new();
        checksum.update(file);
        Self {
            name: name.to_owned(),
            own_name: None,
            flags: 0,
            method,
            checksum: checksum.sum(),
            packed_size: None,
            size: length(file),
            own_size: None,
            packed,
            own_extra: Vec::new(),
            extra: Vec::new(),
            comment: Vec::new(),
            offset: None,
            sizes_follow: false,
        }
    }

    /// The fields that both headers have, from the flags to the length of the extra fields.
    fn common(&self, own: bool) -> Vec<u8> {
        let flags = self.flags | if self.sizes_follow { 8 } else { 0 };
        let (name, extra) = match own {
            true => (self.own_name.as_ref().unwrap_or(&self.name), &self.own_extra),
            false => (&self.name, &self.extra),
        };
        let size = self.own_size.filter(|_| own).unwrap_or(self.size);
        let numbers = match own && self.sizes_follow {
            true => [0, 0, 0],
            false => [self.checksum, self.packed_size(), size],
        };
        let mut out = shorts(&[flags, self.method, 0, 0x21]);
        out.extend(words(&numbers));
        out.extend(shorts(&[short(name.as_bytes()), short(extra)]));
        out
    }

    fn packed_size(&self) -> u32 {
        self.packed_size.unwrap_or_else(|| length(&self.packed))
    }
}

/// Writes an archive of these entries, in this order.
///
/// # Panics
///
/// Panics where something is too long for the format.
pub fn archive(entries: &[ZipEntry]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let offset = entry.offset.unwrap_or_else(|| length(&out));
        out.extend(b"PK\x03\x04\x14\0");
        out.extend(entry.common(true));
        out.extend(entry.own_name.as_ref().unwrap_or(&entry.name).as_bytes());
        out.extend(&entry.own_extra);
        out.extend(&entry.packed);
        if entry.sizes_follow {
            out.extend(b"PK\x07\x08");
            out.extend(words(&[entry.checksum, entry.packed_size(), entry.size]));
        }
        directory.extend(b"PK\x01\x02\x14\0\x14\0");
        directory.extend(entry.common(false));
        directory.extend(shorts(&[short(&entry.comment), 0, 0]));
        directory.extend(words(&[0, offset]));
        directory.extend(entry.name.as_bytes());
        directory.extend(&entry.extra);
        directory.extend(&entry.comment);
    }
    let start = length(&out);
    let count = u16::try_from(entries.len()).expect("the format counts entries in two bytes");
    out.extend(&directory);
    out.extend(b"PK\x05\x06");
    out.extend(shorts(&[0, 0, count, count]));
    out.extend(words(&[length(&directory), start]));
    out.extend(shorts(&[0]));
    out
}

fn shorts(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn words(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn short(bytes: &[u8]) -> u16 {
    u16::try_from(bytes.len()).expect("the format has two bytes for this length")
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("the format has four bytes for this length")
}
