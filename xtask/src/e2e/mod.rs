//! `cargo xtask e2e NAME`: our clients against the servers that others wrote.

mod settings;

pub(crate) use settings::{Build, Outcome, settings};

/// Runs the scenarios named by `arguments`.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["settings"] => match settings(Build::Crate)? {
            Outcome::Passed => Ok(()),
            Outcome::Skipped(what) => {
                println!("SKIPPED: {what}");
                Ok(())
            }
        },
        _ => Err("say `e2e settings`: rs-client against a real Kinto server, on loopback".to_owned()),
    }
}
