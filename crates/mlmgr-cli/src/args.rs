//! The command line: every command, flag and help text.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Finds, fetches, verifies, keeps, updates and runs on-device models.
///
/// Signed records on a settings server say which model a task uses, a hub supplies the files, a local store keeps
/// them, and they run here. What is installed runs without any request.
#[derive(Debug, Parser)]
#[command(
    name = "mlmgr",
    version,
    max_term_width = 110,
    propagate_version = true,
    after_help = "Example:
  mlmgr sync                                    fetch the settings, move to new revisions
  mlmgr run feature-extraction \"Good morning\"   fetch the model if need be, and run it

Configuration: flags, then MLMGR_* variables, then mlmgr.toml (this folder, then the platform's configuration
folder), then the defaults: the production settings server and Mozilla's hub.

Exit codes: 0 ok, 1 other, 2 usage, 3 network, 4 integrity, 5 not found, 6 denied, 7 no space or I/O,
8 unsupported or invalid model, 9 limit, 130 and 143 interrupted."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags that every command takes.
#[derive(Args, Debug)]
pub(crate) struct Global {
    /// Print one JSON object on standard output, and errors as JSON on standard error.
    #[arg(long, global = true, help_heading = "Output")]
    pub(crate) json: bool,
    /// Print only results and errors.
    #[arg(short, long, global = true, help_heading = "Output", conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print each request on standard error.
    #[arg(short, long, global = true, help_heading = "Output")]
    pub(crate) verbose: bool,
    /// How to show a download [default: bar on a terminal, plain elsewhere].
    #[arg(long, global = true, value_name = "KIND", help_heading = "Output")]
    pub(crate) progress: Option<ProgressKind>,
    /// Make no request at all. [variable: MLMGR_OFFLINE]
    #[arg(long, global = true, help_heading = "Sources")]
    pub(crate) offline: bool,
    /// Which of Mozilla's settings servers to use [default: production].
    #[arg(long, global = true, value_name = "NAME", help_heading = "Sources", conflicts_with = "server")]
    pub(crate) settings: Option<SettingsName>,
    /// Another settings server, by its address up to /v1 or /v2. [variable: MLMGR_SERVER]
    #[arg(long, global = true, value_name = "URL", help_heading = "Sources")]
    pub(crate) server: Option<String>,
    /// A root certificate that server's signatures may end in, as the SHA-256 of its DER form; repeatable.
    /// [variable: MLMGR_SERVER_ROOT, separated by commas]
    #[arg(long, global = true, value_name = "SHA256", help_heading = "Sources")]
    pub(crate) server_root: Vec<String>,
    /// Another hub, by its address. [variable: MLMGR_HUB]
    #[arg(long, global = true, value_name = "URL", help_heading = "Sources")]
    pub(crate) hub: Option<String>,
    /// How the hub's addresses are made: huggingface, mozilla, or a template such as
    /// {model}/files/{revision}. [variable: MLMGR_HUB_LAYOUT]
    #[arg(long, global = true, value_name = "LAYOUT", help_heading = "Sources")]
    pub(crate) hub_layout: Option<String>,
    /// Use hubs that the signed allow and deny list does not allow.
    #[arg(long, global = true, help_heading = "Sources")]
    pub(crate) dangerously_allow_any_hub: bool,
    /// The folder that keeps models and settings [default: in the platform's cache folder]. [variable: MLMGR_STORE]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Sources")]
    pub(crate) store: Option<PathBuf>,
    /// How much the stored files may take together, such as 20GiB; what was used least lately is evicted before a
    /// download [default: no limit]. [variable: MLMGR_QUOTA]
    #[arg(long, global = true, value_name = "SIZE", help_heading = "Sources")]
    pub(crate) quota: Option<String>,
    /// How much must stay free on the store's disk, such as 1GiB; as with --quota [default: 0].
    /// [variable: MLMGR_KEEP_FREE]
    #[arg(long, global = true, value_name = "SIZE", help_heading = "Sources")]
    pub(crate) keep_free: Option<String>,
    /// What runs the model [default: native].
    #[arg(long, global = true, value_name = "ENGINE", help_heading = "Sources")]
    pub(crate) engine: Option<Engine>,
    /// A configuration file, instead of looking for mlmgr.toml. [variable: MLMGR_CONFIG]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Sources")]
    pub(crate) config: Option<PathBuf>,
}

/// How a download is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressKind {
    /// A bar that moves.
    Bar,
    /// A line when a file starts and ends.
    Plain,
    /// Nothing.
    None,
}

