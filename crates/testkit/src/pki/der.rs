//! The few elements of DER that certificates are made of, written as they are given: wrong ones too.

/// Writes one element.
pub fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = u32::try_from(content.len()).expect("a test's element has less than 4 GiB");
    match length {
        0..=0x7f => out.push(length as u8),
        0x80..=0xff => out.extend([0x81, length as u8]),
        0x100..=0xffff => out.extend([0x82, (length >> 8) as u8, length as u8]),
        _ => {
            out.push(0x84);
            out.extend(length.to_be_bytes());
        }
    }
    out.extend_from_slice(content);
    out
}

/// Writes a sequence of whole elements.
pub fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    element(0x30, &parts.concat())
}

/// Writes a number that is not negative, given as bytes with the highest first.
pub fn integer(number: &[u8]) -> Vec<u8> {
    let digits = number.iter().position(|byte| *byte != 0).map_or(&[][..], |first| &number[first..]);
    match digits.first() {
        None => element(0x02, &[0]),
        Some(0..=0x7f) => element(0x02, digits),
        Some(_) => element(0x02, &[&[0], digits].concat()),
    }
}

/// Writes an object identifier, given as numbers with dots between.
///
/// # Panics
///
/// Panics if it is none.
pub fn oid(dotted: &str) -> Vec<u8> {
    let arcs: Vec<u32> =
        dotted.split('.').map(|arc| arc.parse().expect("an identifier is made of numbers")).collect();
    let [first, second, rest @ ..] = arcs.as_slice() else { panic!("{dotted} is too short") };
    let mut content = Vec::new();
    for arc in [first * 40 + second].iter().chain(rest) {
        let groups = (0..5).rev().map(|group| arc >> (7 * group)).skip_while(|rest| *rest == 0);
        let mut groups: Vec<u8> = groups.map(|rest| (rest & 0x7f) as u8 | 0x80).collect();
        match groups.last_mut() {
            Some(last) => *last &= 0x7f,
            None => groups.push(0),
        }
        content.extend(groups);
    }
    element(0x06, &content)
}

/// Writes a string of whole bytes as bits.
pub fn bits(bytes: &[u8]) -> Vec<u8> {
    element(0x03, &[&[0], bytes].concat())
}

/// Writes a time with two digits for the year, such as `270101000000Z`; any text is taken.
pub fn utc_time(text: &str) -> Vec<u8> {
    element(0x17, text.as_bytes())
}

/// Writes a time with four digits for the year, such as `20270101000000Z`; any text is taken.
pub fn generalized_time(text: &str) -> Vec<u8> {
    element(0x18, text.as_bytes())
}
