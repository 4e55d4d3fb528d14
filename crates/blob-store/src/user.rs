//! Who uses a manifest: a task or an engine.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ManifestName, Pin};

/// Who uses a manifest. A pin with a user is a use: one row for each user and manifest.
///
/// ```
/// use blob_store::{ManifestName, Pin, User};
///
/// let name = ManifestName::new("huggingface.co", "org/name", "main");
/// let row = Pin::of(User::Task("summarization".into()), name, 1_700_000_000);
/// assert_eq!(row.name, r#"["task","summarization","huggingface.co","org/name","main"]"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum User {
    /// A task, by its name; goes with [`delete`](crate::BlobStoreExt::delete).
    Task(String),
    /// An engine, by its id; goes with [`release_engine`](crate::BlobStoreExt::release_engine).
    Engine(String),
    /// A kind of user that only a later program knows, kept as it is. To this one it is a pin like any other.
    #[serde(untagged)]
    Other(Value),
}

impl User {
    /// Returns what kind of user it is, and which.
    fn parts(&self) -> (&'static str, String) {
        match self {
            Self::Task(name) => ("task", name.clone()),
            Self::Engine(id) => ("engine", id.clone()),
            Self::Other(value) => ("other", value.to_string()),
        }
    }

    /// Returns the name of the pin that says that this user uses `manifest`. Other users or manifests give another
    /// name, whatever characters are in theirs: it is a JSON array.
    pub fn pin_name(&self, manifest: &ManifestName) -> String {
        let (kind, which) = self.parts();
        Value::from(vec![kind, &which, &manifest.hub, &manifest.model, &manifest.revision]).to_string()
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, which) = self.parts();
        write!(f, "{kind} {which}")
    }
}

impl Pin {
    /// Says that `user` uses `manifest`, since `set` Unix seconds.
    pub fn of(user: User, manifest: ManifestName, set: u64) -> Self {
        let name = user.pin_name(&manifest);
        Self { user: Some(user), ..Self::new(name, manifest, set) }
    }

    /// Returns who holds the manifest, for people.
    pub(crate) fn holder(&self) -> String {
        self.user.as_ref().map_or_else(|| self.name.clone(), User::to_string)
    }
}