/// Mozilla's settings servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SettingsName {
    Production,
    Stage,
    Dev,
}

/// What runs a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Engine {
    /// This project's own engine.
    Native,
    /// The reference engine; only in builds with the feature candle-onnx.
    CandleOnnx,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Fetch and verify the settings, then move every model in use to what they now say.
    #[command(
        visible_alias = "update",
        after_help = "Example:
  mlmgr sync

A changed record is followed at once: the new revision is downloaded and verified, tried, switched to, and the
old files are removed. If any of it fails, the old revision stays in use."
    )]
    Sync(SyncArgs),
    /// Say which model a task uses, and why.
    #[command(after_help = "Example:
  mlmgr resolve feature-extraction
  mlmgr resolve text-classification --feature suggest-intent-classification")]
    Resolve(ResolveArgs),
    /// Say what a pull would fetch, and what would be evicted for it.
    #[command(after_help = "Example:
  mlmgr plan feature-extraction")]
    Plan(PullTarget),
    /// Download a task's model, or any model by name.
    #[command(after_help = "Example:
  mlmgr pull feature-extraction
  mlmgr pull Xenova/all-MiniLM-L6-v2@main --dtype q8 --hub-layout huggingface

A model that is installed is not fetched again, and no request is made.")]
    Pull(PullArgs),
    /// Run a task on texts, fetching its model first if need be.
    #[command(after_help = "Example:
  mlmgr run feature-extraction \"A cat sits on the mat.\" \"A kitten rests on a rug.\"
  cat sentences.txt | mlmgr run feature-extraction --json")]
    Run(RunArgs),
    /// List the installed models.
    #[command(
        visible_alias = "list",
        after_help = "Example:
  mlmgr ls"
    )]
    Ls,
    /// Say how much space the store takes, and for what.
    #[command(after_help = "Example:
  mlmgr du
  mlmgr du --json

OWN is what the removal of a model frees, SHARED is what others have, too.")]
    Du,
    /// Keep what a task uses, or a model, from being evicted.
    #[command(after_help = "Example:
  mlmgr pin feature-extraction
  mlmgr pin Xenova/all-MiniLM-L6-v2@main

Without a quota nothing that is in use is evicted: see --quota and --keep-free.")]
    Pin(InstalledTarget),
    /// Let it be evicted again, when room is needed.
    #[command(after_help = "Example:
  mlmgr unpin feature-extraction")]
    Unpin(InstalledTarget),
    /// Remove a model, or what a task uses.
    #[command(
        visible_alias = "remove",
        after_help = "Example:
  mlmgr rm feature-extraction
  mlmgr rm Xenova/all-MiniLM-L6-v2@main
  mlmgr rm runtime:ort-wasm-simd-threaded.jsep.wasm

Files that another installed model shares are kept."
    )]
    Rm(InstalledTarget),
    /// Write an installed model into a folder, or into one file for another machine.
    #[command(after_help = "Example:
  mlmgr export feature-extraction model-files
  mlmgr export Xenova/all-MiniLM-L6-v2@main model.bundle --bundle

Files in the folder that are right already are kept; others in the way are left alone unless --replace is given.")]
    Export(ExportArgs),
    /// Install a model from a file that export wrote, a folder, or a Hugging Face cache.
    #[command(after_help = "Example:
  mlmgr import model.bundle
  mlmgr import model-files --model org/name@v1
  mlmgr import ~/.cache/huggingface/hub --cache --model Xenova/all-MiniLM-L6-v2@main

