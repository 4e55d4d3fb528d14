//! `mlmgr ls` and `mlmgr rm`: what is installed, and removing it.

use std::time::{SystemTime, UNIX_EPOCH};

use mlmgr::{InstalledModel, Target};
use serde_json::json;

use super::{Context, object, query, to_json};
use crate::{
    args::RmArgs,
    failure::Failure,
    output::Report,
    render::{ago, bytes, count, table},
};

pub(super) async fn list(context: &Context<'_>) -> Result<Report, Failure> {
    let models = context.manager.list().await?;
    let text = if models.is_empty() { "no model is installed\n".to_owned() } else { described(&models) };
    Ok(Report { json: object("ls", json!({"models": to_json(&models)?})), text, failure: None })
}

fn described(models: &[InstalledModel]) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let head = ["MODEL", "REVISION", "FILES", "SIZE", "LAST USED", "USED BY"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for model in models {
        let revision = match &model.commit {
            Some(commit) if *commit != model.revision => {
                let short: String = commit.chars().take(12).collect();
                format!("{} ({short})", model.revision)
            }
            _ => model.revision.clone(),
        };
        rows.push(vec![
            model.model.clone(),
            revision,
            model.files.len().to_string(),
            bytes(model.bytes),
            ago(model.used, now),
            if model.used_by.is_empty() { "nothing".to_owned() } else { model.used_by.join(", ") },
        ]);
    }
    table(&rows)
}

pub(super) async fn remove(context: &Context<'_>, args: &RmArgs) -> Result<Report, Failure> {
    let target = match args.target.parse()? {
        Target::Query(_) => Target::Query(query(&args.target, &args.choice)?),
        other => other,
    };
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
