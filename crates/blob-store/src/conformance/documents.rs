//! Cases about documents: compare-and-swap, and what readers see meanwhile.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::{join, join_all};

use crate::{BlobStore, DocumentKey, DocumentKind, ErrorKind};

fn key(name: &str) -> DocumentKey {
    DocumentKey::new(DocumentKind::Pin, &[name])
}

/// A document is written, changed and removed only by who knows its version.
pub async fn a_document_comes_and_goes(store: Arc<dyn BlobStore>) {
    let key = key("one");
    assert_eq!(store.document(&key).await.expect("it can be asked for"), None);
    let first = store.put_document(&key, "first".into(), None).await.expect("there is none");
    let found = store.document(&key).await.expect("it can be read").expect("it is there");
    assert_eq!((found.bytes, found.version), (Bytes::from("first"), first));
    let error = store.put_document(&key, "other".into(), None).await.expect_err("there is one");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let second = store.put_document(&key, "second".into(), Some(first)).await.expect("it is the first");
    for stale in [
        store.put_document(&key, "third".into(), Some(first)).await.err(),
        store.remove_document(&key, first).await.err(),
    ] {
        assert_eq!(stale.expect("the version is stale").kind(), ErrorKind::Conflict);
    }
    let found = store.document(&key).await.expect("it can be read").expect("it is there");
    assert_eq!((found.bytes, found.version), (Bytes::from("second"), second));
    store.remove_document(&key, second).await.expect("it is the second");
    assert_eq!(store.document(&key).await.expect("it can be asked for"), None);
    store.remove_document(&key, second).await.expect_err("it is gone");
}

/// Of several writers who expect the same, exactly one succeeds.
pub async fn of_many_writers_one_wins(store: Arc<dyn BlobStore>) {
    let key = key("contested");
    let mut expected = None;
    for round in 0..5 {
        let writers = (0..8).map(|n| {
            let (store, text) = (Arc::clone(&store), format!("{round} {n}"));
            async move {
                store.put_document(&key, text.clone().into(), expected).await.map(|version| (text, version))
            }
        });
        let (won, lost): (Vec<_>, Vec<_>) = join_all(writers).await.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1, "{lost:?}");
        assert!(lost.into_iter().all(|lost| lost.expect_err("a loser").kind() == ErrorKind::Conflict));
        let (text, version) = won.into_iter().next().expect("one").expect("a winner");
        let found = store.document(&key).await.expect("it can be read").expect("it is there");
        assert_eq!((found.bytes, found.version), (Bytes::from(text), version));
        expected = Some(version);
    }
}

/// Counting up by compare-and-swap, nobody's step is lost.
pub async fn no_update_is_lost(store: Arc<dyn BlobStore>) {
    let key = key("counter");
    store.put_document(&key, "0".into(), None).await.expect("there is none");
    let count_up = || async {
        for _ in 0..5 {
            loop {
                let found = store.document(&key).await.expect("it can be read").expect("it is there");
                let next = number(&found.bytes) + 1;
                match store.put_document(&key, next.to_string().into(), Some(found.version)).await {
                    Ok(_) => break,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}"),
                }
            }
        }
    };
    join_all((0..6).map(|_| count_up())).await;
    let found = store.document(&key).await.expect("it can be read").expect("it is there");
    assert_eq!(number(&found.bytes), 30);
}

/// While a document changes, readers see every time a whole one, never none, and never an older one than before.
pub async fn readers_see_old_or_new(store: Arc<dyn BlobStore>) {
    const ROUNDS: u64 = 60;
    let key = key("moving");
    let text = |round: u64| Bytes::from(format!("{round:0>1000}"));
    let mut version = store.put_document(&key, text(0), None).await.expect("there is none");
    let writer = async {
        for round in 1..=ROUNDS {
            version = store.put_document(&key, text(round), Some(version)).await.expect("the only writer");
        }
    };
    let reader = async {
        let mut seen = 0;
        while seen < ROUNDS {
            let found = store.document(&key).await.expect("it can be read").expect("it is always there");
            assert_eq!(found.bytes.len(), 1000);
            let now = number(&found.bytes);
            assert!(seen <= now, "{now} after {seen}");
            seen = now;
            let listed = store.documents(DocumentKind::Pin).await.expect("a listing");
            assert_eq!(listed.len(), 1);
            assert!(listed[0].1.is_ok());
        }
    };
    join(writer, reader).await;
}

/// The version of a removed document is worth nothing, also after the document is written again.
pub async fn removed_versions_stay_dead(store: Arc<dyn BlobStore>) {
    let key = key("phoenix");
    let first = store.put_document(&key, "same".into(), None).await.expect("there is none");
    store.remove_document(&key, first).await.expect("it is the first");
    store.put_document(&key, "same".into(), Some(first)).await.expect_err("it is gone");
    let second = store.put_document(&key, "same".into(), None).await.expect("there is none");
    assert_ne!(first, second);
    store.put_document(&key, "stale".into(), Some(first)).await.expect_err("that was another life");
    store.put_document(&key, "next".into(), Some(second)).await.expect("it is the second");
}

/// Kinds and names are apart, and a listing has exactly the documents of its kind.
pub async fn kinds_are_apart(store: Arc<dyn BlobStore>) {
    let manifest = DocumentKey::new(DocumentKind::Manifest, &["one"]);
    store.put_document(&key("one"), "pin".into(), None).await.expect("there is none");
    let version = store.put_document(&key("two"), "gone".into(), None).await.expect("there is none");
    store.remove_document(&key("two"), version).await.expect("it is there");
    assert_eq!(store.document(&manifest).await.expect("it can be asked for"), None);
    store.put_document(&manifest, "manifest".into(), None).await.expect("there is none");
    for (kind, key, text) in
        [(DocumentKind::Pin, key("one"), "pin"), (DocumentKind::Manifest, manifest, "manifest")]
    {
        let listed = store.documents(kind).await.expect("a listing");
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].0, key);
        assert_eq!(listed[0].1.as_ref().expect("it can be read").bytes, text);
    }
}

/// An empty document is refused: it would be taken for a removed one.
pub async fn empty_documents_are_refused(store: Arc<dyn BlobStore>) {
    let error = store.put_document(&key("empty"), Bytes::new(), None).await.expect_err("it is empty");
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

fn number(bytes: &[u8]) -> u64 {
    std::str::from_utf8(bytes).expect("digits").parse().expect("a number")
}
