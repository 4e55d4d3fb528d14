//! `mlmgr resolve`: which model a task uses, and why.

use mlmgr::Selection;
use serde_json::json;

use super::{Context, object, query, to_json};
use crate::{args::ResolveArgs, failure::Failure, output::Report};

pub(super) async fn resolve(context: &Context<'_>, args: &ResolveArgs) -> Result<Report, Failure> {
    let query = query(&args.task, &args.choice)?;
    context.manager.ensure_settings().await?;
    let selection = context.manager.resolve(query).await?;
    let text = described(&selection);
    Ok(Report { json: object("resolve", json!({"selection": to_json(&selection)?})), text, failure: None })
}

/// Writes a selection for people.
pub(super) fn described(selection: &Selection) -> String {
    let mut text = format!("{} uses {}@{}", selection.task, selection.model, selection.revision);
    if let Some(file) = &selection.model_file {
        text.push_str(&format!(", file {file}"));
    } else if let Some(dtype) = selection.dtype {
        text.push_str(&format!(", dtype {dtype}"));
    }
    text.push('\n');
    for sentence in &selection.why {
        text.push_str(&format!("  - {sentence}\n"));
    }
    text
}
