//! Weights in several files: `model-00001-of-00003.safetensors`.

use crate::RepoPath;

/// The most shards that a name may announce; a name that announces more is taken for a plain one.
const MAX: u32 = 1000;

/// A name taken apart: `{stem}-{number}-of-{count}.{extension}`.
struct Shard<'a> {
    stem: &'a str,
    number: u32,
    count: u32,
    /// How many digits the numbers have.
    width: usize,
    extension: &'a str,
}

/// Returns all shards, if the name is that of one of several.
pub(super) fn of(path: &RepoPath) -> Option<Vec<RepoPath>> {
    let Shard { stem, count, width, extension, .. } = parse(path.as_str())?;
    (1..=count).map(|n| format!("{stem}-{n:0width$}-of-{count:0width$}.{extension}").parse().ok()).collect()
}

/// Says whether the file stands for a whole model: it is the first shard, or not split.
pub(super) fn is_first(path: &RepoPath) -> bool {
    parse(path.as_str()).is_none_or(|shard| shard.number == 1)
}

/// Says whether `path` is a shard of `index` (`model.safetensors.index.json`).
pub(super) fn belongs(index: &RepoPath, path: &RepoPath) -> bool {
    let Some(whole) = index.as_str().strip_suffix(".index.json") else { return false };
    parse(path.as_str()).is_some_and(|shard| {
        whole.strip_prefix(shard.stem).and_then(|rest| rest.strip_prefix('.')) == Some(shard.extension)
    })
}

fn parse(path: &str) -> Option<Shard<'_>> {
    let (rest, extension) = path.rsplit_once('.')?;
    let (rest, count) = rest.rsplit_once("-of-")?;
    let (stem, number) = rest.rsplit_once('-')?;
    let is_number = |text: &str| text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit());
    if !is_number(number) || !is_number(count) {
        return None;
    }
    let width = count.len();
    let (number, count) = (number.parse().ok()?, count.parse().ok()?);
    let is_plausible = (1..=MAX).contains(&count) && (1..=count).contains(&number);
    is_plausible.then_some(Shard { stem, number, count, width, extension })
}
