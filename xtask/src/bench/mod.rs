//! `cargo xtask bench NAME`: figures of speed and memory, never part of a test.

mod measure;
mod run;
mod settings;

pub(crate) use measure::run_measured;

/// Runs the benchmark named by `arguments`.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["run"] => run::run(),
        ["settings"] => settings::run(),
        _ => {
            Err("say `bench run`: time and peak memory of `mlmgr run`, cold and warm; or `bench settings`: \
            verifying a large collection, and syncs with nothing new"
                .to_owned())
        }
    }
}
