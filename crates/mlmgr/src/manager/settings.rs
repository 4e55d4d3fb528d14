//! Fetching the settings, and reading what is stored of them.

use rs_client::{Collection, CollectionName, Outcome, Record};
use serde::Serialize;
use serde_json::Value;

use super::Manager;
use crate::{
    Error, ErrorKind,
    records::{
        ALLOW_DENY_LIST, Decoded, FromFields, INFERENCE_OPTIONS, InferenceRecord, ONNX_RUNTIME, RuleRecord,
    },
    rules::Rules,
};

/// The bucket of all three collections.
const BUCKET: &str = "main";

/// What a sync did to each collection.
#[derive(Debug, Default, Serialize)]
#[non_exhaustive]
pub struct SyncSummary {
    /// One entry a collection; none if the server could not be asked at all.
    pub collections: Vec<CollectionSync>,
    /// Why the server could not be asked, if it could not; what was stored before stays in use.
    pub error: Option<Error>,
}

/// What a sync did to one collection.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct CollectionSync {
    /// The collection's name.
    pub collection: String,
    /// What happened.
    pub outcome: CollectionOutcome,
    /// The timestamp of the stored state, in milliseconds since 1970.
    pub timestamp: Option<u64>,
    /// The ids of new records.
    pub created: Vec<String>,
    /// The ids of changed records.
    pub updated: Vec<String>,
    /// The ids of deleted records.
    pub deleted: Vec<String>,
    /// Why it failed, if it did.
    pub error: Option<Error>,
}

/// What a sync did to a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CollectionOutcome {
    /// Nothing was new.
    UpToDate,
    /// New records were verified and stored.
    Updated,
    /// Only the signature was new.
    SignatureRefreshed,
    /// The server has no such collection, and none was stored.
    Absent,
    /// It failed; what was stored before stays in use.
    Failed,
}

impl SyncSummary {
    /// Returns the first failure.
    pub fn failure(&self) -> Option<&Error> {
        self.error
            .as_ref()
            .or_else(|| self.collections.iter().find_map(|collection| collection.error.as_ref()))
    }

    /// Turns a summary with a failure into its error.
    ///
    /// # Errors
    ///
    /// The first failure.
    pub fn into_result(mut self) -> Result<Self, Error> {
        let failed = self.collections.iter_mut().find_map(|collection| collection.error.take());
        match self.error.take().or(failed) {
            Some(error) => Err(error),
            None => Ok(self),
        }
    }
}

/// Names one of the three collections.
pub(super) fn collection(name: &str) -> CollectionName {
    CollectionName::new(BUCKET, name).expect("the names of the three collections are valid")
}

/// Refuses a collection in which no record has the fields of this one: a signature does not name its collection, so
/// this may be another one, validly signed.
///
/// What the fields hold does not count: records that only a newer program can read are left out, and no error.
pub(super) fn looks_like<T: FromFields>(collection: &Collection) -> Result<(), String> {
    let fits = |record: &Record| {
        let fields = record.fields();
        T::IDENTIFYING.iter().all(|name| fields.get(*name).is_some_and(Value::is_string))
    };
    if collection.records.is_empty() || collection.records.iter().any(fits) {
        return Ok(());
    }
    Err(format!("no record has {}, as those of this collection do", T::IDENTIFYING.join(" and ")))
}

impl Manager {
    /// Fetches and verifies the settings; changes no model.
    ///
    /// # Errors
    ///
    /// The first failure of a collection; the others are stored all the same, and what was stored of the failed one
    /// stays in use. See [`sync_each`](Self::sync_each) for all of it.
    pub async fn sync(&self) -> Result<SyncSummary, Error> {
        self.sync_each().await.into_result()
    }

