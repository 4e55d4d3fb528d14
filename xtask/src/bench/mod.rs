//! `cargo xtask bench NAME`: figures of speed and memory, never part of a test.

mod measure;
mod run;
mod settings;
mod stores;
mod stores_pairs;

pub(crate) use measure::run_measured;

/// Runs the benchmark named by `arguments`.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["run"] => run::run(),
        ["settings"] => settings::run(),
        ["stores"] => stores::run(),
        _ => {
            Err("say `bench run`: time and peak memory of `mlmgr run`, cold and warm; `bench settings`: \
            verifying a large collection, and syncs with nothing new; or `bench stores`: publishing, opening, \
            listing and collecting"
                .to_owned())
        }
    }
}
