//! Documents of a tier: those of the shared store, and what was seen of them while it cannot be reached.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::TieredStore;
use crate::{Document, DocumentEntry, DocumentKey, DocumentKind, Error, ErrorKind, Version};

impl TieredStore {
    /// The document of the shared store, which is remembered.
    pub(super) async fn document_now(&self, key: &DocumentKey) -> Result<Option<Document>, Error> {
        let found = self.ask(self.shared.document(key)).await?;
        self.remember(key, found.as_ref().map(|document| &document.bytes)).await;
        Ok(found)
    }

    /// The documents of the shared store, which are remembered.
    pub(super) async fn documents_now(&self, kind: DocumentKind) -> Result<Vec<DocumentEntry>, Error> {
        let found = self.ask(self.shared.documents(kind)).await?;
        if found.is_empty() {
            self.absent().insert(kind);
        }
        // A cache that cannot be listed is made up document by document.
        let mut known: BTreeMap<DocumentKey, Result<Document, Error>> =
            self.local.documents(kind).await.unwrap_or_default().into_iter().collect();
        for (key, document) in &found {
            let known = known.remove(key);
            let Ok(document) = document else { continue };
            if !known.is_some_and(|known| known.is_ok_and(|known| known.bytes == document.bytes)) {
                self.remember(key, Some(&document.bytes)).await;
            }
        }
        for key in known.into_keys() {
            self.remember(&key, None).await;
        }
        Ok(found)
    }

    /// The document as it was seen last, if it was.
    pub(super) async fn seen_document(&self, key: &DocumentKey) -> Option<Document> {
        self.local.document(key).await.ok().flatten().map(only_seen)
    }

    /// The documents as they were seen last, if any were, or if it was seen that there are none.
    pub(super) async fn seen_documents(&self, kind: DocumentKind) -> Option<Vec<DocumentEntry>> {
        let known = self.local.documents(kind).await.ok()?;
        if known.is_empty() && !self.absent().contains(&kind) {
            return None;
        }
        Some(known.into_iter().map(|(key, document)| (key, document.map(only_seen))).collect())
    }

    /// Makes the local document what the shared one is, as well as that goes: the cache may be full or read-only, and
    /// of several programs that remember at a time one is enough.
    pub(super) async fn remember(&self, key: &DocumentKey, wanted: Option<&Bytes>) {
        if wanted.is_some() {
            self.absent().remove(&key.kind());
        }
        let (version, bytes) = match self.local.document(key).await {
            Ok(found) => (found.as_ref().map(|found| found.version), found.map(|found| found.bytes)),
            Err(error) if error.kind() == ErrorKind::Damaged => (error.version(), None),
            Err(_) => return,
        };
        let _ = match (wanted, version) {
            (Some(wanted), _) if bytes.as_ref() == Some(wanted) => Ok(()),
            (Some(wanted), version) => {
                self.local.put_document(key, wanted.clone(), version).await.map(|_| ())
            }
            (None, Some(version)) => self.local.remove_document(key, version).await,
            (None, None) => Ok(()),
        };
    }
}

/// A document with a version that no store has: numbers begin at 1. Who decided on what was only seen is told that it
/// changed, and reads again.
fn only_seen(document: Document) -> Document {
    let digest = content_id::ContentId::of(&document.bytes).digest;
    Document::new(document.bytes, Version::new(0, digest), document.modified)
}
