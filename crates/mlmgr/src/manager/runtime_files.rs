//! Runtime files for programs that embed the WASM runtime.

use std::path::PathBuf;

use blob_store::{BlobStoreExt, Expected, FileEntry, Manifest, ManifestName, Pin};
use bytes::Bytes;
use content_id::ContentId;
use futures::TryStreamExt;
use hub_client::NoProgress;
use rs_client::{Attachment, Record};
use serde::Serialize;

use super::{Manager, Removed, space::Wanted};
use crate::{
    Error, ErrorKind,
    records::{Decoded, ONNX_RUNTIME, RuntimeRecord},
    runtimes::newest_runtime,
};

/// The pseudo-hub under which runtime files are kept.
pub(super) const RUNTIME_HUB: &str = "settings:ml-onnx-runtime";

/// The largest runtime file that is read into memory.
const MAX_BYTES: u64 = 1 << 30;

/// A runtime file in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RuntimeFile {
    /// The file's name in the records.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its digest and size.
    pub content: ContentId,
    /// The local file that holds it, if the store keeps it in one; it must not be written to.
    pub path: Option<PathBuf>,
    /// Whether it was downloaded now.
    pub fetched: bool,
    /// The version that was in use before.
    pub replaced: Option<String>,
    /// What was removed because nothing uses it any more.
    pub removed: Removed,
}

/// The usage name of a runtime file.
pub(super) fn usage(name: &str) -> String {
    format!("runtime:{name}")
}

impl Manager {
    /// Makes the newest supported version of the runtime file `name` installed, by the stored settings.
    ///
    /// Of the records with this name the highest version inside [`SUPPORTED_MAJORS`](crate::SUPPORTED_MAJORS) is
    /// taken, by Mozilla's version order. Its size and SHA-256 are checked before it has its name in the store. If
    /// it is installed already and sound, no request is made; another version is removed after the switch.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if settings were never fetched or no record fits; [`ErrorKind::Untrusted`];
    /// [`ErrorKind::Unavailable`]; [`ErrorKind::Offline`]; [`ErrorKind::NoSpace`]; [`ErrorKind::Storage`].
    pub async fn runtime_pull(&self, name: &str) -> Result<RuntimeFile, Error> {
        self.heal().await;
        let records = self.runtime_records().await?;
        let decoded: Decoded<RuntimeRecord> =
            Decoded::new(records.iter().map(|record| (record.id(), record.fields())));
        let chosen = newest_runtime(&decoded.records, name)?;
        let attachment = &attachment_of(&records, &chosen.id)?;
        let manifest_name = ManifestName::new(RUNTIME_HUB, name, chosen.version.as_str());
        let there = self.sound_manifest(&manifest_name).await?;
        let there = there.is_some_and(|there| {
            there.files.get(name).is_some_and(|entry| entry.content == attachment.content)
        });
        if !there {
            self.fetch_runtime(&manifest_name, attachment).await?;
        }
        let _changing = self.inner.changing.lock().await;
        let before = self.set_pin(Pin::new(usage(name), manifest_name.clone(), self.now_seconds())).await?;
        let before = before.filter(|before| before.manifest != manifest_name);
        let mut removed = Removed::default();
        if let Some(before) = &before {
            removed = self.remove_unused(&before.manifest).await?;
        }
        Ok(RuntimeFile {
            name: name.to_owned(),
            version: chosen.version.to_string(),
            content: attachment.content,
            path: self.inner.store.local_path(attachment.content),
            fetched: !there,
            replaced: before.map(|before| before.manifest.revision),
            removed,
        })
    }

    /// Returns the bytes of an installed runtime file, hashed again. Makes no request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotInstalled`] if it is not there or damaged; [`ErrorKind::Storage`].
    pub async fn runtime_bytes(&self, name: &str) -> Result<Bytes, Error> {
        let missing = || {
            Error::new(ErrorKind::NotInstalled, format!("the runtime file {name} is not installed"))
                .with_hint(format!("fetch it while online: mlmgr runtime pull {name}"))
        };
        let store = &self.inner.store;
        let (pin, _) = store.pin(&usage(name)).await?.ok_or_else(missing)?;
        let (manifest, _) = store.manifest(&pin.manifest).await?.ok_or_else(missing)?;
        let entry = manifest.files.get(name).ok_or_else(missing)?;
        store.read_all(entry.content, MAX_BYTES).await.map_err(|error| missing().with_source(error))
    }

    async fn fetch_runtime(&self, name: &ManifestName, attachment: &Attachment) -> Result<(), Error> {
        let store = &self.inner.store;
        let what = || format!("the runtime file {} {} was not downloaded", name.model, name.revision);
        let failed = |error: Error| error.about(what());
        if !store.contains(attachment.content).await? {
            let keep =
                store.pin(&usage(&name.model)).await?.map(|(pin, _)| pin.manifest).into_iter().collect();
            let (subject, files) = (usage(&name.model), vec![attachment.content]);
            self.make_room(&Wanted { subject, files, more: 0, keep }, &NoProgress).await?;
            let body = self.inner.settings.attachment(attachment).await;
            let mut body = body.map_err(|error| failed(error.into()))?;
            let mut stage = store.stage(Expected::from(attachment.content)).await?;
            while let Some(piece) = body.try_next().await.map_err(|error| failed(error.into()))? {
                stage.write(piece).await.map_err(|error| failed(error.into()))?;
            }
            stage.publish().await.map_err(|error| failed(error.into()))?;
        }
        let now = self.now_seconds();
        let mut manifest = Manifest::new(name.clone(), now);
        manifest.files.insert(name.model.clone(), FileEntry::new(attachment.content, now));
        let version = store.manifest(name).await?.map(|(_, version)| version);
        store.put_manifest(&manifest, version).await?;
        Ok(())
    }
}

fn attachment_of(records: &[Record], id: &str) -> Result<Attachment, Error> {
    let record = records.iter().find(|record| record.id() == id);
    let attachment = record.map_or(Ok(None), Record::attachment)?;
    attachment.ok_or_else(|| {
        Error::new(ErrorKind::NotFound, format!("record {id} of {ONNX_RUNTIME} has no attachment"))
    })
}
