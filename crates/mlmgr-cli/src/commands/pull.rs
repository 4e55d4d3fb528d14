//! `mlmgr plan` and `mlmgr pull`: what a model needs, and fetching it.

use mlmgr::{EvictedModel, Eviction, Installed, ManifestName, Plan, Selection, SpacePlan};
use serde_json::json;

use super::{Context, object, resolve::described, selection, to_json};
use crate::{
    args::PullTarget,
    failure::Failure,
    output::Report,
    progress::progress,
    render::{ago, bytes, count, now, table},
};

pub(super) async fn plan(context: &Context<'_>, target: &PullTarget) -> Result<Report, Failure> {
    let selection = selection(context, target).await?;
    let plan = context.manager.plan(&selection).await?;
    let space = context.manager.plan_space(&selection, &plan).await?;
    let json = json!({
        "selection": to_json(&selection)?,
        "plan": to_json(&plan)?,
        "total_bytes": plan.total_bytes(),
        "bytes_to_fetch": plan.bytes_to_fetch(),
        "space": to_json(&space)?,
        "fits": space.fits(),
    });
    let text = planned(&selection, &plan) + &described_space(&space);
    let failure = context.manager.check_space(&selection, &space).err().map(Failure::from);
    Ok(Report { json: object("plan", json), text, failure })
}

/// Writes a plan for people.
fn planned(selection: &Selection, plan: &Plan) -> String {
    let mut rows = vec![vec!["FILE".to_owned(), "SIZE".to_owned(), String::new(), "WHY".to_owned()]];
    for file in &plan.files {
        let size = file.size.map_or_else(|| "unknown".to_owned(), bytes);
        let here = if file.present { "here already" } else { "to fetch" };
        rows.push(vec![file.path.to_string(), size, here.to_owned(), file.reason.clone()]);
    }
    let commit = plan.commit.as_ref().map(|commit| format!(" (commit {commit})")).unwrap_or_default();
    format!(
        "{}from {}{commit}\n\n{}\n{}, {} in all, {} to fetch\n",
        described(selection),
        plan.hub,
        table(&rows),
        count(plan.files.len(), "file", "files"),
        bytes(plan.total_bytes()),
        bytes(plan.bytes_to_fetch()),
    )
}

/// Writes what would be evicted for people.
fn described_space(space: &SpacePlan) -> String {
    if !space.fits() {
        return format!("it does not fit: {} too many\n", bytes(space.short_by));
    }
    let now = now();
    let line = |eviction: &Eviction| {
        let ManifestName { model, revision, .. } = &eviction.manifest;
        let (bytes, used) = (bytes(eviction.bytes), ago(eviction.used, now));
        format!("{model}@{revision} would be evicted: {bytes}, last used {used}\n")
    };
    space.evict.iter().map(line).collect()
}

pub(super) async fn pull(context: &Context<'_>, target: &PullTarget) -> Result<Report, Failure> {
    let selection = selection(context, target).await?;
    for sentence in &selection.why {
        context.output.note(sentence);
    }
    let progress = progress(context.global);
    let installed = context.manager.pull(&selection, &*progress).await?;
    let text = described_installed(&installed);
    let json = json!({"selection": to_json(&selection)?, "installed": to_json(&installed)?});
    Ok(Report { json: object("pull", json), text, failure: None })
}

/// Writes what is installed for people.
fn described_installed(installed: &Installed) -> String {
    let Installed { model, revision, hub, .. } = installed;
    let files = count(installed.files as usize, "file", "files");
    let size = bytes(installed.bytes);
    let mut text = match installed.fetched {
        None => format!("{model}@{revision} is installed already ({files}, {size}); no request was made\n"),
        Some(fetched) => {
            format!(
                "{model}@{revision} is installed from {hub}: {files}, {size}, {} fetched\n",
                bytes(fetched)
            )
        }
    };
    if let Some(replaced) = &installed.replaced {
        text.push_str(&format!("it takes the place of {replaced}\n"));
    }
    text.push_str(&described_evicted(&installed.evicted));
    if installed.removed.files != 0 {
        let files = count(installed.removed.files as usize, "old file", "old files");
        text.push_str(&format!("{files} removed, {} freed\n", bytes(installed.removed.bytes)));
    }
    text
}

/// Writes what was evicted for people.
pub(super) fn described_evicted(evicted: &[EvictedModel]) -> String {
    let line = |one: &EvictedModel| {
        let of = if one.used_by.is_empty() {
            String::new()
        } else {
            format!(", used by {}", one.used_by.join(", "))
        };
        format!("{}@{}{of}, was evicted: {} freed\n", one.model, one.revision, bytes(one.bytes))
    };
    evicted.iter().map(line).collect()
}
