//! The journal of a stage in parts: which parts are there, in lines that each carry a checksum.
//!
//! It is only ever appended to. A line that was torn by the end of a process, or damaged since, is passed over: what
//! it recorded is fetched again. `docs/on-disk-format.md` has the format.

use std::{collections::BTreeMap, fs::File, io};

use content_id::{ContentId, Digest};

use super::calls::Calls;
use crate::Part;

/// How the first line begins.
const HEAD: &str = "blob-store stage 1";

/// Bytes of a journal that are looked at: half a million parts.
const JOURNAL_BYTES: u64 = 64 << 20;

/// Hexadecimal digits of a line's checksum.
const CHECK: usize = 16;

/// The parts by their offset; none overlaps another.
pub(super) type Parts = BTreeMap<u64, Part>;

/// What a journal says.
#[derive(Debug)]
pub(super) struct Contents {
    /// The name of the file with the bytes, in the same folder.
    pub(super) data: String,
    pub(super) parts: Parts,
    /// Whether the last line is whole; otherwise the next one has to begin with the end of it.
    pub(super) ends_clean: bool,
}

/// The first line of the journal of the stage `name`, whose bytes are in the file `data`.
pub(super) fn head(name: Digest, data: &str) -> String {
    line(&format!("{HEAD} {name} {data}"))
}

/// The line that says that a part is there.
pub(super) fn there(part: &Part) -> String {
    line(&format!("part {} {} {}", part.offset, part.size, part.digest))
}

/// The line that says that a part is not what it was, so that it has to be fetched again.
pub(super) fn gone(part: &Part) -> String {
    line(&format!("gone {} {} {}", part.offset, part.size, part.digest))
}

fn line(body: &str) -> String {
    format!("{body} {}\n", check(body))
}

fn check(body: &str) -> String {
    let mut digest = ContentId::of(body.as_bytes()).digest.to_string();
    digest.truncate(CHECK);
    digest
}

/// The name of a new file with the bytes of a stage.
pub(super) fn data_name(unique: &str) -> String {
    format!("{unique}.data")
}

