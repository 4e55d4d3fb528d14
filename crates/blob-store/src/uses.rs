//! Uses: which tasks and engines use which manifests, and what goes when they do not any more.
//!
//! A use is a pin with a user: a document of its own for each user and manifest, so that adding one never races with
//! adding another. A deletion announces first which manifests are going to leave (see `removal`), removes the rows,
//! and then looks who is left. Killed in between, it leaves rows, which it finds again, or an announcement, which
//! the next collection carries out: nothing has to be remembered elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{
    BlobStore, Document, DocumentKind, Error, ErrorKind, ManifestName, Pin, User, gc, named,
    outline::{self, Outline},
    removal::{self, ATTEMPTS, Announced, Holds},
};

/// Which uses are meant: those that match everything that is given; all of them, by default.
///
/// ```
/// use blob_store::{ManifestName, Query};
///
/// let query = Query::default().task("summarization").model("org/name").except_revision("v2");
/// assert!(query.names(&ManifestName::new("any.example", "org/name", "v1")));
/// assert!(!query.names(&ManifestName::new("any.example", "org/name", "v2")));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Query {
    /// The task.
    pub task: Option<String>,
    /// The hub.
    pub hub: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// The revision.
    pub revision: Option<String>,
    /// Any revision but this one.
    pub except_revision: Option<String>,
}

/// What a deletion did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Deleted {
    /// The uses removed.
    pub uses: u64,
    /// The manifests removed, because nobody uses them any more.
    pub manifests: Vec<ManifestName>,
    /// The manifests asked for that stay, because somebody else uses them.
    pub kept: Vec<Kept>,
    /// The blobs removed.
    pub blobs: u64,
    /// Bytes freed; what other manifests name is not.
    pub bytes: u64,
}

/// A manifest that a deletion did not remove.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Kept {
    /// The manifest.
    pub manifest: ManifestName,
    /// Who uses it: `engine` or `task` and which, or the name of a pin.
    pub by: Vec<String>,
}

impl Query {
    /// Asks for everything about one manifest.
    pub fn of(name: &ManifestName) -> Self {
        Self::default().hub(&name.hub).model(&name.model).revision(&name.revision)
    }

    /// Restricts it to a task.
    #[must_use]
    pub fn task(self, task: impl Into<String>) -> Self {
        Self { task: Some(task.into()), ..self }
    }

    /// Restricts it to a hub.
    #[must_use]
    pub fn hub(self, hub: impl Into<String>) -> Self {
        Self { hub: Some(hub.into()), ..self }
    }

    /// Restricts it to a model.
    #[must_use]
    pub fn model(self, model: impl Into<String>) -> Self {
        Self { model: Some(model.into()), ..self }
    }

    /// Restricts it to a revision.
    #[must_use]
    pub fn revision(self, revision: impl Into<String>) -> Self {
        Self { revision: Some(revision.into()), ..self }
    }

    /// Leaves a revision out: what is older than the one in use.
    #[must_use]
    pub fn except_revision(self, revision: impl Into<String>) -> Self {
        Self { except_revision: Some(revision.into()), ..self }
    }

    /// Returns whether it is about this manifest, whoever uses it.
    pub fn names(&self, name: &ManifestName) -> bool {
        let is = |asked: &Option<String>, found: &String| asked.as_ref().is_none_or(|asked| asked == found);
        is(&self.hub, &name.hub)
            && is(&self.model, &name.model)
            && is(&self.revision, &name.revision)
            && self.except_revision.as_ref() != Some(&name.revision)
    }

    fn matches(&self, pin: &Pin) -> bool {
        let user = match (&pin.user, &self.task) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(user), Some(task)) => *user == User::Task(task.clone()),
        };
        user && self.names(&pin.manifest)
    }
}

pub(crate) async fn add<S: BlobStore + ?Sized>(
    store: &S,
    user: &User,
    manifest: &ManifestName,
    now: u64,
) -> Result<bool, Error> {
    let pin = Pin::of(user.clone(), manifest.clone(), now);
    let fail = |e: Error| Error::new(e.kind(), "add", format!("use of {manifest} by {user}")).with_source(e);
    for _ in 0..ATTEMPTS {
        let found =
            named::get::<_, Pin>(store, &Pin::key_of(&pin.name), || format!("pin {}", pin.name)).await;
        if let Some((found, _)) = found.map_err(fail)? {
            if (&found.user, &found.manifest) != (&pin.user, &pin.manifest) {
                return Err(fail(Error::new(ErrorKind::Conflict, "add", &pin.name)));
            }
            // The row is there, and was looked after when it was written.
            return match removal::keep(store, manifest).await.map_err(fail)? {
                Some(_) => Ok(false),
                None => {
                    Err(fail(Error::new(ErrorKind::NotFound, "read", format_args!("manifest {manifest}"))))
                }
            };
        }
        match named::set_pin(store, &pin, None).await {
            Ok(_) => return Ok(true),
            // The same user, elsewhere.
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => return Err(fail(error)),
        }
    }
    Err(fail(Error::new(ErrorKind::Conflict, "add", &pin.name)))
}

