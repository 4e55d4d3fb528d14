//! The `mlmgr` program.

mod args;
mod commands;
mod config;
mod failure;
mod input;
mod output;
mod progress;
mod render;
mod setup;
mod signals;

use std::process::ExitCode;

use clap::Parser;

use args::Cli;
use failure::Failure;
use output::Output;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return output::usage(&error),
    };
    let output = Output::new(&cli.global);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output.failed(&Failure::io("the program cannot start", &error)),
    };
    let exit = runtime.block_on(async {
        tokio::select! {
            done = commands::run(cli, &output) => output.finish(done),
            signal = signals::interrupted() => output.interrupted(signal),
        }
    });
    // A model that is being computed is not waited for; what is in the store is whole at any moment.
    runtime.shutdown_background();
    exit
}