    /// Fetches and verifies the settings, and tells what became of each collection.
    ///
    /// A failure of one does not stop the others. A collection that the server does not have is no failure as long
    /// as none was stored: without `ml-onnx-runtime` there are no runtime files, and without
    /// `ml-model-allow-deny-list` only hubs on this machine are allowed.
    pub async fn sync_each(&self) -> SyncSummary {
        let mut summary = SyncSummary::default();
        let names = [INFERENCE_OPTIONS, ALLOW_DENY_LIST, ONNX_RUNTIME].map(collection);
        let results = match self.inner.settings.sync_all(&names).await {
            Ok(results) => results,
            Err(error) => {
                let message =
                    format!("the settings server {} could not be asked", self.inner.settings.server().url());
                summary.error = Some(Error::from(error).about(message));
                return summary;
            }
        };
        for (name, result) in results {
            let mut done = CollectionSync {
                collection: name.collection().to_owned(),
                outcome: CollectionOutcome::Failed,
                timestamp: None,
                created: Vec::new(),
                updated: Vec::new(),
                deleted: Vec::new(),
                error: None,
            };
            match result {
                Ok(report) => {
                    done.outcome = match report.outcome {
                        Outcome::UpToDate => CollectionOutcome::UpToDate,
                        Outcome::SignatureRefreshed => CollectionOutcome::SignatureRefreshed,
                        _ => CollectionOutcome::Updated,
                    };
                    done.timestamp = Some(report.collection.timestamp);
                    (done.created, done.updated, done.deleted) =
                        (report.created, report.updated, report.deleted);
                }
                Err(error) => self.sync_failed(name.collection(), error, &mut done).await,
            }
            summary.collections.push(done);
        }
        summary
    }

    async fn sync_failed(&self, name: &str, error: rs_client::Error, done: &mut CollectionSync) {
        let stored = self.load(name).await;
        done.timestamp =
            stored.as_ref().ok().and_then(|stored| stored.as_ref().map(|stored| stored.timestamp));
        if error.kind() == rs_client::ErrorKind::NotFound
            && matches!(stored, Ok(None))
            && name != INFERENCE_OPTIONS
        {
            done.outcome = CollectionOutcome::Absent;
        } else {
            done.error = Some(Error::from(error).about(format!("the settings {name} were not updated")));
        }
    }

    /// Returns what is stored of a collection, verified again.
    async fn load(&self, name: &str) -> Result<Option<Collection>, Error> {
        let loaded = self.inner.settings.load(&collection(name)).await;
        let loaded = loaded
            .map_err(|error| Error::from(error).about(format!("the stored settings {name} are unusable")))?;
        Ok(loaded.map(|verified| verified.into_inner()))
    }

    /// Decodes the stored records of a collection; none, if it was never fetched.
    async fn stored<T: FromFields>(&self, name: &str) -> Result<Option<Decoded<T>>, Error> {
        let stored = self.load(name).await?;
        Ok(stored
            .map(|stored| Decoded::new(stored.records.iter().map(|record| (record.id(), record.fields())))))
    }

    /// Returns the records that say which model a task uses.
    pub(super) async fn inference_records(&self) -> Result<Decoded<InferenceRecord>, Error> {
        self.stored(INFERENCE_OPTIONS).await?.ok_or_else(never_fetched)
    }

    /// Returns the records of the runtime files with their attachments.
    pub(super) async fn runtime_records(&self) -> Result<Vec<Record>, Error> {
        Ok(self.load(ONNX_RUNTIME).await?.ok_or_else(never_fetched)?.records.iter().cloned().collect())
    }

    /// Fetches the settings if they were never fetched; else makes no request.
    ///
    /// # Errors
    ///
    /// As [`sync`](Self::sync), if there are still none.
    pub async fn ensure_settings(&self) -> Result<(), Error> {
        if self.has_settings().await? {
            return Ok(());
        }
        // A failure of another collection is no reason to stop here.
        let summary = self.sync_each().await;
        if self.has_settings().await? {
            return Ok(());
        }
        Err(match summary.into_result() {
            Ok(_) => never_fetched(),
            Err(error) => Error::new(error.kind(), "the settings were never fetched")
                .with_hint_of(&error)
                .with_source(error),
        })
    }

    /// Returns whether settings were ever fetched.
    async fn has_settings(&self) -> Result<bool, Error> {
        Ok(self.load(INFERENCE_OPTIONS).await?.is_some())
    }

    /// Returns the rules for hub addresses.
    pub(super) async fn rules(&self) -> Result<Rules, Error> {
        let records: Decoded<RuleRecord> = self.stored(ALLOW_DENY_LIST).await?.unwrap_or_default();
        Ok(Rules::new(&records, self.inner.any_hub))
    }
}

pub(super) fn never_fetched() -> Error {
    Error::new(ErrorKind::NotFound, "the settings were never fetched")
        .with_hint("fetch them once while online: mlmgr sync")
}
