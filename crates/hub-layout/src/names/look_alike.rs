//! Letters of other scripts that look like those of ASCII.

/// Letters, script by script, and below them what they look like.
const LOOK_LIKE: [(&str, &str); 7] = [
    // Cyrillic
    ("аеорсухѕіјһԁԛԝѵӏ", "aeopcyxsijhdqwvl"),
    ("АВЕКМНОРСТХЅІЈУԚԜѴӀ", "ABEKMHOPCTXSIJYQWVI"),
    // Greek; of the small letters only the one that has no use beside Latin ones
    ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧο", "ABEZHIKMNOPTYXo"),
    // Armenian
    ("օսհՕՏԼ", "oshOSL"),
    // Latin of the phonetic alphabet
    ("ɑɡ", "ag"),
    // Cherokee
    ("ᎠᎡᎢᎪᎫᎬᎳᎷᎻᏀᏃᏙᏚᏞᏟᏢᏦᏴ", "DRTAJEWMHGZVSLCPKB"),
    // Lisu
    ("ꓐꓑꓓꓔꓖꓗꓙꓚꓜꓝꓟꓠꓡꓢꓣꓦꓧꓪꓫꓬꓮꓰꓲꓳꓴ", "BPDTGKJCZFMNLSRVHWXYAEIOU"),
];

/// Returns the ASCII letter that `c` looks like, if it looks like one and is none.
pub(super) fn ascii(c: char) -> Option<char> {
    if c.is_ascii() {
        return None;
    }
    let pairs = |(theirs, ours): (&'static str, &'static str)| theirs.chars().zip(ours.chars());
    LOOK_LIKE.into_iter().flat_map(pairs).find(|&(theirs, _)| theirs == c).map(|(_, ours)| ours)
}

/// Says whether a word has ASCII letters and letters of another script that look like some.
///
/// `сonfig` with a Cyrillic `с` does; a word all of one script (`модель`), or with letters that look like none
/// (`ΔH`), does not. Digits and punctuation end a word.
pub(super) fn is_mixed(segment: &str) -> bool {
    let mut words = segment.split(|c: char| !c.is_alphabetic());
    words.any(|word| word.contains(|c: char| c.is_ascii()) && word.contains(|c| ascii(c).is_some()))
}
