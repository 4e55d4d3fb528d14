//! The first line of a bundle, its manifest, and its last line.

use std::collections::{BTreeMap, BTreeSet};

use content_id::{ContentId, Digest};
use serde::Deserialize;

use super::{super::names, BUNDLE_VERSION, BundleOptions, SUBJECT};
use crate::{Error, ErrorKind, FORMAT_VERSION, Manifest};

/// What every bundle begins with.
const MAGIC: &str = "blob-store bundle ";

/// Bytes in the first and in the last line, at most.
pub(super) const LINE_BYTES: usize = 256;

/// What the first line says of the manifest, which comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The digest and size of the manifest.
    pub(super) manifest: ContentId,
}

impl Head {
    /// The line, with its end.
    pub(super) fn line(&self) -> String {
        let ContentId { digest, size, .. } = self.manifest;
        format!("{MAGIC}{BUNDLE_VERSION} manifest:{size} sha256:{digest}\n")
    }

    /// The last line, with its end.
    pub(super) fn end(&self) -> String {
        format!("{MAGIC}end sha256:{}\n", self.manifest.digest)
    }

    /// Reads a line without its end. As much of it as there is may be given to learn of a newer version.
    pub(super) fn parse(line: &[u8]) -> Result<Self, Error> {
        let damaged = || fail(ErrorKind::Damaged).with_detail("it does not begin as a bundle does");
        let text = std::str::from_utf8(line).ok().and_then(|text| text.strip_prefix(MAGIC));
        let (version, rest) = text.and_then(|text| text.split_once(' ')).ok_or_else(damaged)?;
        let version: u32 = number(version).ok_or_else(damaged)?;
        if BUNDLE_VERSION < version {
            let detail = format!("bundle version {version}, known up to {BUNDLE_VERSION}");
            return Err(fail(ErrorKind::Unsupported).with_detail(detail));
        }
        let fields = rest.strip_prefix("manifest:").and_then(|rest| rest.split_once(" sha256:"));
        let (size, digest) = fields.ok_or_else(damaged)?;
        let size = number(size).ok_or_else(damaged)?;
        let digest: Digest = digest.parse().map_err(|e| damaged().with_source(e))?;
        let head = Self { manifest: ContentId::new(digest, size) };
        // One way to write it: with version 0, for example, it would be another line.
        match head.line().trim_end().as_bytes() == line {
            true => Ok(head),
            false => Err(damaged()),
        }
    }
}

fn number<N: std::str::FromStr>(text: &str) -> Option<N> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

pub(super) fn fail(kind: ErrorKind) -> Error {
    Error::new(kind, "read", SUBJECT)
}

/// The distinct blobs of a manifest in the order in which a bundle has them: that of the first file each.
pub(super) fn blobs(manifest: &Manifest) -> Vec<ContentId> {
    let mut seen = BTreeSet::new();
    manifest.files.values().map(|file| file.content).filter(|id| seen.insert(id.digest)).collect()
}

/// Checks what a bundle may carry: safe file names, and one size for each digest.
pub(super) fn check(manifest: &Manifest) -> Result<(), Error> {
    let mut sizes = BTreeMap::new();
    for (name, file) in &manifest.files {
        names::parts(name)?;
        let ContentId { digest, size, .. } = file.content;
        if *sizes.entry(digest).or_insert(size) != size {
            let detail = format!("two sizes are given for blob {digest}");
            return Err(fail(ErrorKind::Invalid).with_detail(detail));
        }
    }
    Ok(())
}

/// Reads the manifest of a bundle, whose digest was checked.
pub(super) fn manifest(bytes: &[u8], options: &BundleOptions) -> Result<Manifest, Error> {
    #[derive(Deserialize)]
    struct Version {
        format_version: u32,
    }
    let damaged = |e: serde_json::Error| {
        fail(ErrorKind::Damaged).with_detail("its manifest makes no sense").with_source(e)
    };
    let Version { format_version } = serde_json::from_slice(bytes).map_err(damaged)?;
    if FORMAT_VERSION < format_version {
        let detail = format!("manifest version {format_version}, known up to {FORMAT_VERSION}");
        return Err(fail(ErrorKind::Unsupported).with_detail(detail));
    }
    let mut manifest: Manifest = serde_json::from_slice(bytes).map_err(damaged)?;
    check(&manifest)?;
    if options.max_files < manifest.files.len() {
        let detail = format!("{} files, at most {} allowed", manifest.files.len(), options.max_files);
        return Err(fail(ErrorKind::TooLarge).with_detail(detail));
    }
    if options.max_bytes < manifest.bytes() {
        let detail = format!("{} bytes, at most {} allowed", manifest.bytes(), options.max_bytes);
        return Err(fail(ErrorKind::TooLarge).with_detail(detail));
    }
    if let Some(name) = &options.name {
        manifest.name = name.clone();
    }
    Ok(manifest)
}
