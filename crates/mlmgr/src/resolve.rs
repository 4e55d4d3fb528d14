//! Which model a task or a feature uses: from records to a selection, without I/O and without a clock.

use std::collections::BTreeMap;

use content_id::ContentId;
use hub_layout::{Dtype, ModelId, RepoPath, Revision, Task, default_model};
use serde::{Deserialize, Serialize};

use crate::{
    Error, ErrorKind, Query,
    records::{Decoded, InferenceRecord},
};

/// A model chosen for a task, and why.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Selection {
    /// The name under which the model is kept in use: a query's text form, or `model:` and a name.
    pub usage: String,
    /// The id of the record that chose the model; `None` for a default, or for a model named outright.
    pub record: Option<String>,
    /// The task that the model is for.
    pub task: Task,
    /// The model.
    pub model: ModelId,
    /// Its revision.
    pub revision: Revision,
    /// Which weights are taken.
    pub dtype: Option<Dtype>,
    /// The weights by path, instead of by dtype.
    pub model_file: Option<RepoPath>,
    /// What files must contain, by path, as the record says.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, ContentId>,
    /// The engine that the record is meant for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// Sentences that say how the choice was made.
    pub why: Vec<String>,
}

impl Selection {
    /// Selects a model by name, without a record.
    pub fn of_model(model: ModelId, revision: Option<Revision>, task: Task, dtype: Option<Dtype>) -> Self {
        let revision = revision.unwrap_or_default();
        Self {
            usage: model_usage(&model, &revision),
            record: None,
            task,
            why: vec![format!("{model} at revision {revision} was named outright: no record is involved")],
            model,
            revision,
            dtype,
            model_file: None,
            files: BTreeMap::new(),
            backend: None,
        }
    }
}

/// The usage name of a model that was asked for by name.
pub(crate) fn model_usage(model: &ModelId, revision: &Revision) -> String {
    format!("model:{model}@{revision}")
}

/// Chooses the model for `query` from the records of `ml-inference-options`.
///
/// By feature if one is asked for, and by task if it has no record; in each case only records of the model
/// asked for, if one is. A task is served by any record that names it, also one with a feature.
///
/// # Errors
///
/// [`ErrorKind::Ambiguous`] if several records match, [`ErrorKind::NotFound`] if none does, and
/// [`ErrorKind::Unsupported`] for a record whose parts come from several models.
pub fn resolve(records: &Decoded<InferenceRecord>, query: &Query) -> Result<Selection, Error> {
    let fits_model = |record: &&InferenceRecord| query.model().is_none_or(|model| record.model == *model);
    let of_feature = |record: &&InferenceRecord| record.feature.as_deref() == query.feature_name();
    let of_task = |record: &&InferenceRecord| Some(&record.task) == query.task_name();

    let mut why = Vec::new();
    let mut matches: Vec<&InferenceRecord> = Vec::new();
    if let Some(feature) = query.feature_name() {
        matches.extend(records.records.iter().filter(of_feature).filter(fits_model));
        if matches.is_empty() && query.task_name().is_some() {
            why.push(format!("no record is for feature {feature:?}, so its task decides"));
        }
    }
    if matches.is_empty() && query.task_name().is_some() {
        matches.extend(records.records.iter().filter(of_task).filter(fits_model));
    }
    match matches[..] {
        [record] => chosen(record, query, why, records),
        [] => none_fits(records, query, why),
        _ => Err(several_fit(&matches, query)),
    }
}

