//! The last step of every import: the manifest, once all its blobs are there.

use crate::{BlobStore, BlobStoreExt, Error, ErrorKind, Manifest, Version};

/// Times that a manifest is read and written again because somebody else was faster.
const ATTEMPTS: usize = 16;

/// What an import brought.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Imported {
    /// The manifest as it is in the store now.
    pub manifest: Manifest,
    /// Its version.
    pub version: Version,
    /// Distinct blobs that had to be written.
    pub written_blobs: u64,
    /// Their bytes.
    pub written_bytes: u64,
}

/// Writes `manifest`, unless one with the same files is there; another one is replaced only where `replace` says so.
pub(super) async fn settle<S: BlobStore + ?Sized>(
    store: &S,
    operation: &'static str,
    manifest: Manifest,
    replace: bool,
) -> Result<(Manifest, Version), Error> {
    let mut outcome = Err(Error::new(ErrorKind::Conflict, operation, subject(&manifest)));
    for _ in 0..ATTEMPTS {
        let mut manifest = manifest.clone();
        let expected = match store.manifest(&manifest.name).await {
            Ok(None) => None,
            // Nothing new; a collection keeps what it names.
            Ok(Some((found, version)))
                if same_files(&found, &manifest) && (found == manifest || !replace) =>
            {
                return Ok((found, version));
            }
            Ok(Some((found, version))) if replace => {
                manifest.created = found.created;
                Some(version)
            }
            Ok(Some(_)) => {
                let error = Error::new(ErrorKind::Occupied, operation, subject(&manifest));
                return Err(error.with_detail("the store has a manifest of this name with other files"));
            }
            // What it named is not known any more.
            Err(error) if error.kind() == ErrorKind::Damaged && replace && error.version().is_some() => {
                error.version()
            }
            Err(error) => return Err(error),
        };
        match store.put_manifest(&manifest, expected).await {
            Ok(version) => return Ok((manifest, version)),
            Err(error) if error.kind() == ErrorKind::Conflict => outcome = Err(error),
            Err(error) => return Err(error),
        }
    }
    outcome
}

fn subject(manifest: &Manifest) -> String {
    format!("manifest {}", manifest.name)
}

/// Whether two manifests name the same bytes.
fn same_files(one: &Manifest, other: &Manifest) -> bool {
    let contents = |manifest: &Manifest| {
        manifest.files.iter().map(|(path, file)| (path.clone(), file.content)).collect::<Vec<_>>()
    };
    one.commit == other.commit && contents(one) == contents(other)
}
