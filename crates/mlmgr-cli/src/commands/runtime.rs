//! `mlmgr runtime pull`: files for programs that embed the WASM runtime.

use std::path::Path;

use serde_json::json;

use super::{Context, object, to_json};
use crate::{
    failure::Failure,
    output::Report,
    render::{bytes, count},
};

pub(super) async fn pull(context: &Context<'_>, name: &str, out: Option<&Path>) -> Result<Report, Failure> {
    context.manager.ensure_settings().await?;
    let file = context.manager.runtime_pull(name).await?;
    let size = bytes(file.content.size);
    let mut text = if file.fetched {
        format!("{name} {} is installed: {size}, size and SHA-256 as signed\n", file.version)
    } else {
        format!("{name} {} is installed already ({size}); no request was made\n", file.version)
    };
    if let Some(replaced) = &file.replaced {
        let files = count(file.removed.files as usize, "old file", "old files");
        text.push_str(&format!("it takes the place of {replaced}; {files} removed\n"));
    }
    if let Some(path) = &file.path {
        text.push_str(&format!("it lies in {}\n", path.display()));
    }
    if let Some(out) = out {
        let content = context.manager.runtime_bytes(name).await?;
        std::fs::write(out, &content)
            .map_err(|error| Failure::io(format!("{} cannot be written", out.display()), &error))?;
        text.push_str(&format!("a copy was written to {}\n", out.display()));
    }
    Ok(Report { json: object("runtime pull", json!({"runtime": to_json(&file)?})), text, failure: None })
}
