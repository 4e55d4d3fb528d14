//! `mlmgr ls` and `mlmgr rm`: what is installed, and removing it.

use mlmgr::InstalledModel;
use serde_json::json;

use super::{Context, object, target, to_json};
use crate::{
    args::InstalledTarget,
    failure::Failure,
    output::Report,
    render::{ago, bytes, count, now, table},
};

pub(super) async fn list(context: &Context<'_>) -> Result<Report, Failure> {
    let models = context.manager.list().await?;
    let text = if models.is_empty() { "no model is installed\n".to_owned() } else { described(&models) };
    Ok(Report { json: object("ls", json!({"models": to_json(&models)?})), text, failure: None })
}

fn described(models: &[InstalledModel]) -> String {
    let now = now();
    let head = ["MODEL", "REVISION", "FILES", "SIZE", "LAST USED", "USED BY"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for model in models {
        rows.push(vec![
            model.model.clone(),
            revision(model),
            model.files.len().to_string(),
            bytes(model.bytes),
            ago(model.used, now),
            users(model),
        ]);
    }
    table(&rows)
}

/// Writes a revision, and the commit that it stands for.
pub(super) fn revision(model: &InstalledModel) -> String {
    match &model.commit {
        Some(commit) if *commit != model.revision => {
            let short: String = commit.chars().take(12).collect();
            format!("{} ({short})", model.revision)
        }
        _ => model.revision.clone(),
    }
}

/// Writes what uses a model, and what keeps it from being evicted.
pub(super) fn users(model: &InstalledModel) -> String {
    let mut text = if model.used_by.is_empty() { "nothing".to_owned() } else { model.used_by.join(", ") };
    for (is, what) in [(model.pinned, "pinned"), (model.open, "open")] {
        if is {
            text.push_str(&format!(" ({what})"));
        }
    }
    text
}

pub(super) async fn remove(context: &Context<'_>, args: &InstalledTarget) -> Result<Report, Failure> {
    let target = target(args)?;
    let removed = context.manager.remove(&target).await?;
    let text = if removed.models == 0 {
        format!("{target} is no longer in use; its model stays, because something else uses it\n")
    } else {
        format!(
            "{target}: {} and {} removed, {} freed\n",
            count(removed.models as usize, "model", "models"),
            count(removed.files as usize, "file", "files"),
            bytes(removed.bytes)
        )
    };
    let json = json!({"target": target.to_string(), "removed": to_json(removed)?});
    Ok(Report { json: object("rm", json), text, failure: None })
}
