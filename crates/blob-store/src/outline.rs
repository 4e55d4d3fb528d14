//! Outlines: what a manifest says about its blobs, read without building the rest.
//!
//! Accounting, collecting and opening read thousands of entries and need of each only what it is. An outline accepts
//! exactly what a [`Manifest`](crate::Manifest) accepts.

use std::{collections::BTreeMap, fmt};

use content_id::ContentId;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};

use crate::{
    BlobStore, Document, DocumentEntry, DocumentKey, DocumentKind, Error, ManifestName, PartHashes, blocking,
    manifest::{Readable, decode},
};

/// Documents that one thread decodes at least; fewer are not worth another one.
const SHARE: usize = 16;

/// The name of a manifest, and its files.
#[derive(Debug, Deserialize)]
pub(crate) struct Outline {
    format_version: u32,
    pub(crate) name: ManifestName,
    #[serde(default, rename = "commit")]
    _commit: Option<Text>,
    /// By path, as in the manifest.
    #[serde(deserialize_with = "files")]
    pub(crate) files: Vec<(String, ContentId)>,
    #[serde(rename = "created")]
    _created: u64,
    #[serde(default)]
    pub(crate) used: u64,
}

/// What an entry has to be besides its content, to be one.
#[derive(Deserialize)]
struct Entry {
    content: ContentId,
    #[serde(default, rename = "etag")]
    _etag: Option<Text>,
    #[serde(default, rename = "origin")]
    _origin: Option<Text>,
    #[serde(rename = "fetched")]
    _fetched: u64,
    #[serde(default, rename = "parts")]
    _parts: Option<PartHashes>,
}

/// Some text, which is not kept.
#[derive(Debug)]
struct Text;

impl Readable for Outline {
    fn key(&self) -> DocumentKey {
        self.name.key()
    }
    fn format_version(&self) -> u32 {
        self.format_version
    }
}

impl Outline {
    /// Reads what is stored under `key`.
    pub(crate) fn decode(key: &DocumentKey, bytes: &[u8]) -> Result<Self, Error> {
        decode(key, bytes)
    }
}