/// Makes the selection that `record` stands for.
fn chosen(
    record: &InferenceRecord,
    query: &Query,
    mut why: Vec<String>,
    records: &Decoded<InferenceRecord>,
) -> Result<Selection, Error> {
    for (part, from) in [("tokenizer", &record.tokenizer), ("processor", &record.processor)] {
        if let Some(from) = from {
            let own = format!("{}@{}", record.model, record.revision);
            let message =
                format!("record {} takes its {part} from {from} and its weights from {own}", record.id);
            return Err(Error::new(ErrorKind::Unsupported, message)
                .with_hint("all parts of a model have to come from one model and revision"));
        }
    }
    let of_feature = |record: &InferenceRecord| {
        record.feature.is_some() && record.feature.as_deref() == query.feature_name()
    };
    let reason = match &record.feature {
        Some(feature) if of_feature(record) => format!("for feature {feature:?}"),
        Some(feature) => format!("for task {} (it is meant for feature {feature:?})", record.task),
        None => format!("for task {}", record.task),
    };
    let model = query.model().map(|model| format!(" with model {model}")).unwrap_or_default();
    let all = records.records.len() + records.malformed.len();
    let only = if all == 1 {
        "it is the only one there is, and".to_owned()
    } else {
        format!("of {all} it is the only one")
    };
    why.push(format!("record {} was chosen: {only} {reason}{model}", record.id));
    for other in records.records.iter().filter(|other| other.id != record.id) {
        if query.model().is_some_and(|model| other.model != *model)
            && (of_feature(other) || Some(&other.task) == query.task_name())
        {
            why.push(format!("record {} was passed over: its model is {}", other.id, other.model));
        } else if of_feature(record) && other.task == record.task {
            let of = other.feature.as_ref().map(|name| format!("feature {name:?}"));
            let of = of.unwrap_or_else(|| "the task in general".to_owned());
            why.push(format!("record {} was passed over: it is for {of}", other.id));
        }
    }
    if record.revision.is_moving() {
        let revision = &record.revision;
        why.push(format!("revision {revision} can change on the hub; each sync looks at what it stands for"));
    }
    if !record.files.is_empty() {
        why.push(format!(
            "the record has digests, which count more than the hub's, of {} files",
            record.files.len()
        ));
    }
    why.extend(records.malformed.iter().map(|bad| format!("record {} was left out: {}", bad.id, bad.reason)));
    Ok(Selection {
        usage: query.to_string(),
        record: Some(record.id.clone()),
        task: record.task.clone(),
        model: record.model.clone(),
        revision: record.revision.clone(),
        dtype: record.dtype,
        model_file: record.model_file.clone(),
        files: record.files.clone(),
        backend: record.backend.clone(),
        why,
    })
}

/// Takes the task's default model if the query allows it.
fn none_fits(
    records: &Decoded<InferenceRecord>,
    query: &Query,
    mut why: Vec<String>,
) -> Result<Selection, Error> {
    if query.allows_default_model()
        && query.model().is_none()
        && let Some(task) = query.task_name()
        && let Some(model) = default_model(task)
    {
        why.push(format!("no record is for task {task}: its built-in default model is used, as asked"));
        return Ok(Selection {
            usage: query.to_string(),
            dtype: Some(Dtype::Q8),
            why,
            ..Selection::of_model(model, None, task.clone(), None)
        });
    }
    let mut there: Vec<String> = records.records.iter().map(|record| record.task.to_string()).collect();
    let mut named = "tasks";
    if query.task_name().is_none() {
        there = records.records.iter().filter_map(|record| record.feature.clone()).collect();
        named = "features";
    }
    there.sort_unstable();
    there.dedup();
    let mut message =
        format!("no record is for {} ({named} with records: {})", query.described(), listed(&there));
    for bad in &records.malformed {
        message.push_str(&format!("; record {} was left out: {}", bad.id, bad.reason));
    }
    Err(Error::new(ErrorKind::NotFound, message)
        .with_hint("fetch newer settings with mlmgr sync, or name a model: mlmgr pull ORGANISATION/NAME"))
}

fn several_fit(matches: &[&InferenceRecord], query: &Query) -> Error {
    let name = |record: &&InferenceRecord| {
        let feature = record.feature.as_ref().map(|name| format!(", feature {name:?}")).unwrap_or_default();
        format!("{} (model {}{feature})", record.id, record.model)
    };
    let names: Vec<_> = matches.iter().map(name).collect();
    let message = format!("{} records are for {}: {}", matches.len(), query.described(), names.join(" and "));
    let differ =
        matches.windows(2).any(|two| (&two[0].model, &two[0].feature) != (&two[1].model, &two[1].feature));
    Error::new(ErrorKind::Ambiguous, message).with_hint(match differ {
        true => "choose one with --model or --feature",
        // Nothing that can be asked for tells them apart.
        false => "one of them has to go from the settings server; what is installed keeps working meanwhile",
    })
}

/// Joins names for a message: at most twenty.
pub(crate) fn listed(names: &[impl AsRef<str>]) -> String {
    const MOST: usize = 20;
    if names.is_empty() {
        return "none".to_owned();
    }
    let shown: Vec<_> = names.iter().take(MOST).map(AsRef::as_ref).collect();
    let more = names.len().saturating_sub(MOST);
    match more {
        0 => shown.join(", "),
        _ => format!("{} and {more} more", shown.join(", ")),
    }
}
