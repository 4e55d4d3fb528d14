//! Stages in parts: what is being fetched, which parts of it are there, and the traits that a backend implements.

use std::{fmt, ops::Range, time::SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use content_id::{ContentId, Digest, Hasher};
use serde::{Deserialize, Serialize};

use crate::{Error, Expected, listing::unix_seconds};

/// What a stage in parts is about: a source, and the validator that ties its bytes to one version of it.
///
/// Only a digest of both is kept, so that no name from outside becomes a path. Another validator is another key:
/// bytes of two versions never meet in one stage.
///
/// ```
/// use blob_store::StageKey;
///
/// let key = StageKey::new("https://hub.example/org/name/model.onnx", "\"v1\"");
/// assert_ne!(key, StageKey::new("https://hub.example/org/name/model.onnx", "\"v2\""));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StageKey {
    digest: Digest,
}

impl StageKey {
    /// Names what is fetched from `source` as long as its validator (an entity tag, a commit, a digest) is this.
    pub fn new(source: &str, validator: &str) -> Self {
        Self { digest: digest_of(&["stage", source, validator]) }
    }

    /// Returns the digest of both.
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns the name that a stage of this key has in a store: another one for each expectation, so that what was
    /// fetched under one expectation is never taken up under another.
    pub fn stage_name(&self, expected: Expected) -> Digest {
        let digest = expected.digest.map_or(String::new(), |digest| digest.to_string());
        let size = expected.size.map_or(String::new(), |size| size.to_string());
        digest_of(&["stage in parts", &self.digest.to_string(), &digest, &size])
    }
}

impl fmt::Display for StageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stage {}", self.digest)
    }
}

