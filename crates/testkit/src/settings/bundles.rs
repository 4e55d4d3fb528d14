//! Files that a settings server makes of whole collections: archives of attachments, and startup bundles.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{SettingsServer, key};
use crate::zip::{ZipEntry, archive};

impl SettingsServer {
    /// Serves a file below the address of attachments.
    pub fn serve_file(&self, location: &str, bytes: impl Into<Bytes>) {
        self.world().attachments.insert(location.to_owned(), bytes.into());
    }

    /// Bundles the attachments that a collection has now, deflated, and says so in its metadata.
    pub fn bundle_attachments(&self, collection: &str) {
        let entries = self.bundle_entries(collection);
        self.serve_bundle(collection, archive(&entries));
    }

    /// Serves `archive` as the bundle of a collection's attachments, and says so in its metadata.
    pub fn serve_bundle(&self, collection: &str, archive: Vec<u8>) {
        let attachment = json!({"enabled": true, "required": false, "bundle": true});
        self.set_metadata(collection, "attachment", attachment);
        let (bucket, name) = key(collection);
        self.serve_file(&format!("bundles/{bucket}--{name}.zip"), archive);
    }

    /// Returns what a bundle of the collection's attachments holds: two files for each record that has one.
    ///
    /// # Panics
    ///
    /// Panics if there is no such collection.
    pub fn bundle_entries(&self, collection: &str) -> Vec<ZipEntry> {
        let changeset = self.changeset(collection);
        let world = self.world();
        let mut entries = Vec::new();
        for record in changeset["changes"].as_array().into_iter().flatten() {
            let id = record["id"].as_str().expect("a record has an id");
            let location = record["attachment"]["location"].as_str();
            if let Some(file) = location.and_then(|location| world.attachments.get(location)) {
                let meta = record.to_string();
                entries.push(ZipEntry::deflated(&format!("{id}.meta.json"), meta.as_bytes()));
                entries.push(ZipEntry::deflated(id, file));
            }
        }
        entries
    }

    /// Serves the collections as they are now in one packed file, such as `startup` or `changesets`.
    ///
    /// # Panics
    ///
    /// Panics if there is no such collection.
    pub fn bundle_collections(&self, file: &str, collections: &[&str]) {
        let changesets = collections.iter().map(|collection| self.changeset(collection)).collect();
        self.serve_file(
            &format!("bundles/{file}.json.mozlz4"),
            mozlz4(Value::Array(changesets).to_string().as_bytes()),
        );
    }
}

/// Packs a file as Mozilla's programs do.
///
/// # Panics
///
/// Panics if the file has more than 4 GiB.
pub fn mozlz4(file: &[u8]) -> Vec<u8> {
    let mut out = b"mozLz40\0".to_vec();
    out.extend(u32::try_from(file.len()).expect("the format has four bytes for the length").to_le_bytes());
    out.extend(lz4_flex::block::compress(file));
    out
}