It makes no request. Import only what comes from where you would also install programs from, or name the digest
that export printed (see the flags).")]
    Import(ImportArgs),
    /// Fetch files for programs that embed the WASM runtime.
    #[command(
        subcommand,
        after_help = "Example:
  mlmgr runtime pull"
    )]
    Runtime(RuntimeCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum RuntimeCommand {
    /// Download the newest supported version of a runtime file into the store.
    #[command(after_help = "Example:
  mlmgr runtime pull
  mlmgr runtime pull ort-wasm-simd-threaded.jsep.wasm --out runtime.wasm")]
    Pull {
        /// The file's name in the records.
        #[arg(default_value = mlmgr::DEFAULT_RUNTIME)]
        name: String,
        /// Also write the file here.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

#[derive(Args, Debug)]
pub(crate) struct SyncArgs {
    /// Fetch the settings and stop: download and switch nothing.
    #[arg(long)]
    pub(crate) settings_only: bool,
    /// Accept that a collection that had records has none any more.
    #[arg(long)]
    pub(crate) accept_emptied: bool,
}

/// How to choose among records.
#[derive(Args, Debug)]
pub(crate) struct Choice {
    /// Take the record of this feature, where there is one.
    #[arg(long, value_name = "ID")]
    pub(crate) feature: Option<String>,
    /// Take only a record of this model.
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Where no record is for the task, take its built-in default model.
    #[arg(long)]
    pub(crate) default_model: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ResolveArgs {
    /// The task.
    pub(crate) task: String,
    #[command(flatten)]
    pub(crate) choice: Choice,
}

#[derive(Args, Debug)]
pub(crate) struct PullTarget {
    /// A task, or a model as ORGANISATION/NAME or ORGANISATION/NAME@REVISION.
    #[arg(value_name = "TASK|MODEL[@REVISION]")]
    pub(crate) target: String,
    #[command(flatten)]
    pub(crate) choice: Choice,
    /// Which weights to take of a model that is named outright.
    #[arg(long, value_name = "DTYPE")]
    pub(crate) dtype: Option<String>,
    /// The task that a model named outright is for [default: feature-extraction].
    #[arg(long, value_name = "TASK")]
    pub(crate) task: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct PullArgs {
    #[command(flatten)]
    pub(crate) target: PullTarget,
    /// Say what would be fetched and evicted, and stop.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// The task.
    pub(crate) task: String,
    /// The texts; without any, or with "-", the lines of standard input.
    #[arg(value_name = "INPUT")]
    pub(crate) inputs: Vec<OsString>,
    #[command(flatten)]
    pub(crate) choice: Choice,
    /// How the tokens' vectors become one.
    #[arg(long, value_name = "KIND", default_value = "mean")]
    pub(crate) pooling: Pooling,
    /// Scale each vector to length one; this is the default.
    #[arg(long, overrides_with = "no_normalize")]
    pub(crate) normalize: bool,
    /// Leave each vector as it is.
    #[arg(long)]
    pub(crate) no_normalize: bool,
}

/// How the tokens' vectors become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Pooling {
    /// They stay apart.
    None,
    /// Their mean.
    Mean,
    /// The first token's.
    Cls,
}

#[derive(Args, Debug)]
pub(crate) struct InstalledTarget {
    /// A task, a model as ORGANISATION/NAME or ORGANISATION/NAME@REVISION, or runtime:NAME.
    #[arg(value_name = "TASK|MODEL[@REVISION]")]
    pub(crate) target: String,
    #[command(flatten)]
    pub(crate) choice: Choice,
}

#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// A task, or a model as ORGANISATION/NAME or ORGANISATION/NAME@REVISION.
    #[arg(value_name = "TASK|MODEL[@REVISION]")]
    pub(crate) target: String,
    /// The folder, or with --bundle the file.
    #[arg(value_name = "TO")]
    pub(crate) to: PathBuf,
    #[command(flatten)]
    pub(crate) choice: Choice,
    /// Write one file that carries the whole model.
    #[arg(long)]
    pub(crate) bundle: bool,
    /// How the bytes get into the folder.
    #[arg(long, value_name = "KIND", default_value = "best", conflicts_with = "bundle")]
    pub(crate) how: How,
    /// Replace files that are in the way.
    #[arg(long)]
    pub(crate) replace: bool,
}

/// How the bytes get into a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum How {
    /// Reflinks where the file system has them, else copies.
    Best,
    /// Files that share their blocks with the store until one is changed.
    Reflink,
    /// The store's own files: who writes into one damages the store.
    HardLink,
    /// Files of their own.
    Copy,
}

#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// The file or folder.
    #[arg(value_name = "FROM")]
    pub(crate) from: PathBuf,
    /// The model that a folder holds, or that is taken from a cache.
    #[arg(long, value_name = "MODEL[@REVISION]")]
    pub(crate) model: Option<String>,
    /// It is the folder of a Hugging Face cache that holds models--ORGANISATION--NAME.
    #[arg(long)]
    pub(crate) cache: bool,
    /// The digest that export printed: accept only that file.
    #[arg(long, value_name = "SHA256", conflicts_with_all = ["model", "cache"])]
    pub(crate) expect: Option<String>,
    /// The task that the model is for [default: feature-extraction].
    #[arg(long, value_name = "TASK")]
    pub(crate) task: Option<String>,
    /// Replace a model of the same name with other files.
    #[arg(long)]
    pub(crate) replace: bool,
}
