//! `mlmgr du`, `mlmgr pin` and `mlmgr unpin`: how much space there is, and what may go to make some.

use mlmgr::{StageInfo, StoreUsage};
use serde_json::json;

use super::{
    Context,
    inventory::{revision, users},
    object, target, to_json,
};
use crate::{
    args::InstalledTarget,
    failure::Failure,
    output::Report,
    render::{ago, bytes, count, now, table},
};

pub(super) async fn usage(context: &Context<'_>) -> Result<Report, Failure> {
    let usage = context.manager.usage().await?;
    Ok(Report { json: object("du", to_json(&usage)?), text: described(&usage), failure: None })
}

/// Writes how much space there is for people.
fn described(usage: &StoreUsage) -> String {
    let now = now();
    let head = ["MODEL", "REVISION", "OWN", "SHARED", "LAST USED", "USED BY"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for model in &usage.models {
        rows.push(vec![
            model.model.clone(),
            revision(model),
            bytes(model.own_bytes),
            bytes(model.bytes.saturating_sub(model.own_bytes)),
            ago(model.used, now),
            users(model),
        ]);
    }
    let mut text = if usage.models.is_empty() { "no model is installed\n".to_owned() } else { table(&rows) };
    text.push_str(&format!("\n{} in {}\n", bytes(usage.bytes), count(usage.files as usize, "file", "files")));
    if usage.unreferenced_bytes != 0 {
        text.push_str(&format!(
            "{} belong to no model, and go when room is needed and they are an hour old\n",
            bytes(usage.unreferenced_bytes)
        ));
    }
    if usage.quarantined_bytes != 0 {
        text.push_str(&format!("{} are damaged or on their way out\n", bytes(usage.quarantined_bytes)));
    }
    for (owned, what) in [(true, "being downloaded"), (false, "left by interrupted downloads")] {
        let stages: Vec<&StageInfo> = usage.stages.iter().filter(|stage| stage.owned == owned).collect();
        if !stages.is_empty() {
            let size = stages.iter().map(|stage| stage.bytes).fold(0, u64::saturating_add);
            text.push_str(&format!("{} in {} {what}\n", bytes(size), count(stages.len(), "file", "files")));
        }
    }
    let quota =
        usage.quota.map_or_else(|| "no quota".to_owned(), |quota| format!("a quota of {}", bytes(quota)));
    let keep = if usage.keep_free == 0 {
        String::new()
    } else {
        format!(", {} to stay free", bytes(usage.keep_free))
    };
    text.push_str(&match usage.free {
        Some(free) => format!("{quota}{keep}; {} are free\n", bytes(free)),
        None => format!("{quota}{keep}\n"),
    });
    text
}

pub(super) async fn pin(
    context: &Context<'_>,
    args: &InstalledTarget,
    pinned: bool,
) -> Result<Report, Failure> {
    let target = target(args)?;
    let (command, usages, what) = match pinned {
        true => ("pin", context.manager.pin(&target).await?, "stays until it is removed"),
        false => ("unpin", context.manager.unpin(&target).await?, "may be evicted when room is needed"),
    };
    let text = usages.iter().map(|usage| format!("{usage}: what it uses {what}\n")).collect();
    let json = json!({"target": target.to_string(), "usages": usages, "pinned": pinned});
    Ok(Report { json: object(command, json), text, failure: None })
}
