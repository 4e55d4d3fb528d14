//! Strings in JSON text: how they are written, and what they say.

use std::borrow::Cow;

/// A string as it was written, between its quotes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    pub(crate) raw: &'a str,
    pub(crate) form: Form,
}

/// How a string is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Printable ASCII without escapes, which is its canonical form too.
    Plain,
    /// Without escapes.
    Unescaped,
    /// With escapes.
    Escaped,
}

impl<'a> Text<'a> {
    /// The string that was written.
    pub(crate) fn decoded(self) -> Cow<'a, str> {
        if self.form != Form::Escaped {
            return Cow::Borrowed(self.raw);
        }
        Cow::Owned(self.characters().collect())
    }

    /// The characters of the string that was written, one by one, without a copy.
    pub(crate) fn characters(self) -> impl Iterator<Item = char> {
        let mut rest = self.raw;
        std::iter::from_fn(move || {
            let mut characters = rest.chars();
            let (character, length) = match characters.next()? {
                '\\' => unescape(characters.as_str().as_bytes()),
                character => (Some(character), character.len_utf8() - 1),
            };
            rest = rest.get(length + 1..).unwrap_or_default();
            character
        })
    }
}

/// Counts the bytes at the start of `bytes` that are printable ASCII, but no quotes and no backslashes.
pub(super) fn plain(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let Some((eight, after)) = rest.split_first_chunk() {
        let others = others(u64::from_le_bytes(*eight));
        if others != 0 {
            return bytes.len() - rest.len() + others.trailing_zeros() as usize / 8;
        }
        rest = after;
    }
    let plain = |byte: &u8| (b' '..=b'~').contains(byte) && !matches!(byte, b'"' | b'\\');
    bytes.len() - rest.len() + rest.iter().take_while(|byte| plain(byte)).count()
}

/// Marks, by its highest bit, the lowest of eight bytes that is not plain, and perhaps some above it.
fn others(eight: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = EACH << 7;
    let below = |eight: u64, bound: u8| eight.wrapping_sub(EACH * u64::from(bound)) & !eight;
    let at_least_127 = eight | eight.wrapping_add(EACH);
    // This swaps the quote with the space, so that it is the one above the control characters.
    let control_or_quote = below(eight ^ (EACH * 2), b' ' + 1);
    let backslash = below(eight ^ (EACH * u64::from(b'\\')), 1);
    (at_least_127 | control_or_quote | backslash) & HIGH
}

/// Reads what follows a backslash: the character, and how many bytes say so.
pub(super) fn unescape(rest: &[u8]) -> (Option<char>, usize) {
    let simple = match rest.first() {
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unescape_unit(rest),
        _ => return (None, 0),
    };
    (Some(simple), 1)
}

/// Reads `uXXXX`, or the two of them that make a character beyond the first 65,536.
fn unescape_unit(rest: &[u8]) -> (Option<char>, usize) {
    let unit = |from: usize| {
        let digits = rest.get(from..from + 4)?;
        digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
    };
    match unit(1) {
        Some(high @ 0xd800..=0xdbff) if rest.get(5..7) == Some(b"\\u") => match unit(7) {
            Some(low @ 0xdc00..=0xdfff) => {
                (char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)), 11)
            }
            _ => (None, 0),
        },
        // Half of a pair is no character.
        Some(unit) => (char::from_u32(unit), 5),
        None => (None, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn plain_bytes_are_counted_to_the_first_other_one() {
        for at in 0..20 {
            for byte in 0..=255 {
                let mut text = [b'x'; 20];
                text[at] = byte;
                let is_plain = (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
                assert_eq!(plain(&text), if is_plain { 20 } else { at }, "{byte:#x} at {at}");
                text[at + 1..].fill(byte.wrapping_add(1));
                if !is_plain {
                    assert_eq!(plain(&text), at, "{byte:#x} and others from {at}");
                }
            }
        }
        assert_eq!(plain(b""), 0);
    }
}
