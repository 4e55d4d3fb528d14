//! Pinning: which models in use are never evicted.

use blob_store::{BlobStoreExt, Pin};

use super::Manager;
use crate::{Error, ErrorKind, Target};

/// How often a pin that somebody else changes at the same time is set again.
const ATTEMPTS: usize = 5;

impl Manager {
    /// Keeps what `target` names from being evicted, also after an update moved it to another model or revision;
    /// returns the names under which it is in use. Makes no request.
    ///
    /// A model named outright is pinned under every name under which it is in use now. Runtime files
    /// and what was imported from a folder are pinned from the start.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotInstalled`] if nothing of that name is in use; [`ErrorKind::Storage`].
    pub async fn pin(&self, target: &Target) -> Result<Vec<String>, Error> {
        self.set_yields(target, false).await
    }

    /// Lets what `target` names be evicted again, as everything is that is pulled.
    ///
    /// # Errors
    ///
    /// As for [`pin`](Self::pin).
    pub async fn unpin(&self, target: &Target) -> Result<Vec<String>, Error> {
        self.set_yields(target, true).await
    }

    async fn set_yields(&self, target: &Target, yields: bool) -> Result<Vec<String>, Error> {
        self.heal().await;
        let _changing = self.inner.changing.lock().await;
        let pins = self.inner.store.pins().await?;
        // Who uses it in other ways has said so elsewhere, and says there when it ends.
        let fits = |pin: &&Pin| pin.user.is_none() && is_named(pin, target);
        let names: Vec<String> = pins.iter().filter(fits).map(|pin| pin.name.clone()).collect();
        if names.is_empty() {
            let pins: Vec<String> = pins.into_iter().map(|pin| pin.name).collect();
            let message = format!("{target} is not in use (in use: {})", crate::resolve::listed(&pins));
            return Err(Error::new(ErrorKind::NotInstalled, message).with_hint(super::inventory::SEE));
        }
        for name in &names {
            self.set_yields_of(name, yields).await?;
        }
        Ok(names)
    }

    async fn set_yields_of(&self, name: &str, yields: bool) -> Result<(), Error> {
        let store = &self.inner.store;
        for attempt in 1.. {
            let Some((pin, version)) = store.pin(name).await? else { break };
            if pin.yields == yields {
                break;
            }
            match store.set_pin(&pin.yields(yields), Some(version)).await {
                Ok(_) => break,
                Err(error) if error.kind() == blob_store::ErrorKind::Conflict && attempt < ATTEMPTS => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

fn is_named(pin: &Pin, target: &Target) -> bool {
    match target {
        Target::Query(query) => pin.name == query.to_string(),
        Target::Runtime(name) => pin.name == super::runtime_files::usage(name),
        Target::Model(model, revision) => {
            pin.manifest.model == model.to_string()
                && revision.as_ref().is_none_or(|revision| pin.manifest.revision == revision.to_string())
        }
    }
}