pub(crate) async fn list<S: BlobStore + ?Sized>(store: &S, query: &Query) -> Result<Vec<Pin>, Error> {
    let mut uses = named::seen_pins(store).await?;
    uses.retain(|pin| query.matches(pin));
    Ok(uses)
}

pub(crate) async fn delete<S: BlobStore + ?Sized>(store: &S, query: &Query) -> Result<Deleted, Error> {
    let goes = |pin: &Pin| matches!(pin.user, Some(User::Task(_))) && query.matches(pin);
    // What no task ever used goes by its name only.
    let unused = |name: &ManifestName| query.task.is_none() && query.names(name);
    remove(store, goes, unused).await
}

pub(crate) async fn release_engine<S: BlobStore + ?Sized>(store: &S, id: &str) -> Result<Deleted, Error> {
    let engine = User::Engine(id.to_owned());
    remove(store, |pin| pin.user.as_ref() == Some(&engine), |_| false).await
}

/// Removes the pins that go, and the manifests that they were the last to use, and those that nobody used anyway.
async fn remove<S: BlobStore + ?Sized>(
    store: &S,
    goes: impl Fn(&Pin) -> bool,
    unused: impl Fn(&ManifestName) -> bool,
) -> Result<Deleted, Error> {
    let pins: Vec<(Pin, Document)> = named::all(store, DocumentKind::Pin).await?;
    let (rows, others): (Vec<_>, Vec<_>) = pins.into_iter().partition(|(pin, _)| goes(pin));
    let concerned: BTreeSet<ManifestName> = rows.iter().map(|(row, _)| row.manifest.clone()).collect();
    let used: BTreeSet<ManifestName> = others.into_iter().map(|(pin, _)| pin.manifest).collect();
    let mut announced = Vec::new();
    // What cannot be announced now, but perhaps later.
    let mut again = Vec::new();
    for (manifest, document) in outline::with_documents(store).await? {
        let name = manifest.name.clone();
        if !concerned.contains(&name) && !unused(&name) {
            continue;
        }
        if used.contains(&name) {
            again.push(name);
            continue;
        }
        match removal::announce(store, manifest, document).await? {
            Some(manifest) => announced.push(manifest),
            None => again.push(name),
        }
    }
    let mut deleted = Deleted::default();
    for (row, document) in rows {
        match store.remove_document(&Pin::key_of(&row.name), document.version).await {
            Ok(()) => deleted.uses += 1,
            // It went already, or came anew.
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => return Err(error),
        }
    }
    let mut gone = BTreeMap::new();
    for _ in 0..ATTEMPTS {
        let mut settled = removal::settle(store, announced, Holds::Ignore).await?;
        gone.append(&mut settled.blobs());
        deleted.manifests.extend(settled.removed.into_iter().map(|manifest| manifest.name));
        deleted.kept.extend(settled.used.into_iter().map(|(manifest, by)| Kept { manifest, by }));
        again.append(&mut settled.changed);
        if again.is_empty() {
            break;
        }
        // What others used before they may have ceased to use meanwhile, and have left to whoever looks last.
        announced = announce_unused(store, &mut again, &mut deleted.kept).await?;
    }
    for held in gc::remove_unnamed(store, &gone).await? {
        deleted.blobs += 1;
        deleted.bytes += held.size;
    }
    deleted.manifests.sort();
    deleted.kept.sort_by(|a, b| a.manifest.cmp(&b.manifest));
    Ok(deleted)
}

/// Announces the removal of those of `names` that nobody pins. Those that changed in this instant stay in `names`.
async fn announce_unused<S: BlobStore + ?Sized>(
    store: &S,
    names: &mut Vec<ManifestName>,
    kept: &mut Vec<Kept>,
) -> Result<Vec<Announced>, Error> {
    let pins = named::pins(store).await?;
    let mut announced = Vec::new();
    for name in std::mem::take(names) {
        let by: Vec<_> = pins.iter().filter(|pin| pin.manifest == name).map(Pin::holder).collect();
        if !by.is_empty() {
            kept.push(Kept { manifest: name, by });
            continue;
        }
        let Some(document) = store.own_document(&name.key()).await? else { continue };
        let manifest = Outline::decode(&name.key(), &document.bytes)?;
        match removal::announce(store, manifest, document).await? {
            Some(manifest) => announced.push(manifest),
            None => names.push(name),
        }
    }
    Ok(announced)
}
