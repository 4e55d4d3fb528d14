//! Whether an object store really creates exclusively, tried before the first document is written.

use std::sync::Arc;

use object_store::{Error as ObjectError, ObjectStore, ObjectStoreExt, PutMode};
use tokio::sync::OnceCell;

use super::{about, stage::stage_path};
use crate::{DocumentKey, Error, ErrorKind};

/// The compare-and-swap of documents rests on conditional puts. A server that does not know them mostly takes the
/// object all the same, and a document would be lost without a word: so a put that has to fail is tried once for each
/// open store, on an object that nobody reads.
#[derive(Debug, Default)]
pub(super) struct ConditionalPut {
    works: OnceCell<()>,
}

impl ConditionalPut {
    /// Refuses to write `key` where a conditional put is not one.
    pub(super) async fn check(&self, objects: &Arc<dyn ObjectStore>, key: &DocumentKey) -> Result<(), Error> {
        self.works.get_or_try_init(|| try_it(objects, key)).await?;
        Ok(())
    }
}

async fn try_it(objects: &Arc<dyn ObjectStore>, key: &DocumentKey) -> Result<(), Error> {
    let path = stage_path();
    let create = || objects.put_opts(&path, "conditional put".into(), PutMode::Create.into());
    let refuse = |why: &str, error: Option<ObjectError>| {
        let refused = Error::new(ErrorKind::Backend, "write", key).with_detail(format!(
            "{why}; without conditional put (PutMode::Create) documents would be lost, so none is written"
        ));
        match error {
            Some(error) => refused.with_source(error),
            None => refused,
        }
    };
    let unknown = |error| match error {
        ObjectError::NotImplemented { .. } | ObjectError::NotSupported { .. } => {
            refuse("the object store does not create exclusively", Some(error))
        }
        error => about("write", key).backend(error),
    };
    create().await.map_err(unknown)?;
    let second = create().await;
    // What is left of a killed try goes with the stages.
    let _ = objects.delete(&path).await;
    match second {
        Ok(_) => Err(refuse("the object store puts over what is there although told not to", None)),
        Err(ObjectError::AlreadyExists { .. } | ObjectError::Precondition { .. }) => Ok(()),
        Err(error) => Err(unknown(error)),
    }
}