/// Whether this can be the name of a file with the bytes of a stage.
pub(super) fn is_data_name(name: &str) -> bool {
    name.strip_suffix(".data").is_some_and(|unique| {
        unique.len() == 32 && unique.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// The name of the journal with this number.
pub(super) fn journal_name(number: u64) -> String {
    format!("{number}.parts")
}

/// The number of a journal, if a name is that of one.
pub(super) fn parse_journal_name(name: &str) -> Option<u64> {
    let number = name.strip_suffix(".parts")?.parse().ok()?;
    (journal_name(number) == name).then_some(number)
}

/// Reads the journal of the stage `name`; nothing if it is not one, or too damaged to say where the bytes are. Parts
/// that end above `limit` are passed over.
pub(super) fn read(calls: &Calls, file: &mut File, name: Digest, limit: u64) -> io::Result<Option<Contents>> {
    let mut bytes = Vec::new();
    calls.read(file, JOURNAL_BYTES + 1, &mut bytes)?;
    if JOURNAL_BYTES < bytes.len() as u64 {
        return Ok(None);
    }
    Ok(parse(&bytes, name, limit))
}

fn parse(bytes: &[u8], name: Digest, limit: u64) -> Option<Contents> {
    let mut lines = bytes.split(|byte| *byte == b'\n').map(checked);
    let head = lines.next()??;
    let data = head.strip_prefix(HEAD)?.strip_prefix(&format!(" {name} "))?;
    if !is_data_name(data) {
        return None;
    }
    let mut parts = Parts::new();
    for body in lines.flatten() {
        match entry(body) {
            Some(("part", part)) if part.size != 0 && ends_below(&part, limit) => insert(&mut parts, part),
            Some(("gone", part)) if parts.get(&part.offset) == Some(&part) => {
                parts.remove(&part.offset);
            }
            _ => {}
        }
    }
    Some(Contents { data: data.to_owned(), parts, ends_clean: bytes.last() == Some(&b'\n') })
}

/// The body of a line, if its checksum is right.
fn checked(line: &[u8]) -> Option<&str> {
    let (body, found) = std::str::from_utf8(line).ok()?.rsplit_once(' ')?;
    (check(body) == found).then_some(body)
}

fn entry(body: &str) -> Option<(&str, Part)> {
    let mut words = body.split(' ');
    let mut next = || words.next();
    let (kind, offset, size, digest) = (next()?, next()?, next()?, next()?);
    let part = Part::new(offset.parse().ok()?, size.parse().ok()?, digest.parse().ok()?);
    next().is_none().then_some((kind, part))
}

fn ends_below(part: &Part, limit: u64) -> bool {
    part.offset.checked_add(part.size).is_some_and(|end| end <= limit)
}

/// Puts a part in the place of all that it overlaps.
pub(super) fn insert(parts: &mut Parts, part: Part) {
    let range = part.range();
    while let Some((offset, before)) = parts.range(..range.end).next_back()
        && range.start < before.range().end
    {
        let offset = *offset;
        parts.remove(&offset);
    }
    parts.insert(part.offset, part);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(offset: u64, size: u64) -> Part {
        Part::new(offset, size, ContentId::of(b"x").digest)
    }

    fn name() -> Digest {
        ContentId::of(b"name").digest
    }

    fn text(lines: &[String]) -> String {
        head(name(), &data_name(&"a".repeat(32))) + &lines.concat()
    }

    fn parts(text: &[u8]) -> Option<Vec<Part>> {
        parse(text, name(), 100).map(|contents| contents.parts.into_values().collect())
    }

    #[test]
    fn what_was_recorded_is_read() {
        let (a, b) = (part(0, 4), part(8, 2));
        let lines = [there(&b), there(&a), gone(&b), gone(&part(0, 5)), there(&part(9, 1))];
        assert_eq!(parts(text(&lines).as_bytes()).expect("a journal"), [a, part(9, 1)]);
        let lines = [there(&a), there(&b), there(&part(3, 6)), there(&part(99, 2)), there(&part(50, 0))];
        assert_eq!(parts(text(&lines).as_bytes()).expect("a journal"), [part(3, 6)], "the last one counts");
        assert!(parse(text(&[]).as_bytes(), ContentId::of(b"other").digest, 100).is_none());
    }

    /// Cut anywhere, a journal says what its whole lines say; with any bit flipped, a line less at most.
    #[test]
    fn torn_and_damaged_lines_are_passed_over() {
        let all = [part(0, 4), part(4, 4), part(8, 4)];
        let text = text(&all.each_ref().map(there));
        let bytes = text.as_bytes();
        for length in 0..bytes.len() {
            let whole = bytes[..length].iter().filter(|byte| **byte == b'\n').count();
            let read = parts(&bytes[..length]);
            // A line that lacks nothing but its end is whole, too.
            let whole = if bytes[length] == b'\n' { whole + 1 } else { whole };
            assert_eq!(read.map(|parts| parts.len() + 1).unwrap_or(0), whole, "{length} bytes");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Some(parts) = parts(&flipped) {
                assert!(parts.iter().all(|part| all.contains(part)), "bit {bit}");
                // The end of a line is one of two lines.
                assert!(!parts.is_empty() && parts.len() < 3, "bit {bit}");
            }
        }
    }

    #[test]
    fn names_are_ours_or_foreign() {
        for number in [0, 1, 17, u64::MAX] {
            assert_eq!(parse_journal_name(&journal_name(number)), Some(number));
        }
        for name in ["", ".parts", "01.parts", "+1.parts", "1.part", "x.parts", "18446744073709551616.parts"]
        {
            assert_eq!(parse_journal_name(name), None, "{name}");
        }
        assert!(is_data_name(&data_name(&crate::layout::unique_name())));
        assert!(
            !is_data_name(".data")
                && !is_data_name("../x.data")
                && !is_data_name(&data_name(&"A".repeat(32)))
        );
    }
}
