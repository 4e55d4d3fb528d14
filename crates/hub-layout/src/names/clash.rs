//! Paths that cannot lie beside each other on every platform.

use std::{collections::HashMap, fmt};

use super::{RepoPath, look_alike};

/// Two paths of one model that some platform, or a reader, takes for one.
///
/// Displays both, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{first} and {second} {kind}")]
#[non_exhaustive]
pub struct Clash {
    /// The path that was there before.
    pub first: RepoPath,
    /// The path that clashes with it.
    pub second: RepoPath,
    /// How they clash.
    pub kind: ClashKind,
}

/// Says how two paths clash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClashKind {
    /// They are equal: a listing names one file twice.
    Repeated,
    /// They differ in case, or in Unicode forms of the same text; macOS and Windows take them for one file.
    Folded,
    /// The one is a file where the other has a folder, on some platform or on all.
    FileAndFolder,
    /// They differ in letters that look alike; platforms tell them apart, readers do not.
    LookAlike,
}

/// Finds the paths that cannot lie beside each other, or that look as if they were one.
///
/// Each path is named at most once as the later of two files, and once for each file that stands where it has a
/// folder. No paths, or paths that all differ, give nothing. Takes time proportional to the length of all paths.
///
/// ```
/// use hub_layout::{ClashKind, find_clashes};
///
/// let listing = ["onnx/model.onnx", "README.md", "ReadMe.md"].map(str::parse);
/// let listing = listing.into_iter().collect::<Result<Vec<_>, _>>()?;
/// let clashes = find_clashes(&listing);
/// assert_eq!(clashes[0].kind, ClashKind::Folded);
/// assert_eq!(clashes[0].to_string(), "README.md and ReadMe.md differ only in case or Unicode form");
/// # Ok::<(), hub_layout::ParseNameError>(())
/// ```
pub fn find_clashes<'a>(paths: impl IntoIterator<Item = &'a RepoPath>) -> Vec<Clash> {
    let paths: Vec<(&RepoPath, String)> = paths.into_iter().map(|path| (path, path.folded())).collect();
    // Where each name, and each look, stands for the first time.
    let (mut files, mut looks) = (HashMap::new(), HashMap::new());
    let mut clashes = Vec::new();
    let clash = |first: usize, second: &RepoPath, kind| Clash {
        first: paths[first].0.clone(),
        second: second.clone(),
        kind,
    };
    for (n, (path, folded)) in paths.iter().enumerate() {
        let file = *files.entry(folded.as_str()).or_insert(n);
        let look = *looks.entry(look(path)).or_insert(n);
        if file < n {
            let kind = if paths[file].0 == *path { ClashKind::Repeated } else { ClashKind::Folded };
            clashes.push(clash(file, path, kind));
        } else if look < n {
            clashes.push(clash(look, path, ClashKind::LookAlike));
        }
    }
    for (path, folded) in &paths {
        let folders = folded.match_indices('/').map(|(at, _)| &folded[..at]);
        let in_the_way = folders.filter_map(|folder| files.get(folder));
        clashes.extend(in_the_way.map(|&file| clash(file, path, ClashKind::FileAndFolder)));
    }
    clashes
}

/// What a path looks like, without case.
fn look(path: &RepoPath) -> String {
    let plain = |c| look_alike::ascii(c).unwrap_or(c);
    // Both before and after: folding turns capitals into small letters that look like nothing (Η, η).
    let text: String = path.as_str().chars().map(plain).collect();
    super::repo_path::fold(&text).chars().map(plain).collect()
}

impl fmt::Display for ClashKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Repeated => "are the same name",
            Self::Folded => "differ only in case or Unicode form",
            Self::FileAndFolder => "are a file and what lies in a folder of its name",
            Self::LookAlike => "differ only in letters that look alike",
        })
    }
}
