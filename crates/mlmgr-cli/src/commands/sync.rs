//! `mlmgr sync`: fetch the settings, and follow them.

use mlmgr::{CollectionOutcome, CollectionSync, ModelOutcome, ModelUpdate, SyncSummary};
use serde_json::json;

use super::{Context, object, pull::described_evicted, to_json};
use crate::{
    args::SyncArgs,
    failure::Failure,
    output::Report,
    progress::progress,
    render::{bytes, count},
};

pub(super) async fn sync(context: &Context<'_>, args: &SyncArgs) -> Result<Report, Failure> {
    let settings = context.manager.sync_each().await;
    let mut text = described_settings(&settings);
    let models = if args.settings_only {
        Vec::new()
    } else {
        context.manager.follow(&*progress(context.global)).await?
    };
    text.extend(models.iter().map(described_model));
    let failed = settings.failure().or_else(|| models.iter().find_map(|model| model.error.as_ref()));
    let failure = failed.map(Failure::from);
    let json = json!({
        "settings": to_json(&settings.collections)?,
        "settings_error": to_json(&settings.error)?,
        "models": to_json(&models)?,
    });
    Ok(Report { json: object("sync", json), text, failure })
}

fn described_settings(settings: &SyncSummary) -> String {
    match settings.error {
        Some(_) => "no settings were fetched; what was verified before stays in use\n".to_owned(),
        None => settings.collections.iter().map(described_collection).collect(),
    }
}

fn described_collection(done: &CollectionSync) -> String {
    let what = match done.outcome {
        CollectionOutcome::UpToDate => "up to date".to_owned(),
        CollectionOutcome::Updated => {
            let parts = [(&done.created, "new"), (&done.updated, "changed"), (&done.deleted, "deleted")];
            let parts = parts.iter().filter(|(ids, _)| !ids.is_empty());
            let parts: Vec<_> = parts.map(|(ids, what)| format!("{} {what}", ids.len())).collect();
            let parts = if parts.is_empty() { "no records".to_owned() } else { parts.join(", ") };
            format!("updated and verified: {parts}")
        }
        CollectionOutcome::SignatureRefreshed => "up to date, signed anew".to_owned(),
        CollectionOutcome::Absent => "not on this server".to_owned(),
        _ => "not updated; what was verified before stays in use".to_owned(),
    };
    format!("{}: {what}\n", done.collection)
}

fn described_model(done: &ModelUpdate) -> String {
    let ModelUpdate { usage, from, to, .. } = done;
    match done.outcome {
        ModelOutcome::UpToDate => format!("{usage}: up to date with {to}\n"),
        ModelOutcome::Updated => {
            let removed = match done.removed.files {
                0 => String::new(),
                files => {
                    let files = count(files as usize, "old file", "old files");
                    format!("; {files} removed, {} freed", bytes(done.removed.bytes))
                }
            };
            let moved = if from == to { format!("{to} anew") } else { format!("from {from} to {to}") };
            let evicted = described_evicted(&done.evicted);
            format!("{usage}: moved {moved}, {} fetched{removed}\n{evicted}", bytes(done.fetched))
        }
        ModelOutcome::Withdrawn => {
            let why = done.why.join("; ");
            format!("{usage}: no record chooses a model any more; {from} stays until it is removed ({why})\n")
        }
        ModelOutcome::Refused => format!("{usage}: {to} must not be used any more\n"),
        _ => format!("{usage}: not moved; {from} stays in use\n"),
    }
}
