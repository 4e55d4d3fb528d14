//! `mlmgr export` and `mlmgr import`: models to folders, to other machines, and back.

use mlmgr::{ExportMode, ExportedModel, ImportSource, Target};
use serde_json::json;

use super::{Context, USUAL_TASK, object, query, to_json, usage};
use crate::{
    args::{ExportArgs, How, ImportArgs},
    failure::Failure,
    output::Report,
    progress::observer,
    render::{bytes, count},
};

pub(super) async fn export(context: &Context<'_>, args: &ExportArgs) -> Result<Report, Failure> {
    let target = match args.target.parse()? {
        Target::Query(_) => Target::Query(query(&args.target, &args.choice)?),
        other => other,
    };
    let observer = observer(context.global);
    let (manager, to) = (&context.manager, &args.to);
    let done = match args.bundle {
        true => manager.export_bundle(&target, to, args.replace, observer).await?,
        false => {
            let mode = match args.how {
                How::Best => ExportMode::Best,
                How::Reflink => ExportMode::Reflink,
                How::HardLink => ExportMode::HardLink,
                How::Copy => ExportMode::Copy,
            };
            manager.export(&target, to, mode, args.replace, observer).await?
        }
    };
    let json = json!({"exported": to_json(&done)?, "to": to.display().to_string()});
    Ok(Report { json: object("export", json), text: described(&done, args), failure: None })
}

/// Writes what was exported for people.
fn described(done: &ExportedModel, args: &ExportArgs) -> String {
    let ExportedModel { model, revision, .. } = done;
    let files = count(done.files as usize, "file", "files");
    let (to, size) = (args.to.display(), bytes(done.bytes));
    let mut text = format!("{model}@{revision} is in {to}: {files}, {size}\n");
    if let Some(digest) = &done.digest {
        text.push_str(&format!("to accept nothing else there: mlmgr import FILE --expect {digest}\n"));
    }
    if done.kept != 0 {
        text.push_str(&format!("{} there already\n", count(done.kept as usize, "file was", "files were")));
    }
    if done.reflinked != 0 {
        text.push_str(&format!(
            "{} with the store\n",
            count(done.reflinked as usize, "file shares blocks", "files share blocks")
        ));
    }
    if done.linked != 0 {
        text.push_str("the files are the store's own: who changes one damages the store\n");
    }
    text
}

pub(super) async fn import(context: &Context<'_>, args: &ImportArgs) -> Result<Report, Failure> {
    let task = args.task.as_deref().unwrap_or(USUAL_TASK).parse().map_err(|error| usage(&error))?;
    let source = source(args)?;
    let done = context.manager.import(&source, task, args.replace, observer(context.global)).await?;
    let text = format!(
        "{}@{} of {} is installed: {}, {}, {} of it new\n",
        done.model,
        done.revision,
        done.hub,
        count(done.files as usize, "file", "files"),
        bytes(done.bytes),
        bytes(done.written),
    );
    Ok(Report { json: object("import", json!({"imported": to_json(&done)?})), text, failure: None })
}

/// What the arguments of `import` stand for.
fn source(args: &ImportArgs) -> Result<ImportSource, Failure> {
    let from = args.from.clone();
    let Some(model) = &args.model else {
        if args.cache || from.is_dir() {
            let way_out = "name it: --model ORGANISATION/NAME@REVISION";
            return Err(Failure::usage(
                format!("{} does not say which model it is", from.display()),
                way_out,
            ));
        }
        let expected = args
            .expect
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(|error: mlmgr::ParseDigestError| usage(&error))?;
        return Ok(ImportSource::Bundle { file: from, expected });
    };
    let Target::Model(model, revision) = model.parse()? else {
        return Err(Failure::usage(format!("{model} names no model"), "write ORGANISATION/NAME@REVISION"));
    };
    let revision = revision.unwrap_or_default();
    Ok(match args.cache {
        true => ImportSource::HuggingFaceCache { folder: from, model, revision },
        false => ImportSource::Folder { folder: from, model, revision },
    })
}
