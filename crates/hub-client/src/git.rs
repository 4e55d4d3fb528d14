//! The object ids that git gives to file contents.

use std::fmt;

use serde::{Serialize, Serializer};
use sha1::{Digest, Sha1};

use crate::{Error, ErrorKind};

/// A git object id: SHA-1 over a short head and the content.
///
/// Good against damage, not against an attacker: SHA-1 collisions can be made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct GitOid([u8; 20]);

/// Computes the object id of content whose size is known.
pub(crate) struct GitHasher(Sha1);

impl GitOid {
    /// Reads 40 lower-case hexadecimal digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let value = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        let digits: &[u8; 40] = text.as_bytes().try_into().ok()?;
        let mut bytes = [0; 20];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = value(pair[0])? << 4 | value(pair[1])?;
        }
        Some(Self(bytes))
    }
}

impl GitHasher {
    pub(crate) fn new(size: u64) -> Self {
        Self(Sha1::new_with_prefix(format!("blob {size}\0")))
    }

    pub(crate) fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    pub(crate) fn finish(self) -> GitOid {
        GitOid(self.0.finalize().into())
    }

    /// Refuses content of another id than the one that is listed.
    pub(crate) fn check(self, expected: GitOid) -> Result<(), Error> {
        let found = self.finish();
        if found == expected {
            return Ok(());
        }
        let detail = format!("its git object id is {found}, and {expected} is listed");
        Err(Error::new(ErrorKind::Mismatch, detail).passing())
    }
}

impl fmt::Display for GitOid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for GitOid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GitOid({self})")
    }
}

impl Serialize for GitOid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_git() {
        // As `git hash-object` prints them.
        for (content, expected) in [
            (&b""[..], "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"),
            (b"hello\n", "ce013625030ba8dba906f756967f9e9ca394464a"),
        ] {
            let mut hasher = GitHasher::new(content.len() as u64);
            content.chunks(2).for_each(|piece| hasher.update(piece));
            let oid = hasher.finish();
            assert_eq!(oid.to_string(), expected);
            assert_eq!(GitOid::parse(expected), Some(oid));
        }
        for bad in ["", "e69d", &"E".repeat(40), &"0".repeat(41), &"é".repeat(20)] {
            assert_eq!(GitOid::parse(bad), None);
        }
    }
}