/// The outlines of all manifests, by name; the first that cannot be read is the error.
pub(crate) async fn all<S: BlobStore + ?Sized>(store: &S) -> Result<Vec<Outline>, Error> {
    let read = |(key, document): DocumentEntry| {
        let document = document?;
        Outline::decode(&key, &document.bytes).map_err(|e| e.with_version(document.version))
    };
    let mut all = blocking::each(store.documents(DocumentKind::Manifest).await?, SHARE, read).await?;
    all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// The outlines of the manifests of read-only stores below. What cannot be read there is passed over.
pub(crate) async fn below<S: BlobStore + ?Sized>(store: &S) -> Result<Vec<Outline>, Error> {
    let read = |(key, document): DocumentEntry| {
        Ok(document.ok().and_then(|document| Outline::decode(&key, &document.bytes).ok()))
    };
    let found = blocking::each(store.documents_below(DocumentKind::Manifest).await, SHARE, read).await?;
    Ok(found.into_iter().flatten().collect())
}

/// As [`all`], in no order, with what each of them was read from.
pub(crate) async fn with_documents<S: BlobStore + ?Sized>(
    store: &S,
) -> Result<Vec<(Outline, Document)>, Error> {
    let read = |(key, document): DocumentEntry| {
        let document = document?;
        let outline = Outline::decode(&key, &document.bytes).map_err(|e| e.with_version(document.version))?;
        Ok((outline, document))
    };
    blocking::each(store.documents(DocumentKind::Manifest).await?, SHARE, read).await
}

/// The map of files as a list in the same order.
fn files<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, ContentId)>, D::Error> {
    struct Files;

    impl<'de> Visitor<'de> for Files {
        type Value = Vec<(String, ContentId)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map of files")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut files = Vec::new();
            while let Some((path, entry)) = map.next_entry::<String, Entry>()? {
                files.push((path, entry.content));
            }
            // Nearly always they are in order; if a path comes twice the last one counts, as in any map.
            if files.is_sorted_by(|a, b| a.0 < b.0) {
                return Ok(files);
            }
            Ok(files.into_iter().collect::<BTreeMap<_, _>>().into_iter().collect())
        }
    }

    deserializer.deserialize_map(Files)
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl Visitor<'_> for Any {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E>(self, _: &str) -> Result<Text, E> {
                Ok(Text)
            }
        }

        deserializer.deserialize_str(Any)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::Outline;
    use crate::{Manifest, ManifestName, manifest::decode};

    fn manifest() -> Value {
        let id = content_id::ContentId::of(b"a");
        json!({
            "format_version": 1, "name": ManifestName::new("h", "m", "r"), "created": 1, "used": 2,
            "commit": "c", "later": [1],
            "files": {
                "b": {"content": id, "fetched": 1, "etag": "e", "parts": {"part_bytes": 1, "digests": [id.digest]}},
                "a": {"content": id, "fetched": 1, "origin": "o"},
            },
        })
    }

    /// Exchanges the value at a place for another one, or removes it.
    fn change(value: &mut Value, place: usize, by: Option<&Value>) {
        let pointers = [
            "/format_version",
            "/name",
            "/name/hub",
            "/created",
            "/used",
            "/commit",
            "/files",
            "/later",
            "/files/b",
            "/files/b/content",
            "/files/b/content/size",
            "/files/b/content/digest",
            "/files/b/fetched",
            "/files/b/etag",
            "/files/b/parts",
            "/files/b/parts/part_bytes",
            "/files/b/parts/digests",
            "/files/a/origin",
        ];
        let pointer = pointers[place % pointers.len()];
        match by {
            Some(by) => *value.pointer_mut(pointer).expect("it is there") = by.clone(),
            None => {
                let (parent, name) = pointer.rsplit_once('/').expect("each has a parent");
                let parent = value.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
                parent.remove(name);
            }
        }
    }

    proptest! {
        /// Who looks at outlines only must not take for a manifest what is none, nor the other way round.
        #[test]
        fn an_outline_accepts_what_a_manifest_accepts(place in 0_usize..18, by in 0_usize..9) {
            let others = [
                json!(null), json!(0), json!(1), json!(-1), json!("x"), json!([]), json!({}), json!(2.5),
            ];
            let mut text = manifest();
            change(&mut text, place, others.get(by));
            let text = text.to_string();
            let key = ManifestName::new("h", "m", "r").key();
            let (whole, outline) = (decode::<Manifest>(&key, text.as_bytes()), Outline::decode(&key, text.as_bytes()));
            prop_assert_eq!(whole.as_ref().err().map(crate::Error::kind), outline.as_ref().err().map(crate::Error::kind), "{}", text);
            if let (Ok(whole), Ok(outline)) = (whole, outline) {
                let files: Vec<_> = whole.files.into_iter().map(|(path, file)| (path, file.content)).collect();
                prop_assert_eq!(files, outline.files);
            }
        }
    }

    #[test]
    fn of_a_path_that_comes_twice_the_last_counts() {
        let (one, two) = (content_id::ContentId::of(b"1"), content_id::ContentId::of(b"2"));
        let entry = |id| json!({"content": id, "fetched": 1}).to_string();
        let name = json!(ManifestName::new("h", "m", "r"));
        let text = format!(
            r#"{{"format_version": 1, "name": {name}, "created": 1, "files": {{"a": {}, "a": {}}}}}"#,
            entry(one),
            entry(two)
        );
        let key = ManifestName::new("h", "m", "r").key();
        let outline = Outline::decode(&key, text.as_bytes()).expect("it is one");
        assert_eq!(outline.files, [("a".to_owned(), two)]);
        let whole = decode::<Manifest>(&key, text.as_bytes()).expect("it is one");
        assert_eq!(whole.files["a"].content, two);
    }
}