/// A digest of texts; other texts, or the same bytes divided otherwise, give another one.
fn digest_of(parts: &[&str]) -> Digest {
    let mut hasher = Hasher::default();
    for part in parts {
        hasher.update(format!("{}:", part.len()).as_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finish().digest
}

/// A finished part of a blob that is being fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Part {
    /// Where it begins in the blob.
    pub offset: u64,
    /// How many bytes it has.
    pub size: u64,
    /// SHA-256 of its bytes.
    pub digest: Digest,
}

impl Part {
    /// Describes a part.
    pub const fn new(offset: u64, size: u64, digest: Digest) -> Self {
        Self { offset, size, digest }
    }

    /// Returns the bytes of the blob that it is.
    pub const fn range(&self) -> Range<u64> {
        self.offset..self.offset.saturating_add(self.size)
    }
}

/// A blob that is fetched in parts, in any order, and survives the process that fetches it.
///
/// Dropping it keeps what is recorded: whoever asks for a stage of the same key and with the same expectation goes on
/// from there, in this process or another one. After an error of a part the others can go on.
#[async_trait]
pub trait PartStage: fmt::Debug + Send + Sync {
    /// Returns what was expected when it began.
    fn expected(&self) -> Expected;

    /// Returns the finished parts, in order; none overlaps another.
    ///
    /// Each was durable when it was recorded. What an earlier process recorded is read again before it is published;
    /// a part that is not what it was then is no longer in this list.
    fn parts(&self) -> Vec<Part>;

    /// Begins to write the bytes `range`, of which none may be recorded or be being written.
    ///
    /// # Errors
    ///
    /// `Invalid` if the range is empty, outside of what is expected, or recorded already; `Busy` if a part of it is
    /// being written; `TooLarge`; `NoSpace`; `Backend`.
    async fn part(&self, range: Range<u64>) -> Result<Box<dyn PartWriter>, Error>;

    /// Checks that all parts are there and that size and SHA-256 of the whole are what was expected, makes the blob
    /// durable, and only then visible.
    ///
    /// # Errors
    ///
    /// `Incomplete` if parts are missing, and `Damaged` if parts were recorded but are no longer what they were: they
    /// are dropped. The others stay: begin again, fetch what is missing, and publish. `Mismatch` if all parts are what
    /// was recorded and the whole is not what was expected: nothing becomes visible, and the parts are dropped, since
    /// they are proven wrong. `Busy` if parts are being written; `NoSpace`; `Backend`.
    async fn publish(self: Box<Self>) -> Result<Published, Error>;

    /// Throws all parts away now.
    ///
    /// # Errors
    ///
    /// `Backend`; what is left goes with [`BlobStore::remove_stages`](crate::BlobStore::remove_stages).
    async fn discard(self: Box<Self>) -> Result<(), Error>;

    /// Returns what is not recorded, cut at the multiples of `part_bytes`; nothing is known of the end if no size
    /// is expected, so that only the gaps are in it then.
    fn missing(&self, part_bytes: u64) -> Vec<Range<u64>> {
        let parts = self.parts();
        let end = self.expected().size.or_else(|| parts.last().map(|part| part.range().end)).unwrap_or(0);
        gaps(&parts, end).into_iter().flat_map(|gap| cut(gap, part_bytes.max(1))).collect()
    }
}

/// Writes one part of a [`PartStage`]; several may write at once.
///
/// Dropping it records nothing, and the range can be begun again. After an error a writer accepts nothing more.
#[async_trait]
pub trait PartWriter: fmt::Debug + Send {
    /// Appends `piece`.
    ///
    /// # Errors
    ///
    /// `Mismatch` as soon as there are more bytes than the range has; `NoSpace`; `Backend`. The error of an earlier
    /// write may come out of a later one.
    async fn write(&mut self, piece: Bytes) -> Result<(), Error>;

    /// Returns how many bytes were accepted so far.
    fn written(&self) -> u64;

    /// Makes the bytes durable, and then the record that they are there, and returns it.
    ///
    /// Fewer bytes than the range has are a shorter part: what comes after them is missing as before. No byte at all
    /// is no part, and nothing is recorded.
    ///
    /// # Errors
    ///
    /// `Mismatch` if the bytes do not have the digest `expected`, where one is known: nothing is recorded. `NoSpace`;
    /// `Backend`.
    async fn finish(self: Box<Self>, expected: Option<Digest>) -> Result<Part, Error>;
}

/// What [`PartStage::publish`] made visible.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// The blob.
    pub id: ContentId,
    /// The digests of its parts, if they were of one size and it was made of them here: nothing is known of those of a
    /// blob that another process published at the same time.
    pub parts: Option<PartHashes>,
}

impl Published {
    /// Describes what was published.
    pub const fn new(id: ContentId, parts: Option<PartHashes>) -> Self {
        Self { id, parts }
    }
}

/// The digests of a blob's parts, all of one size but the last: what is damaged can be told part by part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PartHashes {
    /// Bytes in a part.
    pub part_bytes: u64,
    /// SHA-256 of each part, in order.
    pub digests: Vec<Digest>,
}

impl PartHashes {
    /// Describes the parts of a blob.
    pub const fn new(part_bytes: u64, digests: Vec<Digest>) -> Self {
        Self { part_bytes, digests }
    }

    /// Returns the parts of a blob of `size` bytes, if there is a digest for each of them and for nothing more.
    pub fn parts(&self, size: u64) -> Option<Vec<Part>> {
        let count = if self.part_bytes == 0 { None } else { Some(size.div_ceil(self.part_bytes)) };
        if count != Some(self.digests.len() as u64) {
            return None;
        }
        let parts = cut(0..size, self.part_bytes).zip(&self.digests);
        Some(parts.map(|(range, digest)| Part::new(range.start, range.end - range.start, *digest)).collect())
    }

    /// The digests of parts that follow each other, if they are all of one size but the last.
    #[cfg(any(test, feature = "fs", feature = "object-store"))]
    pub(crate) fn of(parts: &[Part]) -> Option<Self> {
        let (first, last) = (parts.first()?, parts.last()?);
        let uniform = parts.iter().enumerate().all(|(n, part)| {
            Some(part.offset) == first.size.checked_mul(n as u64)
                && (part.size == first.size || (part.offset == last.offset && part.size < first.size))
        });
        uniform.then(|| Self::new(first.size, parts.iter().map(|part| part.digest).collect()))
    }
}

