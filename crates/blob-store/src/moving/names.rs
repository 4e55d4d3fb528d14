//! The names of a model's files, which are foreign data, before they become a path.

use crate::{Error, ErrorKind};

/// Bytes in a name with all its folders, at most.
const PATH_BYTES: usize = 1024;
/// Bytes in one part of a name, at most; what most file systems allow.
const PART_BYTES: usize = 255;
/// Parts of a name, at most.
pub(super) const PARTS: usize = 32;
/// Characters of a refused name that an error shows.
const SHOWN: usize = 80;

/// Names that Windows keeps for devices, whatever follows the first dot.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// Checks that a file's name in a manifest is safe as a path below a folder, on every system.
///
/// The name is parts joined by `/`. Refused are: nothing at all; a part that is empty, `.` or `..`, so also a name
/// that begins with `/`; backslashes; control characters, among them NUL; `<`, `>`, `:`, `"`, `|`, `?` and `*`, so
/// also drive letters; device names of Windows (`nul`, `com1.txt`); a space at the beginning of a part, a space or
/// dot at its end; more than 255 bytes a part, 1,024 bytes or 32 parts in all.
///
/// ```
/// use blob_store::{ErrorKind, check_file_name};
///
/// check_file_name("onnx/model.onnx")?;
/// let refused = check_file_name("../../.bashrc").expect_err("it leads out of the folder");
/// assert_eq!(refused.kind(), ErrorKind::UnsafeName);
/// # Ok::<(), blob_store::Error>(())
/// ```
///
/// # Errors
///
/// `UnsafeName`, with the name and what is wrong.
pub fn check_file_name(name: &str) -> Result<(), Error> {
    parts(name).map(|_| ())
}

/// The parts of a name that is safe.
pub(super) fn parts(name: &str) -> Result<Vec<&str>, Error> {
    let refused = |problem| Err(refused(name, problem));
    if name.is_empty() {
        return refused("it is empty");
    }
    if PATH_BYTES < name.len() {
        return refused("it is longer than 1,024 bytes");
    }
    let parts: Vec<&str> = name.split('/').collect();
    if PARTS < parts.len() {
        return refused("it has more than 32 parts");
    }
    match parts.iter().find_map(|part| problem(part)) {
        Some(problem) => refused(problem),
        None => Ok(parts),
    }
}

fn refused(name: &str, problem: &str) -> Error {
    let shown: String = name.chars().take(SHOWN).collect();
    Error::new(ErrorKind::UnsafeName, "accept", format_args!("the file name {shown:?}")).with_detail(problem)
}

/// What is wrong with one part of a name.
fn problem(part: &str) -> Option<&'static str> {
    match part {
        "" => return Some("a part of it is empty"),
        "." | ".." => return Some("it leads out of the folder"),
        _ => {}
    }
    if PART_BYTES < part.len() {
        return Some("a part of it is longer than 255 bytes");
    }
    if part.contains('\\') {
        return Some("some systems take a backslash for a slash");
    }
    if part.chars().any(char::is_control) {
        return Some("it contains a control character");
    }
    if part.contains(['<', '>', ':', '"', '|', '?', '*']) {
        return Some("it contains a character that Windows does not allow");
    }
    if part.starts_with(' ') || part.ends_with([' ', '.']) {
        return Some("a part of it begins with a space, or ends with a space or a dot");
    }
    is_device(part).then_some("a part of it is the name of a device on Windows")
}

fn is_device(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or(part).trim_end_matches(' ').to_lowercase();
    let numbered = |prefix: &str| {
        let rest = stem.strip_prefix(prefix).map(|rest| rest.chars().collect::<Vec<_>>());
        // Windows takes the superscripts for digits, too.
        rest.is_some_and(|rest| matches!(rest[..], ['1'..='9' | '¹' | '²' | '³']))
    };
    DEVICES.contains(&stem.as_str()) || numbered("com") || numbered("lpt")
}

/// The files of a model as a tree in which no two names meet on a file system that ignores case.
#[cfg(feature = "fs")]
pub(super) fn tree<'a>(names: impl Iterator<Item = &'a String>) -> Result<(), Error> {
    use std::collections::BTreeMap;

    /// What stands for a name where case and forms of the same letters do not count.
    fn folded(part: &str) -> String {
        use unicode_normalization::UnicodeNormalization;
        // Upper case first, so that letters with several lower-case forms meet.
        part.nfkc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfkc().collect()
    }

    // The folded name of every file and folder: how it is really written, and whether it is a file.
    let mut seen: BTreeMap<String, (&str, bool)> = BTreeMap::new();
    for name in names {
        let parts = parts(name)?;
        let (mut key, mut end) = (String::new(), 0);
        for (number, part) in parts.iter().enumerate() {
            key.push('/');
            key.push_str(&folded(part));
            end += part.len() + usize::from(number > 0);
            let found = (&name[..end], number + 1 == parts.len());
            let before = *seen.entry(key.clone()).or_insert(found);
            if before.0 != found.0 {
                let detail = format!("it differs from {:?} only by case or form", before.0);
                return Err(refused(name, &detail));
            }
            if before.1 != found.1 {
                return Err(refused(name, &format!("{:?} is both a file and a folder", before.0)));
            }
        }
    }
    Ok(())
}
