//! Moving an object: by one request where it is small enough for that, and part by part where it is not.

use std::sync::Arc;

use object_store::{ObjectStore, ObjectStoreExt, path::Path};

use super::stage::PARTS;

/// Bytes that one request copies, at most. S3 takes 5 GB, and says so only when it is asked for more.
const COPY: u64 = 4 << 30;

/// Bytes in a part that is read and written again, at least.
const PART: u64 = 32 << 20;

/// Moves an object of this size, over what is at the other place. The old one goes when the new one is complete.
pub(super) async fn relocate(
    objects: &Arc<dyn ObjectStore>,
    from: &Path,
    to: &Path,
    size: u64,
) -> Result<(), object_store::Error> {
    if size <= COPY {
        return objects.rename(from, to).await;
    }
    in_parts(objects, from, to, size, PART.max(size.div_ceil(PARTS))).await
}

async fn in_parts(
    objects: &Arc<dyn ObjectStore>,
    from: &Path,
    to: &Path,
    size: u64,
    part: u64,
) -> Result<(), object_store::Error> {
    let mut upload = objects.put_multipart(to).await?;
    let copied = async {
        let mut at = 0;
        while at < size {
            let piece = objects.get_range(from, at..size.min(at.saturating_add(part))).await?;
            // A piece that is too short must not become a copy that is.
            if piece.is_empty() || part < piece.len() as u64 {
                return Err(cut_short(from));
            }
            at += piece.len() as u64;
            upload.put_part(piece.into()).await?;
        }
        upload.complete().await
    };
    if let Err(error) = copied.await {
        // The error that led here is the one to report.
        let _ = upload.abort().await;
        return Err(error);
    }
    match objects.head(to).await?.size == size {
        true => objects.delete(from).await,
        false => Err(cut_short(to)),
    }
}

fn cut_short(path: &Path) -> object_store::Error {
    object_store::Error::Generic { store: "copy", source: format!("{path} was cut short").into() }
}

#[cfg(test)]
mod tests {
    use object_store::{ObjectStoreExt as _, memory::InMemory};

    use super::*;

    #[tokio::test]
    async fn parts_make_the_same_object() {
        for part in [1, 3, 10, 11] {
            let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
            let (from, to) = (Path::from("a"), Path::from("b/c"));
            objects.put(&from, "0123456789".into()).await.expect("it is put");
            objects.put(&to, "old".into()).await.expect("it is put");
            in_parts(&objects, &from, &to, 10, part).await.expect("it is moved");
            let moved = objects.get(&to).await.expect("it is there").bytes().await.expect("it can be read");
            assert_eq!(moved, "0123456789");
            assert!(matches!(objects.head(&from).await, Err(object_store::Error::NotFound { .. })));
        }
    }

    #[tokio::test]
    async fn what_is_not_there_leaves_the_other_place_alone() {
        let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let (from, to) = (Path::from("a"), Path::from("b"));
        objects.put(&to, "old".into()).await.expect("it is put");
        in_parts(&objects, &from, &to, 10, 3).await.expect_err("nothing is there");
        assert_eq!(objects.head(&to).await.expect("it is there").size, 3);
    }
}