/// A stage of a listing: something that is being written, or was left behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StageInfo {
    /// What it is called in the store; for a stage in parts, the digest [`StageKey::stage_name`] returns.
    pub name: String,
    /// Whether it is in parts, and can be resumed.
    pub resumable: bool,
    /// Bytes recorded so far, or written where nothing is recorded.
    pub bytes: u64,
    /// When it was written to last, by the clock of the storage. In JSON, Unix seconds.
    #[serde(serialize_with = "unix_seconds")]
    pub modified: SystemTime,
    /// Whether a living process is known to have it; such a stage is never removed.
    pub owned: bool,
}

impl StageInfo {
    /// Describes a stage that nobody is known to have.
    pub const fn new(name: String, resumable: bool, bytes: u64, modified: SystemTime) -> Self {
        Self { name, resumable, bytes, modified, owned: false }
    }

    /// Sets whether a living process has it.
    #[must_use]
    pub fn owned(self, owned: bool) -> Self {
        Self { owned, ..self }
    }
}

/// What lies between parts that are in order, up to `end`.
pub(crate) fn gaps(parts: &[Part], end: u64) -> Vec<Range<u64>> {
    let mut gaps = Vec::new();
    let mut at = 0;
    for range in parts.iter().map(Part::range).chain(std::iter::once(end..end)) {
        if at < range.start {
            gaps.push(at..range.start);
        }
        at = at.max(range.end);
    }
    gaps
}

/// Cuts a range at the multiples of `part_bytes`.
fn cut(range: Range<u64>, part_bytes: u64) -> impl Iterator<Item = Range<u64>> {
    let mut at = range.start;
    std::iter::from_fn(move || {
        let begin = at;
        at = range.end.min((begin / part_bytes + 1).saturating_mul(part_bytes));
        (begin < range.end).then_some(begin..at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(offset: u64, size: u64) -> Part {
        Part::new(offset, size, ContentId::of(&offset.to_le_bytes()).digest)
    }

    #[test]
    fn gaps_are_what_no_part_has() {
        assert_eq!(gaps(&[], 0), []);
        assert_eq!(gaps(&[part(0, 1), part(2, 1)], 10), [1..2, 3..10]);
        assert_eq!(gaps(&[part(0, 4), part(4, 1), part(7, 2)], 10), [5..7, 9..10]);
        assert_eq!(gaps(&[part(0, 10)], 10), []);
    }

    #[test]
    fn cuts_are_at_multiples() {
        let cuts = |range, size| cut(range, size).collect::<Vec<_>>();
        assert_eq!(cuts(3..10, 4), [3..4, 4..8, 8..10]);
        assert_eq!(cuts(4..4, 4), []);
        assert_eq!(cuts(1..u64::MAX, u64::MAX - 1), [1..u64::MAX - 1, u64::MAX - 1..u64::MAX]);
    }

    #[test]
    fn only_uniform_parts_have_hashes() {
        let hashes = PartHashes::of(&[part(0, 4), part(4, 4), part(8, 1)]).expect("they are uniform");
        assert_eq!(hashes.part_bytes, 4);
        assert_eq!(hashes.parts(9).expect("they fit"), [part(0, 4), part(4, 4), part(8, 1)]);
        assert_eq!((hashes.parts(8), hashes.parts(13)), (None, None));
        assert_eq!(PartHashes::of(&[part(0, 4), part(4, 5)]), None);
        assert_eq!(PartHashes::of(&[part(0, 4), part(4, 3), part(7, 3)]), None);
        assert_eq!(PartHashes::of(&[]), None);
        assert_eq!(PartHashes::new(0, vec![]).parts(0), None);
        assert_eq!(PartHashes::new(u64::MAX, vec![]).parts(1), None);
    }
}
