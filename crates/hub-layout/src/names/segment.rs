//! The rules that make one part of a name safe as a file name on every platform.

use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::{NameProblem, look_alike};

/// The longest part, in bytes: what common file systems take.
const MAX_BYTES: usize = 255;

/// Checks one part between slashes.
pub(super) fn check(segment: &str) -> Result<(), NameProblem> {
    if segment.len() > MAX_BYTES {
        return Err(NameProblem::TooLong);
    }
    check_plain(segment)?;
    if segment.is_ascii() {
        return Ok(());
    }
    if segment.chars().any(|c| is_invisible(c) || is_slash_like(c)) || look_alike::is_mixed(segment) {
        return Err(NameProblem::LookAlike);
    }
    if !is_nfc(segment) {
        return Err(NameProblem::NotNormalised);
    }
    // What a lossy conversion (code pages, compatibility forms) may turn the name into is held to the
    // same rules: full-width slashes, dots and colons, or "COM¹".
    let decayed: String = segment.nfkc().collect();
    if decayed.contains('/') || check_plain(&decayed).is_err() {
        return Err(NameProblem::LookAlike);
    }
    Ok(())
}

fn check_plain(segment: &str) -> Result<(), NameProblem> {
    if segment.is_empty() {
        return Err(NameProblem::EmptySegment);
    }
    if segment == "." || segment == ".." {
        return Err(NameProblem::DotSegment);
    }
    if segment.contains('\\') {
        return Err(NameProblem::Backslash);
    }
    if segment.chars().any(char::is_control) {
        return Err(NameProblem::ControlCharacter);
    }
    if segment.contains(['<', '>', ':', '"', '|', '?', '*']) {
        return Err(NameProblem::Character);
    }
    if segment.starts_with(' ') || segment.ends_with([' ', '.']) {
        return Err(NameProblem::OuterSpaceOrDot);
    }
    if is_device(segment) || is_git(segment) {
        return Err(NameProblem::ReservedName);
    }
    Ok(())
}

/// Windows opens a device for these names in every folder, whatever follows the first dot.
fn is_device(segment: &str) -> bool {
    let stem = segment.split('.').next().unwrap_or_default().trim_end_matches(' ').to_ascii_uppercase();
    match stem.as_str() {
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" | "CLOCK$" => true,
        _ => {
            let number = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
            number.is_some_and(|number| matches!(number.as_bytes(), [b'0'..=b'9']))
        }
    }
}

/// Git runs what lies in its folder, and a model may be exported to where one is; on Windows also by the short name.
fn is_git(segment: &str) -> bool {
    segment.eq_ignore_ascii_case(".git") || segment.eq_ignore_ascii_case("git~1")
}

/// Characters that show nothing, show as a plain space, reorder what is shown, or are of private use: what those
/// mean is not said anywhere, and some systems keep `\` and `:` as such.
fn is_invisible(c: char) -> bool {
    (c.is_whitespace() && c != ' ')
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{ffff}' | '\u{fdd0}'..='\u{fdef}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' | '\u{e000}'..='\u{f8ff}'
            | '\u{f0000}'..='\u{10ffff}')
        || (c as u32) & 0xfffe == 0xfffe
}

/// Characters that look like a slash or a backslash and that no normalisation form maps to one.
fn is_slash_like(c: char) -> bool {
    matches!(
        c,
        '\u{2044}'
            | '\u{2215}'
            | '\u{2216}'
            | '\u{29f5}'
            | '\u{29f6}'
            | '\u{29f8}'
            | '\u{29f9}'
            | '\u{27cb}'
            | '\u{27cd}'
            | '\u{2571}'
            | '\u{2572}'
            | '\u{a789}'
            | '\u{2236}'
    )
}
