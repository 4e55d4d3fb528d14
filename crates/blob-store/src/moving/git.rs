//! The object ids that git gives to file contents, by which hubs name small files.

use std::fmt;

use sha1::{Digest, Sha1};

/// A git object id: SHA-1 over a short head and the content.
///
/// Good against damage, not against an attacker: SHA-1 collisions can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GitId([u8; 20]);

/// Computes the object id of content whose size is known.
#[derive(Clone, Debug)]
pub(super) struct GitHasher(Sha1);

impl GitId {
    /// Reads 40 lower-case hexadecimal digits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let lower = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() != 40 || !lower {
            return None;
        }
        let mut bytes = [0; 20];
        for (number, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * number..2 * number + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl GitHasher {
    pub(super) fn new(size: u64) -> Self {
        Self(Sha1::new_with_prefix(format!("blob {size}\0")))
    }

    pub(super) fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    pub(super) fn finish(self) -> GitId {
        GitId(self.0.finalize().into())
    }
}

impl fmt::Display for GitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
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
            let id = hasher.finish();
            assert_eq!((id.to_string().as_str(), GitId::parse(expected)), (expected, Some(id)));
        }
        for bad in ["", "e69d", &"E".repeat(40), &"0".repeat(41), &"é".repeat(20)] {
            assert_eq!(GitId::parse(bad), None);
        }
    }
}
