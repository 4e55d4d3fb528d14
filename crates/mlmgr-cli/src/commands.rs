//! The commands: each asks the library and says what came of it.

mod inventory;
mod moving;
mod pull;
mod resolve;
mod run;
mod runtime;
mod space;
mod sync;

use mlmgr::{Dtype, Manager, Query, Selection, Target};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    args::{Choice, Cli, Command, Global, InstalledTarget, PullTarget, RuntimeCommand},
    failure::Failure,
    output::{Output, Report},
    setup,
};

/// The task that a model named outright is for, where nothing says otherwise.
const USUAL_TASK: &str = "feature-extraction";

/// What every command has at hand.
pub(crate) struct Context<'a> {
    pub(crate) manager: Manager,
    pub(crate) global: &'a Global,
    pub(crate) output: &'a Output,
}

/// Runs the command.
pub(crate) async fn run(cli: Cli, output: &Output) -> Result<Report, Failure> {
    let accept_emptied = matches!(&cli.command, Command::Sync(args) if args.accept_emptied);
    let manager = setup::manager(&cli.global, accept_emptied)?;
    let context = Context { manager, global: &cli.global, output };
    match &cli.command {
        Command::Sync(args) => sync::sync(&context, args).await,
        Command::Resolve(args) => resolve::resolve(&context, args).await,
        Command::Plan(target) => pull::plan(&context, target).await,
        Command::Pull(args) if args.dry_run => pull::plan(&context, &args.target).await,
        Command::Pull(args) => pull::pull(&context, &args.target).await,
        Command::Run(args) => run::run(&context, args).await,
        Command::Ls => inventory::list(&context).await,
        Command::Rm(args) => inventory::remove(&context, args).await,
        Command::Du => space::usage(&context).await,
        Command::Pin(args) => space::pin(&context, args, true).await,
        Command::Unpin(args) => space::pin(&context, args, false).await,
        Command::Export(args) => moving::export(&context, args).await,
        Command::Import(args) => moving::import(&context, args).await,
        Command::Runtime(RuntimeCommand::Pull { name, out }) => {
            runtime::pull(&context, name, out.as_deref()).await
        }
    }
}

/// Makes the question that a task and its flags stand for.
fn query(task: &str, choice: &Choice) -> Result<Query, Failure> {
    let mut query = match &choice.feature {
        Some(feature) => Query::feature(feature)?.or_task(task)?,
        None => Query::task(task)?,
    };
    if let Some(model) = &choice.model {
        query = query.with_model(model.parse().map_err(|error| usage(&error))?);
    }
    Ok(if choice.default_model { query.or_default_model() } else { query })
}

/// Makes the target that the arguments of a command about something installed stand for.
fn target(args: &InstalledTarget) -> Result<Target, Failure> {
    Ok(match args.target.parse()? {
        Target::Query(_) => Target::Query(query(&args.target, &args.choice)?),
        other => other,
    })
}

/// Makes the selection that the arguments of `pull` and `plan` stand for.
async fn selection(context: &Context<'_>, args: &PullTarget) -> Result<Selection, Failure> {
    let by_name = args.dtype.is_some() || args.task.is_some();
    match args.target.parse()? {
        Target::Model(model, revision) => {
            let task = args.task.as_deref().unwrap_or(USUAL_TASK);
            let task = task.parse().map_err(|error| usage(&error))?;
            let dtype =
                args.dtype.as_deref().map(str::parse::<Dtype>).transpose().map_err(|error| usage(&error))?;
            // For the rules; without any, a hub on this machine still serves, and another is refused.
            let _ = context.manager.ensure_settings().await;
            Ok(Selection::of_model(model, revision, task, dtype))
        }
        Target::Runtime(name) => Err(Failure::usage(
            format!("{name} is a runtime file"),
            format!("fetch it with: mlmgr runtime pull {name}"),
        )),
        _ if by_name => Err(Failure::usage(
            format!("{} is a task: its record says dtype and task", args.target),
            "leave out --dtype and --task, or name a model",
        )),
        _ => {
            let query = query(&args.target, &args.choice)?;
            context.manager.ensure_settings().await?;
            Ok(context.manager.resolve(query).await?)
        }
    }
}

fn usage(error: &dyn std::fmt::Display) -> Failure {
    Failure::usage(error.to_string(), "see mlmgr --help")
}

/// Turns a value of the library into JSON.
fn to_json(value: impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(value).map_err(|error| Failure::other(format!("the result is no JSON: {error}")))
}

/// The JSON of a report: the command's name and its parts.
fn object(command: &str, mut parts: Value) -> Value {
    if let Value::Object(parts) = &mut parts {
        parts.insert("command".to_owned(), json!(command));
    }
    parts
}
